// SPDX-License-Identifier: MIT

// T11, T12: the end of a device map against those who look it up.

import CFolio
import FolioCore
import TestSupport
import Testing

extension LitmusTests {
  @Test("T11: a reference that tryget_live gave outlives the release of a killed count")
  func t11() async { await expectLitmus("t11", KillAgainstTryGet()) }

  @Test("T12: what a lookup finds in its read section, or references, is not freed meanwhile")
  func t12() async { await expectLitmus("t12", EraseAgainstLookup()) }
}

/// T11. A: kill; the release, after a grace period, frees (alive = 0). B: in a read section
/// tryget_live; holds it, reads alive, puts.
@safe
final class KillAgainstTryGet: LitmusShape {
  enum Outcome: String, LitmusOutcome {
    case refused = "B is refused"
    case held = "B holds a reference to living memory"
    case freed = "B holds a reference to freed memory"
    case releases = "release did not run exactly once"
    var verdict: LitmusVerdict {
      switch self {
      case .refused, .held: .required
      case .freed, .releases: .forbidden
      }
    }
  }

  let count = 128
  private nonisolated(unsafe) let memory: UnsafeMutableRawPointer
  private let seen = PlainWords(128)
  private static let refused = -1

  init() {
    unsafe memory = .allocate(byteCount: 128 * KilledCount.size, alignment: 16)
  }

  deinit {
    unsafe memory.deallocate()
  }

  private func object(_ index: Int) -> KilledCount {
    let start = unsafe memory.advanced(by: index * KilledCount.size)
    return unsafe KilledCount(at: start)
  }

  func prepare(_ index: Int) {
    unsafe object(index).start()
  }

  func first(_ index: Int) {
    unsafe percpu_ref_kill(object(index).ref)
  }

  func second(_ index: Int) {
    let object = unsafe object(index)
    rcu_read_lock()
    let got = unsafe percpu_ref_tryget_live_rcu(object.ref)
    rcu_read_unlock()
    guard got else {
      seen[index] = Self.refused
      return
    }
    // Held outside the section: only the count protects it now.
    for _ in 0..<16 { cpu_relax() }
    seen[index] = unsafe object.alive
    unsafe percpu_ref_put(object.ref)
  }

  func settle() {
    rcu_barrier()
  }

  func outcome(_ index: Int) -> Outcome {
    let releases = unsafe object(index).releases
    unsafe percpu_ref_exit(object(index).ref)
    if releases != 1 { return .releases }
    switch seen[index] {
    case Self.refused: return .refused
    case 1: return .held
    default: return .freed
    }
  }
}

/// T12. A: memunmap_pages (kill, drain, erase, grace period); frees (alive = 0). B: looks the map
/// up in a read section and uses it there; then takes a reference by number and uses that.
@safe
final class EraseAgainstLookup: LitmusShape {
  enum Outcome: String, LitmusOutcome {
    case erased = "B finds no map"
    case dying = "B finds the map and gets no reference"
    case live = "B finds the map and holds a reference"
    case freed = "B uses a map that was freed"
    var verdict: LitmusVerdict {
      switch self {
      case .erased, .live: .required
      case .dying: .allowed
      case .freed: .forbidden
      }
    }
  }

  let count = 8
  // Written by prepare and outcome, when no half runs.
  private nonisolated(unsafe) var maps: [PageMap?] = Array(repeating: nil, count: 8)
  private let alive = PlainWords(8)
  private let found = PlainWords(8)
  private let held = PlainWords(8)
  private let freed = PlainWords(8)

  func prepare(_ index: Int) {
    // Frames that no other test gets by itself: a late lookup must not find a stranger's map. They
    // are free and the options are sound; anything else is a broken test.
    let frame = UInt(1 << 30) - UInt(64 + index) * 512
    unsafe maps[index] = try! PageMap(.fsdax, pages: 512, .init(firstFrame: frame))
    (alive[index], found[index], held[index], freed[index]) = (1, 0, 0, 0)
  }

  func first(_ index: Int) {
    // Nothing holds a page, so neither `busy` nor `dead` can happen.
    try! unsafe maps[index]!.unmap()
    alive[index] = 0
  }

  func second(_ index: Int) {
    let frame = unsafe maps[index]!.frames.lowerBound
    let mine = unsafe maps[index]!.pgmap
    // Taking a map down takes a while: every other lookup comes late.
    for _ in 0..<(index % 4) * 3000 { cpu_relax() }
    rcu_read_lock()
    if unsafe cfolio_pgmap_lookup(frame) == mine {
      found[index] = 1
      // Longer than the erase takes: only the grace period keeps the map.
      for _ in 0..<200 {
        if alive[index] == 0 { freed[index] = 1 }
        cpu_relax()
      }
    }
    rcu_read_unlock()
    let map = unsafe get_dev_pagemap(frame)
    if unsafe map == mine {
      held[index] = 1
      if alive[index] == 0 { freed[index] = 1 }
    }
    unsafe put_dev_pagemap(map)
  }

  func outcome(_ index: Int) -> Outcome {
    unsafe maps[index] = nil
    if freed[index] == 1 { return .freed }
    if held[index] == 1 { return .live }
    return found[index] == 1 ? .dying : .erased
  }
}
