// SPDX-License-Identifier: MIT

// The free pages of a device, threaded through the driver's word of their struct pages, and what is
// behind those that are out (spec: core.md 14.2).

import CFolio
import FolioCore

/// Under a spinlock, because pages come home in the thread of the last put. Needs no memory once it is
/// made but the RAM behind private pages.
@safe
final class DevicePageList: @unchecked Sendable {
  // @unchecked: the words are touched under the spinlock.
  private let words: UnsafeMutablePointer<Words>
  private let isPrivate: Bool

  @safe
  private struct Words: ~Copyable {
    /// The first free page. Each names the next in its driver's word.
    var first: UnsafeMutablePointer<page>?
    /// Not in front: ThreadSanitizer takes a change of a field for one of the structure's first word.
    var lock: spinlock_t
    var count: Int
    /// The chunk is going: pages that come home stay where they are.
    var isEnding: Bool
  }

  private nonisolated(unsafe) static let lockClass: UnsafeMutablePointer<lock_class> = {
    let lockClass = UnsafeMutablePointer<lock_class>.allocate(capacity: 1)
    let name: StaticString = "device pages"
    unsafe UnsafeMutableRawPointer(lockClass).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<lock_class>.size)
    unsafe lockClass.pointee.name = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(
      to: CChar.self)
    return unsafe lockClass
  }()

  init(isPrivate: Bool) {
    guard let memory = unsafe cfolio_zalloc(MemoryLayout<Words>.size) else {
      preconditionFailure("no memory for a list")
    }
    unsafe words = memory.assumingMemoryBound(to: Words.self)
    unsafe spin_lock_init(&words.pointee.lock, Self.lockClass)
    self.isPrivate = isPrivate
  }

  deinit { unsafe cfolio_free(words) }

  private func withLock<Result>(_ body: () -> Result) -> Result {
    unsafe spin_lock(&words.pointee.lock)
    defer { unsafe spin_unlock(&words.pointee.lock) }
    return body()
  }

  // MARK: the list

  /// All pages of the chunk are free.
  func begin(_ frames: Range<UInt>) {
    withLock { for frame in frames.reversed() { push(frame) } }
  }

  /// No page is handed out from now on.
  func end() {
    withLock {
      unsafe words.pointee.isEnding = true
      unsafe words.pointee.first = nil
      unsafe words.pointee.count = 0
    }
  }

  var count: Int { withLock { unsafe words.pointee.count } }

  /// Context: the lock.
  private func push(_ frame: UInt) {
    let page = unsafe pfn_to_page(frame)
    unsafe page_set_driver_word(page, UInt(bitPattern: words.pointee.first))
    unsafe words.pointee.first = unsafe page
    unsafe words.pointee.count += 1
  }

  // MARK: pages

  /// A page, locked and with one reference; nil: none is free, or there is no RAM to put behind it.
  ///
  /// `zone_device_page_init` in two steps: it is raised under the lock, so whoever ends the list finds it
  /// out, or it is not handed out. Its own lock comes after: an eviction may have it, and may wait for the
  /// list to give another page back.
  func allocate() -> UInt? {
    var behind: UnsafeMutablePointer<folio>?
    if isPrivate {
      unsafe behind = cfolio_ram_alloc_folio(0)
      guard unsafe behind != nil else { return nil }
    }
    let taken: UnsafeMutablePointer<page>? = unsafe withLock {
      guard let page = unsafe words.pointee.first, let pgmap = unsafe page_pgmap(page),
        unsafe percpu_ref_tryget_live(&pgmap.pointee.ref)
      else { return nil }
      unsafe words.pointee.first = UnsafeMutablePointer(bitPattern: page_driver_word(page))
      unsafe words.pointee.count -= 1
      unsafe page_set_driver_word(page, UInt(bitPattern: behind))
      unsafe cfolio_hand_out_page(page)
      return unsafe page
    }
    guard let page = unsafe taken else {
      if let behind = unsafe behind { unsafe folio_put(behind) }
      return nil
    }
    unsafe folio_lock(page_folio(page))
    return unsafe page_to_pfn(page)
  }

  /// A page comes home (`page_free`).
  func free(_ frame: UInt) {
    if isPrivate, let behind = unsafe behind(frame) { unsafe folio_put(behind) }
    withLock {
      if unsafe !words.pointee.isEnding { push(frame) }
    }
  }

  /// The page of RAM behind a private page that is out.
  private func behind(_ frame: UInt) -> UnsafeMutablePointer<folio>? {
    unsafe UnsafeMutablePointer(bitPattern: page_driver_word(pfn_to_page(frame)))
  }

  /// Where the contents of a page are.
  func backing(of frame: UInt) -> UInt {
    guard isPrivate, let behind = unsafe behind(frame) else { return frame }
    return unsafe folio_pfn(behind)
  }

  // MARK: migration

  /// A page of the device that holds what the source holds.
  func copyToDevice(_ source: MigrationSource) -> UInt? {
    guard let frame = allocate() else { return nil }
    if let target = unsafe cfolio_frame_word(backing(of: frame)) {
      let value = unsafe source.frame.flatMap { unsafe cfolio_frame_word($0) }
        .map { unsafe shared_read($0) }
      unsafe shared_set(target, value ?? 0)
    }
    return frame
  }

  /// A page of RAM that holds what the device's page holds.
  func copyToRAM(_ source: MigrationSource) -> UInt? {
    source.frame.flatMap { PageMigration.pageOfRAM(holding: backing(of: $0)) }
  }
}
