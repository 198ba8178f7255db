// SPDX-License-Identifier: MIT

// Misuse stops the process, in every build, with the name of the violated invariant and the page.

import CFolio
import FolioCore
import Testing

@Suite("Misuse stops with the invariant's name")
struct MisuseTests {
  private func expectStop(_ result: ExitTest.Result?, _ invariant: String) {
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("folio: BUG \(invariant):"), "said: \(text)")
  }

  @Test("CI21: a double put")
  func doublePut() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe folio_put(map.folio(map.frames.lowerBound))
    }
    expectStop(result, "CI21")
  }

  @Test("CI21: a put of a frozen page")
  func frozenPut() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.generic, pages: 512)
      let folio = unsafe map.folio(map.frames.lowerBound)
      _ = unsafe folio_ref_freeze(folio, 1)
      unsafe folio_put(folio)
    }
    expectStop(result, "CI21")
  }

  @Test("CI21: the legacy hook below the base reference")
  func legacyBase() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512, .init(rules: .legacy))
      unsafe put_page(map.page(map.frames.lowerBound))
    }
    expectStop(result, "CI21")
  }

  @Test("CI25: the base reference of a strict device-dax page")
  func genericBase() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.generic, pages: 512)
      unsafe folio_put(map.folio(map.frames.lowerBound))
    }
    expectStop(result, "CI25")
  }

  @Test("CI33: a folio formed over a busy page, split while busy, split_page of a free one")
  func shapes() async {
    let formed = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe set_page_count(map.page(map.frames.lowerBound + 1), 1)
      unsafe prep_compound_page(map.page(map.frames.lowerBound), 2)
    }
    expectStop(formed, "CI33")
    let split = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 2))
      unsafe folio_ref_inc(map.folio(map.frames.lowerBound))
      unsafe folio_split_to_order_0(map.folio(map.frames.lowerBound))
    }
    expectStop(split, "CI33")
    let plain = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe split_page(map.page(map.frames.lowerBound), 1)
    }
    expectStop(plain, "CI33")
  }

  @Test(
    "CI33: a folio formed over a mapped or compound page or a live head; split mapped or pinned")
  func busyShapes() async {
    let mapped = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe atomic_set(&map.page(map.frames.lowerBound + 3).pointee._mapcount, 0)
      unsafe prep_compound_page(map.page(map.frames.lowerBound), 2)
    }
    expectStop(mapped, "CI33")
    let compound = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe prep_compound_page(map.page(map.frames.lowerBound + 2), 1)
      unsafe prep_compound_page(map.page(map.frames.lowerBound), 2)
    }
    expectStop(compound, "CI33")
    let live = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe folio_ref_inc(map.folio(map.frames.lowerBound))
      unsafe prep_compound_page(map.page(map.frames.lowerBound), 2)
    }
    expectStop(live, "CI33")
    let splitMapped = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
    {
      let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 2))
      let folio = unsafe map.folio(map.frames.lowerBound)
      unsafe folio_add_file_rmap_pte(folio, folio_page(folio, 1), 1)
      unsafe folio_split_to_order_0(folio)
    }
    expectStop(splitMapped, "CI33")
    let splitPinned = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
    {
      let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 2))
      let folio = unsafe map.folio(map.frames.lowerBound)
      unsafe atomic_set(&folio.pointee._pincount, 1)
      unsafe folio_split_to_order_0(folio)
    }
    expectStop(splitPinned, "CI33")
  }

  @Test("CI8 and CI9: a folio of an impossible order or place")
  func orders() async {
    let order = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe prep_compound_page(map.page(map.frames.lowerBound), 19)
    }
    expectStop(order, "CI8")
    let place = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe prep_compound_page(map.page(map.frames.lowerBound + 1), 1)
    }
    expectStop(place, "CI9")
  }

  @Test("CI39: an unfreeze of what is not frozen, or to 0")
  func unfreeze() async {
    let live = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.generic, pages: 512)
      unsafe folio_ref_unfreeze(map.folio(map.frames.lowerBound), 2)
    }
    expectStop(live, "CI39")
    let zero = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe folio_ref_unfreeze(map.folio(map.frames.lowerBound), 0)
    }
    expectStop(zero, "CI39")
  }

  @Test("CI32: strict teardown of a map in use")
  func teardown() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe folio_ref_inc(map.folio(map.frames.lowerBound + 7))
      unsafe memunmap_pages(map.pgmap)
    }
    expectStop(result, "CI32")
  }

  @Test("CI26: a private or coherent page in use handed out again, or given back")
  func allocatedPages() async {
    let twice = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.devicePrivate, pages: 512)
      unsafe zone_device_page_init(map.page(map.frames.lowerBound))
      unsafe zone_device_page_init(map.page(map.frames.lowerBound))
    }
    expectStop(twice, "CI26")
    let back = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.deviceCoherent, pages: 512)
      unsafe zone_device_page_init(map.page(map.frames.lowerBound))
      unsafe free_zone_device_folio(map.folio(map.frames.lowerBound))
    }
    expectStop(back, "CI26")
  }

  @Test("CI27: a pool page of P2PDMA in use handed out again, or given back")
  func poolPages() async {
    let twice = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.pciP2PDMA, pages: 512)
      unsafe zone_device_page_init(map.page(map.frames.lowerBound))
      unsafe zone_device_page_init(map.page(map.frames.lowerBound))
    }
    expectStop(twice, "CI27")
    let back = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.pciP2PDMA, pages: 512)
      unsafe zone_device_page_init(map.page(map.frames.lowerBound))
      unsafe free_zone_device_folio(map.folio(map.frames.lowerBound))
    }
    expectStop(back, "CI27")
    let legacy = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.pciP2PDMA, pages: 512, .init(rules: .legacy))
      unsafe free_zone_device_folio(map.folio(map.frames.lowerBound))
    }
    expectStop(legacy, "CI27")
  }

  @Test("CI42: a fork test without its sequence")
  func preconditions() async {
    let even = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512)
      _ = unsafe folio_needs_cow_for_dma(true, 2, map.folio(map.frames.lowerBound))
    }
    expectStop(even, "CI42")
  }

  @Test("RCU: waiting for readers inside a read scope, for a page inside a read scope")
  func readers() async {
    let readers = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      withReadScope { _ in waitForReaders() }
    }
    expectStop(readers, "RCU")
    let sleep = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let map = try PageMap(.fsdax, pages: 512)
      let held = try map.claim(frame: map.frames.lowerBound).raise()
      rcu_read_lock()
      try map.waitUntilIdle(frame: held.frame, timeout: .seconds(1))
    }
    expectStop(sleep, "RCU")
  }

  @Test("a frame outside the map")
  func outside() async {
    await #expect(processExitsWith: .failure) {
      let map = try PageMap(.fsdax, pages: 512)
      _ = unsafe map.page(map.frames.upperBound)
    }
  }
}
