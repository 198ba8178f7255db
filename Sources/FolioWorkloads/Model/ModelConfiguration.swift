// SPDX-License-Identifier: MIT
//
// What is being modelled: the kind of a device map, the rules it follows, how mappings are
// counted, and the facts of core.md 5.1 that follow from these. Nothing here knows CFolio or
// FolioCore: the model imports nothing, so that it can disagree with them.

/// The five ZONE_DEVICE types (core.md 5.1).
package enum ModelKind: String, Sendable, Hashable, CaseIterable {
  case devicePrivate, deviceCoherent, fsdax, generic, pciP2PDMA
}

/// The refcount rules of a map.
package enum ModelRules: String, Sendable, Hashable, CaseIterable {
  case strict, kernel, legacy
}

/// A device map to be modelled.
package struct ModelConfiguration: Sendable, Hashable {
  package var kind: ModelKind
  package var rules: ModelRules
  /// Pages of the map; a multiple of 2^compoundOrder.
  package var pages: Int
  /// Order of the folios made by memremap (vmemmap_shift); 0: small pages.
  package var compoundOrder: Int
  /// PAGE_MAPCOUNT or NO_PAGE_MAPCOUNT.
  package var perPageMapcount: Bool
  /// MM-id slots are kept.
  package var ownerTracking: Bool

  package init(
    _ kind: ModelKind, _ rules: ModelRules, pages: Int, compoundOrder: Int = 0,
    perPageMapcount: Bool = true, ownerTracking: Bool = true
  ) {
    self.kind = kind
    self.rules = rules
    self.pages = pages
    self.compoundOrder = compoundOrder
    self.perPageMapcount = perPageMapcount
    self.ownerTracking = ownerTracking
  }
}

extension ModelConfiguration {
  /// R of a page after memremap, which is also its idle R (5.1, columns 2 and 5).
  package var idleCount: Int {
    switch kind {
    case .generic: 1
    case .fsdax, .pciP2PDMA: rules == .legacy ? 1 : 0
    case .devicePrivate, .deviceCoherent: 0
    }
  }

  /// True for the kinds whose pages a driver hands out and takes back through page_free.
  package var isHandedOut: Bool {
    kind == .devicePrivate || kind == .deviceCoherent || kind == .pciP2PDMA
  }

  /// True when the owner of a page may raise R from 0 (5.1, column 3).
  package var ownerRaisesFromZero: Bool {
    kind == .fsdax && rules != .legacy
  }

  /// Legacy DAX entries never entered rmap (section 8, last line).
  package var entersRmap: Bool {
    rules != .legacy || isHandedOut
  }

  /// True when folios are formed and split at run time: file-system DAX since v6.15.
  package var reshapes: Bool {
    kind == .fsdax && rules != .legacy && compoundOrder == 0
  }

  /// What memremap adds to the map's own reference (6.2), beyond the initial 1.
  package var memremapReferences: Int {
    kind == .devicePrivate || kind == .deviceCoherent ? 0 : pages >> compoundOrder
  }

  /// Whether putting the last reference is a free event that the owner survives. A GENERIC base
  /// reference is nobody's to drop; the kernel and its predecessors mask that, `strict` stops.
  package var masksDroppedBase: Bool {
    kind == .generic && rules != .strict
  }
}

extension ModelConfiguration: CustomStringConvertible {
  /// `fsdax/strict/pages=64/order=0/page-mapcount=true/mm-ids=true`, parsed by `init(parsing:)`.
  package var description: String {
    "\(kind.rawValue)/\(rules.rawValue)/pages=\(pages)/order=\(compoundOrder)"
      + "/page-mapcount=\(perPageMapcount)/mm-ids=\(ownerTracking)"
  }

  /// Reads what `description` writes; nil for anything else.
  package init?(parsing text: String) {
    let fields = text.split(separator: "/").map(String.init)
    guard fields.count == 6, let kind = ModelKind(rawValue: fields[0]),
      let rules = ModelRules(rawValue: fields[1])
    else { return nil }
    func value(_ index: Int, _ name: String) -> String? {
      let parts = fields[index].split(separator: "=").map(String.init)
      return parts.count == 2 && parts[0] == name ? parts[1] : nil
    }
    guard let pages = value(2, "pages").flatMap({ Int($0) }),
      let order = value(3, "order").flatMap({ Int($0) }),
      let perPage = value(4, "page-mapcount").flatMap({ Bool($0) }),
      let tracking = value(5, "mm-ids").flatMap({ Bool($0) }),
      pages > 0, (0...18).contains(order), pages & ((1 << order) - 1) == 0
    else { return nil }
    self.init(
      kind, rules, pages: pages, compoundOrder: order, perPageMapcount: perPage,
      ownerTracking: tracking)
  }
}
