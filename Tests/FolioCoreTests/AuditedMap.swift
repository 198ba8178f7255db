// SPDX-License-Identifier: MIT

// How the audit's tests break a map: one audited map each, one word wrong, the names that the audit
// then gives.

import CFolio
import FolioCore
import Testing

/// A map that is broken on purpose.
enum AuditedMap {
  /// Breaks an audited map, returns the invariants that the audit then names, and repairs it.
  static func findings(
    _ kind: PageMap.Kind = .fsdax, rules: PageMap.Rules = .strict, order: Int = 0,
    perPage: Bool = true, audited: Bool = true,
    _ broken: (PageMap, UnsafeMutablePointer<folio>) throws -> Void
  ) throws -> Set<String> {
    let map = try PageMap(
      kind, pages: 512,
      .init(rules: rules, compoundOrder: order, perPageMapcount: perPage, strictTeardown: false))
    if audited { try map.startAuditing() }
    #expect(map.audit().isEmpty)
    let folio = unsafe map.folio(map.frames.lowerBound)
    try unsafe broken(map, folio)
    let found = map.audit()
    #expect(found.allSatisfy { $0.frame.map(map.frames.contains) ?? true })
    unsafe memmap_init_zone_device(map.pgmap, map.frames.lowerBound, 512)
    return Set(found.map(\.invariant))
  }

  /// Writes a word of the folio past every function that may, by its offset (spec: core.md 1.2).
  static func overwrite(
    _ folio: UnsafeMutablePointer<folio>, page: Int = 0, offset: Int, _ value: UInt
  ) {
    unsafe UnsafeMutableRawPointer(folio).storeBytes(
      of: value, toByteOffset: page * 64 + offset, as: UInt.self)
  }
}
