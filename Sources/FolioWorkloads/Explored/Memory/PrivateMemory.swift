// SPDX-License-Identifier: MIT

// Private memory of a scenario: address spaces that share a page of their own after a fork, the RAM that
// their pages come from, and what a walk under locks found. At the end everything has to be home.

import CFolio
import FolioCore

extension MemoryMap {
  /// Sixteen pages: tables of two entries.
  static func small(_ rules: PageMap.Rules) throws(MemoryError) -> MemoryMap {
    var options = Options(rules: rules)
    options.tableShift = 1
    return try MemoryMap(options)
  }

  /// Everything is unmapped, and nothing is counted or left behind. Context: the end of an execution.
  func requireEnd() {
    FaultRaces.mustSucceed { () throws(MemoryError) in try unmap(0..<end) }
    let counters = counters
    require(counters.anonymousPages == 0, "CI52", "private pages are counted that are not mapped")
    require(counters.tables == 1, "CI53", "a table is left")
  }
}

/// Where a walk of one page leaves what it found.
@safe
struct FoundPage {
  private let pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>

  init() throws(ScenarioMemoryError) {
    unsafe pages = try unsafe seamMemory(UnsafeMutablePointer<page>?.self)
  }

  /// Pins the page at the scenario's address, taking mmap_lock; pages, or -errno.
  func pin(_ space: MemoryMap, _ flags: UInt32 = 0) -> Int {
    unsafe pin_user_pages_unlocked(space.mm, MappedFile.address(0), 1, pages, flags)
  }

  /// Pins it without a lock, or not at all; pages.
  func pinFast(_ space: MemoryMap, _ flags: UInt32 = 0) -> Int {
    let start = MappedFile.address(0)
    return unsafe Int(
      gup_fast(space.mm, start, start + MemoryMap.pageSize, FOLL_PIN | flags, pages))
  }

  var frame: UInt { unsafe page_to_pfn(pages[0]!) }
  func unpin() { unsafe unpin_user_pages(pages, 1) }
  func free() { unsafe cfolio_free(pages) }
}

/// Address spaces, of which the first has one private page. One at a time.
final class PrivateMemory {
  let ram: ScenarioRAM
  /// For one thread.
  let found: FoundPage
  /// What the first space's page is when an execution begins.
  private(set) var frame: UInt = 0
  private var spaces: [MemoryMap] = []

  /// - Parameters:
  ///   - spaces: the second one is for a child.
  ///   - isStored: the page holds 1; else it was loaded, and is the zero page.
  ///   - isForked: the child is there.
  init(
    _ settings: Scenario.Settings, spaces count: Int = 2, isStored: Bool = true,
    isForked: Bool = false
  ) throws {
    readyWaitTable()
    ram = try ScenarioRAM(4)
    found = try FoundPage()
    for _ in 0..<count { spaces.append(try .small(settings.rules)) }
    try spaces[0].map(pages: 1, [.read, .write], .private, at: .fixed(MappedFile.address(0)))
    if isStored { store(1) } else { require(value() == 0, "CI51", "fresh memory is not zero") }
    unsafe try spaces[0].access(MappedFile.address(0), isWrite: false) {
      frame = $0; _ = unsafe $1
    }
    if isForked { fork() }
  }

  func space(_ number: Int = 0) -> MemoryMap { spaces[number] }
  func value(_ number: Int = 0) -> UInt { FaultRaces.value(spaces[number], 0) }
  func store(_ value: UInt) {
    require(FaultRaces.store(spaces[0], 0, value), "VMA", "a store fails")
  }

  /// The second space becomes the first one's child.
  func fork() {
    require(unsafe dup_mmap(spaces[1].mm, spaces[0].mm) == 0, "VMA", "a fork fails")
  }

  /// What the device writes through the pin that found the page is what the first space reads.
  func requireOwn() {
    store(2)
    unsafe shared_set(cfolio_frame_word(found.frame)!, 3)
    require(value() == 3, "CI42", "the pinned page is not the space's")
  }

  /// At the end: once nothing is mapped any more, no page is in use, and nobody waits.
  func requireHome() {
    for space in spaces { space.requireEnd() }
    ram.require(inUse: 0)
    requireNoWaiter()
  }

  func tearDown() {
    spaces = []
    found.free()
    ram.tearDown()
  }
}
