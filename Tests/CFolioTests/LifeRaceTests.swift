// SPDX-License-Identifier: MIT

// Races at the ends of a page's and a map's life that a review proved, each with its story: pages
// seen while they are made, free paths that end late, wakes that were lost, teardown against raising
// and waiting. A waiter that is not woken shows as a timeout, a deadlock as the alarm of its process.

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

@Suite("Ends of life")
struct LifeRaceTests {
  // The story. A compound map is made while somebody looks frames up. The tail had R == 1, as a page
  // of its own, until it became a tail: a reference taken then was to nothing. In one thread: the
  // look-up comes between any two instructions of the initialisation.
  @Test(
    "a tail of a map that is being made is never a folio of its own",
    .enabled(if: SingleStep.isSupported))
  func halfMade() throws {
    let map = try PageMap(.generic, pages: 512, .init(compoundOrder: 1))
    let head = unsafe map.page(map.frames.lowerBound)
    let folio = unsafe map.folio(map.frames.lowerBound)
    var (strangers, refusals, holders) = (0, 0, 0)
    let runs = SingleStep.interleave(
      places: 1000, stride: 3 * SingleStep.hookCost,
      // What a fresh map's struct pages are.
      prepare: { unsafe memset(head, 0, 128) },
      step: {
        if let taken = unsafe try_get_folio(head + 1, 1) {
          if unsafe taken == folio { holders += 1 } else { strangers += 1 }
          unsafe folio_put(taken)
        } else {
          refusals += 1
        }
      },
      check: { _ in },
      body: { unsafe memmap_init_zone_device(map.pgmap, map.frames.lowerBound, 2) })
    #expect(runs > 20 && runs < 1000)
    #expect(strangers == 0 && refusals > 0 && holders > 0)
    #expect(map.audit().isEmpty)
  }

  // The story. A pin is held all the time. Another thread maps the page and unmaps it again, between
  // the reads of R, M and R that decide whether it is unpinned: R is the same both times, M is not
  // of that instant, and R - M says unpinned.
  @Test(
    "a mapping that comes and goes does not hide a pin", .enabled(if: SingleStep.isSupported),
    arguments: [(0, true), (9, true), (9, false)])
  func hiddenPin(order: Int, ownerTracking: Bool) throws {
    let map = try PageMap(
      .fsdax, pages: 512, .init(compoundOrder: order, ownerTracking: ownerTracking))
    let folio = unsafe map.folio(map.frames.lowerBound)
    let page = unsafe map.page(map.frames.lowerBound)
    unsafe folio_raise(folio)
    // The reads are tens of instructions apart: every place in steps of some, and what comes not
    // too long after it.
    let (stride, reach) = (12 * SingleStep.hookCost, 180 * SingleStep.hookCost)
    var runs = 0
    var lies = 0
    var length = Int.max
    var first = 1
    while first < length {
      var second = first + stride
      while second <= first + reach {
        var (seen, isMapped, isUnmapped, isIdle) = (0, false, false, false)
        SingleStep.run(
          visit: { count in
            seen = count
            if !isMapped, count >= first {
              isMapped = true
              unsafe folio_get(folio)
              unsafe folio_add_file_rmap_pte(folio, page, 7)
            } else if isMapped, count >= second {
              isUnmapped = true
              unsafe folio_remove_rmap_pte(folio, page, 7)
              unsafe folio_put(folio)
              return false
            }
            return true
          }, body: { isIdle = unsafe folio_is_idle(folio, FOLIO_UNPINNED) })
        runs += 1
        if isIdle { lies += 1 }
        if isMapped && !isUnmapped {
          unsafe folio_remove_rmap_pte(folio, page, 7)
          unsafe folio_put(folio)
        }
        if !isMapped { length = seen }
        if !isUnmapped { break }
        second += stride
      }
      first += stride
    }
    #expect(runs > 20)
    #expect(lies == 0)
    unsafe folio_put(folio)
    #expect(map.audit().isEmpty)
  }

