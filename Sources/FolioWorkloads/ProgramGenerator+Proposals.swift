// SPDX-License-Identifier: MIT
//
// One proposal per group: looks for a page whose state suits the group, then picks a form and
// arguments. A proposal may be illegal; the caller asks the model.

extension ProgramGenerator {
  mutating func propose(_ group: OperationMix.Group, _ model: DeviceModel) -> Operation? {
    switch group {
    case .raise: raise(model)
    case .speculate: speculate(model)
    case .lower: lower(model)
    case .freeze: freeze(model)
    case .assign: assign(model)
    case .batch: batch(model)
    case .query: query(model)
    case .shape: shape(model)
    case .store: store(model)
    case .map: map(model)
    case .unmap: unmap(model)
    case .anonymous: anonymous(model)
    case .device: device(model)
    }
  }

  private mutating func raise(_ model: DeviceModel) -> Operation? {
    let code = random.element(of: [
      ReferenceCode.pageRefAdd, .folioRefAdd, .pageRefInc, .folioRefInc, .folioGet, .getPage,
      .tryGetPage, .pageRefIncReturn, .folioRefIncReturn,
    ])!
    let page = code == .getPage || code == .tryGetPage ? page(model) : head(model)
    return .reference(code, page: page, count: code.takesCount ? smallCount() : 1)
  }

  private mutating func speculate(_ model: DeviceModel) -> Operation? {
    let codes = [
      ReferenceCode.folioTryGet, .folioRefTryAdd, .getPageUnlessZero, .folioGetNontailPage,
      .tryGetFolio,
    ]
    if random.once(in: 6) {
      let page = page(model)
      let unless = random.once(in: 2) ? 0 : random.number(in: 1...4)
      return .addUnless(page: page, count: smallCount(), unless: unless)
    }
    let code = random.element(of: codes)!
    let isFolioForm = code == .folioTryGet || code == .folioRefTryAdd
    return .reference(
      code, page: isFolioForm ? head(model) : page(model),
      count: code.takesCount ? smallCount() : 1)
  }

  private mutating func lower(_ model: DeviceModel) -> Operation? {
    // Now and then the base reference of a map that masks its loss.
    let isDropped = model.configuration.masksDroppedBase && random.once(in: 10)
    let found = page(model) { page in
      let head = model.head(of: page)
      return isDropped ? model.isIdle(head) : model.available(head) > 0
    }
    guard let found else { return nil }
    let head = model.head(of: found)
    let code = random.element(of: [
      ReferenceCode.pageRefSub, .folioRefSub, .pageRefDec, .folioRefDec, .folioRefSubReturn,
      .pageRefDecReturn, .folioRefDecReturn, .pageRefSubAndTest, .folioRefSubAndTest,
      .pageRefDecAndTest, .folioRefDecAndTest, .folioPut, .folioPut, .putPage, .putPage,
      .folioPutRefs, .folioPutRefs, .folioPutTestzero, .putPageTestzero, .putDevmapManaged,
    ])!
    return .reference(
      code, page: code == .putPage ? found : head,
      count: code.takesCount ? part(of: model.available(head)) : 1)
  }

  private mutating func freeze(_ model: DeviceModel) -> Operation? {
    if let frozen = model.isFrozen.firstIndex(of: true), random.once(in: 2) {
      let code = random.once(in: 2) ? ReferenceCode.pageRefUnfreeze : .folioRefUnfreeze
      let mappings = model.configuration.entersRmap ? model.mapcount(of: frozen) : 0
      let least = max(1, model.baseCount(frozen) + mappings)
      return .reference(code, page: frozen, count: least + random.number(in: 0...3))
    }
    let head = head(model)
    let code = random.once(in: 2) ? ReferenceCode.pageRefFreeze : .folioRefFreeze
    let expected = model.pages[head].refcount
    // A wrong expectation must leave everything as it is.
    return .reference(
      code, page: head, count: random.once(in: 4) ? expected + 1 : max(1, expected))
  }

  private mutating func assign(_ model: DeviceModel) -> Operation? {
    let code = random.element(of: [
      ReferenceCode.setPageCount, .folioSetCount, .initPageCount,
    ])!
    return .reference(
      code, page: head(model), count: code.takesCount ? random.number(in: 1...4) : 1)
  }

