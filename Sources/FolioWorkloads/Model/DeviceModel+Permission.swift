// SPDX-License-Identifier: MIT
//
// Which operations are legal in a state: the preconditions of core.md (columns "precondition" and
// "concurrency and WARN") and ownership. What the library answers by stopping the process is never
// permitted here. Programs skip what is not permitted, so every subsequence of a program is one.

extension DeviceModel {
  /// References that nobody but plain holders own: beyond the base and those of mappings.
  package func available(_ head: Int) -> Int {
    guard !isFrozen[head] else { return 0 }
    let mappings = configuration.entersRmap ? mapcount(of: head) : 0
    return pages[head].refcount - baseCount(head) - mappings
  }

  /// The part of R that belongs to the page itself. A handed-out page has none: what memremap left
  /// in R (legacy P2PDMA) is then the holder's.
  func baseCount(_ head: Int) -> Int {
    isAllocated[head] ? 0 : configuration.idleCount
  }

  /// True when nobody holds, maps, freezes or has been given the folio.
  package func isIdle(_ head: Int) -> Bool {
    !isFrozen[head] && !isAllocated[head] && !isTyped(head) && mapcount(of: head) == 0
      && pages[head].refcount == configuration.idleCount
  }

  private func contains(_ page: Int) -> Bool {
    pages.indices.contains(page)
  }

  private func isLive(_ head: Int) -> Bool {
    !isFrozen[head] && pages[head].refcount > 0
  }

  private func fits(_ head: Int, _ count: Int) -> Bool {
    count >= 1 && count <= Self.largestCount && pages[head].refcount + count <= Self.largestCount
  }

  /// True when only the hook may take R to this value: a legacy FS_DAX page becomes idle at 1, and
  /// dropping to it by another way loses a wake (C42), which is the caller's error.
  private func needsHook(_ result: Int) -> Bool {
    configuration.rules == .legacy && configuration.kind == .fsdax && result == 1
  }

  /// Owns so many references, and the free path may run if they are the last.
  private func canPut(_ head: Int, _ count: Int, hooked: Bool) -> Bool {
    guard count >= 1, isLive(head), hooked || !needsHook(pages[head].refcount - count) else {
      return false
    }
    if count > available(head) {
      return configuration.masksDroppedBase && count == 1 && pages[head].refcount == 1
        && mapcount(of: head) == 0 && !isTyped(head)
    }
    // Whoever gave the page a type takes it away before the page goes back.
    guard pages[head].refcount == count else { return true }
    return !isTyped(head)
      && !(configuration.isHandedOut && pages[head].flags.contains(.locked))
  }

  package func permits(_ operation: Operation) -> Bool {
    permitsShaped(operation) && (orderless.isEmpty || permitsOrderless(operation))
  }

  /// Of a folio without its order words only those are asked and stored that do not need them.
  private func permitsOrderless(_ operation: Operation) -> Bool {
    switch operation {
    case .shape(.folioSetOrder, _, _):
      return true
    case .query(let code, let page) where orderless[head(of: page)] != nil:
      let answerable: [QueryCode] = [
        .pageRefCount, .folioRefCount, .pageCount, .pageFolio, .compoundHead, .pageTail, .pageHead,
        .folioOrder, .folioPageCount,
      ]
      return answerable.contains(code)
    default:
      return footprint(of: operation).allSatisfy { orderless[head(of: $0)] == nil }
    }
  }

  private func permitsShaped(_ operation: Operation) -> Bool {
    switch operation {
    case .reference(let code, let page, let count):
      return contains(page) && permitsReference(code, page, count)
    case .addUnless(let page, let count, let unless):
      guard contains(page), fits(page, count) else { return false }
      // Raising a page from 0 is its owner's business.
      return unless == 0 || (unless > 0 && !isTail(page) && isLive(page))
    case .batch(let code, let entries):
      return permitsBatch(code, entries)
    case .query(let code, let page):
      guard contains(page) else { return false }
      // Nobody expects references of a typed page: the kernel warns.
      guard code != .folioExpectedRefCount || !isTyped(head(of: page)) else { return false }
      let needsLarge = code == .folioEntireMapcount || code == .folioLargeMapcount
      return !needsLarge || order(of: page) > 0
    case .shape(let code, let page, let argument):
      return contains(page) && !isTail(page) && permitsShape(code, page, argument)
    case .word(let code, let page, let value):
      return contains(page) && !isTail(page) && permitsStore(code, page, value)
    case .mapping(let code, let page, let count, let mm):
      return contains(page) && permitsMapping(code, page, count, mm)
    case .device(let code, let page):
      return contains(page) && !isTail(page) && permitsDevice(code, page)
    }
  }

