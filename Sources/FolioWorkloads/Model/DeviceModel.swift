// SPDX-License-Identifier: MIT
//
// The sequential model of one device map: its pages as values, the ghost state that says who owns
// what, initialisation (core.md 5.2) and the dispatch of operations. What each group of operations
// does is in the extensions beside this file; which operations are legal in a state is in
// DeviceModel+Permission.swift. Written from the tables of core.md, not from the C sources.

/// A device map as a value.
package struct DeviceModel: Sendable, Hashable {
  package let configuration: ModelConfiguration
  package internal(set) var pages: [PageWords]
  /// Value of the map's percpu reference (6.2).
  package internal(set) var references: Int

  // Ghosts: what the kernel does not store but its rules speak about.

  /// get_dev_pagemap() not yet given back.
  package internal(set) var lookups = 0
  /// R is 0 because of a freeze.
  package internal(set) var isFrozen: [Bool]
  /// The driver has handed the page out.
  package internal(set) var isAllocated: [Bool]
  /// PTE mappings by mm (row) and page (column); entire and bare-counter ones by folio head.
  var pteMappings: [Int32]
  var entireMappings: [Int32]
  var bareMappings: [Int32]
  /// Heads whose order words are reset, and the order that the tails still have.
  package internal(set) var orderless: [Int: Int] = [:]
  /// GENERIC pages that reached 0 and were set back to 1, in order, each as often as it happened.
  package internal(set) var resets: [Int] = []

  /// mm ids that operations use: 1...mmCount. More than two, so that the slots overflow.
  package static let mmCount = 5
  /// Weight of a pin in the refcount of a small folio, and what a full pin test compares with.
  static let pinBias = 1024
  /// What NM gains while the folio is mapped entirely.
  static let entirelyMapped = 0x800000
  /// Errno of a refused duplication or sharing of an anonymous page.
  static let busyError = -16
  static let pmdOrder = 9
  static let pudOrder = 18
  /// R stays below this in a program, far from overflow.
  package static let largestCount = 1 << 20

  /// The map right after memremap.
  package init(_ configuration: ModelConfiguration) {
    let count = configuration.pages
    self.configuration = configuration
    pages = Array(repeating: PageWords(), count: count)
    references = 1 + configuration.memremapReferences
    isFrozen = Array(repeating: false, count: count)
    isAllocated = Array(repeating: false, count: count)
    pteMappings = Array(repeating: 0, count: count * Self.mmCount)
    entireMappings = pteMappings
    bareMappings = pteMappings
    initialise(0..<count)
  }

  /// Runs a permitted operation; see `permits(_:)`.
  package mutating func perform(_ operation: Operation) -> Outcome {
    switch operation {
    case .reference(let code, let page, let count):
      reference(code, page, count)
    case .addUnless(let page, let count, let unless):
      .flag(addUnless(page, count, unless))
    case .batch(let code, let entries):
      batch(code, entries)
    case .query(let code, let page):
      answer(code, page)
    case .shape(let code, let page, let argument):
      shape(code, page, argument)
    case .word(let code, let page, let value):
      store(code, page, value)
    case .mapping(let code, let page, let count, let mm):
      map(code, page, count, mm)
    case .device(let code, let page):
      device(code, page)
    }
  }

  /// What the map has beside its pages.
  package var mapWords: MapWords {
    MapWords(references: references)
  }
}

// MARK: - Identity (1.4)

extension DeviceModel {
  /// Index of the head of the page's folio.
  package func head(of page: Int) -> Int {
    if case .tail(let head) = pages[page].link { head } else { page }
  }

  package func isTail(_ page: Int) -> Bool {
    head(of: page) != page
  }

  package func order(of page: Int) -> Int {
    let head = head(of: page)
    return orderless[head] ?? pages[head].large?.order ?? 0
  }

  /// Pages of the page's folio.
  package func folioRange(of page: Int) -> Range<Int> {
    let head = head(of: page)
    return head..<head + (1 << order(of: head))
  }

