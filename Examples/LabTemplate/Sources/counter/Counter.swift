// SPDX-License-Identifier: MIT

import FolioWorkloads

/// An object with a reference count: its owner drops it while somebody else looks it up.
final class Counter: ScenarioWorld {
  static let scenario = Scenario(
    "counter", "whoever got a reference uses an object that is there",
    obligations: ["the visitor got a reference", "the visitor came too late"]
  ) { try Counter($0) }

  let threads = [ScenarioThread("owner", group: 1), ScenarioThread("visitor", group: 2)]
  private let references: SharedWord
  private let freed: SharedWord
  private let obligations: Obligations

  init(_ settings: Scenario.Settings) throws {
    obligations = settings.obligations
    references = try SharedWord("references", 1)
    freed = try SharedWord("freed")
  }

  /// A reference, unless there is none left to be shared.
  private func tryGet() -> Bool {
    let seen = references.load()
    guard seen != 0 else { return false }
    references.store(seen + 1)
    return true
  }

  /// Drops a reference; whoever drops the last one frees the object.
  private func put() {
    if references.add(-1) == 0 { freed.store(1) }
  }

  func run(_ thread: Int) {
    if thread == 0 {
      put()
    } else if tryGet() {
      obligations.reach(0)
      expect(freed.load() == 0, "FREED", "the visitor uses an object that was freed")
      put()
    } else {
      obligations.reach(1)
    }
  }

  func conclude() {
    expect(freed.load() == 1, "LEAK", "nobody has a reference and the object is not freed")
  }

  func tearDown() {
    references.free()
    freed.free()
  }
}
