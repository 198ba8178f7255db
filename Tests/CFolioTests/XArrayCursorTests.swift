// SPDX-License-Identifier: MIT
// What a cursor promises: where a search goes on, pause against reset, conflicts, errors. The rules
// are those that DAX entries need (spec: dax.md, end of section 3).

import CFolio
import Glibc
import Testing

@Suite("XArray cursor")
struct XArrayCursorTests {
  let array = TestXArray()

  @Test("a search goes on behind the whole multi-index entry it has found")
  func resumesPastEntry() {
    _ = array.store(512, order: 9, 1)
    _ = array.store(1024, 2)
    unsafe array.withCursor(at: 700) { cursor in
      #expect(unsafe integer(xas_find(&cursor, .max)) == 1)
      #expect(unsafe cursor.xa_index == 700)
      #expect(unsafe xas_get_order(&cursor) == 9)
      #expect(unsafe integer(xas_find(&cursor, .max)) == 2)
      #expect(unsafe cursor.xa_index == 1024)
      #expect(unsafe xas_find(&cursor, .max) == nil)
      #expect(unsafe xas_find(&cursor, .max) == nil)
    }
  }

  @Test(
    "pause moves behind the current entry, reset stays at it", arguments: [0, 3, 9] as [UInt32])
  func pauseAndReset(order: UInt32) {
    let size = UInt(1) << order
    _ = array.store(size, order: order, 1)
    _ = array.store(2 * size, order: order, 2)
    let middle = size + size / 2
    unsafe array.withCursor(at: middle) { cursor in
      #expect(unsafe integer(xas_find(&cursor, .max)) == 1)
      unsafe xas_reset(&cursor)
      #expect(unsafe cursor.xa_index == middle)
      #expect(unsafe integer(xas_find(&cursor, .max)) == 1)
      unsafe xas_pause(&cursor)
      #expect(unsafe cursor.xa_index == 2 * size)
      // The lock may be dropped here and the next entry go away and come back.
      #expect(unsafe integer(xas_find(&cursor, .max)) == 2)
    }
  }

  @Test("a wait in a scan must reset: after a pause the cursor shows another entry")
  func pauseIsWrongForWaiting() {
    _ = array.store(10, 1)
    _ = array.store(11, 2)
    unsafe array.withCursor(at: 10) { cursor in
      #expect(unsafe integer(xas_find(&cursor, .max)) == 1)
      unsafe xas_pause(&cursor)
      #expect(unsafe integer(xas_load(&cursor)) == 2)
      unsafe xas_set(&cursor, 10)
      #expect(unsafe integer(xas_find(&cursor, .max)) == 1)
      unsafe xas_reset(&cursor)
      #expect(unsafe integer(xas_load(&cursor)) == 1)
    }
  }

  @Test("a pause at the last index ends the search")
  func pauseAtTheEnd() {
    _ = array.store(.max, order: 4, 1)
    unsafe array.withCursor(at: .max - 3) { cursor in
      #expect(unsafe integer(xas_find(&cursor, .max)) == 1)
      unsafe xas_pause(&cursor)
      #expect(unsafe xas_find(&cursor, .max) == nil)
    }
  }

  @Test("a search that stopped at its limit goes on from there with a larger one")
  func largerLimit() {
    _ = array.store(1, 1)
    _ = array.store(300, 2)
    unsafe array.withCursor(at: 0) { cursor in
      #expect(unsafe integer(xas_find(&cursor, 100)) == 1)
      #expect(unsafe xas_find(&cursor, 100) == nil)
      #expect(unsafe xas_find(&cursor, 299) == nil)
      #expect(unsafe integer(xas_find(&cursor, 300)) == 2)
    }
  }

  @Test("conflicts of a block are its smaller entries, one by one, or the one that covers it")
  func conflicts() {
    _ = array.store(1024 + 7, 1)
    _ = array.store(1024 + 64, order: 6, 2)
    _ = array.store(1024 + 511, 3)
    _ = array.store(1536, 4)
    unsafe array.withCursor(at: 1024 + 77, order: 9) { cursor in
      #expect(unsafe integer(xas_find_conflict(&cursor)) == 1)
      #expect(unsafe cursor.xa_index == 1024 + 7)
      #expect(unsafe integer(xas_find_conflict(&cursor)) == 2)
      #expect(unsafe integer(xas_find_conflict(&cursor)) == 3)
      #expect(unsafe xas_find_conflict(&cursor) == nil)
      #expect(unsafe cursor.xa_index == 1024)
      // Set to the middle, it still begins at the start of the block.
      unsafe xas_set(&cursor, 1024 + 300)
      #expect(unsafe integer(xas_find_conflict(&cursor)) == 1)
    }
    unsafe array.withCursor(at: 1024 + 100) { cursor in
      #expect(unsafe integer(xas_find_conflict(&cursor)) == 2)
      #expect(unsafe cursor.xa_index == 1024 + 100)
      #expect(unsafe xas_find_conflict(&cursor) == nil)
    }
    unsafe array.withCursor(at: 2048, order: 9) { cursor in
      #expect(unsafe xas_find_conflict(&cursor) == nil)
    }
  }

