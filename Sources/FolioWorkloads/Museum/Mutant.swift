// SPDX-License-Identifier: MIT

// The museum: bugs that kernels had, nearly had, or could have, each one line at its site in a Lab build.
// The lists are in the files beside this one.

import CFolio

/// A bug that can be switched on.
public struct Mutant: Sendable, Hashable {
  /// As in folio/mutant.h and the specification: "C01".
  public let id: String
  /// What was changed, in one line.
  public let title: String
  /// Where the bug comes from: the specification's line, a kernel fix, or "planted".
  public let source: String
  /// The interleaving that breaks, in a few sentences.
  public let story: String
  /// Scenarios that it breaks.
  public let scenarios: [String]
  /// What is reported: any of these invariants.
  public let expected: [String]
  /// The weakest machine that shows it is this one.
  public let model: MemoryModel
  /// Its number in folio/mutant.h.
  public let number: Int32

  /// How loads and stores of different threads may pass each other.
  public enum MemoryModel: String, Sendable, Hashable, CaseIterable, Codable {
    /// One at a time.
    case sc
    /// Stores wait in a buffer per thread, as on x86-64.
    case tso
    /// C11 with the library's fences, as on arm64.
    case c11
  }

  package init(
    _ id: String, _ number: Int32, _ title: String, source: String, story: String,
    scenarios: [String], expected: [String], model: MemoryModel = .sc
  ) {
    self.id = id
    self.number = number
    self.title = title
    self.source = source
    self.story = story
    self.scenarios = scenarios
    self.expected = expected
    self.model = model
  }

  /// The museum.
  public static let all: [Mutant] = references + answers + waiting + memory + orders

  /// Those of the museum, and those that only who watches plain accesses can see.
  public static func named(_ id: String) -> Mutant? { (all + plain).first { $0.id == id } }

  /// Switches the mutant on, or all off (nil). Context: no other thread is in the library.
  /// False: this is no Lab build, there is nothing to switch.
  public static func `switch`(_ mutant: Mutant?) -> Bool {
    #if LAB
      cfolio_mutant_set(mutant?.number ?? 0)
      return true
    #else
      return mutant == nil
    #endif
  }

  /// One is switched on.
  package static var isOn: Bool {
    #if LAB
      !cfolio_mutant_is(0)
    #else
      false
    #endif
  }
}
