// SPDX-License-Identifier: MIT

// Fast pin against unmap against the last put (spec: core.md C12, C13, T3): the protocol that GUP-fast
// stands on, with a page table of one word. Its steps are those of the shipped folio_try_get() and
// folio_put(); the scenario has no copy of them.

import CFolio
import FolioCore
import Synchronization

/// `size` pinners and one unmapper race for one page of RAM with one reference, its mapping's.
@safe
final class GupPin: ScenarioWorld {
  static let scenario = Scenario(
    "gup-pin", "fast pin against unmap: whoever pinned a page holds it until it puts it",
    rules: [.strict], size: 2, sizes: 1...5, obligations: obligationNames
  ) { try GupPin($0, isKeyed: false) }

  /// The same with the static key of the vmemmap optimisation on: folio_try_get() looks, inside a
  /// read section, whether the struct page may be written before it tries (C04).
  static let keyed = Scenario(
    "gup-pin-key", "gup-pin with the vmemmap key on: the getter looks before it writes",
    rules: [.strict], size: 2, sizes: 1...4, obligations: obligationNames
  ) { try GupPin($0, isKeyed: true) }

  private static let obligationNames = [
    "a get after the unmap, given back", "a get of a page that is going", "a pin that was kept",
    "the last put by a pinner", "the last put by the unmapper",
  ]

  private enum Obligation: Int { case givenBack, refused, kept, lastOfPinner, lastOfUnmapper }

  let threads: [ScenarioThread]
  let hasOnlyWords = true
  private let pinners: Int
  private let isKeyed: Bool
  private let page: UnsafeMutablePointer<page>
  private let entry: SharedWord
  private let freed: SharedWord
  private let obligations: Obligations
  private var freePath: RAMFreePath?
  /// Which thread unmaps, for the free path.
  private let unmapper = Atomic<UInt>(0)

  private init(_ settings: Scenario.Settings, isKeyed: Bool) throws {
    pinners = settings.size
    self.isKeyed = isKeyed
    obligations = settings.obligations
    threads =
      .alike("pinner", settings.size) + [ScenarioThread("unmapper", group: 2)]
    unsafe page = try unsafe seamMemory(CFolio.page.self)
    unsafe cfolio_ram_init_page(page)
    unsafe set_page_count(page, 1)
    entry = try SharedWord("entry", 1)
    freed = try SharedWord("freed")
    freePath = unsafe RAMFreePath { [self] _ in free() }
    if isKeyed { cfolio_events_enable(Int32(FOLIO_EVENT_VMEMMAP.rawValue)) }
  }

  /// The free path, on the thread of the last put.
  private func free() {
    let thread = unsafe UInt(bitPattern: folio_this_thread())
    let isUnmapper = unmapper.load(ordering: .relaxed) == thread
    reach(isUnmapper ? .lastOfUnmapper : .lastOfPinner)
    freed.store(1)
  }

  private func reach(_ obligation: Obligation) { obligations.reach(obligation.rawValue) }

  func run(_ thread: Int) {
    if thread < pinners { pin() } else { unmap() }
  }

  private func pin() {
    let folio = unsafe page_folio(page)
    guard entry.load() != 0 else { return }
    cfolio_forget(1)
    guard unsafe folio_try_get(folio) else {
      reach(.refused)
      return
    }
    cfolio_forget(2)
    guard entry.load() != 0 else {
      cfolio_forget(3)
      reach(.givenBack)
      unsafe folio_put(folio)
      return
    }
    cfolio_forget(4)
    reach(.kept)
    if freed.load() != 0 {
      unsafe cfolio_violation_text("CI22", 0, "a pinned page was freed")
    }
    cfolio_forget(5)
    unsafe folio_put(folio)
  }

  private func unmap() {
    let folio = unsafe page_folio(page)
    unmapper.store(unsafe UInt(bitPattern: folio_this_thread()), ordering: .relaxed)
    guard entry.exchange(0) != 0 else { return }
    cfolio_forget(6)
    unsafe folio_put(folio)
  }

  func conclude() {
    if unsafe page_ref_count(page) != 0 || freed.load() != 1 {
      unsafe cfolio_violation_text("CI1", 0, "all references are gone and the page is not free")
    }
  }

  func tearDown() {
    if isKeyed { cfolio_events_disable(Int32(FOLIO_EVENT_VMEMMAP.rawValue)) }
    freePath?.restore()
    entry.free()
    freed.free()
    unsafe cfolio_free(page)
  }
}
