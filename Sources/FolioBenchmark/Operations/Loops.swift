// SPDX-License-Identifier: MIT

// The loops that are timed for Folio, written in Swift as a user would: plain functions over C
// inlines, in which nothing retains or releases. Each returns how many operations did what the
// model says. Walks as in peers/atomics.h: one page over and over when the mask is 0.

import BenchmarkPeers
import CFolio
import FolioCore

enum Loops {
  typealias Pages = UnsafeMutablePointer<page>

  /// Inlined with its step: the loop is as if it were written out.
  @inline(__always)
  private static func walk(
    _ pages: Pages, _ mask: Int, _ start: Int, _ count: Int, _ step: (Pages) -> Bool
  ) -> Int {
    var done = 0
    if mask == 0 {
      var index = 0
      while index < count {
        if unsafe step(pages) { done &+= 1 }
        index &+= 1
      }
      return done
    }
    var index = start
    while index < start &+ count {
      if unsafe step(pages + walk_index(index, mask)) { done &+= 1 }
      index &+= 1
    }
    return done
  }

  @inline(never)
  static func tryGetPut(_ pages: Pages, _ mask: Int, _ start: Int, _ count: Int) -> Int {
    unsafe walk(pages, mask, start, count) { page in
      guard unsafe folio_try_get(folioOf(page)) else { return false }
      unsafe folio_put(folioOf(page))
      return true
    }
  }

  @inline(never)
  static func getPut(_ pages: Pages, _ mask: Int, _ start: Int, _ count: Int) -> Int {
    unsafe walk(pages, mask, start, count) { page in
      unsafe folio_get(folioOf(page))
      unsafe folio_put(folioOf(page))
      return true
    }
  }

  /// Every page of a device in turn.
  @inline(never)
  static func walkInOrder(_ pages: Pages, _ mask: Int, _ start: Int, _ count: Int) -> Int {
    var index = start
    while index < start &+ count {
      let folio = unsafe folioOf(pages + (index & mask))
      unsafe folio_get(folio)
      unsafe folio_put(folio)
      index &+= 1
    }
    return count
  }

  /// A reference beside one that somebody holds already: adopted for the step, given back as such.
  @inline(never)
  static func cloneDrop(_ pages: Pages, _ mask: Int, _ start: Int, _ count: Int) -> Int {
    unsafe walk(pages, mask, start, count) { page in
      let held = unsafe FolioReference(adopting: folioOf(page))
      _ = held.clone()
      return unsafe held.leak() == folioOf(page)
    }
  }

  @inline(never)
  static func getPage(_ pages: Pages, _ mask: Int, _ start: Int, _ count: Int) -> Int {
    unsafe walk(pages, mask, start, count) { page in
      unsafe get_page(page)
      unsafe put_page(page)
      return true
    }
  }

  /// Gets one by one, puts in batches of PAGEVEC_SIZE, of which count is a multiple and which the
  /// mask is not below.
  @inline(never)
  static func batchPut(_ pages: Pages, _ mask: Int, _ start: Int, _ count: Int) -> Int {
    let size = Int(PAGEVEC_SIZE)
    var batch = folio_batch()
    unsafe folio_batch_init(&batch)
    var done = 0
    while done < count {
      for index in 0..<size {
        let folio = unsafe folioOf(pages + walk_index(start &+ done &+ index, mask))
        unsafe folio_get(folio)
        _ = unsafe folio_batch_add(&batch, folio)
      }
      unsafe folios_put_refs(&batch, nil)
      done &+= size
    }
    return count
  }

  @inline(never)
  static func freezeUnfreeze(_ pages: Pages, _ mask: Int, _ start: Int, _ count: Int) -> Int {
    unsafe walk(pages, mask, start, count) { page in
      guard unsafe folio_ref_freeze(folioOf(page), 1) else { return false }
      unsafe folio_ref_unfreeze(folioOf(page), 1)
      return true
    }
  }

  @inline(never)
  static func tryGetFolioPut(_ pages: Pages, _ mask: Int, _ start: Int, _ count: Int) -> Int {
    unsafe walk(pages, mask, start, count) { page in
      guard let folio = unsafe try_get_folio(page, 1) else { return false }
      unsafe folio_put(folio)
      return true
    }
  }

  /// Four per turn, as the peer's loop has it; count is a multiple of it.
  @inline(never)
  static func readSections(_ count: Int) -> Int {
    var index = 0
    while index < count {
      rcu_read_lock()
      rcu_read_unlock()
      rcu_read_lock()
      rcu_read_unlock()
      rcu_read_lock()
      rcu_read_unlock()
      rcu_read_lock()
      rcu_read_unlock()
      index &+= 4
    }
    return count
  }

