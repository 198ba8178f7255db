// SPDX-License-Identifier: MIT

// The XArray's lock-free readers against its writers: erasing and shrinking, growth, multi-index
// entries, iteration, with nodes freed by call_rcu (arguments M, R, S and I of xarray_walk.c).

import CFolio
import FolioCore

/// A tree in memory of the seam. Values are 63-bit integers.
@safe
struct Tree {
  let array: UnsafeMutablePointer<xarray>
  private let nodes: Int

  init(_ entries: [(index: UInt, order: UInt32, value: UInt)]) throws {
    unsafe array = try unsafe seamMemory(xarray.self)
    nodes = cfolio_xa_nodes()
    unsafe xa_init(array)
    for entry in entries { store(entry.index, entry.order, entry.value) }
  }

  func store(_ index: UInt, _ order: UInt32 = 0, _ value: UInt) {
    var cursor = unsafe cfolio_xa_state(array, index, order)
    repeat {
      unsafe xas_lock(&cursor)
      unsafe _ = xas_store(&cursor, xa_mk_value(value))
      unsafe xas_unlock(&cursor)
    } while unsafe xas_nomem(&cursor)
  }

  func erase(_ index: UInt) { unsafe _ = xa_erase(array, index) }

  /// nil: no entry. An entry that is no value is a broken tree.
  func load(_ index: UInt) -> UInt? { unsafe Self.value(xa_load(array, index)) }

  @unsafe
  static func value(_ entry: UnsafeMutableRawPointer?) -> UInt? {
    guard let entry = unsafe entry else { return nil }
    guard unsafe xa_is_value(entry) else {
      report("XArray", "a lookup gave an internal entry")
      return nil
    }
    return unsafe xa_to_value(entry)
  }

  /// Values that are met from 0 to `last`, in order of their indices.
  func all(to last: UInt) -> [UInt] {
    var (index, found): (UInt, [UInt]) = (0, [])
    var entry = unsafe xa_find(array, &index, last, UInt32(XA_PRESENT))
    while let met = unsafe entry {
      if let value = unsafe Self.value(met) { found.append(value) }
      unsafe entry = unsafe xa_find_after(array, &index, last, UInt32(XA_PRESENT))
    }
    return found
  }

  func verify() {
    require(unsafe cfolio_xa_verify(array) == nil, "XArray", "the tree is broken")
  }

  func free() {
    unsafe xa_destroy(array)
    unsafe cfolio_free(array)
  }
}

enum Trees {
  static let scenarios = [erase, shrink, grow, siblings, iterate, insert]

  private static func world(
    _ tree: Tree, _ threads: [(name: String, body: () -> Void)],
    conclude: @escaping () -> Void = {}
  ) -> ProgramWorld {
    ProgramWorld(
      threads,
      conclude: {
        tree.verify()
        conclude()
      }, tearDown: { tree.free() })
  }

  private static let erase = Scenario(
    "xarray-erase", "xa_erase of the last entry against xa_load: found or not, never a freed node",
    rules: [.strict], size: 1, sizes: 1...2, obligations: ["found", "not found"]
  ) { settings in
    let tree = try Tree([(5, 0, 50)])
    let obligations = settings.obligations
    let reader = {
      let value = tree.load(5)
      require(value == 50 || value == nil, "XArray", "a lookup gave a stray entry")
      obligations.reach(value == nil ? 1 : 0)
    }
    return world(
      tree,
      (0..<settings.size).map { _ in (name: "reader", body: reader) } + [
        (name: "writer", body: { tree.erase(5) })
      ])
  }

  private static let shrink = Scenario(
    "xarray-shrink", "the tree loses a level under a lookup: an entry that stays is always found",
    rules: [.strict], obligations: ["the other was there", "the other was gone"]
  ) { settings in
    let tree = try Tree([(1, 0, 10), (64, 0, 640)])
    let obligations = settings.obligations
    return world(
      tree,
      [
        (
          name: "reader",
          body: {
            require(tree.load(1) == 10, "XArray", "an entry that stays was not found")
            obligations.reach(tree.load(64) == nil ? 1 : 0)
          }
        ),
        (name: "writer", body: { tree.erase(64) }),
      ])
  }

