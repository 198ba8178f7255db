// SPDX-License-Identifier: MIT
//
// The words of one page as values: what the model predicts and what the executor reads back, in
// the same type, so that the two are compared with ==. A word that the spec does not determine in
// a state (because another word overlays it there) is nil on both sides. Layout: core.md 1.1, 1.2.

/// The word at offset 8: pgmap and compound_head are the same word.
package enum PageLink: Sendable, Hashable {
  /// Equal to the address of the map.
  case map
  /// Address of the head plus one; the head's index in the map.
  case tail(of: Int)
  /// Anything else.
  case other(UInt)
}

/// The mapping word.
package enum MappingWord: Sendable, Hashable {
  case none
  /// TAIL_MAPPING.
  case tail
  case value(UInt)

  /// Bit 0 marks an anonymous mapping.
  package var isAnonymous: Bool {
    if case .value(let word) = self { return word & 1 != 0 }
    return false
  }
}

/// Flags that the model follows. The bit values are the model's own.
package struct PageFlagSet: OptionSet, Sendable, Hashable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
  package static let head = PageFlagSet(rawValue: 1)
  package static let locked = PageFlagSet(rawValue: 2)
  package static let reserved = PageFlagSet(rawValue: 4)
  package static let anonExclusive = PageFlagSet(rawValue: 8)
  package static let swapBacked = PageFlagSet(rawValue: 16)
  /// What page 1 of a large folio still shows: the low 8 bits of its flags hold the order.
  package static let besideOrder: PageFlagSet = [.reserved, .anonExclusive, .swapBacked]
}

/// The MM-id slots of a large folio.
package struct SlotWords: Sendable, Hashable {
  package var ids: [UInt32] = [0, 0]
  /// Mappings by the mm in the slot, minus 1.
  package var counts: [Int] = [-1, -1]
  package var isShared = false
  package var isLocked = false
  package init() {}
}

/// The words that only a large folio has, at its head.
package struct LargeWords: Sendable, Hashable {
  package var order: Int
  package var pageCount: Int
  /// L - 1.
  package var largeMapcount = -1
  /// EM - 1.
  package var entireMapcount = -1
  /// NM; nil when per-page counts are not kept.
  package var pagesMapped: Int?
  /// PC.
  package var pinCount = 0
  /// nil when MM ids are not kept.
  package var slots: SlotWords?
  /// The list head in page 2 points at itself; nil for order 1, which has no page 2.
  package var isListEmpty: Bool?

  package init(order: Int, pageCount: Int) {
    self.order = order
    self.pageCount = pageCount
  }
}

/// What happened to a page beyond its words, counted since the map was made.
package struct PageEvents: Sendable, Hashable {
  /// Calls of the page_free operation.
  package var callbacks = 0
  /// Puts that brought R to 0; nil when the subject is not audited.
  package var zeroes: Int? = 0
  /// Runs of the free path.
  package var frees: Int? = 0
  /// Idle wakes sent; under legacy rules those of the 2->1 hook.
  package var wakes: Int? = 0
  package init() {}
}

/// One page.
package struct PageWords: Sendable, Hashable {
  /// R of exactly this page.
  package var refcount = 0
  /// The word, mappings minus 1.
  package var mapcount = -1
  package var flags: PageFlagSet = .reserved
  package var link: PageLink = .map
  /// nil where EM and PC (page 1) or the list (page 2) overlay it.
  package var mapping: MappingWord? = MappingWord.none
  /// Index and share are one word; nil where slot counts overlay it (page 1 of a large folio).
  package var share: UInt? = 0
  /// nil where the slot ids overlay it (page 1 of a large folio).
  package var privateWord: UInt? = 0
  /// nil where _nr_pages overlays its lower half (page 1 of a large folio).
  package var memoryControlGroup: UInt? = 0
  /// Heads of large folios only.
  package var large: LargeWords?
  package var events = PageEvents()
  package init() {}
}

/// What a map has beside its pages.
package struct MapWords: Sendable, Hashable {
  /// Value of the map's percpu reference: the budget of core.md 6.2.
  package var references: Int
  package init(references: Int) { self.references = references }
}

/// What an operation returned.
package enum Outcome: Sendable, Hashable, CustomStringConvertible {
  case none
  case flag(Bool)
  case number(Int)
  /// A page of the map by index, or NULL.
  case page(Int?)

  package var description: String {
    switch self {
    case .none: "none"
    case .flag(let flag): "\(flag)"
    case .number(let number): "\(number)"
    case .page(let page): page.map { "page \($0)" } ?? "NULL"
    }
  }
}
