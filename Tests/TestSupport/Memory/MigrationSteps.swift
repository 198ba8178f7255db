// SPDX-License-Identifier: MIT

// A migration step by step, by the C names: between any two, a test looks at the counts.

import CFolio
package import FolioCore
import Synchronization

/// One `migrate_vma` with its arrays.
@safe
package final class MigrationSteps {
  private let request: UnsafeMutablePointer<migrate_vma>
  package let source: UnsafeMutablePointer<UInt>
  package let target: UnsafeMutablePointer<UInt>
  private let capacity = 16

  /// Of the area at the range's start.
  package init(
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
  package func setUp() -> Int32 { unsafe migrate_vma_setup(request) }
  package func move() { unsafe migrate_vma_pages(request) }
  package func finish() { unsafe migrate_vma_finalize(request) }

  package var collected: Int { unsafe Int(request.pointee.cpages) }
  package var words: Int { unsafe Int(request.pointee.npages) }

  /// What src[] says of a page: its frame, and whether it is to move (later: has moved).
  package func page(_ number: Int) -> (frame: UInt?, isMigrating: Bool, isWritable: Bool) {
    let word = unsafe source[number]
    let frame = unsafe migrate_pfn_to_page(word).map { unsafe page_to_pfn($0) }
    return (frame, word & MIGRATE_PFN_MIGRATE != 0, word & MIGRATE_PFN_WRITE != 0)
  }

  package func setTarget(_ number: Int, _ frame: UInt) {
    unsafe target[number] = migrate_pfn(frame)
  }
}

/// A map of private or coherent pages whose driver is the test.
package final class TestDriver: Sendable {
  package let map: PageMap
  private let state: State

  final class State: Sendable {
    let freed = Mutex<[UInt]>([])
    let onAccess = Mutex<(@Sendable (_ frame: UInt, _ address: UInt) -> FaultResult)?>(nil)
  }

  package init(_ kind: PageMap.Kind, pages: Int = 4, rules: PageMap.Rules = .strict) throws {
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

  package var freed: [UInt] { state.freed.withLock { $0 } }

  package func onAccess(
    _ body: @escaping @Sendable (_ frame: UInt, _ address: UInt) -> FaultResult
  ) {
    state.onAccess.withLock { $0 = body }
  }

  package func frame(_ number: Int) -> UInt { map.frame(number) }

  /// Hands a page out: locked, R 1; holding a word.
  package func handOut(_ number: Int, holding value: UInt = 0) -> UInt {
    let frame = frame(number)
    unsafe zone_device_page_init(pfn_to_page(frame))
    unsafe shared_set(cfolio_frame_word(frame)!, value)
    return frame
  }
}
