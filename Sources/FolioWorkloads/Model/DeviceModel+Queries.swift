// SPDX-License-Identifier: MIT
//
// The answers to questions (core.md 1.4 and section 4, rows 1, 2, 31-39, 50, 55). A question about
// a folio may name any of its pages.

extension DeviceModel {
  /// Large: exactly. Small: R as unsigned reaches the weight of one pin.
  func maybePinned(_ head: Int) -> Bool {
    if let large = pages[head].large { return large.pinCount > 0 }
    return pages[head].refcount < 0 || pages[head].refcount >= Self.pinBias
  }

  func answer(_ code: QueryCode, _ page: Int) -> Outcome {
    let head = head(of: page)
    let words = pages[head]
    switch code {
    case .pageRefCount: return .number(pages[page].refcount)
    case .folioRefCount, .pageCount: return .number(words.refcount)
    case .folioMapcount: return .number(mapcount(of: head))
    case .folioMapped: return .flag(mapcount(of: head) >= 1)
    case .folioEntireMapcount: return .number((words.large?.entireMapcount ?? -1) + 1)
    case .folioLargeMapcount: return .number((words.large?.largeMapcount ?? -1) + 1)
    case .folioMaybeDmaPinned: return .flag(maybePinned(head))
    case .folioHasPincount: return .flag(words.large != nil)
    // Asked as by an mm that has pinned, in the middle of a fork.
    case .folioNeedsCowForDma: return .flag(maybePinned(head))
    case .folioIsLongtermPinnable: return .flag(isLongtermPinnable)
    case .folioExpectedRefCount: return .number(expectedReferences(head))
    case .folioMaybeMappedShared: return .flag(maybeMappedShared(head))
    case .folioRefZeroOrCloseToOverflow: return .flag((-127...0).contains(words.refcount))
    case .pageFolio, .compoundHead: return .page(head)
    case .pageTail: return .flag(head != page)
    case .pageHead: return .flag(pages[page].large != nil)
    case .folioPageLast: return .page(folioRange(of: head).upperBound - 1)
    case .folioOrder: return .number(words.large?.order ?? 0)
    case .folioPageCount: return .number(words.large?.pageCount ?? 1)
    case .folioIsFsdax: return .flag(configuration.kind == .fsdax)
    case .folioIsDevicePrivate: return .flag(configuration.kind == .devicePrivate)
    case .folioIsDeviceCoherent: return .flag(configuration.kind == .deviceCoherent)
    case .folioIsPciP2PDMA: return .flag(configuration.kind == .pciP2PDMA)
    case .pagePgmap, .pgmapPfnValid: return .flag(true)
    case .pgmapVmemmapCount: return .number(1 << configuration.compoundOrder)
    case .pgmapAltmap: return .flag(false)
    }
  }

  /// Never for coherent pages; for file-system DAX only before v6.15.
  private var isLongtermPinnable: Bool {
    switch configuration.kind {
    case .deviceCoherent: false
    case .fsdax: configuration.rules == .legacy
    case .devicePrivate, .generic, .pciP2PDMA: true
    }
  }

  /// Page cache and private data count for file folios only. Assumption: "private" is the private
  /// word, since the spec names no flag for it.
  private func expectedReferences(_ head: Int) -> Int {
    let words = pages[head]
    var expected = mapcount(of: head)
    if words.mapping?.isAnonymous != true {
      if words.mapping != MappingWord.none { expected += folioRange(of: head).count }
      if words.privateWord != 0 { expected += 1 }
    }
    return expected
  }

  private func maybeMappedShared(_ head: Int) -> Bool {
    guard let large = pages[head].large else { return mapcount(of: head) > 1 }
    guard let slots = large.slots else { return true }
    return mapcount(of: head) > 1 && slots.isShared
  }
}
