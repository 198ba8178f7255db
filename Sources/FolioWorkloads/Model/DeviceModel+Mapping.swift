// SPDX-License-Identifier: MIT
//
// Mapping counters (core.md section 8, rows 60-69): small, large with PAGE_MAPCOUNT, large without,
// and the MM-id slots. Ghosts record which mm maps what, so that only what was mapped is unmapped.

extension DeviceModel {
  mutating func map(_ code: MappingCode, _ page: Int, _ count: Int, _ mm: UInt32) -> Outcome {
    let head = head(of: page)
    let range = page..<page + count
    switch code {
    case .addFilePTEs, .addFilePTE:
      addPTEs(head, range, mm, countsPages: true)
    case .dupFilePTEs:
      addPTEs(head, range, mm, countsPages: false)
    case .dupFilePMD:
      // Mapped entirely already, so the first mapping's share of NM is there.
      entireMappings[cell(head, mm)] += 1
      pages[head].large?.entireMapcount += 1
      _ = addLarge(head, 1, mm)
    case .removePTEs, .removePTE:
      removePTEs(head, range, mm)
    case .addFilePMD, .addFilePUD:
      addEntire(head, mm)
    case .removePMD, .removePUD:
      removeEntire(head, mm)
    case .tryDupAnonPTEs:
      return tryDupAnonymous(head, range, mm)
    case .tryShareAnonPTE:
      guard !maybePinned(head) else { return .number(Self.busyError) }
      pages[page].flags.remove(.anonExclusive)
      return .number(0)
    case .addNewAnon:
      // New and exclusive; small folios only (see permission).
      pages[page].flags.formUnion([.swapBacked, .anonExclusive])
      pages[page].mapcount = 0
      pteMappings[cell(page, mm)] += 1
    case .moveAnon:
      pages[page].mapping = .value(UInt(count) | 1)
    case .addLargeMapcount:
      bareMappings[cell(head, mm)] += Int32(count)
      return .number(addLarge(head, count, mm))
    case .subLargeMapcount:
      bareMappings[cell(head, mm)] += Int32(-count)
      return .number(subtractLarge(head, count, mm))
    }
    return .none
  }

  /// Where a ghost array keeps the count of an mm and a page.
  private func cell(_ page: Int, _ mm: UInt32) -> Int {
    (Int(mm) - 1) * configuration.pages + page
  }

  func ghost(_ ghosts: [Int32], _ page: Int, _ mm: UInt32) -> Int {
    Int(ghosts[cell(page, mm)])
  }

  // MARK: PTEs

  private mutating func addPTEs(
    _ head: Int, _ range: Range<Int>, _ mm: UInt32, countsPages: Bool
  ) {
    for page in range { pteMappings[cell(page, mm)] += 1 }
    guard pages[head].large != nil else {
      pages[head].mapcount += 1
      return
    }
    if configuration.perPageMapcount {
      var first = 0
      for page in range {
        pages[page].mapcount += 1
        if pages[page].mapcount == 0 { first += 1 }
      }
      // A duplicate finds every page mapped already.
      if countsPages { pages[head].large?.pagesMapped? += first }
    }
    _ = addLarge(head, range.count, mm)
  }

  private mutating func removePTEs(_ head: Int, _ range: Range<Int>, _ mm: UInt32) {
    for page in range { pteMappings[cell(page, mm)] -= 1 }
    guard pages[head].large != nil else {
      pages[head].mapcount -= 1
      return
    }
    _ = subtractLarge(head, range.count, mm)
    if configuration.perPageMapcount {
      var last = 0
      for page in range {
        pages[page].mapcount -= 1
        if pages[page].mapcount == -1 { last += 1 }
      }
      pages[head].large?.pagesMapped? -= last
    }
  }

  // MARK: PMD and PUD leaves

  private mutating func addEntire(_ head: Int, _ mm: UInt32) {
    entireMappings[cell(head, mm)] += 1
    pages[head].large?.entireMapcount += 1
    if pages[head].large?.entireMapcount == 0 {
      pages[head].large?.pagesMapped? += Self.entirelyMapped
    }
    _ = addLarge(head, 1, mm)
  }

  private mutating func removeEntire(_ head: Int, _ mm: UInt32) {
    entireMappings[cell(head, mm)] -= 1
    _ = subtractLarge(head, 1, mm)
    pages[head].large?.entireMapcount -= 1
    if pages[head].large?.entireMapcount == -1 {
      pages[head].large?.pagesMapped? -= Self.entirelyMapped
    }
  }

  // MARK: Anonymous

  /// Refused without a change when the folio may be pinned and a page is exclusive.
  private mutating func tryDupAnonymous(
    _ head: Int, _ range: Range<Int>, _ mm: UInt32
  ) -> Outcome {
    if maybePinned(head), range.contains(where: { pages[$0].flags.contains(.anonExclusive) }) {
      return .number(Self.busyError)
    }
    for page in range { pages[page].flags.remove(.anonExclusive) }
    addPTEs(head, range, mm, countsPages: false)
    return .number(0)
  }

  // MARK: L and the MM-id slots

  /// L += count for an mm: its own slot, else free slot 0, else free slot 1, else L alone.
  /// Returns the new L.
  private mutating func addLarge(_ head: Int, _ count: Int, _ mm: UInt32) -> Int {
    guard var large = pages[head].large else { return 0 }
    let before = large.largeMapcount + 1
    large.largeMapcount += count
    if var slots = large.slots {
      if let slot = slots.ids.firstIndex(of: mm) {
        slots.counts[slot] += count
      } else if let slot = slots.ids.firstIndex(of: 0) {
        slots.ids[slot] = mm
        slots.counts[slot] = count - 1
        if before > 0 { slots.isShared = true }
      }
      large.slots = slots
    }
    pages[head].large = large
    return before + count
  }

  /// L -= count. A slot that goes below one mapping is given up; SHARED goes when one slot holds
  /// all that is left. Returns the new L.
  private mutating func subtractLarge(_ head: Int, _ count: Int, _ mm: UInt32) -> Int {
    guard var large = pages[head].large else { return 0 }
    large.largeMapcount -= count
    if var slots = large.slots {
      if let slot = slots.ids.firstIndex(of: mm) {
        slots.counts[slot] -= count
        if slots.counts[slot] < 0 {
          slots.counts[slot] = -1
          slots.ids[slot] = 0
        }
      }
      if slots.counts.contains(large.largeMapcount) { slots.isShared = false }
      large.slots = slots
    }
    pages[head].large = large
    return large.largeMapcount + 1
  }
}
