// SPDX-License-Identifier: MIT
//
// The way home from any state: a program that gives everything back, so that each run ends on an
// idle map, which can be audited and taken down.

extension DeviceModel {
  /// Operations after which every page is idle, order 0 where it can be, and no lookup is open.
  package func unwinding() -> [Operation] {
    var model = self
    var program: [Operation] = []
    func step(_ operation: Operation) {
      precondition(model.permits(operation), "unwinding with an illegal operation: \(operation)")
      _ = model.perform(operation)
      program.append(operation)
    }
    var page = 0
    while page < model.pages.count {
      let folio = model.folioRange(of: page)
      let before = model
      before.unwindFolio(folio, step)
      page = folio.upperBound
    }
    while model.lookups > 0 { step(.device(.putDevPagemap, page: 0)) }
    return program
  }

  /// `step` performs on the caller's model; this copy shows the state before.
  private func unwindFolio(_ folio: Range<Int>, _ step: (Operation) -> Void) {
    let head = folio.lowerBound
    let mappings = configuration.entersRmap ? mapcount(of: head) : 0
    var references = available(head)
    if let order = orderless[head] { step(.shape(.folioSetOrder, page: head, argument: order)) }
    if isFrozen[head] {
      let count = max(1, baseCount(head) + mappings)
      step(.reference(.folioRefUnfreeze, page: head, count: count))
      references = count - baseCount(head) - mappings
    }
    if isTyped(head) { step(.word(.pageType, page: head, value: 0)) }
    if mapcount(of: head) > 0 { unwindMappings(folio, step) }
    references += mappings
    if pages[head].flags.contains(.locked) { step(.device(.unlock, page: head)) }
    if references > 0 {
      let isManaged = configuration.kind == .fsdax && configuration.rules == .legacy
      step(.reference(isManaged ? .putDevmapManaged : .folioPutRefs, page: head, count: references))
    }
    if folio.count > 1 && configuration.reshapes {
      step(.shape(.splitToOrder0, page: head, argument: 0))
    }
  }

  private func unwindMappings(_ folio: Range<Int>, _ step: (Operation) -> Void) {
    let head = folio.lowerBound
    let isPMD = order(of: head) == Self.pmdOrder
    for mm in 1...UInt32(Self.mmCount) {
      let bare = ghost(bareMappings, head, mm)
      if bare > 0 { step(.mapping(.subLargeMapcount, page: head, count: bare, mm: mm)) }
      for _ in 0..<ghost(entireMappings, head, mm) {
        step(.mapping(isPMD ? .removePMD : .removePUD, page: head, count: 1, mm: mm))
      }
      for page in folio {
        for _ in 0..<ghost(pteMappings, page, mm) {
          step(.mapping(.removePTE, page: page, count: 1, mm: mm))
        }
      }
    }
  }
}
