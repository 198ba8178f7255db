// SPDX-License-Identifier: MIT

// Deferred frees: objects are replaced under readers and freed by call_rcu() (spec: core.md
// section 15, T12). A reader that meets a freed object finds its mark gone; at the end
// rcu_barrier() has run every call.

import CFolio
package import FolioCore

package final class GracePeriodRound: StressRound {
  package static let scenario = StressScenario(
    "rcu", "call_rcu, rcu_barrier and synchronize_rcu against readers"
  ) { try GracePeriodRound($0) }

  package let maps: [PageMap] = []
  package let coverage = [
    CoverageItem("an object replaced"), CoverageItem("an object read"),
    CoverageItem("a grace period waited for"),
  ]
  private enum Item: Int { case replace, read, wait }
  private let settings: RoundSettings
  /// Addresses of the published objects; stored REL, loaded ACQ.
  private let places = (0..<4).map { _ in SharedCount() }
  private let made = SharedCount()

  /// What is published: the RCU head first, then a mark that dies with the object.
  @safe
  private struct Object {
    var head = unsafe rcu_head()
    var mark: UInt = 0
  }
  private static let mark: UInt = 0x5afe_5afe_5afe_5afe
  /// Objects freed by calls, in the process.
  private static let freed = SharedCount()
  private let freedBefore: Int

  init(_ settings: RoundSettings) throws(PageMapError) {
    self.settings = settings
    rcu_barrier()
    freedBefore = Self.freed.value
  }

  package func work(_ worker: inout Worker) {
    while worker.isRunning {
      let place = places[worker.pick(places.count)]
      switch worker.pick(64) {
      case 0: rcu_barrier()
      case 1:
        synchronize_rcu()
        worker.cover(Item.wait)
      case 2..<16: replace(place, &worker)
      default: read(place, &worker)
      }
      worker.did()
    }
  }

  private func replace(_ place: SharedCount, _ worker: inout Worker) {
    guard let memory = unsafe cfolio_zalloc(MemoryLayout<Object>.size) else { return }
    let object = unsafe memory.bindMemory(to: Object.self, capacity: 1)
    unsafe object.pointee.mark = Self.mark
    made.add()
    var old = place.value
    while !place.exchange(old, for: Int(bitPattern: object)) { old = place.value }
    if old != 0 { worker.cover(Item.replace) }
    Self.retire(old)
  }

  private static func retire(_ address: Int) {
    guard let object = unsafe UnsafeMutablePointer<Object>(bitPattern: address) else { return }
    let head = unsafe UnsafeMutableRawPointer(object).assumingMemoryBound(to: rcu_head.self)
    unsafe call_rcu(head) { head in
      let object = unsafe UnsafeMutableRawPointer(head).assumingMemoryBound(to: Object.self)
      unsafe object.pointee.mark = 0
      GracePeriodRound.freed.add()
      unsafe cfolio_free(object)
    }
  }

  private func read(_ place: SharedCount, _ worker: inout Worker) {
    rcu_read_lock()
    defer { rcu_read_unlock() }
    guard let object = unsafe UnsafePointer<Object>(bitPattern: place.value) else { return }
    worker.cover(Item.read)
    for _ in 0..<(1 + worker.pick(4)) {
      let mark = unsafe object.pointee.mark
      settings.log.require(
        mark == Self.mark, "CI31",
        "an object was freed under its reader: \(String(mark, radix: 16))")
      if worker.pick(16) == 0 { cfolio_yield() }
    }
  }

  package func settle() {
    for place in places {
      Self.retire(place.value)
      place.set(0)
    }
    rcu_barrier()
    let freed = Self.freed.value - freedBefore
    settings.log.require(
      freed == made.value, "CI31", "\(made.value) objects made, \(freed) freed after the barrier")
  }

  package func close() throws(PageMapError) {}
}