  private static let grow = Scenario(
    "xarray-grow", "the tree gains a level under a lookup: an entry that stays is always found",
    rules: [.strict], obligations: ["the other was there", "the other was not"]
  ) { settings in
    let tree = try Tree([(1, 0, 10)])
    let obligations = settings.obligations
    return world(
      tree,
      [
        (
          name: "reader",
          body: {
            require(tree.load(1) == 10, "XArray", "an entry that stays was not found")
            obligations.reach(tree.load(64) == nil ? 1 : 0)
          }
        ),
        (name: "writer", body: { tree.store(64, 0, 640) }),
      ])
  }

  /// The danger of xa_resolve(): the sibling of an entry that was erased leads to a smaller one.
  private static let siblings = Scenario(
    "xarray-siblings", "an entry of four indices is replaced by one of one index under a lookup",
    rules: [.strict], obligations: ["the old entry", "nothing"]
  ) { settings in
    let tree = try Tree([(4, 2, 40), (0, 0, 1)])
    let obligations = settings.obligations
    return world(
      tree,
      [
        (
          name: "reader",
          body: {
            let value = tree.load(6)
            require(value == 40 || value == nil, "XArray", "an index has another index's entry")
            obligations.reach(value == nil ? 1 : 0)
          }
        ),
        (
          name: "writer",
          body: {
            tree.erase(4)
            tree.store(4, 0, 41)
          }
        ),
      ])
  }

  private static let iterate = Scenario(
    "xarray-iterate",
    "iteration with pauses over a tree that shrinks: who stays is met exactly once",
    rules: [.strict], obligations: ["the erased one was met", "the erased one was not met"]
  ) { settings in
    let tree = try Tree([(1, 0, 10), (3, 0, 30), (64, 0, 640)])
    let obligations = settings.obligations
    return world(
      tree,
      [
        (
          name: "reader",
          body: {
            var cursor = unsafe cfolio_xa_state(tree.array, 0, 0)
            var found: [UInt] = []
            rcu_read_lock()
            var entry = unsafe xas_find(&cursor, 127)
            while let met = unsafe entry {
              if let value = unsafe Tree.value(met) { found.append(value) }
              if found.count > 8 { break }
              // Lets go of the tree, as long scans do.
              unsafe xas_pause(&cursor)
              rcu_read_unlock()
              rcu_read_lock()
              unsafe entry = unsafe xas_find(&cursor, 127)
            }
            rcu_read_unlock()
            let stay = found.filter { $0 != 640 }
            require(stay == [10, 30], "XArray", "an entry that stays was not met exactly once")
            require(found.count - stay.count <= 1, "XArray", "an entry was met twice")
            obligations.reach(found.contains(640) ? 0 : 1)
          }
        ),
        (name: "writer", body: { tree.erase(64) }),
      ])
  }

  private static let insert = Scenario(
    "xarray-insert", "two xa_insert of one index: one wins, and a lookup sees the winner's entry",
    rules: [.strict], obligations: ["the first won", "the second won"]
  ) { settings in
    let tree = try Tree([(9, 0, 90)])
    let results = try [SharedWord("first result", 1), SharedWord("second result", 1)]
    let obligations = settings.obligations
    let world = ProgramWorld(
      (0..<2).map { index in
        (
          name: "writer \(index + 1)",
          body: {
            let status = unsafe xa_insert(tree.array, 5, xa_mk_value(UInt(index + 1)))
            results[index].store(status)
          }
        )
      },
      conclude: {
        tree.verify()
        let won = results.map { $0.load() == 0 }
        require(won.count { $0 } == 1, "XArray", "not exactly one of two insertions won")
        guard let winner = won.firstIndex(of: true) else { return }
        obligations.reach(winner)
        require(tree.load(5) == UInt(winner + 1), "XArray", "the loser's entry is stored")
        require(tree.all(to: 63) == [UInt(winner + 1), 90], "XArray", "entries are missing")
      },
      tearDown: {
        tree.free()
        for result in results { result.free() }
      })
    return world
  }
}
