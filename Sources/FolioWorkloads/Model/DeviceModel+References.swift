// SPDX-License-Identifier: MIT
//
// What the operations on R do (core.md sections 3 and 4, rows 3-30 and 93), and the free path of
// device folios (5.3) with its legacy form. Callers have checked that the operation is permitted.

extension DeviceModel {
  mutating func reference(_ code: ReferenceCode, _ page: Int, _ count: Int) -> Outcome {
    let head = head(of: page)
    switch code {
    case .setPageCount, .folioSetCount, .initPageCount:
      pages[page].refcount = code == .initPageCount ? 1 : count
      return .none
    case .pageRefAdd, .folioRefAdd, .pageRefInc, .folioRefInc:
      pages[page].refcount += count
      return .none
    case .pageRefSub, .folioRefSub, .pageRefDec, .folioRefDec:
      pages[page].refcount -= count
      return .none
    case .pageRefIncReturn, .folioRefIncReturn:
      pages[page].refcount += 1
      return .number(pages[page].refcount)
    case .pageRefDecReturn, .folioRefDecReturn, .folioRefSubReturn:
      pages[page].refcount -= count
      return .number(pages[page].refcount)
    case .pageRefSubAndTest, .folioRefSubAndTest, .pageRefDecAndTest, .folioRefDecAndTest,
      .folioPutTestzero, .putPageTestzero:
      // The zero winner then runs the free path, as its callers do.
      return .flag(subtract(page, count))
    case .folioTryGet, .getPageUnlessZero, .folioRefTryAdd:
      return .flag(addUnless(page, count, 0))
    case .folioGetNontailPage:
      return .page(addUnless(page, 1, 0) ? page : nil)
    case .tryGetFolio:
      return .page(addUnless(head, count, 0) ? head : nil)
    case .pageRefFreeze, .folioRefFreeze:
      guard pages[page].refcount == count else { return .flag(false) }
      pages[page].refcount = 0
      isFrozen[page] = true
      return .flag(true)
    case .pageRefUnfreeze, .folioRefUnfreeze:
      pages[page].refcount = count
      isFrozen[page] = false
      return .none
    case .folioGet, .getPage:
      pages[head].refcount += 1
      return .none
    case .tryGetPage:
      guard pages[head].refcount > 0 else { return .flag(false) }
      pages[head].refcount += 1
      return .flag(true)
    case .folioPut, .folioPutRefs:
      _ = subtract(head, count)
      return .none
    case .putPage:
      if !putManaged(head, 1) { _ = subtract(head, 1) }
      return .none
    case .putDevmapManaged:
      return .flag(putManaged(head, count))
    }
  }

  /// Row 13.
  mutating func addUnless(_ page: Int, _ count: Int, _ unless: Int) -> Bool {
    guard pages[page].refcount != unless else { return false }
    pages[page].refcount += count
    return true
  }

  /// Rows 27, 28: each folio's references, the hook first where the rules have it. A folio_batch
  /// is empty afterwards.
  mutating func batch(_ code: BatchCode, _ entries: [BatchEntry]) -> Outcome {
    for entry in entries {
      let head = head(of: entry.page)
      if !putManaged(head, entry.count) { _ = subtract(head, entry.count) }
    }
    return code == .foliosPutRefs || code == .foliosPut ? .number(0) : .none
  }

  /// R -= count; at 0 the free path runs. True when R became 0.
  private mutating func subtract(_ head: Int, _ count: Int) -> Bool {
    pages[head].refcount -= count
    guard pages[head].refcount == 0 else { return false }
    pages[head].events.zeroes? += 1
    free(head)
    return true
  }

  /// Row 30, legacy FS_DAX only: the put that leaves 1 wakes, and the free path is never taken.
  private mutating func putManaged(_ head: Int, _ count: Int) -> Bool {
    guard configuration.rules == .legacy, configuration.kind == .fsdax else { return false }
    pages[head].refcount -= count
    if pages[head].refcount == 1 {
      pages[head].events.wakes? += 1
    }
    return true
  }

  /// free_zone_device_folio() (5.3).
  private mutating func free(_ head: Int) {
    pages[head].events.frees? += 1
    if pages[head].mapping?.isAnonymous == true {
      pages[head].flags.remove(.anonExclusive)
    }
    let isLegacy = configuration.rules == .legacy
    if isLegacy || configuration.isHandedOut {
      pages[head].mapping = MappingWord.none
    }
    if isLegacy || configuration.isHandedOut {
      pages[head].events.callbacks += 1
    }
    switch configuration.kind {
    case .devicePrivate, .deviceCoherent:
      references -= 1
      isAllocated[head] = false
    case .pciP2PDMA:
      // page_free of the provider gives the page's unit of the map back.
      references -= 1
      isAllocated[head] = false
      if isLegacy { pages[head].refcount = 1 }
    case .generic:
      pages[head].refcount = 1
      resets.append(head)
    case .fsdax:
      if isLegacy {
        pages[head].refcount = 1
      } else {
        pages[head].events.wakes? += 1
      }
    }
  }
}
