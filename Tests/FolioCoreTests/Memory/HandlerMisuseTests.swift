// SPDX-License-Identifier: MIT

// Answers of a handler that do not say what it did: no page is given back twice, none is lost.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Answers that do not fit")
struct HandlerMisuseTests {
  @Test("a private copy that was mapped stays, whatever the handler says of it")
  func copyIsMapped() throws {
    let file = try MappedObject(
      .sharedMemory,
      AnsweringFile { fault in
        if fault.copyFrame != nil { _ = fault.finish() }
        return .noPage
      })
    let space = try MemoryMap()
    let area = try space.map(file, pages: 1, [.read, .write], .private)
    try space.store(5, at: area.start)
    #expect(counts(pte_pfn(entry(space, area.start))) == Counts(1, 1))
    #expect(try space.load(area.start) == 5)
  }

  @Test("a page that is handed over with an error is given back")
  func handedOverWithError() throws {
    for answer in [FaultResult.busError, .noPage] {
      _ = SystemMemory.shared
      let folio = unsafe cfolio_ram_alloc_folio(0)!
      let frame = unsafe folio_pfn(folio)
      unsafe folio_get(folio)
      nonisolated(unsafe) let shared = unsafe folio
      let asked = Counter()
      let file = try MappedObject(
        .sharedMemory,
        AnsweringFile { fault in
          asked.add()
          guard asked.value == 1 else { return .busError }
          fault.hand(over: unsafe FolioReference(adopting: shared))
          return answer
        })
      let space = try MemoryMap()
      let area = try space.map(file, pages: 1, .read, .shared)
      #expect(throws: MemoryError(.fault, address: area.start)) { try space.load(area.start) }
      #expect(counts(frame) == Counts(1, 0))
      unsafe folio_put(folio)
    }
  }
}
