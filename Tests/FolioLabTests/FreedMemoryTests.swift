// SPDX-License-Identifier: MIT

// What a finding says of memory that is touched after it was given back: which operation, and who gave
// it back.

import CFolio
import FolioCore
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests { @Suite("Freed memory") struct FreedMemoryTests {} }

  extension LabTests.FreedMemoryTests {
    private func message(_ scenario: Scenario) throws -> String {
      let finding = try #require(LabWorld(scenario).explore(.classes, executions: 10_000).finding)
      #expect(finding.invariant == "USE-AFTER-FREE")
      return finding.message
    }

    @Test("a thread gave it back")
    func thread() throws {
      #expect(Mutant.switch(Mutant.named("P94")))
      defer { _ = Mutant.switch(nil) }
      let text = try message(#require(Scenario.named("ledger-stop")))
      let form = /\w+: \w+\(.+\) touches memory that thread 0 gave back/
      #expect(text.wholeMatch(of: form) != nil, "\(text)")
    }

    /// A reader that is in no read section.
    private static let unprotected = Scenario(
      "unprotected", "a read outside of a section against call_rcu", rules: [.strict],
      obligations: []
    ) { _ in
      guard let memory = unsafe cfolio_zalloc(64) else { throw ScenarioMemoryError() }
      let head = unsafe memory.bindMemory(to: rcu_head.self, capacity: 1)
      let folio = unsafe UnsafeMutableRawPointer(head).assumingMemoryBound(to: CFolio.folio.self)
      return WordsWorld(
        [],
        [
          { _ = unsafe folio_ref_count(folio) },
          { unsafe call_rcu(head) { unsafe cfolio_free($0) } },
        ]
      ) {}
    }

    @Test("a deferred call gave it back")
    func deferred() throws {
      #expect(
        try message(Self.unprotected) == "page_ref_count: atomic_read(&page->_refcount) touches "
          + "memory that a deferred call gave back")
    }
  }

#endif
