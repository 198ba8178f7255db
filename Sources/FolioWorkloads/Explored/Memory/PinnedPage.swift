// SPDX-License-Identifier: MIT

// What scenarios of the fast walk have in common: where a walk leaves what it found, and a page that is
// pinned by walks and given away when nobody has it.

import CFolio
import FolioCore

/// Walks of one thread, and the up to eight pages that the last one found.
@safe
struct FastWalk {
  let space: AddressSpace
  private let found: UnsafeMutablePointer<UnsafeMutablePointer<page>?>

  init(_ space: AddressSpace) throws(ScenarioMemoryError) {
    self.space = space
    unsafe found = try unsafe seamMemory(UnsafeMutablePointer<page>?.self, count: 8)
  }

  /// Takes references on the pages from address 0 on; how many it found.
  func take(_ count: Int = 1, _ flags: UInt32 = FOLL_PIN) -> Int {
    Int(unsafe gup_fast(space.mm, 0, AddressSpace.address(count), flags, found))
  }

  func unpin(_ count: Int = 1) { unsafe unpin_user_pages(found, UInt(count)) }

  /// Gives back the first page's reference, which is no pin.
  func put() { unsafe gup_put_folio(page_folio(found[0]!), 1, FOLL_GET) }

  func free() { unsafe cfolio_free(found) }
}

/// A page that is mapped and pinned by fast walks, and is given to somebody else when nobody has it.
@safe
final class PinnedPage {
  let pages: DevicePages
  let space: AddressSpace
  /// What the page holds: its next owner writes, whoever pinned it reads.
  let payload: PlainWord
  /// One per thread that walks.
  let walks: [FastWalk]

  init(_ settings: Scenario.Settings, threads: Int) throws {
    pages = try DevicePages(.fsdax, settings.rules)
    space = try AddressSpace(pages: pages)
    payload = try PlainWord("the page")
    let space = space
    walks = try (0..<threads).map { _ in try FastWalk(space) }
  }

  /// A thread that pins the first page, reads it while it has it, and gives it back. Obligation 0: it
  /// got it, 1: it did not.
  func pinner(_ thread: Int, _ obligations: Obligations) -> () -> Void {
    { [self] in
      guard walks[thread].take() == 1 else { return obligations.reach(1) }
      obligations.reach(0)
      require(payload.read() == 0, "CI59", "a pinned page was given away")
      walks[thread].unpin()
    }
  }

  /// Nobody has references beyond mappings: the page may go to somebody else.
  func reuseIfIdle(_ index: Int = 0) -> Bool {
    guard unsafe folio_extra_refs(pages.folio(index)) == 0 else { return false }
    payload.write(1)
    return true
  }

  /// The same where nothing maps it any more; the next owner has it for a while.
  func handOnIfIdle(_ index: Int = 0) -> Bool {
    guard reuseIfIdle(index) else { return false }
    unsafe folio_ref_inc(pages.folio(index))
    unsafe folio_put(pages.folio(index))
    return true
  }

  func tearDown() {
    space.tearDown()
    pages.tearDown()
    payload.free()
    for walk in walks { walk.free() }
  }
}
