// SPDX-License-Identifier: MIT

// The known races of the specification (core.md section 18), every one of them: which mutants express
// it, or why none can at this stage. An entry of neither kind counts as not caught.

/// An entry of the specification's list.
package struct KnownRace: Sendable {
  package let id: String
  /// What was changed; of an entry without a mutant.
  package let title: String
  package let standing: Standing

  package enum Standing: Sendable, Hashable {
    /// These mutants are it.
    case expressed([String])
    /// Why there is no mutant.
    case notExpressible(Reason)
  }

  /// What keeps an entry from being a mutant.
  package enum Reason: String, Sendable, CaseIterable {
    case dax = "needs DAX entries and their busy scan, which are the DAX layer's"
    case kernelOrder = "is the kernel's own behaviour: rule set kernel keeps it"
  }

  private init(_ id: String, _ title: String, _ standing: Standing) {
    self.id = id
    self.title = title
    self.standing = standing
  }

  private static func by(_ id: String, _ mutants: String...) -> KnownRace {
    KnownRace(id, "", .expressed(mutants.isEmpty ? [id] : mutants))
  }

  private static func no(_ id: String, _ reason: Reason, _ title: String) -> KnownRace {
    KnownRace(id, title, .notExpressible(reason))
  }

  /// In the specification's order.
  package static let all: [KnownRace] = [
    by("C01"), by("C02"), by("C03"), by("C04", "O05", "P09"), by("C06"),
    by("C07", "O01", "O02", "O03"), by("C08", "O04"), by("C09"), by("C10"),
    by("C12"),
    by("C13"),
    by("C14"),
    by("C15"),
    by("C16"),
    by("C17"),
    by("C18"),
    by("C20"),
    by("C21"),
    by("C22"),
    by("C23"),
    by("C24"),
    by("C25"),
    by("C27"),
    by("C28"),
    by("C29"), by("C30"), by("C32"), by("C33"), by("C34"), by("C35"), by("C37"), by("C38"),
    by("C39", "C39", "O15", "O17", "O18"), by("C40", "C40", "O16"), by("C41"), by("C42"),
    by("C44"),
    no("C46", .dax, "a busy scan leaves the page open to faults"),
    by("C47", "C41"),
    by("C48"),
    by("C50"),
    by("C51"),
    by("C52"),
    by("C53"), by("C54"), by("C55"),
    by("C56"),
    by("C57"),
    by("C59"),
    by("C62"),
    by("C63"), by("C64"), by("C65"), by("C67"),
    no("C69", .kernelOrder, "a failed mmap of a peer-to-peer page keeps its references"),
    no("C70", .kernelOrder, "a peer-to-peer mmap warns of idle pages"),
    no("C71", .dax, "a DAX entry's folio is computed before the test for emptiness"),
    no("C72", .kernelOrder, "a device-dax page's lost base reference is set again in silence"),
    by("C73"),
    by("C77"),
    no("C79", .dax, "the huge zero page is taken from its file"),
  ]

  /// Those whose mutants are not (all) in the registry.
  package static var leftOut: [KnownRace] {
    all.filter { race in
      guard case .expressed(let mutants) = race.standing else { return false }
      return !mutants.allSatisfy { Mutant.named($0) != nil }
    }
  }
}
