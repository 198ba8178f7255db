// SPDX-License-Identifier: MIT

// The quiescent audit of a device map: recounts its pages and names each invariant that does not
// hold (spec: core.md section 17). What can only be seen inside a step is checked there, in C;
// ARCHITECTURE.md has the table. Pages are audited in Audit+Folio.swift.

import CFolio

extension PageMap {
  /// Starts the ghost ledger, so that audits can compare counters with what they should be and
  /// steps are checked as they happen. The map must be idle.
  ///
  /// - Throws: `busy` when a page is in use; `alreadyAudited`; `outOfMemory`; `dead`.
  public func startAuditing() throws(PageMapError) {
    try state.withLock { (state) throws(PageMapError) in
      guard state.isLive else { throw PageMapError(.dead) }
      if let frame = firstBusyFrame { throw PageMapError(.busy, frame: frame) }
      switch unsafe cfolio_ledger_start(pgmap) {
      case 0: return
      case -16: throw PageMapError(.alreadyAudited)
      default: throw PageMapError(.outOfMemory)
      }
    }
  }

  /// Ends the ledger. Does nothing when there is none.
  public func stopAuditing() {
    unsafe cfolio_ledger_stop(pgmap)
  }

  /// Checks every invariant that can be checked while nothing changes, and takes the violations
  /// that steps recorded for frames of this map.
  ///
  /// Context: quiescent - no operation on the map's pages is in progress. Without
  /// `startAuditing()` the ledger's invariants (CI1-CI4, CI22, CI23) are not checked.
  ///
  /// - Parameter openLookups: references on the map that the caller knows to be open.
  public func audit(openLookups: Int = 0) -> [Violation] {
    var audit = MapAudit(map: self)
    guard isLive else {
      audit.checkErased()
      return audit.violations
    }
    audit.checkRegistry()
    audit.checkPages()
    audit.checkMapReferences(openLookups: openLookups)
    return Violation.takeRecorded(in: frames) + audit.violations
  }
}

/// One pass over a map.
struct MapAudit {
  let map: PageMap
  let idleCount: Int
  let isLegacy: Bool
  /// Mapped entries own references.
  let countsMappings: Bool
  var violations: [Violation] = []
  /// Pages that the driver handed out (CI26).
  var allocated = 0

  /// More than this are not collected: the map is broken all over.
  static let limit = 1000

  init(map: PageMap) {
    self.map = map
    idleCount = Int(unsafe pgmap_idle_count(map.pgmap))
    isLegacy = map.rules == .legacy
    countsMappings = unsafe pgmap_counts_mappings(map.pgmap)
  }

  mutating func require(
    _ holds: Bool, _ invariant: String, _ frame: UInt?, _ message: @autoclosure () -> String
  ) {
    guard !holds, violations.count < Self.limit else { return }
    violations.append(Violation(invariant, frame: frame, message()))
  }

  /// CI31: a dead map is in no registry entry.
  mutating func checkErased() {
    for frame in [map.frames.lowerBound, map.frames.upperBound - 1] {
      rcu_read_lock()
      let found = unsafe cfolio_pgmap_lookup(frame)
      rcu_read_unlock()
      require(unsafe found != map.pgmap, "CI31", frame, "registry still names an unmapped map")
    }
  }

  /// CI31: a live map is named by every entry of its range.
  mutating func checkRegistry() {
    let step = max(UInt(1), UInt(map.frames.count) / 64)
    var frame = map.frames.lowerBound
    while frame < map.frames.upperBound {
      rcu_read_lock()
      let found = unsafe cfolio_pgmap_lookup(frame)
      rcu_read_unlock()
      require(unsafe found == map.pgmap, "CI31", frame, "registry does not name the map")
      frame += step
    }
  }

  mutating func checkPages() {
    var frame = map.frames.lowerBound
    while true {
      frame = unsafe cfolio_audit_next(map.pgmap, frame, map.frames.upperBound)
      guard frame < map.frames.upperBound else { break }
      frame = checkFolio(at: frame)
    }
  }

  /// CI26, CI28, CI30: the map's own references are those of section 6.2.
  mutating func checkMapReferences(openLookups: Int) {
    var budget = 1 + openLookups
    if unsafe map.pgmap.countsPages {
      budget += allocated
    } else {
      for range in unsafe map.pgmap.frameRanges {
        budget += Int(unsafe map.pgmap.units(of: range))
      }
      if map.kind == .pciP2PDMA { budget += allocated }
    }
    let value = map.mapReferenceCount
    require(value == budget, "CI28", nil, "map references \(value), budget \(budget)")
    if unsafe map.pgmap.countsPages {
      let allocated = allocated
      // Lookups that nobody told us of only add to the count, so this cannot be one of them.
      require(
        value - 1 - openLookups >= allocated, "CI26", nil,
        "\(allocated) pages handed out, map references \(value): a page without its unit")
    }
    let releases = unsafe atomic_read(&map.pgmap.pointee.releases)
    require(releases == 0, "CI30", nil, "release ran \(releases) times on a live map")
  }
}
