// SPDX-License-Identifier: MIT

// The end of a device map (spec: core.md 6.4). Two ways: memunmap_pages(), which blocks until the
// map's references are gone, and the disposal of a map that its owner dropped, which never blocks
// the owner. Neither frees a struct page that somebody still references.

import CFolio

enum Teardown {
  /// What is left of a map that was unmapped.
  enum Remains {
    case nothing
    /// A page is still referenced: its struct pages, and the dev_pagemap that they name.
    case retiredRanges
  }

  /// `memunmap_pages`: LIVE, DYING (killed), DRAINED (last reference gone), UNREGISTERED (erased and
  /// a grace period passed), GONE. Blocks. Under strict teardown a page that is not idle when the
  /// map is drained stops the process with CI32.
  static func unmap(_ map: Remap.Map) -> Remains {
    unsafe Remap.kill(map)
    return unsafe finish(map)
  }

  /// The same, unless a page is in use: then the map lives on, and its frame is returned.
  ///
  /// 1. After the kill and its grace period nobody can find the map, and whoever found it before
  ///    has raised or taken what it wanted.
  /// 2. So a page that is idle now stays idle: references come from references only.
  /// 3. A page that is not is the answer, and the map comes to life again. Lookups may have failed
  ///    in between. The reference taken here keeps the map's count off 0 until then.
  static func unmapIfIdle(_ map: Remap.Map) -> (busy: UInt?, remains: Remains) {
    unsafe percpu_ref_get(&map.pointee.ref)
    unsafe Remap.kill(map)
    if let frame = unsafe firstBusyFrame(map) {
      unsafe percpu_ref_resurrect(&map.pointee.ref)
      unsafe percpu_ref_put(&map.pointee.ref)
      return (frame, .nothing)
    }
    unsafe percpu_ref_put(&map.pointee.ref)
    return (nil, unsafe finish(map))
  }

  /// Context: killed, and a grace period has passed.
  private static func finish(_ map: Remap.Map) -> Remains {
    unsafe atomic_set_release(&map.pointee.dead_visible, 1)
    let ranges = unsafe map.frameRanges[...]
    unsafe Remap.drain(map, ranges)
    if unsafe map.pointee.strict_teardown, let frame = unsafe firstBusyFrame(map) {
      unsafe cfolio_bug_text(
        "CI32", pfn_to_page(frame), "device map torn down with a page in use")
    }
    unsafe cfolio_ledger_stop(map)
    let isRetired = unsafe Remap.removeRanges(map, ranges)
    unsafe percpu_ref_exit(&map.pointee.ref)
    if unsafe map.hasPutHook { cfolio_events_disable(Int32(FOLIO_EVENT_MANAGED.rawValue)) }
    if unsafe map.pointee.altmap.alloc != 0 {
      unsafe cfolio_warn_text("altmap memory not returned at the end of a device map")
    }
    return isRetired ? .retiredRanges : .nothing
  }

  private static func firstBusyFrame(_ map: Remap.Map) -> UInt? {
    let idleCount = unsafe pgmap_idle_count(map)
    for frames in unsafe map.frameRanges {
      if let frame = FrameSpace.firstBusyFrame(in: frames, idleCount: idleCount) { return frame }
    }
    return nil
  }

  /// Frees the dev_pagemap as soon as no struct page of the map is referenced, unmapping it first if
  /// need be. Returns at once: what has to wait does so on another thread.
  ///
  /// - Parameter remains: what `unmap` left; nil: the map was never unmapped.
  static func dispose(_ map: Remap.Map, remains: Remains?) {
    switch remains {
    case .nothing: unsafe free(map)
    case .retiredRanges: unsafe freeWhenIdle(map)
    case nil:
      unsafe map.pointee.strict_teardown = false
      // Its own thread: a map reference that is never put would hold up every other map.
      unsafe detach(map) { context in
        let map = unsafe context!.assumingMemoryBound(to: dev_pagemap.self)
        if unsafe Teardown.unmap(map) == .retiredRanges {
          unsafe Teardown.freeWhenIdle(map)
        } else {
          unsafe Teardown.free(map)
        }
      }
    }
  }

  /// Maps whose last pages are still referenced, and whether a thread looks after them.
  @safe
  private struct Leftovers {
    var maps: [Remap.Map] = unsafe []
    var isWatched = false
  }

  private static let leftovers = Guarded<Leftovers>(.leftovers, Leftovers())

  /// One thread for all of them: the last reference of a GENERIC page drops without any event to
  /// wait for, so it looks again and again, less often the longer nothing happens.
  private static func freeWhenIdle(_ map: Remap.Map) {
    let isWatched = leftovers.withLock { leftovers in
      unsafe leftovers.maps.append(map)
      defer { leftovers.isWatched = true }
      return leftovers.isWatched
    }
    guard !isWatched else { return }
    unsafe detach(nil) { _ in
      var pause: Int64 = 1_000_000
      while true {
        let (freed, left) = Teardown.freeIdle()
        if left == 0 { return }
        pause = freed > 0 ? 1_000_000 : min(pause * 2, 100_000_000)
        cfolio_sleep_ns(pause)
      }
    }
  }

  /// Frees the left-over maps that are idle by now. The last one ends the watch.
  private static func freeIdle() -> (freed: Int, left: Int) {
    leftovers.withLock { leftovers in
      let before = unsafe leftovers.maps.count
      unsafe leftovers.maps.removeAll { map in
        guard unsafe !Remap.hasRetiredRange(map) else { return false }
        unsafe free(map)
        return true
      }
      let left = unsafe leftovers.maps.count
      leftovers.isWatched = left > 0
      return (before - left, left)
    }
  }

  private static func detach(
    _ map: Remap.Map?, _ body: @convention(c) (UnsafeMutableRawPointer?) -> Void
  ) {
    // Without a thread the map stays: leaked, never dangling.
    if unsafe !cfolio_run_detached(body, map) {
      unsafe cfolio_warn_text("no thread to dispose of a device map: it is leaked")
    }
  }

  private static func free(_ map: Remap.Map) {
    unsafe Driver.detach(map)
    unsafe cfolio_free(map)
  }
}