  /// 0 -> 1 by the owner, then the put that ends it.
  @inline(never)
  static func lastPut(_ pages: Pages, _ mask: Int, _ start: Int, _ count: Int) -> Int {
    unsafe walk(pages, mask, start, count) { page in
      unsafe folio_ref_inc(folioOf(page))
      unsafe folio_put(folioOf(page))
      return true
    }
  }

  /// A walk over mask + 1 runs of 2^order pages.
  @inline(never)
  static func prepSplit(
    _ pages: Pages, _ order: UInt32, _ mask: Int, _ start: Int, _ count: Int
  ) -> Int {
    for index in start..<start + count {
      let head = unsafe pages + Int(walk_index(index, mask)) << Int(order)
      unsafe prep_compound_page(head, order)
      unsafe folio_split_to_order_0(folioOf(head))
    }
    return count
  }

  /// The pages may belong to large folios.
  @inline(never)
  static func rmapPTE(
    _ pages: Pages, _ mask: Int, _ start: Int, _ count: Int, _ mm: mm_id_t
  ) -> Int {
    for index in start..<start + count {
      let page = unsafe pages + Int(walk_index(index, mask))
      let folio = unsafe page_folio(page)
      unsafe folio_add_file_rmap_pte(folio, page, mm)
      unsafe folio_remove_rmap_pte(folio, page, mm)
    }
    return count
  }

  @inline(never)
  static func rmapPMD(_ folio: UnsafeMutablePointer<folio>, _ mm: mm_id_t, _ count: Int) -> Int {
    for _ in 0..<count {
      unsafe folio_add_file_rmap_pmd(folio, mm)
      unsafe folio_remove_rmap_pmd(folio, mm)
    }
    return count
  }

  @inline(never)
  static func shareUpDown(_ pages: Pages, _ mask: Int, _ start: Int, _ count: Int) -> Int {
    unsafe walk(pages, mask, start, count) { page in
      let folio = unsafe folioOf(page)
      unsafe folio_set_share(folio, folio_share(folio) &+ 1)
      unsafe folio_set_share(folio, folio_share(folio) &- 1)
      return true
    }
  }

  /// Registry, page, map of random frames of a map. A hit is a page whose own map is the registry's.
  @inline(never)
  static func lookUpRandom(_ first: UInt, _ pages: UInt64, _ seed: UInt64, _ count: Int) -> Int {
    var state = seed
    var hits = 0
    for _ in 0..<count {
      let frame = first &+ UInt(scale_key(unsafe next_key(&state), pages))
      hits &+= lookUp(frame) ? 1 : 0
    }
    return hits
  }

  /// The same, frame after frame.
  @inline(never)
  static func lookUpSequential(_ first: UInt, _ pages: Int, _ start: Int, _ count: Int) -> Int {
    var offset = start % pages
    var hits = 0
    for _ in 0..<count {
      hits &+= lookUp(first &+ UInt(offset)) ? 1 : 0
      offset &+= 1
      if offset == pages { offset = 0 }
    }
    return hits
  }

  @inline(__always)
  private static func lookUp(_ frame: UInt) -> Bool {
    rcu_read_lock()
    defer { rcu_read_unlock() }
    guard let map = unsafe cfolio_pgmap_lookup_rcu(frame) else { return false }
    return unsafe page_pgmap(pfn_to_page(frame)) == map
  }

  @inline(never)
  static func arrayLoad(
    _ array: UnsafeMutablePointer<xarray>, _ entries: UInt64, stride: UInt, _ seed: UInt64,
    _ count: Int
  ) -> Int {
    var state = seed
    var hits = 0
    for _ in 0..<count {
      let index = UInt(scale_key(unsafe next_key(&state), entries)) &* stride
      hits &+= unsafe xa_load(array, index) != nil ? 1 : 0
    }
    return hits
  }

  @inline(never)
  static func pagemapGetPut(_ frame: UInt, _ count: Int) -> Int {
    var got = 0
    for _ in 0..<count {
      if let map = unsafe get_dev_pagemap(frame) {
        got &+= 1
        unsafe put_dev_pagemap(map)
      }
    }
    return got
  }

  @inline(never)
  static func percpuGetPut(_ reference: UnsafeMutablePointer<percpu_ref>, _ count: Int) -> Int {
    for _ in 0..<count {
      unsafe percpu_ref_get(reference)
      unsafe percpu_ref_put(reference)
    }
    return count
  }

  @inline(never)
  static func wakeNobody(_ word: UnsafeRawPointer, _ count: Int) -> Int {
    for _ in 0..<count {
      unsafe wake_up_var(word)
    }
    return count
  }
}
