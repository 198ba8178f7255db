// SPDX-License-Identifier: MIT

// Edges of counters and waits that a review found wrong once: identities that do not fit their slot,
// references that do not divide, the first mapping of a huge anonymous folio, endless timeouts.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Edges of counters and waits")
struct CounterEdgeTests {
  private func expectStop(_ result: ExitTest.Result?, _ invariant: String) {
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("folio: BUG \(invariant):"), "said: \(text)")
  }

  @Test("CI15: an mm id of 0, or of more than 31 bits, stops; the largest that fits counts")
  func mmIdentities() async throws {
    let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 9))
    try map.startAuditing()
    let folio = unsafe map.folio(map.frames.lowerBound)
    unsafe folio_ref_inc(folio)
    unsafe folio_add_file_rmap_pmd(folio, 0x7fff_ffff)
    #expect(unsafe folio_mm_slots(folio).id0 == 0x7fff_ffff && folio_mm_slots(folio).count0 == 0)
    #expect(map.audit().isEmpty)
    unsafe folio_remove_rmap_pmd(folio, 0x7fff_ffff)
    unsafe folio_put(folio)
    let none = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 9))
      unsafe folio_add_file_rmap_pmd(map.folio(map.frames.lowerBound), 0)
    }
    expectStop(none, "CI15")
    let large = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 9))
      unsafe folio_add_file_rmap_ptes(
        map.folio(map.frames.lowerBound), map.page(map.frames.lowerBound), 1, 0x8000_0005)
    }
    expectStop(large, "CI15")
    let removed = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 9))
      let folio = unsafe map.folio(map.frames.lowerBound)
      unsafe folio_add_file_rmap_pmd(folio, 5)
      unsafe folio_remove_rmap_pmd(folio, 0x8000_0005)
    }
    expectStop(removed, "CI15")
  }

  @Test("CI1: a split whose references do not divide among the pieces")
  func indivisible() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let held = try SystemMemory.shared.allocate(order: 2)
      let folio = unsafe held.leak()
      unsafe folio_get(folio)
      _ = unsafe folio_trylock(folio)
      _ = unsafe folio_split(folio, 0, 1, nil, nil)
    }
    expectStop(result, "CI1")
  }

  @Test("a split leaves nothing of the head's counters in the pages")
  func leftovers() throws {
    let held = try SystemMemory.shared.allocate(order: 3)
    let first = held.frame
    let folio = unsafe held.folio
    unsafe folio_ref_add(folio, 8)
    #expect(unsafe folio_trylock(folio))
    #expect(unsafe folio_split(folio, 0, 8, nil, nil) == 0)
    unsafe folio_unlock(folio)
    for frame in first..<(first + 8) {
      let words = unsafe UnsafeRawPointer(pfn_to_page(frame)).assumingMemoryBound(to: UInt.self)
      // Word 2 held L and NM, or the list; word 7 _nr_pages.
      #expect(unsafe words[2] == 0 && words[5] == 0 && words[7] == 0, "page \(frame - first)")
      unsafe put_page(pfn_to_page(frame))
      if frame != first { unsafe put_page(pfn_to_page(frame)) }
    }
    held.release()
  }

  @Test("CI11: idleness asked of a RAM page stops by name")
  func systemMemory() async {
    let wait = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let held = try SystemMemory.shared.allocate()
      var options = unsafe wait_options()
      unsafe options.timeout_ns = 1_000_000
      _ = unsafe folio_wait_idle(held.folio, FOLIO_UNPINNED, &options)
    }
    expectStop(wait, "CI11")
    let question = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let held = try SystemMemory.shared.allocate()
      _ = unsafe folio_is_idle(held.folio, FOLIO_IDLE)
    }
    expectStop(question, "CI11")
  }

  @Test("a new anonymous folio of PMD size is mapped by one entry, a smaller one page by page")
  func newAnonymous() throws {
    let huge = try SystemMemory.shared.allocate(order: 9)
    let folio = unsafe huge.folio
    unsafe folio_add_new_anon_rmap(folio, 3, true)
    #expect(unsafe folio_mapcount(folio) == 1 && folio_entire_mapcount(folio) == 1)
    #expect(unsafe atomic_read(&folio.pointee._nr_pages_mapped) == ENTIRELY_MAPPED)
    #expect(unsafe atomic_read(&folio.pointee._mapcount) == -1)
    #expect(unsafe folio_test_flag(folio, Int32(PG_anon_exclusive.rawValue)))
    #expect(unsafe folio_mm_slots(folio).id0 == 3)
    unsafe folio_remove_rmap_pmd(folio, 3)
    #expect(unsafe folio_mapcount(folio) == 0 && folio_entire_mapcount(folio) == 0)
    #expect(unsafe atomic_read(&folio.pointee._nr_pages_mapped) == 0)
    huge.release()

    let held = try SystemMemory.shared.allocate(order: 2)
    let small = unsafe held.folio
    unsafe folio_add_new_anon_rmap(small, 3, true)
    #expect(unsafe folio_mapcount(small) == 4 && folio_entire_mapcount(small) == 0)
    #expect(unsafe atomic_read(&small.pointee._nr_pages_mapped) == 4)
    unsafe folio_remove_rmap_ptes(small, folio_page(small, 0), 4, 3)
    held.release()
  }

  @Test("a refused duplication of an anonymous mapping leaves the page exclusive")
  func refusedDuplication() throws {
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let held = try SystemMemory.shared.allocate()
    let folio = unsafe held.folio
    unsafe folio_add_new_anon_rmap(folio, 1, true)
    let before = cfolio_warning_count()
    #expect(unsafe folio_try_dup_anon_rmap_ptes(folio, folio_page(folio, 0), 2, 2, false) == 0)
    #expect(cfolio_warning_count() > before, "beyond the folio")
    #expect(unsafe folio_mapcount(folio) == 1)
    #expect(unsafe folio_test_flag(folio, Int32(PG_anon_exclusive.rawValue)))
    unsafe folio_remove_rmap_pte(folio, folio_page(folio, 0), 1)
    held.release()
  }

  @Test("a timeout that no clock reaches waits for the event")
  func endlessTimeout() {
    for timeout in [Int64.max, Int64.max - 1] {
      let completion = UnsafeMutablePointer<CFolio.completion>.allocate(capacity: 1)
      unsafe init_completion(completion)
      let address = UInt(bitPattern: completion)
      let returned = Flag()
      let waiter = NativeThread {
        let completion = unsafe UnsafeMutablePointer<CFolio.completion>(bitPattern: address)!
        #expect(unsafe wait_for_completion_timeout(completion, timeout))
        returned.raise()
      }
      let queue = unsafe __var_waitqueue(&completion.pointee.done)
      #expect(eventually { unsafe returned.isRaised || waitqueue_active(queue) })
      cfolio_sleep_ns(2_000_000)
      #expect(!returned.isRaised)
      unsafe complete_all(completion)
      waiter.join()
      unsafe completion.deallocate()
    }
  }
}