  private func permitsReference(_ code: ReferenceCode, _ page: Int, _ count: Int) -> Bool {
    guard code.takesCount || count == 1 else { return false }
    let head = head(of: page)
    switch code {
    // These take any page; the others a head or small one.
    case .getPage:
      return isLive(head) && fits(head, 1)
    case .getPageUnlessZero, .tryGetPage, .folioGetNontailPage, .tryGetFolio:
      return fits(head, count)
    case .putPage:
      return canPut(head, 1, hooked: true)
    default:
      break
    }
    guard !isTail(page) else { return false }
    switch code {
    case .setPageCount, .folioSetCount, .initPageCount:
      return !isFrozen[page] && mapcount(of: page) == 0 && count >= 1
        && count <= Self.largestCount
        && (pages[page].refcount > 0 || configuration.ownerRaisesFromZero)
    case .pageRefAdd, .folioRefAdd, .pageRefInc, .folioRefInc:
      return fits(page, count)
        && (isLive(page) || (configuration.ownerRaisesFromZero && !isFrozen[page]))
    case .folioGet, .pageRefIncReturn, .folioRefIncReturn:
      return isLive(page) && fits(page, 1)
    case .pageRefSub, .folioRefSub, .pageRefDec, .folioRefDec, .folioRefSubReturn,
      .pageRefDecReturn, .folioRefDecReturn:
      // Known not to be the last: reaching 0 here would leak the folio.
      return count >= 1 && count <= available(page) && pages[page].refcount > count
        && !needsHook(pages[page].refcount - count)
    case .pageRefSubAndTest, .folioRefSubAndTest, .pageRefDecAndTest, .folioRefDecAndTest,
      .folioPut, .folioPutRefs, .folioPutTestzero, .putPageTestzero:
      return canPut(page, count, hooked: false)
    case .putDevmapManaged:
      let isManaged = configuration.rules == .legacy && configuration.kind == .fsdax
      return isManaged
        ? canPut(page, count, hooked: true) : count >= 1 && count <= Self.largestCount
    case .folioTryGet, .folioRefTryAdd:
      return fits(page, count)
    case .pageRefFreeze, .folioRefFreeze:
      return !isFrozen[page] && count >= 1 && count <= Self.largestCount
    case .pageRefUnfreeze, .folioRefUnfreeze:
      let mappings = configuration.entersRmap ? mapcount(of: page) : 0
      return isFrozen[page] && count <= Self.largestCount
        && count >= max(1, baseCount(page) + mappings)
    case .getPage, .tryGetPage, .getPageUnlessZero, .folioGetNontailPage, .tryGetFolio, .putPage:
      return false
    }
  }

  private func permitsBatch(_ code: BatchCode, _ entries: [BatchEntry]) -> Bool {
    let isEncoded = code == .releasePages || code == .freePagesAndSwapCache
    // A folio_batch holds 31; an encoded array is as long as its caller likes.
    guard !entries.isEmpty, entries.count <= (isEncoded ? 64 : 31) else { return false }
    var totals: [Int: Int] = [:]
    for entry in entries {
      guard contains(entry.page), entry.count >= 1, isEncoded || !isTail(entry.page),
        code != .foliosPut || entry.count == 1
      else { return false }
      totals[head(of: entry.page), default: 0] += entry.count
    }
    return totals.allSatisfy { canPut($0.key, $0.value, hooked: true) }
  }

  private func permitsShape(_ code: ShapeCode, _ page: Int, _ argument: Int) -> Bool {
    switch code {
    case .prepCompoundPage:
      guard configuration.reshapes, (1...Self.pudOrder).contains(argument) else { return false }
      let count = 1 << argument
      guard page & (count - 1) == 0, page + count <= pages.count else { return false }
      return (page..<page + count).allSatisfy { index in
        pages[index].large == nil && !isTail(index) && isIdle(index)
          && pages[index].mapping == MappingWord.none && !pages[index].flags.contains(.locked)
      }
    case .folioSetOrder:
      // Only what leaves the shape as it is: another order would tear the folio (CI8).
      return argument > 0 && argument == order(of: page)
    case .folioResetOrder:
      // What a splitter does between its checks and the dissolving.
      return argument == 0 && configuration.reshapes && order(of: page) > 0 && isIdle(page)
    case .splitToOrder0:
      return argument == 0 && configuration.reshapes && order(of: page) > 0 && isIdle(page)
    case .initZoneDevicePage:
      return argument == 0 && configuration.compoundOrder == 0 && order(of: page) == 0
        && isIdle(page)
    case .memmapInitZoneDevice:
      let step = 1 << configuration.compoundOrder
      guard argument >= 1, argument <= pages.count - page, page & (step - 1) == 0,
        argument & (step - 1) == 0
      else { return false }
      return stride(from: page, to: page + argument, by: step).allSatisfy {
        !isTail($0) && order(of: $0) == configuration.compoundOrder && isIdle($0)
      }
    }
  }

