// SPDX-License-Identifier: MIT

// What tests of get_user_pages() share: an address space with its array of pages, and memory that
// answers faults as a test says.

import CFolio
import FolioCore
import TestSupport

/// An address space, and the C functions on it.
@safe
final class UserPagesSpace {
  let map: MemoryMap
  let found: UnsafeMutablePointer<UnsafeMutablePointer<page>?>

  init(_ options: MemoryMap.Options = .init()) throws {
    map = try MemoryMap(options)
    unsafe found = .allocate(capacity: 2048)
    unsafe found.initialize(repeating: nil, count: 2048)
  }

  deinit { unsafe found.deallocate() }

  /// The functions of the family that take the map.
  enum Function: CaseIterable, Sendable {
    case get, getRemote, getUnlocked, getFast, getFastOnly
    case pin, pinRemote, pinUnlocked, pinFast

    var isPin: Bool { [.pin, .pinRemote, .pinUnlocked, .pinFast].contains(self) }
    var isFast: Bool { [.getFast, .getFastOnly, .pinFast].contains(self) }
    /// What it says of flags that it does not take.
    var invalid: Int { isPin && !isFast ? 0 : -22 }
    static var slow: [Function] {
      allCases.filter { !$0.isFast }
    }
  }

  /// Pages, or -errno.
  func take(_ function: Function, _ start: UInt, _ count: Int, _ flags: UInt32 = 0) -> Int {
    let (mm, nr) = unsafe (map.mm, UInt(count))
    var locked: Int32 = 1
    func locking(_ body: () -> Int) -> Int {
      unsafe down_read(&mm.pointee.mmap_lock)
      defer { if locked == 1 { unsafe up_read(&mm.pointee.mmap_lock) } }
      return body()
    }
    switch function {
    case .get: return locking { unsafe get_user_pages(mm, start, nr, flags, found) }
    case .pin: return locking { unsafe pin_user_pages(mm, start, nr, flags, found) }
    case .getRemote:
      return locking { unsafe get_user_pages_remote(mm, start, nr, flags, found, &locked) }
    case .pinRemote:
      return locking { unsafe pin_user_pages_remote(mm, start, nr, flags, found, &locked) }
    case .getUnlocked: return unsafe get_user_pages_unlocked(mm, start, nr, found, flags)
    case .pinUnlocked: return unsafe pin_user_pages_unlocked(mm, start, nr, found, flags)
    case .getFast: return unsafe Int(get_user_pages_fast(mm, start, Int32(count), flags, found))
    case .getFastOnly:
      return unsafe Int(get_user_pages_fast_only(mm, start, Int32(count), flags, found))
    case .pinFast: return unsafe Int(pin_user_pages_fast(mm, start, Int32(count), flags, found))
    }
  }

  /// Somebody holds the map's lock.
  var isLocked: Bool { unsafe rwsem_is_locked(&map.mm.pointee.mmap_lock) }

  /// Frames of the first pages that were found.
  func frames(_ count: Int) -> [UInt] { (0..<count).map { unsafe page_to_pfn(found[$0]!) } }

  /// Gives back what the function took.
  func giveBack(_ function: Function, _ count: Int) {
    guard count > 0 else { return }
    if function.isPin { return unsafe unpin_user_pages(found, UInt(count)) }
    unsafe found.withMemoryRebound(to: UnsafeMutablePointer<page>.self, capacity: count) {
      unsafe cfolio_put_user_pages($0, UInt(count))
    }
  }

  /// The entry of a level at the address, or none.
  func entry(_ address: UInt, _ level: pgtable_level = PGTABLE_LEVEL_PTE) -> pte_t {
    TestSupport.entry(map, address, level)
  }
}

extension PageMap {
  /// R, and PC of a large folio.
  func pins(_ page: Int) -> [Int32] {
    let folio = unsafe folio(frame(page))
    let references = unsafe folio_ref_count(folio)
    guard unsafe folio_test_large(folio) else { return [references] }
    return [references, unsafe atomic_read(&folio.pointee._pincount)]
  }

  /// R of the folio.
  func references(_ page: Int) -> Int32 { unsafe folio_ref_count(folio(frame(page))) }

  /// Hands a page of a driver out, as its allocator does, unlocked.
  func handOut(_ page: Int) {
    unsafe zone_device_page_init(self.page(frame(page)))
    unsafe folio_unlock(folio(frame(page)))
  }

  /// Gives it back.
  func takeBack(_ page: Int) { unsafe put_page(self.page(frame(page))) }
}
