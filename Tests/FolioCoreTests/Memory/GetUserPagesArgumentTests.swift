// SPDX-License-Identifier: MIT

// Flags that callers may not give, and what each function says of them (spec: core.md 12.2).

import CFolio
import FolioCore
import Testing

@Suite("get_user_pages: arguments")
struct GetUserPagesArgumentTests {
  /// One page of memory, stored to.
  private func space() throws -> (UserPagesSpace, MemoryArea) {
    let space = try UserPagesSpace()
    let area = try space.map.map(pages: 2, [.read, .write], .private)
    try space.map.store(1, at: area.start)
    return (space, area)
  }

  /// The function refuses, warns, and takes nothing.
  private func refuses(
    _ space: UserPagesSpace, _ function: UserPagesSpace.Function, _ start: UInt, _ flags: UInt32,
    _ result: Int, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let warnings = cfolio_warning_count()
    #expect(space.take(function, start, 1, flags) == result, sourceLocation: sourceLocation)
    #expect(cfolio_warning_count() > warnings, sourceLocation: sourceLocation)
  }

  @Test(
    "an internal flag is refused by every function",
    arguments: UserPagesSpace.Function.allCases,
    [
      FOLL_TOUCH, FOLL_TRIED, FOLL_REMOTE, FOLL_PIN, FOLL_FAST_ONLY, FOLL_UNLOCKABLE,
      FOLL_MADV_POPULATE,
    ])
  func internalFlags(_ function: UserPagesSpace.Function, _ flag: UInt32) throws {
    let (space, area) = try space()
    refuses(space, function, area.start, flag, function.invalid)
  }

  @Test(
    "FOLL_GET with a pin, FOLL_LONGTERM without one", arguments: UserPagesSpace.Function.allCases)
  func kinds(_ function: UserPagesSpace.Function) throws {
    let (space, area) = try space()
    refuses(
      space, function, area.start, function.isPin ? FOLL_GET : FOLL_LONGTERM, function.invalid)
    if function.isPin {
      refuses(
        space, function, area.start, FOLL_LONGTERM | FOLL_PCI_P2PDMA, function.invalid)
    }
    let count = space.take(function, area.start, 1, function.isPin ? FOLL_LONGTERM : FOLL_GET)
    #expect(count == 1)
    space.giveBack(function, count)
  }

  @Test("references need an array for their pages")
  func array() throws {
    let (space, area) = try space()
    let mm = unsafe space.map.mm
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let warnings = cfolio_warning_count()
    #expect(unsafe get_user_pages_unlocked(mm, area.start, 1, nil, FOLL_GET) == -22)
    #expect(unsafe pin_user_pages_unlocked(mm, area.start, 1, nil, 0) == 0)
    #expect(cfolio_warning_count() >= warnings + 2)
    // Without references none is needed.
    #expect(unsafe get_user_pages_unlocked(mm, area.start, 2, nil, FOLL_WRITE) == 2)
    #expect(space.map.counters.anonymousPages == 2)
  }

  @Test("*locked is 1, or the function refuses")
  func locked() throws {
    let (space, area) = try space()
    let mm = unsafe space.map.mm
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let warnings = cfolio_warning_count()
    unsafe down_read(&mm.pointee.mmap_lock)
    defer { unsafe up_read(&mm.pointee.mmap_lock) }
    for value: Int32 in [0, 2] {
      var locked = value
      let found = unsafe space.found
      #expect(unsafe get_user_pages_remote(mm, area.start, 1, 0, found, &locked) == -22)
      #expect(unsafe pin_user_pages_remote(mm, area.start, 1, 0, found, &locked) == 0)
      #expect(locked == value)
    }
    #expect(cfolio_warning_count() >= warnings + 4)
    let found = unsafe space.found
    #expect(unsafe get_user_pages_remote(mm, area.start, 1, 0, found, nil) == 1)
    space.giveBack(.getRemote, 1)
  }

  @Test(
    "the fast functions know few flags",
    arguments: [UserPagesSpace.Function.getFast, .getFastOnly, .pinFast])
  func fastFlags(_ function: UserPagesSpace.Function) throws {
    let (space, area) = try space()
    for flag in [
      FOLL_DUMP, FOLL_NOWAIT, FOLL_HWPOISON, FOLL_ANON, FOLL_SPLIT_PMD, FOLL_INTERRUPTIBLE,
    ] {
      refuses(space, function, area.start, flag, -22)
    }
    for flag in [
      FOLL_WRITE, FOLL_FORCE, FOLL_NOFAULT, FOLL_PCI_P2PDMA, FOLL_HONOR_NUMA_FAULT,
    ] {
      let count = space.take(function, area.start, 1, flag)
      #expect(count == 1)
      space.giveBack(function, count)
    }
  }

  @Test(
    "the fast functions look at the range",
    arguments: [UserPagesSpace.Function.getFast, .getFastOnly, .pinFast])
  func ranges(_ function: UserPagesSpace.Function) throws {
    let (space, area) = try space()
    #expect(space.take(function, UInt.max - 4096, 2) == -75, "it wraps")
    #expect(space.take(function, space.map.end - 4096, 2) == -14, "beyond the address space")
    #expect(space.take(function, area.start, 0) == 0)
    let count = space.take(function, area.start + 77, 1)
    #expect(count == 1, "an address in a page is the page's")
    space.giveBack(function, count)
  }

  @Test("nothing is taken of no pages", arguments: UserPagesSpace.Function.allCases)
  func nothing(_ function: UserPagesSpace.Function) throws {
    let (space, area) = try space()
    #expect(space.take(function, area.start, 0) == 0)
  }
}
