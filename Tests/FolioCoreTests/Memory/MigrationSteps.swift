// SPDX-License-Identifier: MIT

// A migration step by step, by the C names: between any two, a test looks at the counts.

import CFolio
import FolioCore
import Synchronization

/// One `migrate_vma` with its arrays.
@safe
final class MigrationSteps {
  private let request: UnsafeMutablePointer<migrate_vma>
  let source: UnsafeMutablePointer<UInt>
  let target: UnsafeMutablePointer<UInt>
  private let capacity = 16

  /// Of the area at the range's start.
  init(
    _ space: MemoryMap, _ range: Range<UInt>, _ selection: MigrationSelection,
    of map: PageMap? = nil, faultFrame: UInt? = nil
  ) {
    unsafe source = .allocate(capacity: capacity)
    unsafe target = .allocate(capacity: capacity)
    unsafe source.initialize(repeating: 0, count: capacity)
    unsafe target.initialize(repeating: 0, count: capacity)
    unsafe request = .allocate(capacity: 1)
    unsafe request.initialize(to: migrate_vma())
    unsafe request.pointee.vma = vma_lookup(space.mm, range.lowerBound)
    unsafe request.pointee.src = source
    unsafe request.pointee.dst = target
    unsafe request.pointee.start = range.lowerBound
    unsafe request.pointee.end = range.upperBound
    unsafe request.pointee.pgmap_owner = map?.pgmap.pointee.owner
    unsafe request.pointee.flags = UInt(selection.rawValue)
    unsafe request.pointee.fault_page = faultFrame.map { unsafe pfn_to_page($0) }
  }

  deinit {
    unsafe source.deallocate()
    unsafe target.deallocate()
    unsafe request.deallocate()
  }

  /// 0 or -errno.
  func setUp() -> Int32 { unsafe migrate_vma_setup(request) }
  func move() { unsafe migrate_vma_pages(request) }
  func finish() { unsafe migrate_vma_finalize(request) }

  var collected: Int { unsafe Int(request.pointee.cpages) }
  var words: Int { unsafe Int(request.pointee.npages) }

  /// What src[] says of a page: its frame, and whether it is to move (later: has moved).
  func page(_ number: Int) -> (frame: UInt?, isMigrating: Bool, isWritable: Bool) {
    let word = unsafe source[number]
    let frame = unsafe migrate_pfn_to_page(word).map { unsafe page_to_pfn($0) }
    return (frame, word & MIGRATE_PFN_MIGRATE != 0, word & MIGRATE_PFN_WRITE != 0)
  }

  func setTarget(_ number: Int, _ frame: UInt) { unsafe target[number] = migrate_pfn(frame) }
}

/// R and M of any frame's folio.
func counts(_ frame: UInt) -> Counts {
  let folio = unsafe page_folio(pfn_to_page(frame))
  return Counts(Int(unsafe folio_ref_count(folio)), Int(unsafe folio_mapcount(folio)))
}

/// The folio lock of the frame is taken.
func isLocked(_ frame: UInt) -> Bool {
  unsafe folio_test_flag(page_folio(pfn_to_page(frame)), Int32(PG_locked.rawValue))
}

/// A map of private or coherent pages whose driver is the test.
final class TestDriver: Sendable {
  let map: PageMap
  private let state: State

  final class State: Sendable {
    let freed = Mutex<[UInt]>([])
    let onAccess = Mutex<(@Sendable (_ frame: UInt, _ address: UInt) -> FaultResult)?>(nil)
  }

  init(_ kind: PageMap.Kind, pages: Int = 4, rules: PageMap.Rules = .strict) throws {
    let state = State()
    map = try PageMap(
      kind, pages: pages,
      .init(
        rules: rules, onFree: { frame in state.freed.withLock { $0.append(frame) } },
        onAccess: { fault in
          let (frame, address) = (fault.mappedFrame!, fault.address)
          let body = state.onAccess.withLock { $0 }
          return body?(frame, address) ?? .busError
        }))
    self.state = state
  }

  var freed: [UInt] { state.freed.withLock { $0 } }

  func onAccess(_ body: @escaping @Sendable (_ frame: UInt, _ address: UInt) -> FaultResult) {
    state.onAccess.withLock { $0 = body }
  }

  func frame(_ number: Int) -> UInt { map.frames.lowerBound + UInt(number) }

  /// Hands a page out: locked, R 1; holding a word.
  func handOut(_ number: Int, holding value: UInt = 0) -> UInt {
    let frame = frame(number)
    unsafe zone_device_page_init(pfn_to_page(frame))
    unsafe shared_set(cfolio_frame_word(frame)!, value)
    return frame
  }
}