  // The story. The last put of page 5 brought R to 0 and stopped before its free path. The owner,
  // which sees R == 0, forms a folio of pages 0-7. The free path goes on, on what is a tail now.
  @Test(
    "a folio is formed when the free paths of all its pages have ended", arguments: [0, 1, 5, 7])
  func lateOnTail(index: UInt) throws {
    let map = try PageMap(.fsdax, pages: 512)
    let first = map.frames.lowerBound
    let late = unsafe map.folio(first + index)
    unsafe folio_raise(late)
    #expect(unsafe folio_put_testzero(late))
    #expect(cfolio_frees_in_progress(first, first + 512))
    let formed = Flag()
    let owner = NativeThread {
      unsafe prep_compound_page(map.page(first), 3)
      formed.raise()
    }
    let queue = unsafe __var_waitqueue(map.page(first + index))
    #expect(eventually { unsafe formed.isRaised || waitqueue_active(queue) })
    cfolio_sleep_ns(2_000_000)
    #expect(!formed.isRaised)
    unsafe __folio_put(late)
    owner.join()
    let folio = unsafe map.folio(first)
    #expect(unsafe folio_order(folio) == 3 && folio_nr_pages(folio) == 8)
    #expect(!cfolio_frees_in_progress(first, first + 512))
    #expect(map.audit().isEmpty)
    unsafe folio_split_to_order_0(folio)
    try map.unmap()
  }

  /// Waits on the folio in a thread, runs `step` when it sleeps there; true: the step woke it.
  private func isWoken(
    _ map: PageMap, _ condition: folio_idle_condition = FOLIO_UNPINNED, by step: () throws -> Void
  ) rethrows -> Bool {
    let woken = Flag()
    let frame = map.frames.lowerBound
    let key = unsafe cfolio_idle_key(
      map.folio(frame), map.rules == .legacy ? FOLIO_RULES_LEGACY : FOLIO_RULES_STRICT)
    let waiter = NativeThread {
      var options = unsafe wait_options()
      unsafe options.timeout_ns = 20_000_000_000
      if unsafe folio_wait_idle(map.folio(frame), condition, &options) > 0 { woken.raise() }
    }
    #expect(eventually { unsafe waitqueue_active(__var_waitqueue(key)) })
    try step()
    waiter.join()
    return woken.isRaised
  }

  @Test(
    "the last put of a page that its driver handed out wakes who waits for it",
    arguments: [PageMap.Kind.devicePrivate, .deviceCoherent, .pciP2PDMA], PageMap.Rules.allCases)
  func driverPages(kind: PageMap.Kind, rules: PageMap.Rules) throws {
    let map = try PageMap(kind, pages: 512, .init(rules: rules))
    let page = unsafe map.page(map.frames.lowerBound)
    let folio = unsafe map.folio(map.frames.lowerBound)
    unsafe zone_device_page_init(page)
    unsafe folio_unlock(folio)
    if unsafe pgmap_idle_count(map.pgmap) == 1 { unsafe folio_get(folio) }
    #expect(isWoken(map, FOLIO_IDLE) { unsafe folio_put(folio) })
    if unsafe pgmap_idle_count(map.pgmap) == 1 { unsafe folio_put(folio) }
  }