  private mutating func batch(_ model: DeviceModel) -> Operation? {
    let code = random.element(of: BatchCode.allCases)!
    let isEncoded = code == .releasePages || code == .freePagesAndSwapCache
    let wanted = random.once(in: 6) ? random.number(in: 20...48) : random.number(in: 1...5)
    var entries: [BatchEntry] = []
    var taken: [Int: Int] = [:]
    for _ in 0..<min(wanted, isEncoded ? wanted : 31) {
      let page = isEncoded ? page(model) : head(model)
      let head = model.head(of: page)
      let left = model.available(head) - taken[head, default: 0]
      guard left > 0 else { continue }
      let count = code == .foliosPut ? 1 : part(of: left)
      taken[head, default: 0] += count
      entries.append(BatchEntry(page: page, count: count))
    }
    return .batch(code, entries)
  }

  private mutating func query(_ model: DeviceModel) -> Operation? {
    let code = random.element(of: QueryCode.allCases)!
    if random.once(in: 6), let typed = page(model, where: { model.isTyped($0) }) {
      let codes = [QueryCode.folioMapcount, .folioMapped, .folioMaybeMappedShared, code]
      return .query(random.element(of: codes)!, page: typed)
    }
    // Half of the questions go to pages that somebody uses much.
    let busy = random.once(in: 2) ? nil : page(model) { model.pages[$0].refcount >= 1024 }
    return .query(code, page: busy ?? page(model))
  }

  private mutating func shape(_ model: DeviceModel) -> Operation? {
    switch random.number(in: 0...9) {
    case 0:
      return .shape(.initZoneDevicePage, page: head(model), argument: 0)
    case 1:
      let step = 1 << model.configuration.compoundOrder
      let page = head(model)
      return .shape(
        .memmapInitZoneDevice, page: page, argument: step * random.number(in: 1...2))
    case 2:
      // In the order of pages: a dictionary's own order differs from run to run.
      if let head = model.orderless.keys.min(), random.once(in: 2) {
        return .shape(.folioSetOrder, page: head, argument: model.orderless[head]!)
      }
      if random.once(in: 2) {
        let large = page(model) { model.order(of: $0) > 0 && model.isIdle(model.head(of: $0)) }
        return large.map { .shape(.folioResetOrder, page: model.head(of: $0), argument: 0) }
      }
      let page = head(model)
      return .shape(.folioSetOrder, page: page, argument: model.order(of: page))
    case 3, 4:
      let large = page(model) { model.order(of: $0) > 0 && model.isIdle(model.head(of: $0)) }
      return large.map { .shape(.splitToOrder0, page: model.head(of: $0), argument: 0) }
    default:
      // Small orders often, the order of a PMD sometimes.
      let order = random.once(in: 4) ? random.number(in: 5...9) : random.number(in: 1...4)
      let page = page(model) & ~((1 << order) - 1)
      return .shape(.prepCompoundPage, page: page, argument: order)
    }
  }

  private mutating func store(_ model: DeviceModel) -> Operation? {
    let code = random.element(of: WordCode.allCases)!
    if code == .pageType {
      // Types go as often as they come.
      let typed = random.once(in: 2) ? page(model) { model.isTyped($0) } : nil
      let value = UInt(0xf0 + random.number(in: 0...4))
      return .word(code, page: typed ?? head(model), value: typed == nil ? value : 0)
    }
    let value = random.once(in: 2) ? 0 : UInt(random.number(in: 1...1 << 20)) * 2
    return .word(code, page: head(model), value: value)
  }

  private mutating func mm() -> UInt32 {
    UInt32(random.number(in: 1...DeviceModel.mmCount))
  }

