// SPDX-License-Identifier: MIT

// try_get against the last put, and the owner's raise from idle (spec: core.md section 15, T1, T7,
// T8). A page goes idle and is raised again all the time; what its holders may read is a plain word
// that its owner rewrites only while the page is idle. Device-private pages count runs of the free
// path (CI22, CI26).

import CFolio
package import FolioCore

package final class LastPutRound: StressRound {
  package static let scenario = StressScenario(
    "last-put", "try_get against the last put, and raising an idle page"
  ) { try LastPutRound($0) }

  package let maps: [PageMap]
  package let coverage: [CoverageItem]
  private enum Item: Int { case raise, follow, handOut, followPrivate }
  private let settings: RoundSettings
  private let payload: Payload
  /// Per page: 1 while a thread owns it (the entry lock).
  private let owners: [SharedCount]
  /// Per page: the value that the payload has had since the page was idle last.
  private let generations: [SharedCount]
  private let home: PrivatePages

  private static let pages = 6

  /// The driver's side of device-private pages: which are home. 1: home, 0: handed out.
  private final class PrivatePages: Sendable {
    let isHome = (0..<LastPutRound.pages).map { _ in SharedCount(1) }
    let first = SharedCount()
  }

  init(_ settings: RoundSettings) throws(PageMapError) {
    self.settings = settings
    // One thread alone never meets a page that somebody raised.
    let isShared = settings.threads > 1
    coverage = [
      CoverageItem("an idle page raised"),
      CoverageItem("a raised page followed", isRequired: isShared || settings.rules == .legacy),
      CoverageItem("a private page handed out"),
      CoverageItem("a private page followed", isRequired: isShared),
    ]
    payload = Payload(count: Self.pages)
    owners = (0..<Self.pages).map { _ in SharedCount() }
    generations = (0..<Self.pages).map { _ in SharedCount() }
    let home = PrivatePages()
    self.home = home
    let log = settings.log
    let dax = try settings.makeMap(.fsdax, pages: 512)
    let driver = try settings.makeMap(.devicePrivate, pages: 512) {
      $0.onFree = { frame in
        let index = Int(frame) - home.first.value
        if !home.isHome[index].exchange(0, for: 1) {
          log.add("CI22", frame: frame, "the free path ran for a page that is home")
        }
      }
    }
    home.first.set(Int(driver.frames.lowerBound))
    maps = [dax, driver]
  }

  package func work(_ worker: inout Worker) {
    while worker.isRunning {
      let index = worker.pick(Self.pages)
      switch worker.pick(5) {
      case 0, 1: follow(index, &worker)
      case 2: raise(index, &worker)
      case 3: handOut(index, &worker)
      default: followPrivate(index, &worker)
      }
      worker.did()
    }
  }

  /// A speculative getter of a DAX page.
  private func follow(_ index: Int, _ worker: inout Worker) {
    let frame = maps[0].frames.lowerBound + UInt(index)
    guard let folio = unsafe try_get_folio(pfn_to_page(frame), 1) else { return }
    worker.cover(Item.follow)
    check(index, frame)
    if worker.pick(2) == 0 {
      unsafe folio_get(folio)
      unsafe release(folio, &worker)
    }
    if worker.pick(4) == 0 { cfolio_yield() }
    check(index, frame)
    unsafe release(folio, &worker)
  }

  /// Context: a reference. The payload was written before the page was raised.
  private func check(_ index: Int, _ frame: UInt) {
    // Under legacy rules an idle page has its base reference: getters follow it all the same, so
    // only the pair can be checked, and only a freeze excludes them.
    // The payload first: `generations` is loaded ACQ, and would order what the count must order.
    let value = payload.read(index)
    let generation = UInt(generations[index].value)
    settings.log.require(
      value == generation, "CI40", frame: frame,
      "payload \(value.map(String.init) ?? "torn") under a reference, generation \(generation)")
  }

  private func release(_ folio: UnsafeMutablePointer<folio>, _ worker: inout Worker) {
    unsafe PutPath.random(&worker, hooked: settings.rules == .legacy).put(folio)
  }

  /// The owner: when the page is idle, rewrite its payload and raise it.
  private func raise(_ index: Int, _ worker: inout Worker) {
    guard owners[index].tryLock() else { return }
    let frame = maps[0].frames.lowerBound + UInt(index)
    let folio = unsafe maps[0].folio(frame)
    var isRaised = false
    if settings.rules == .legacy {
      if unsafe folio_ref_freeze(folio, 1) {
        rewrite(index)
        unsafe folio_ref_unfreeze(folio, 2)
        isRaised = true
      }
    } else if maps[0].isIdle(frame: frame, .idle) {
      rewrite(index)
      unsafe publish(folio, &worker)
      isRaised = true
    }
    owners[index].unlock()
    guard isRaised else { return }
    worker.cover(Item.raise)
    if worker.pick(4) == 0 { cfolio_yield() }
    unsafe release(folio, &worker)
  }

  /// Every way to raise an idle page so that a getter that follows the count sees what the owner wrote.
  private func publish(_ folio: UnsafeMutablePointer<folio>, _ worker: inout Worker) {
    #if SANITIZED_THREAD
      // ThreadSanitizer does not follow fences.
      unsafe _ = folio_ref_inc_return(folio)
    #else
      switch worker.pick(3) {
      case 0:
        unsafe _ = folio_ref_inc_return(folio)
      case 1:
        smp_wmb()
        unsafe folio_ref_inc(folio)
      default:
        smp_wmb()
        unsafe folio_set_count(folio, 1)
      }
    #endif
  }

  private func rewrite(_ index: Int) {
    let generation = generations[index].value + 1
    payload.write(index, UInt(generation))
    generations[index].set(generation)
  }

  /// The driver's allocator: hands a page out and drops it.
  private func handOut(_ index: Int, _ worker: inout Worker) {
    guard home.isHome[index].exchange(1, for: 0) else { return }
    let frame = maps[1].frames.lowerBound + UInt(index)
    let page = unsafe maps[1].page(frame)
    unsafe zone_device_page_init(page)
    let folio = unsafe page_folio(page)
    unsafe folio_unlock(folio)
    worker.cover(Item.handOut)
    if worker.pick(4) == 0 { cfolio_yield() }
    unsafe PutPath.random(&worker, hooked: false).put(folio)
  }

  private func followPrivate(_ index: Int, _ worker: inout Worker) {
    let frame = maps[1].frames.lowerBound + UInt(index)
    guard let folio = unsafe try_get_folio(pfn_to_page(frame), 2) else { return }
    worker.cover(Item.followPrivate)
    settings.log.require(
      home.isHome[index].value == 0, "CI26", frame: frame, "a referenced page is home")
    unsafe PutPath.random(&worker, hooked: false).put(folio, 2)
  }

  package func settle() {
    for map in maps {
      if let frame = map.firstBusyFrame {
        settings.log.add("CI1", frame: frame, "busy after every reference was given back")
      }
    }
    for (index, isHome) in home.isHome.enumerated() {
      settings.log.require(
        isHome.value == 1, "CI26", frame: UInt(home.first.value + index), "idle and not home")
    }
  }

  package func close() throws(PageMapError) {
    for map in maps { try map.unmap() }
  }
}
