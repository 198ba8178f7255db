// SPDX-License-Identifier: MIT

// What litmus shapes have in common: threads by name, a page, payload that order must protect.

import CFolio

/// Base of the litmus scenarios.
@safe
class LitmusWorld: ScenarioWorld {
  let threads: [ScenarioThread]
  private let obligations: Obligations
  private let undo: () -> Void

  /// - Parameter tearDown: gives the shape's memory back.
  init(_ settings: Scenario.Settings, _ names: [String], tearDown: @escaping () -> Void) {
    // Else the first world of a process has a step more.
    readyWaitTable()
    obligations = settings.obligations
    threads = names.enumerated().map { ScenarioThread($1, group: $0) }
    undo = tearDown
  }

  func run(_ thread: Int) { preconditionFailure("a shape without threads") }
  func prepare() {}
  func conclude() {}
  func tearDown() { undo() }

  /// An interesting state was reached.
  final func reach(_ index: Int) { obligations.reach(index) }

  /// The shape's forbidden outcome.
  final func forbid(_ text: StaticString) { report("LITMUS", text) }
}

/// A shape around one page of RAM, whose free path tells it.
@safe
class LitmusPage: LitmusWorld {
  let page: UnsafeMutablePointer<page>
  final var folio: UnsafeMutablePointer<folio> { unsafe page_folio(page) }
  private var freePath: RAMFreePath?

  /// - Parameter references: R of the page at the beginning.
  init(
    _ settings: Scenario.Settings, _ names: [String], references: Int32, pages: Int = 1,
    tearDown: @escaping () -> Void = {}
  ) throws {
    unsafe page = try unsafe seamMemory(CFolio.page.self, count: pages)
    super.init(settings, names, tearDown: tearDown)
    for index in 0..<pages { unsafe cfolio_ram_init_page(page + index) }
    unsafe set_page_count(page, references)
    freePath = unsafe RAMFreePath { [self] _ in freed() }
  }

  /// The free path: on the thread of the last put, once R is 0.
  func freed() {}

  override func tearDown() {
    super.tearDown()
    freePath?.restore()
    unsafe cfolio_free(page)
  }
}
