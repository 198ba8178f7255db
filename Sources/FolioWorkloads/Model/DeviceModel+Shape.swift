// SPDX-License-Identifier: MIT
//
// Forming and dissolving folios (core.md section 7, rows 40-42) and initialising pages again
// (rows 46, 47). What overlays what in pages 1 and 2 decides which words become nil.

extension DeviceModel {
  mutating func shape(_ code: ShapeCode, _ page: Int, _ argument: Int) -> Outcome {
    switch code {
    case .prepCompoundPage:
      form(page, argument)
    case .folioSetOrder:
      pages[page].large?.order = argument
      pages[page].large?.pageCount = 1 << argument
      pages[page].large?.isListEmpty = argument > 1 ? true : nil
      orderless[page] = nil
    case .folioResetOrder:
      // Only the two words; the tails still name their head until they are dissolved.
      orderless[page] = order(of: page)
      pages[page].large?.order = 0
      pages[page].large?.pageCount = 0
      pages[page].large?.isListEmpty = nil
    case .splitToOrder0:
      dissolve(page)
    case .initZoneDevicePage:
      pages[page] = fresh(page)
    case .memmapInitZoneDevice:
      initialise(page..<page + argument)
    }
    return .none
  }

  /// prep_compound_page(): R of no page changes (7.1).
  mutating func form(_ head: Int, _ order: Int) {
    let count = 1 << order
    pages[head].flags.insert(.head)
    for tail in head + 1..<head + count {
      pages[tail].link = .tail(of: head)
      pages[tail].mapping = .tail
      pages[tail].privateWord = 0
    }
    pages[head + 1].flags.formIntersection(.besideOrder)
    pages[head + 1].mapping = nil
    pages[head + 1].share = nil
    pages[head + 1].privateWord = nil
    pages[head + 1].memoryControlGroup = nil
    if order > 1 { pages[head + 2].mapping = nil }

    var large = LargeWords(order: order, pageCount: count)
    large.pagesMapped = configuration.perPageMapcount ? 0 : nil
    large.slots = configuration.ownerTracking ? SlotWords() : nil
    large.isListEmpty = order > 1 ? true : nil
    pages[head].large = large
  }

  /// Back to order 0 (7.2, state demanded by CI34). The slot words of page 1 were empty, so its
  /// private word is 0 again.
  private mutating func dissolve(_ head: Int) {
    let range = folioRange(of: head)
    pages[head].large = nil
    pages[head].flags.remove(.head)
    pages[head + 1].privateWord = 0
    pages[head + 1].memoryControlGroup = 0
    for page in range {
      pages[page].link = .map
      pages[page].mapping = MappingWord.none
      pages[page].share = 0
    }
  }
}
