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
  final func forbid(_ text: StaticString) {
    text.withUTF8Buffer { buffer in
      unsafe buffer.withMemoryRebound(to: CChar.self) {
        unsafe cfolio_violation_text("LITMUS", .max, $0.baseAddress!)
      }
    }
  }
}

/// A shape around one page of RAM, whose free path tells it.
@safe
class LitmusPage: LitmusWorld {
  let page: UnsafeMutablePointer<page>
  final var folio: UnsafeMutablePointer<folio> { unsafe page_folio(page) }
  private var ramFree: cfolio_ram_free_t?

  /// The world, for the free path, which has no context.
  private nonisolated(unsafe) static var current: LitmusPage?

  /// - Parameter references: R of the page at the beginning.
  init(
    _ settings: Scenario.Settings, _ names: [String], references: Int32, pages: Int = 1,
    tearDown: @escaping () -> Void = {}
  ) throws {
    unsafe page = try unsafe seamMemory(CFolio.page.self, count: pages)
    unsafe ramFree = nil
    super.init(settings, names, tearDown: tearDown)
    for index in 0..<pages { unsafe cfolio_ram_init_page(page + index) }
    unsafe set_page_count(page, references)
    unsafe Self.current = self
    unsafe ramFree = cfolio_ram_set_free { _ in unsafe LitmusPage.current?.freed() }
  }

  /// The free path: on the thread of the last put, once R is 0.
  func freed() {}

  override func tearDown() {
    super.tearDown()
    _ = unsafe cfolio_ram_set_free(ramFree)
    unsafe Self.current = nil
    unsafe cfolio_free(page)
  }
}
