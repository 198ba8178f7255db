// SPDX-License-Identifier: MIT

// Pins for good need pages that may stay where they are (spec: core.md 12.3, row 106; CI43). Others are
// moved away first, and the pins taken anew. Mirrors check_and_migrate_movable_pages().

import CFolio

enum LongTermPins {
  /// What pins of a walk lead to: pages that may stay, or all pins are given back.
  ///
  /// - Returns: 0: they stay. -EAGAIN: all are undone and what was in the way is gone: again. Others:
  ///   all are undone and it cannot go. Context: may block.
  static func check(_ pages: UserPageArray, count: Int) -> Int32 {
    guard unsafe hasUnpinnable(pages, count) else { return 0 }
    return unsafe moveAway(pages, count) { unsafe Page($0).folio }
  }

  /// The same for folios, each pinned once (`check_and_migrate_movable_folios`).
  static func check(
    _ folios: UnsafeMutablePointer<UnsafeMutablePointer<folio>?>, count: Int
  ) -> Int32 {
    let isFine = (0..<count).allSatisfy { unsafe folio_is_longterm_pinnable(folios[$0]!) }
    return isFine ? 0 : unsafe moveAway(folios, count) { unsafe Folio($0) }
  }

  private static func hasUnpinnable(_ pages: UserPageArray, _ count: Int) -> Bool {
    var last: UnsafeMutablePointer<folio>?
    for index in 0..<count {
      let folio = unsafe page_folio(pages[index]!)
      if unsafe folio == last { continue }
      unsafe last = unsafe folio
      if unsafe !folio_is_longterm_pinnable(folio) { return true }
    }
    return false
  }

  /// Turns the pins of what has to move into one plain reference per folio and gives all others back,
  /// then moves each folio once; a folio that stays ends it (`migrate_longterm_unpinnable_folios`).
  ///
  /// The array says meanwhile which folios a plain reference is held on, so nothing needs memory.
  private static func moveAway<Element: ~Copyable>(
    _ pinned: UnsafeMutablePointer<UnsafeMutablePointer<Element>?>, _ count: Int,
    _ folioOf: (UnsafeMutablePointer<Element>) -> Folio
  ) -> Int32 {
    for index in 0..<count {
      let folio = unsafe folioOf(pinned[index]!)
      var moves = unsafe !folio_is_longterm_pinnable(folio.pointer)
      for earlier in 0..<index where moves {
        guard let element = unsafe pinned[earlier] else { continue }
        moves = unsafe folioOf(element).pointer != folio.pointer
      }
      if moves { folio.get() }
      unsafe unpin_user_folio(folio.pointer, 1)
      if !moves { unsafe pinned[index] = nil }
    }
    var status = MemoryError.Code.tryAgain.status
    for index in 0..<count {
      guard let element = unsafe pinned[index] else { continue }
      unsafe pinned[index] = nil
      if status == MemoryError.Code.tryAgain.status {
        let moved = unsafe migrate(folioOf(element))
        if moved != 0 { status = moved }
      } else {
        unsafe folioOf(element).put()
      }
    }
    return status
  }

  /// Moves what the folio holds to a page that may stay, and gives the caller's reference back, whatever
  /// comes of it. 0: moved; -EBUSY: coherent device memory that somebody else uses, or that has no
  /// place in RAM; -ENOMEM: any other that stays. Of others Folio has no pool to move them to, which is
  /// what a kernel without memory says. Context: no page-table lock; may block.
  static func migrate(_ folio: Folio) -> Int32 {
    if unsafe folio_is_device_coherent(folio.pointer) { return MigratePages.bringToRAM(folio) }
    folio.put()
    return MemoryError.Code.outOfMemory.status
  }
}