  @Test("every way to drop a reference that leaves R == M wakes under strict rules")
  func otherDrops() throws {
    for drop in 0..<5 {
      let map = try PageMap(.fsdax, pages: 512)
      let page = unsafe map.page(map.frames.lowerBound)
      let folio = unsafe map.folio(map.frames.lowerBound)
      unsafe folio_raise(folio)
      unsafe folio_add_file_rmap_pte(folio, page, 7)
      unsafe folio_get(folio)
      #expect(
        isWoken(map) {
          switch drop {
          case 0: unsafe page_ref_dec(page)
          case 1: unsafe folio_ref_sub(folio, 1)
          case 2: _ = unsafe page_ref_dec_return(page)
          case 3: _ = unsafe folio_put_testzero(folio)
          default: unsafe folio_put(folio)
          }
        }, "drop \(drop)")
      unsafe folio_remove_rmap_pte(folio, page, 7)
      unsafe folio_put(folio)
      try map.unmap()
    }
  }

  @Test("a put on a page whose map is gone wakes too")
  func retiredWake() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(strictTeardown: false))
    let page = unsafe map.page(map.frames.lowerBound)
    let folio = unsafe map.folio(map.frames.lowerBound)
    unsafe folio_raise(folio)
    unsafe folio_add_file_rmap_pte(folio, page, 7)
    unsafe folio_get(folio)
    #expect(
      try isWoken(map) {
        try map.unmap()
        unsafe folio_put(folio)
      })
    unsafe folio_remove_rmap_pte(folio, page, 7)
    unsafe folio_put(folio)
  }

  // The story. An owner raises its page again and again while another thread unmaps. Between the
  // test of the map's life and the raise, the teardown found every page idle: CI32, or a struct
  // page that went under the reference.
  @Test("raising against unmap: the raise is refused or the unmap finds the page busy")
  func raiseAgainstUnmap() async {
    await #expect(processExitsWith: .success) {
      alarm(120)
      for rules in [PageMap.Rules.strict, .legacy] {
        for round in 0..<80 {
          let map = try PageMap(
            .fsdax, pages: 512, .init(rules: rules, strictTeardown: round % 2 == 0))
          let isRunning = Flag()
          let raised = Counter()
          let thread = NativeThread {
            do throws(PageMapError) {
              let owner = try map.claim(frame: map.frames.lowerBound)
              isRunning.raise()
              while true {
                try owner.raise().releasePage()
                raised.add()
              }
            } catch {
              precondition(error.code == .dead)
            }
          }
          isRunning.wait()
          var isDead = false
          while !isDead {
            do throws(PageMapError) {
              try map.unmap()
              isDead = true
            } catch {
              precondition(error.code == .busy)
            }
          }
          thread.join()
          precondition(map.firstBusyFrame == nil)
        }
      }
    }
  }

  // The story. A thread waits on a page; another drops the last reference and unmaps. The waiter,
  // woken, read the page again - whose struct page was gone.
  @Test("waiting against put and unmap")
  func waitAgainstUnmap() async {
    await #expect(processExitsWith: .success) {
      alarm(120)
      for round in 0..<300 {
        let map = try PageMap(.fsdax, pages: 512, .init(strictTeardown: round % 2 == 0))
        let frame = map.frames.lowerBound
        let held = try map.claim(frame: frame).raise()
        let waiter = NativeThread {
          do throws(PageMapError) { try map.waitUntilIdle(frame: frame) } catch {
            precondition(error.code == .dead)
          }
          precondition(map.isIdle(frame: frame))
        }
        if round % 3 != 0 { cfolio_sleep_ns(50_000) }
        held.release()
        try map.unmap()
        waiter.join()
      }
    }
  }

  // The story. The last owner of a map lets it go inside a read scope. Its deinit took the lock of
  // the retired ranges, under which another thread's unmap waited for that reader.
  @Test("a map dropped inside a read scope does not wait for another map's teardown")
  func dropInScope() async {
    await #expect(processExitsWith: .success) {
      alarm(120)
      let threads = (0..<2).map { index in
        NativeThread {
          for _ in 0..<150 {
            do throws(PageMapError) {
              var map: PageMap? = try PageMap(.fsdax, pages: 512)
              try map!.unmap()
              if index == 0 {
                withReadScope { _ in map = nil }
              }
            } catch {
              preconditionFailure("\(error)")
            }
          }
        }
      }
      for thread in threads { thread.join() }
    }
  }

  // The story. Legacy rules reset R to 1 after page_free(). A driver that hands the page out again
  // inside page_free() lost the references of the new life.
  @Test("a legacy page that page_free hands out again keeps the references of its new life")
  func reusedAtOnce() throws {
    let lives = Counter()
    let map = try PageMap(
      .pciP2PDMA, pages: 512,
      .init(
        rules: .legacy,
        onFree: { frame in
          guard lives.add() == 1 else { return }
          unsafe zone_device_page_init(pfn_to_page(frame))
          unsafe page_ref_inc(pfn_to_page(frame))
        }))
    let budget = map.mapReferenceCount
    let folio = unsafe map.folio(map.frames.lowerBound)
    unsafe zone_device_page_init(map.page(map.frames.lowerBound))
    unsafe folio_unlock(folio)
    unsafe folio_put(folio)
    #expect(lives.value == 1)
    #expect(unsafe folio_ref_count(folio) == 2)
    #expect(map.mapReferenceCount == budget + 1)
    unsafe folio_unlock(folio)
    unsafe folio_put_refs(folio, 2)
    #expect(lives.value == 2)
    #expect(unsafe folio_ref_count(folio) == 1)
    #expect(map.mapReferenceCount == budget)
  }
}