  /// A small page's mapping count gives way to a type.
  package func isTyped(_ head: Int) -> Bool {
    pages[head].large == nil && pages[head].mapcount < -1
  }

  /// M (section 4); 0 for a typed page.
  package func mapcount(of page: Int) -> Int {
    let words = pages[head(of: page)]
    if isTyped(head(of: page)) { return 0 }
    return (words.large?.largeMapcount ?? words.mapcount) + 1
  }
}

// MARK: - Initialisation (5.2)

extension DeviceModel {
  /// A page as __init_zone_device_page leaves it, except for what was counted about it.
  func fresh(_ page: Int) -> PageWords {
    var words = PageWords()
    words.refcount = configuration.idleCount
    words.events = pages[page].events
    return words
  }

  /// memmap_init_zone_device() of pages, compound when the map says so.
  mutating func initialise(_ range: Range<Int>) {
    let step = 1 << configuration.compoundOrder
    for head in stride(from: range.lowerBound, to: range.upperBound, by: step) {
      for page in head..<head + step {
        pages[page] = fresh(page)
      }
      if step > 1 {
        for page in head + 1..<head + step {
          pages[page].refcount = 0
        }
        form(head, configuration.compoundOrder)
      }
    }
  }

  /// zone_device_page_init(), the folio lock, and the map's own reference (rows 49, 53, 54).
  mutating func device(_ code: DeviceCode, _ page: Int) -> Outcome {
    switch code {
    case .zoneDevicePageInit:
      references += 1
      pages[page].refcount = 1
      pages[page].flags.insert(.locked)
      isAllocated[page] = true
      return .none
    case .getDevPagemap:
      references += 1
      lookups += 1
      return .flag(true)
    case .putDevPagemap:
      references -= 1
      lookups -= 1
      return .none
    case .trylock:
      return .flag(pages[page].flags.insert(.locked).inserted)
    case .unlock:
      pages[page].flags.remove(.locked)
      return .none
    }
  }

  mutating func store(_ code: WordCode, _ page: Int, _ value: UInt) -> Outcome {
    switch code {
    case .mapping: pages[page].mapping = value == 0 ? MappingWord.none : .value(value)
    case .share: pages[page].share = value
    case .privateWord: pages[page].privateWord = value
    case .pageType: pages[page].mapcount = value == 0 ? -1 : Int(value << 24) - 1 << 32
    }
    return .none
  }
}

// MARK: - What an operation touches

extension DeviceModel {
  /// Pages whose words the operation may read or change, given the shapes before it: compared
  /// after the step. A whole folio for re-shaping, else the head, the pages that overlay its
  /// counters, and the pages named.
  package func footprint(of operation: Operation) -> [Int] {
    switch operation {
    case .reference(_, let page, _), .addUnless(let page, _, _), .query(_, let page),
      .word(_, let page, _), .device(_, let page):
      return folioPages(page, naming: page..<page + 1)
    case .batch(_, let entries):
      return entries.flatMap { folioPages($0.page, naming: $0.page..<$0.page + 1) }
    case .mapping(.moveAnon, let page, _, _):
      return folioPages(page, naming: page..<page + 1)
    case .mapping(_, let page, let count, _):
      return folioPages(page, naming: page..<page + count)
    case .shape(.memmapInitZoneDevice, let page, let count):
      return Array(page..<page + count)
    case .shape(.prepCompoundPage, let page, let order):
      return Array(page..<page + (1 << order))
    case .shape(.splitToOrder0, let page, _):
      return Array(folioRange(of: page))
    case .shape(_, let page, _):
      return folioPages(page, naming: page..<page + 1)
    }
  }

  private func folioPages(_ page: Int, naming named: Range<Int>) -> [Int] {
    let folio = folioRange(of: page)
    let overlaid = folio.prefix(4)
    return Array(overlaid) + named.filter { !overlaid.contains($0) && folio.contains($0) }
  }
}