  @Test("after no conflict was found the block can be stored with the same cursor")
  func storeAfterConflictSearch() {
    _ = array.store(4096, 1)
    unsafe array.withCursor(at: 700, order: 9) { cursor in
      #expect(unsafe xas_find_conflict(&cursor) == nil)
      #expect(unsafe xas_store(&cursor, entry(2)) == nil)
      #expect(unsafe xas_error(&cursor) == 0)
      unsafe xas_set_mark(&cursor, XA_MARK_0)
      #expect(unsafe xas_get_mark(&cursor, XA_MARK_0))
      #expect(unsafe integer(xas_next_entry(&cursor, .max)) == 1)
    }
    #expect(array.load(512) == 2 && array.load(1023) == 2 && array.mark(800, XA_MARK_0))
  }

  @Test("erasing each entry found leaves the search on its way, though nodes vanish under it")
  func eraseWhileScanning() {
    let indices: [UInt] = [0, 1, 64, 4096, 4097, 1 << 24, 1 << 24 + 64, 1 << 50]
    for index in indices { _ = array.store(index, index + 1) }
    var seen: [UInt] = []
    unsafe array.withCursor(at: 0) { cursor in
      while let value = unsafe integer(xas_find(&cursor, .max)) {
        seen.append(value - 1)
        #expect(unsafe integer(xas_store(&cursor, nil)) == value)
      }
    }
    #expect(seen == indices)
    #expect(array.isEmpty)
  }

  @Test("erasing from the end keeps what is before, however low the tree becomes")
  func eraseBackwards() {
    let indices: [UInt] = [0, 63, 64, 4096, 1 << 24, 1 << 50]
    for index in indices { _ = array.store(index, index + 1) }
    for (position, index) in indices.enumerated().reversed() {
      #expect(array.erase(index) == index + 1)
      #expect(indices[..<position].allSatisfy { array.load($0) == $0 + 1 })
      #expect(array.brokenRule == nil)
    }
  }

  @Test("an error sticks to the cursor until it is reset")
  func errorsStick() {
    unsafe array.withCursor(at: 5) { cursor in
      unsafe xas_set_err(&cursor, Int(-EIO))
      #expect(unsafe xas_error(&cursor) == -EIO)
      #expect(unsafe xas_store(&cursor, entry(1)) == nil)
      #expect(unsafe xas_load(&cursor) == nil && xas_find(&cursor, .max) == nil)
      #expect(unsafe xas_find_conflict(&cursor) == nil)
      #expect(unsafe !xas_nomem(&cursor) && xas_error(&cursor) == -EIO)
      unsafe xas_reset(&cursor)
      #expect(unsafe xas_store(&cursor, entry(1)) == nil && xas_error(&cursor) == 0)
      #expect(unsafe integer(xas_load(&cursor)) == 1)
    }
  }

  @Test("the retry entry resets a cursor, other entries leave it alone")
  func retry() {
    _ = array.store(5, 1)
    unsafe array.withCursor(at: 5) { cursor in
      let found = unsafe xas_load(&cursor)
      #expect(unsafe !xas_retry(&cursor, found) && !xas_invalid(&cursor))
      #expect(unsafe xas_retry(&cursor, xa_mk_internal(256)) && xas_invalid(&cursor))
    }
  }

  @Test("a cursor placed under a larger store finds its way from the top")
  func cursorInReplacedNode() {
    _ = array.store(4096 + 5, 1)
    _ = array.store(1 << 20, 2)
    unsafe array.withCursor(at: 4096) { cursor in
      rcu_read_lock()
      #expect(unsafe integer(xas_find(&cursor, .max)) == 1)
      var other = unsafe cfolio_xa_state(array.pointer, 4096, 9)
      #expect(unsafe integer(xas_store(&other, entry(3))) == 1)
      // The first cursor's node has left the tree; what covers its next index is the new entry.
      #expect(unsafe integer(xas_find(&cursor, .max)) == 3)
      #expect(unsafe cursor.xa_index == 4096 + 6)
      #expect(unsafe integer(xas_find(&cursor, .max)) == 2)
      rcu_read_unlock()
    }
  }
}
