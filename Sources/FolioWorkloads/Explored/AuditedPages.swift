// SPDX-License-Identifier: MIT

// Maps with the library's own ledger on (spec: core.md section 17): whatever the order of calls, an audit at
// rest finds nothing, and no step of the way is called a violation. And maps whose pages have a base
// reference that kernel rules give back (C72).

import CFolio
import FolioCore

enum AuditedPages {
  static let scenarios = [life, shape, handOut, reset]

  /// A map of four pages with a ledger.
  @safe
  private struct Audited {
    let map: PageMap

    init(_ rules: PageMap.Rules, _ kind: PageMap.Kind = .fsdax) throws {
      map = try PageMap(kind, pages: 4, .init(rules: rules))
      try map.startAuditing()
    }

    func page(_ index: UInt) -> UnsafeMutablePointer<page> {
      unsafe map.page(map.frames.lowerBound + index)
    }
    func folio(_ index: UInt) -> UnsafeMutablePointer<folio> {
      unsafe map.folio(map.frames.lowerBound + index)
    }

    func audit() {
      for violation in map.audit() {
        unsafe cfolio_violation_text(
          violation.invariant, violation.frame ?? UInt.max, "audit: \(violation.message)")
      }
    }

    func close() {
      map.stopAuditing()
      // Executions undo what they take.
      try! map.unmap()
    }
  }

  private static let life = Scenario(
    "audited-life", "gets, mappings and freezes of an audited page: its ledger agrees at rest",
    obligations: [
      "frozen", "the freeze is refused", "a getter is refused", "a getter maps the page",
    ]
  ) { settings in
    let audited = try Audited(settings.rules)
    let base = unsafe pgmap_idle_count(audited.map.pgmap)
    let (folio, obligations) = unsafe (audited.folio(0), settings.obligations)
    return ProgramWorld(
      [
        (
          name: "owner",
          body: {
            unsafe folio_raise(folio)
            unsafe folio_get(folio)
            unsafe put_page(audited.page(0))
            if unsafe folio_ref_freeze(folio, base + 1) {
              obligations.reach(0)
              unsafe folio_ref_unfreeze(folio, base + 1)
            } else {
              obligations.reach(1)
            }
            unsafe put_page(audited.page(0))
          }
        ),
        (
          name: "getter",
          body: {
            guard unsafe folio_try_get(folio) else {
              obligations.reach(2)
              return
            }
            obligations.reach(3)
            unsafe folio_add_file_rmap_pte(folio, audited.page(0), 11)
            unsafe folio_remove_rmap_pte(folio, audited.page(0), 11)
            unsafe folio_add_file_rmap_pte(folio, audited.page(0), 22)
            // And keeps it, for the audit to look at.
          }
        ),
      ], conclude: { audited.audit() }, tearDown: { audited.close() })
  }

  private static let shape = Scenario(
    "audited-shape", "a folio of an audited map is formed, dropped and split against a getter",
    rules: [.strict],
    obligations: ["split", "kept whole by a getter", "a getter holds the folio"]
  ) { settings in
    let audited = try Audited(settings.rules)
    let (folio, obligations) = unsafe (audited.folio(0), settings.obligations)
    return ProgramWorld(
      [
        (
          name: "owner",
          body: {
            unsafe folio_set_share(folio, 1)
            unsafe prep_compound_page(audited.page(0), 2)
            unsafe folio_raise(folio)
            unsafe folio_put(folio)
            guard unsafe folio_ref_count(folio) == 0 else {
              obligations.reach(1)
              return
            }
            obligations.reach(0)
            unsafe folio_split_to_order_0(folio)
          }
        ),
        (
          name: "getter",
          body: {
            guard let found = unsafe try_get_folio(audited.page(3), 1) else { return }
            obligations.reach(2)
            unsafe folio_put(found)
          }
        ),
      ], conclude: { audited.audit() }, tearDown: { audited.close() })
  }

  /// A page of a driver's audited map is handed out and comes home.
  private static let handOut = Scenario(
    "audited-hand-out", "a driver hands an audited page out against a getter: out or home at rest",
    obligations: ["a getter is refused", "a getter is the last", "the driver is the last"]
  ) { settings in
    let audited = try Audited(settings.rules, .devicePrivate)
    let (folio, obligations) = unsafe (audited.folio(0), settings.obligations)
    return ProgramWorld(
      [
        (
          name: "driver",
          body: {
            unsafe zone_device_page_init(audited.page(0))
            unsafe folio_unlock(folio)
            if unsafe folio_ref_count(folio) == 1 { obligations.reach(2) }
            unsafe folio_put(folio)
          }
        ),
        (
          name: "getter",
          body: {
            guard unsafe folio_try_get(folio) else {
              obligations.reach(0)
              return
            }
            if unsafe folio_ref_count(folio) == 1 { obligations.reach(1) }
            unsafe folio_put(folio)
          }
        ),
      ], conclude: { audited.audit() }, tearDown: { audited.close() })
  }

  /// C72: under kernel rules the base reference can be put, and comes back.
  private static let reset = Scenario(
    "generic-reset", "a put too many of a device-dax page against a getter: the base comes back",
    rules: [.kernel],
    obligations: [
      "a getter is refused in between", "a getter holds the page", "nobody but the base",
    ]
  ) { settings in
    let pages = try DevicePages(.generic, settings.rules)
    let (folio, obligations) = unsafe (pages.folio(0), settings.obligations)
    return ProgramWorld(
      [
        (name: "putter", body: { unsafe folio_put(folio) }),
        (
          name: "getter",
          body: {
            guard unsafe folio_try_get(folio) else {
              obligations.reach(0)
              return
            }
            obligations.reach(unsafe folio_ref_count(folio) > 1 ? 1 : 2)
            unsafe folio_put(folio)
          }
        ),
      ], conclude: { pages.require(0, references: 1) }, tearDown: { pages.tearDown() })
  }
}