  private func permitsStore(_ code: WordCode, _ page: Int, _ value: UInt) -> Bool {
    guard value <= UInt(Int32.max) else { return false }
    if code == .pageType {
      // Types that gets and puts do not refuse, as slab's is.
      return order(of: page) == 0 && mapcount(of: page) == 0 && !isFrozen[page]
        && (value == 0 || (0xf0...0xf4).contains(value))
    }
    // A free page of a driver carries no association; bit 0 belongs to anonymous mappings.
    guard code == .mapping else { return true }
    return value & 1 == 0 && (!configuration.isHandedOut || isAllocated[page])
      && pages[page].mapping?.isAnonymous != true
  }

  private func permitsDevice(_ code: DeviceCode, _ page: Int) -> Bool {
    switch code {
    case .zoneDevicePageInit:
      return configuration.isHandedOut && order(of: page) == 0 && isIdle(page)
        && !pages[page].flags.contains(.locked)
    case .getDevPagemap: return lookups < 1000
    case .putDevPagemap: return lookups > 0
    case .trylock: return true
    case .unlock: return pages[page].flags.contains(.locked)
    }
  }

  private func permitsMapping(
    _ code: MappingCode, _ page: Int, _ count: Int, _ mm: UInt32
  ) -> Bool {
    let head = head(of: page)
    guard configuration.entersRmap, (1...UInt32(Self.mmCount)).contains(mm), count >= 1,
      isLive(head), !isTyped(head)
    else { return false }
    let folio = folioRange(of: head)
    let isAnonymous = pages[head].mapping?.isAnonymous == true
    let owns = count <= available(head)
    let isInside = count <= folio.upperBound - page
    func mapped(_ ghosts: [Int32], at page: Int) -> Bool { ghost(ghosts, page, mm) >= 1 }
    switch code {
    case .addFilePTE, .removePTE:
      guard count == 1 else { return false }
    case .addFilePMD, .removePMD, .addFilePUD, .removePUD, .dupFilePMD:
      let isPMD = code != .addFilePUD && code != .removePUD
      guard count == 1, page == head,
        order(of: head) == (isPMD ? Self.pmdOrder : Self.pudOrder)
      else { return false }
    default:
      break
    }
    switch code {
    case .addFilePTEs, .addFilePTE:
      return isInside && owns && !isAnonymous
    case .removePTEs, .removePTE:
      return isInside && (page..<page + count).allSatisfy { mapped(pteMappings, at: $0) }
    case .addFilePMD, .addFilePUD:
      return owns && !isAnonymous
    case .removePMD, .removePUD:
      return mapped(entireMappings, at: head)
    case .dupFilePMD:
      return owns && !isAnonymous
        && (1...UInt32(Self.mmCount)).contains { ghost(entireMappings, head, $0) >= 1 }
    case .dupFilePTEs:
      return isInside && owns && !isAnonymous && (page..<page + count).allSatisfy(isPTEMapped)
    case .tryDupAnonPTEs:
      return count == 1 && folio.count == 1 && owns && isAnonymous && isPTEMapped(page)
    case .tryShareAnonPTE:
      return count == 1 && folio.count == 1 && isAnonymous
    case .addNewAnon:
      return count == 1 && folio.count == 1 && owns && isAnonymous && mapcount(of: head) == 0
    case .moveAnon:
      return configuration.isHandedOut && folio.count == 1 && count & 1 == 0
        && count <= Int(Int32.max) && mapcount(of: head) == 0
        && pages[head].flags.contains(.locked)
    case .addLargeMapcount:
      return page == head && folio.count > 1 && owns
    case .subLargeMapcount:
      return page == head && folio.count > 1 && ghost(bareMappings, head, mm) >= count
    }
  }

  private func isPTEMapped(_ page: Int) -> Bool {
    (1...UInt32(Self.mmCount)).contains { ghost(pteMappings, page, $0) >= 1 }
  }
}