  private mutating func map(_ model: DeviceModel) -> Operation? {
    guard model.configuration.entersRmap,
      let page = page(model, where: { model.available(model.head(of: $0)) > 0 })
    else { return nil }
    let head = model.head(of: page)
    let mm = mm()
    let isSharedOut = random.once(in: 8) && model.order(of: head) > 0
    if isSharedOut {
      return .mapping(
        .addLargeMapcount, page: head, count: part(of: model.available(head)), mm: mm)
    }
    if random.once(in: 2) {
      switch model.order(of: head) {
      case DeviceModel.pmdOrder:
        let code = random.once(in: 3) ? MappingCode.dupFilePMD : .addFilePMD
        return .mapping(code, page: head, count: 1, mm: mm)
      case DeviceModel.pudOrder: return .mapping(.addFilePUD, page: head, count: 1, mm: mm)
      default: break
      }
    }
    let room = model.folioRange(of: head).upperBound - page
    let code = random.element(of: [
      MappingCode.addFilePTEs, .addFilePTEs, .addFilePTE, .dupFilePTEs,
    ])!
    let count = code == .addFilePTE ? 1 : part(of: min(room, model.available(head)))
    return .mapping(code, page: page, count: count, mm: mm)
  }

  private mutating func unmap(_ model: DeviceModel) -> Operation? {
    guard let page = page(model, where: { model.mapcount(of: $0) > 0 }) else { return nil }
    let head = model.head(of: page)
    let mm = mm()
    if model.ghost(model.entireMappings, head, mm) > 0, random.once(in: 2) {
      let isPMD = model.order(of: head) == DeviceModel.pmdOrder
      return .mapping(isPMD ? .removePMD : .removePUD, page: head, count: 1, mm: mm)
    }
    let bare = model.ghost(model.bareMappings, head, mm)
    if bare > 0, random.once(in: 2) {
      return .mapping(.subLargeMapcount, page: head, count: part(of: bare), mm: mm)
    }
    let folio = model.folioRange(of: head)
    let mapped = (page..<folio.upperBound).first { model.ghost(model.pteMappings, $0, mm) > 0 }
    guard let mapped else { return nil }
    let end = (mapped..<folio.upperBound).first { model.ghost(model.pteMappings, $0, mm) == 0 }
    let run = (end ?? folio.upperBound) - mapped
    return random.once(in: 3)
      ? .mapping(.removePTE, page: mapped, count: 1, mm: mm)
      : .mapping(.removePTEs, page: mapped, count: part(of: run), mm: mm)
  }

  /// The life of an anonymous page, step after step: marked, mapped, pinned, duplicated, shared.
  private mutating func anonymous(_ model: DeviceModel) -> Operation? {
    guard model.configuration.isHandedOut else { return nil }
    // A page that has begun that life goes on with it three times out of four.
    let begins = random.once(in: 4)
    let found = page(model) { page in
      model.isAllocated[page] && !model.isFrozen[page]
        && (begins || model.pages[page].mapping?.isAnonymous == true)
    }
    guard let page = found else { return nil }
    let words = model.pages[page]
    let mm = mm()
    guard words.mapping?.isAnonymous == true else {
      let isUnmarked = words.flags.contains(.locked) && words.mapping == MappingWord.none
      let mapping = 2 * random.number(in: 1...1 << 20)
      return isUnmarked
        ? .mapping(.moveAnon, page: page, count: mapping, mm: mm)
        : .device(.trylock, page: page)
    }
    if model.available(page) == 0 { return .reference(.folioGet, page: page, count: 1) }
    if model.mapcount(of: page) == 0 {
      return .mapping(.addNewAnon, page: page, count: 1, mm: mm)
    }
    let isPinned = words.refcount >= DeviceModel.pinBias
    return switch random.number(in: 0...3) {
    case 0 where !isPinned, 1 where !isPinned:
      .reference(.folioRefAdd, page: page, count: DeviceModel.pinBias)
    case 2: .mapping(.tryShareAnonPTE, page: page, count: 1, mm: mm)
    default: .mapping(.tryDupAnonPTEs, page: page, count: 1, mm: mm)
    }
  }

  private mutating func device(_ model: DeviceModel) -> Operation? {
    switch random.number(in: 0...9) {
    case 0: return .device(.getDevPagemap, page: page(model))
    case 1: return .device(.putDevPagemap, page: head(model))
    case 2: return .device(.trylock, page: head(model))
    case 3, 4, 5:
      let locked = page(model) { model.pages[$0].flags.contains(.locked) }
      return locked.map { .device(.unlock, page: $0) }
    default:
      let free = page(model) { model.isIdle(model.head(of: $0)) }
      return free.map { .device(.zoneDevicePageInit, page: $0) }
    }
  }
}
