// SPDX-License-Identifier: MIT

// The audit of an address space: what its tables hold against its areas, its counters, and the folios
// that its entries lead to (spec: core.md section 17, CI17-CI20, CI42, CI52, CI53). And of all that map a
// device: each of its folios is mapped as often as entries say (CI4).

import CFolio

extension MemoryMap {
  /// Checks every invariant that can be checked while nothing changes.
  ///
  /// Context: quiescent - no access, fault, pin or change of areas is in progress.
  public func audit() -> [Violation] {
    var audit = MemoryAudit(space)
    audit.run()
    return audit.violations
  }
}

extension PageMap {
  /// `audit(openLookups:)`, and that the mappings of its folios are those of these address spaces: all
  /// that map it.
  public func audit(openLookups: Int = 0, mappedBy spaces: [MemoryMap]) -> [Violation] {
    var violations = audit(openLookups: openLookups)
    var mappings: [UInt: Int] = [:]
    for space in spaces {
      var audit = MemoryAudit(space.space)
      audit.run()
      violations += audit.violations
      for (frame, count) in audit.mappings where frames.contains(frame) {
        mappings[frame, default: 0] += count
      }
    }
    for (frame, count) in mappings.sorted(by: { $0.key < $1.key }) {
      let found = Int(Page(frame: frame).folio.mappings)
      if found != count {
        violations.append(
          Violation("CI4", frame: frame, "M is \(found), \(count) entries map the folio"))
      }
    }
    return violations
  }
}

/// One pass over the tables of an address space.
struct MemoryAudit {
  private let space: Space
  private(set) var violations: [Violation] = []
  /// Counted entries by the first frame of their folio.
  private(set) var mappings: [UInt: Int] = [:]
  private var pages: [mm_counter.RawValue: Int] = [:]
  private var tables = 1
  private var deposits = 0
  private var leaves = 0

  init(_ space: Space) { self.space = space }

  private mutating func require(
    _ holds: Bool, _ invariant: String, _ frame: UInt?, _ message: @autoclosure () -> String
  ) {
    guard !holds, violations.count < MapAudit.limit else { return }
    violations.append(Violation(invariant, frame: frame, message()))
  }

  mutating func run() {
    space.lockForReading()
    defer { space.unlockForReading() }
    checkAreas()
    unsafe check(unsafe space.pointer.pointee.pgd, at: 0)
    for counter in [MM_FILEPAGES, MM_ANONPAGES, MM_SHMEMPAGES] {
      let (counted, found) = (space.pages(of: counter), pages[counter.rawValue] ?? 0)
      require(
        counted == found, "CI52", nil,
        "counter \(counter.rawValue) is \(counted), entries map \(found) pages")
    }
    let (counted, tables, deposits, leaves) = (space.tables, tables, deposits, leaves)
    require(
      counted == tables + deposits, "CI53", nil,
      "\(counted) tables are counted, \(tables) are in use and \(deposits) kept for leaves")
    if space.options.deposits {
      require(
        deposits == leaves, "CI53", nil, "\(leaves) leaves, \(deposits) tables kept for them")
    }
  }

  /// Areas are in order and apart.
  private mutating func checkAreas() {
    let areas = Index(space)
    for number in 0..<areas.count {
      let area = areas[number]
      require(
        space.contains(area.range), "VMA", nil, "an area that is empty or outside: \(area.range)")
      if number > 0 {
        require(
          areas[number - 1].end <= area.start, "VMA", nil, "areas overlap at \(area.start)")
      }
    }
  }

  private mutating func check(_ table: UnsafeMutablePointer<ptdesc>, at address: UInt) {
    let level = unsafe table.pointee.level
    var kept = unsafe table.pointee.deposited
    while let deposit = unsafe kept {
      deposits += 1
      unsafe kept = deposit.pointee.next
    }
    for index in 0..<UInt(unsafe pgtable_entries(table)) {
      let entry = unsafe ptep_get(pgtable_entry(table, index))
      let start = address + index * space.size(level)
      guard !entry.isNone else { continue }
      if level != .pte && entry.isTable {
        tables += 1
        unsafe check(unsafe pmd_page_table(entry), at: start)
      } else {
        checkEntry(entry, level, start)
      }
    }
  }

  private mutating func checkEntry(_ entry: Entry, _ level: Level, _ address: UInt) {
    let frame = entry.frame
    let area = space.area(at: address)
    require(
      area.map { $0.contains(address..<(address + space.size(level))) } ?? false, "VMA", frame,
      "an entry at \(String(address, radix: 16)) in no area")
    guard entry.isPresent else { return checkSoftLeaf(entry) }
    if level == .pmd { leaves += 1 }
    guard let area, let page = LeafSplit.countedPage(entry, area) else {
      let page = Page(frame: frame)
      if Folio.isZeroFrame(frame) {
        require(page.folio.mappings == 0, "CI20", frame, "the zero page counts mappings")
      }
      return
    }
    let folio = page.folio
    if level != .pte {
      let order = space.order(level)
      require(
        folio.order == order && folio.frame == frame, "CI17", frame,
        "a leaf of order \(order) maps a folio of order \(folio.order)")
    }
    if level == .pte && folio.isAnonymous { checkOwner(entry, page) }
    count(folio, Int(space.pages(level)))
  }

  /// Of a page that may be shared nobody stores to his own: the others would see it, or a pin not.
  private mutating func checkOwner(_ entry: Entry, _ page: Page) {
    let isExclusive = unsafe folio_page_is_exclusive(page.pointer)
    require(
      isExclusive || !entry.isWritable, "CI42", page.frame,
      "a private page that may be shared is mapped for stores")
    let mappings = page.folio.mappings
    require(
      !isExclusive || mappings <= 1, "CI42", page.frame,
      "an exclusive page is mapped \(mappings) times")
  }

  private mutating func count(_ folio: Folio, _ count: Int) {
    require(folio.references >= 1, "CI18", folio.frame, "mapped, and R is \(folio.references)")
    require(folio.mappings >= 1, "CI18", folio.frame, "mapped, and M is \(folio.mappings)")
    mappings[folio.frame, default: 0] += 1
    pages[folio.counter.rawValue, default: 0] += count
  }

  /// Pages that a device has are mapped; pages on their way are counted, and mapped no more.
  private mutating func checkSoftLeaf(_ entry: Entry) {
    guard softleaf_type(entry) != SOFTLEAF_HWPOISON else { return }
    let folio = Page(frame: entry.frame).folio
    if softleaf_is_device_private(entry) {
      count(folio, 1)
    } else {
      pages[folio.counter.rawValue, default: 0] += 1
    }
  }
}
