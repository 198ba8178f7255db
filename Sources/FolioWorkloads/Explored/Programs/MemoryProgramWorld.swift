// SPDX-License-Identifier: MIT

// What the operations of generated programs do to address spaces. Four pages: at first 0 and 1 are of
// the file, 2 is a private page of it, 3 memory of its own; all but 1 are mapped. All threads begin in one
// address space; who forks goes on in a child of its own until it ends it. An operation that its thread
// may not do is left out, and so is what an operation cannot do any more: every program is correct.
// Alarms beside those of MemoryProgramPages:
//   CI59  a pinned page was given away
//   CI51  a load leads to the page of before a store, which came meanwhile; a load gives something else
//         than the last one, or than what was stored, and nobody stored
//   CI42  a page that was pinned for stores, or a private one, is not the one that is mapped, or none is,
//         and nobody changed the mapping
//   VMA   a store without the right to it, or an access or a pin refused with it
//   CI1, CI4, CI45, CI46, CI52, CI53, VMA  what is left at the end, and the audit
//   DEADLOCK, USE-AFTER-FREE  the engine's

import CFolio
import FolioCore

@safe
final class MemoryProgramWorld: ScenarioWorld {
  let threads: [ScenarioThread]
  private let source: GeneratedProgramSource
  private let rules: PageMap.Rules
  private let pages: MemoryProgramPages
  /// Per address space: changes that began, times 256, and those in progress.
  private let changes: [SharedWord]
  /// The same of removals by the file.
  private let zaps: SharedWord
  /// Per address space and page, the frame that the last store went to.
  private let latest: [SharedWord]
  /// Where walks leave a page, per thread.
  private let found: [UnsafeMutablePointer<UnsafeMutablePointer<page>?>]
  private let pinned: foll_pin_statistics

  /// What counted changes of an address space while none was in progress.
  private struct Quiet: Equatable {
    let changes: Int32
    let zaps: Int32
  }

  /// What counted changes and stores while none was in progress, and what a page held then.
  private struct Sight {
    let quiet: Quiet
    var stores: Int32
    var value: UInt
  }
  private typealias Seen = InlineArray<4, Sight?>

  /// A pin that a thread holds.
  private struct Pin {
    let frame: UInt
    let life: Int32?
    let reacher: Reacher
    let place: Int
    let isWrite: Bool
    /// What counted changes when it began; nil: some were in progress.
    let quiet: Quiet?
  }

  /// What a thread is about: on its stack.
  private struct Task {
    let thread: Int
    var reacher = Reacher(space: 0, fork: 0)
    var pins: (Pin?, Pin?) = (nil, nil)
    /// Per page of its address space.
    var seen: Seen = [nil, nil, nil, nil]
    /// Different in each store.
    var serial: UInt = 0
  }

  init(_ source: GeneratedProgramSource, _ settings: Scenario.Settings) throws {
    self.source = source
    rules = settings.rules
    threads = (0..<source.threads).map { ScenarioThread("thread \($0)", group: $0 + 1) }
    pages = try MemoryProgramPages(settings, spaces: source.threads + 1)
    changes = try (0...source.threads).map { _ in try SharedWord("changes of an address space") }
    zaps = try SharedWord("removals by the file")
    latest = try (0..<(source.threads + 1) * MemoryProgramPages.count).map { _ in
      try SharedWord("where the last store went")
    }
    unsafe found = try (0..<source.threads).map { _ in
      unsafe try seamMemory(UnsafeMutablePointer<page>?.self)
    }
    pinned = foll_pin_statistics()
    let world = pages.world
    try world.map(0..<2)
    try world.map(2..<3, [.read, .write], .private)
    try world.space().map(
      pages: 1, [.read, .write], .private, at: .fixed(MappedFile.address(3)))
    var task = Task(thread: 0, serial: 0xff00)
    for place in [0, 2] { load(place, &task) }
    store(3, &task)
  }

  private func space(_ number: Int) -> MemoryMap { pages.world.space(number) }

  private static func range(_ place: Int, pages: Int = 1) -> Range<UInt> {
    MappedFile.addresses(place..<(place + pages))
  }

  // MARK: operations

  func run(_ thread: Int) {
    var task = Task(thread: thread)
    for slot in 0..<GeneratedProgram.slots {
      let byte = source.operation(thread, slot)
      guard let code = GeneratedProgram.Code(rawValue: byte >> 3) else { continue }
      task.serial = UInt(thread << 8 | slot + 1)
      perform(code, place: Int(byte & 3), bit: byte & 4 != 0, &task)
    }
    unpin(0, storing: false, &task)
    unpin(1, storing: false, &task)
    if task.reacher.space != 0 { endChild(&task) }
  }

  private func perform(
    _ code: GeneratedProgram.Code, place: Int, bit: Bool, _ task: inout Task
  ) {
    let space = space(task.reacher.space)
    switch code {
    case .touch:
      if bit { store(place, &task) } else { load(place, &task) }
    case .fork: task.reacher.space == 0 ? fork(&task) : endChild(&task)
    case .pin: pin(place, isWrite: bit, &task)
    case .unpin: unpin(place & 1, storing: bit, &task)
    case .zap:
      MemoryProgramPages.begin(zaps)
      pages.zap(place, includingCopies: bit, task.serial)
      MemoryProgramPages.end(zaps)
    case .map:
      change(task) { () throws(MemoryError) in
        try map(place, isPrivate: bit, in: task.reacher.space)
      }
    case .protect:
      change(task) { () throws(MemoryError) in
        try space.protect(Self.range(place), bit ? [.read, .write] : .read)
      }
    case .remap:
      change(task) { () throws(MemoryError) in
        try space.remap(
          Self.range(place), pages: 1, to: MappedFile.address(place ^ (bit ? 2 : 1)))
      }
    case .unmap:
      change(task) { () throws(MemoryError) in
        try space.unmap(bit ? Self.range(place & 2, pages: 2) : Self.range(place))
      }
    default: break
    }
  }

  private func map(_ place: Int, isPrivate: Bool, in number: Int) throws(MemoryError) {
    if isPrivate && place & 1 == 1 {
      try space(number).map(
        pages: 1, [.read, .write], .private, at: .fixed(MappedFile.address(place)))
    } else {
      try pages.world.map(
        place..<(place + 1), in: number, [.read, .write], isPrivate ? .private : .shared)
    }
  }

  private func load(_ place: Int, _ task: inout Task) {
    let reacher = task.reacher
    unsafe access(place, in: reacher, isWrite: false) {
      let (before, quiet) = (latestStore(place, reacher), quiet(reacher.space))
      let stores = MemoryProgramPages.now(pages.stores)
      let value = unsafe pages.load($0, $1, by: reacher).bits
      // Nobody changed what is mapped but by stores, whose copies wait for translations in use.
      let now = latestStore(place, reacher)
      guard let quiet, quiet == self.quiet(reacher.space) else { return }
      require(
        now == before || now == Int32(truncatingIfNeeded: $0), "CI51",
        "a load leads to the page before a store")
      guard stores & 0xff == 0, stores == MemoryProgramPages.now(pages.stores) else { return }
      if let seen = task.seen[place], seen.quiet == quiet, seen.stores == stores {
        require(seen.value == value, "CI51", "a page changes that nobody stores to")
      }
      task.seen[place] = Sight(quiet: quiet, stores: stores, value: value)
    }
  }

  private func latest(_ place: Int, _ reacher: Reacher) -> SharedWord {
    latest[reacher.space * MemoryProgramPages.count + place]
  }

  private func latestStore(_ place: Int, _ reacher: Reacher) -> Int32 {
    MemoryProgramPages.now(latest(place, reacher))
  }

  private func store(_ place: Int, _ task: inout Task) {
    let (reacher, serial) = (task.reacher, task.serial)
    unsafe access(place, in: reacher, isWrite: true) {
      let quiet = quiet(reacher.space)
      let stores = MemoryProgramPages.now(pages.stores)
      let value = unsafe pages.store(serial, to: $0, $1, by: reacher)
      latest(place, reacher).store(Int32(truncatingIfNeeded: $0))
      let hasRight = hasRight(place, in: reacher.space, isWrite: true)
      guard let value, let quiet, quiet == self.quiet(reacher.space) else { return }
      require(hasRight, "VMA", "a store without the right to it")
      // This one began and ended.
      let now = MemoryProgramPages.now(pages.stores)
      guard stores & 0xff == 0, now == stores + 0x100 else { return }
      task.seen[place] = Sight(quiet: quiet, stores: now, value: value.bits)
    }
  }

  private func access(
    _ place: Int, in reacher: Reacher, isWrite: Bool,
    _ body: (UInt, UnsafeMutablePointer<shared_t>) -> Void
  ) {
    let quiet = quiet(reacher.space)
    do throws(MemoryError) {
      unsafe try space(reacher.space).access(MappedFile.address(place), isWrite: isWrite, body)
    } catch {
      require(Self.isExpected(error), "VMA", "an access fails with another error")
      requireNoRight(place, in: reacher.space, isWrite: isWrite, quiet, error.code)
    }
  }

  /// The area there allows it, as it is now.
  private func hasRight(_ place: Int, in number: Int, isWrite: Bool) -> Bool {
    rcu_read_lock()
    defer { rcu_read_unlock() }
    guard let area = unsafe vma_lookup(space(number).mm, MappedFile.address(place)) else {
      return false
    }
    return unsafe area.pointee.vm_flags & (isWrite ? VM_WRITE : VM_READ) != 0
  }

  /// What was refused with that error needed a right that the area does not give, unless areas changed
  /// since `quiet`. The file has no holes.
  private func requireNoRight(
    _ place: Int, in number: Int, isWrite: Bool, _ quiet: Quiet?, _ code: MemoryError.Code
  ) {
    guard code == .fault, let quiet else { return }
    let hasRight = hasRight(place, in: number, isWrite: isWrite)
    guard quiet == self.quiet(number) else { return }
    require(!hasRight, "VMA", "refused, and the area has the right")
  }

  /// No area or no right; no memory, or a hole.
  private static func isExpected(_ error: MemoryError) -> Bool {
    error.code == .fault || error.code == .outOfMemory
  }

  // MARK: changes

  /// nil: changes are in progress.
  private func quiet(_ number: Int) -> Quiet? {
    let quiet = Quiet(
      changes: MemoryProgramPages.now(changes[number]), zaps: MemoryProgramPages.now(zaps))
    return (quiet.changes | quiet.zaps) & 0xff == 0 ? quiet : nil
  }

  /// What the areas of the thread's address space are is changed; may fail.
  private func change(_ task: Task, _ body: () throws(MemoryError) -> Void) {
    let word = changes[task.reacher.space]
    MemoryProgramPages.begin(word)
    do throws(MemoryError) {
      try body()
    } catch {
      require(Self.isExpected(error), "VMA", "a change fails with another error")
    }
    MemoryProgramPages.end(word)
  }

  // MARK: fork

  private func fork(_ task: inout Task) {
    let number = task.thread + 1
    let status = unsafe dup_mmap(space(number).mm, space(0).mm)
    go(Reacher(space: number, fork: pages.forks.add(1)), &task)
    require(status == 0 || status == -12, "VMA", "a fork fails with another error")
    if status != 0 { endChild(&task) }
  }

  private func endChild(_ task: inout Task) {
    let space = space(task.reacher.space)
    change(task) { () throws(MemoryError) in try space.unmap(0..<space.end) }
    go(Reacher(space: 0, fork: 0), &task)
  }

  private func go(_ reacher: Reacher, _ task: inout Task) {
    task.reacher = reacher
    task.seen = [nil, nil, nil, nil]
  }

  // MARK: pins

  private func pin(_ place: Int, isWrite: Bool, _ task: inout Task) {
    guard task.pins.0 == nil || task.pins.1 == nil else { return }
    let number = task.reacher.space
    let quiet = quiet(number)
    let count = unsafe pin_user_pages_fast(
      space(number).mm, MappedFile.address(place), 1, isWrite ? FOLL_WRITE : 0,
      found[task.thread])
    guard count == 1 else {
      // No area, no right, no memory.
      require(count == -14 || count == -12, "VMA", "a pin fails with another error")
      return requireNoRight(
        place, in: number, isWrite: isWrite, quiet, count == -14 ? .fault : .outOfMemory)
    }
    let frame = unsafe page_to_pfn(found[task.thread][0]!)
    let life = pages.life(frame)
    pages.requireOurs(frame, life, "CI59")
    let pin = Pin(
      frame: frame, life: life, reacher: task.reacher, place: place, isWrite: isWrite,
      quiet: quiet)
    if task.pins.0 == nil { task.pins.0 = pin } else { task.pins.1 = pin }
    requireMapped(pin)
  }

  /// Nobody changed the mapping of a pinned page: it is still mapped. A private page that was pinned for
  /// loads is one that nobody shares; the file's, in private areas, goes with the first store.
  private func requireMapped(_ pin: Pin) {
    let isOwn = pages.ram.lives(of: pin.frame) != nil
    guard let quiet = pin.quiet, pin.isWrite || isOwn else { return }
    let number = pin.reacher.space
    var translation = translation()
    let mm = unsafe space(number).mm
    let isMapped = unsafe mmu_begin(mm, MappedFile.address(pin.place), false, &translation)
    if isMapped { unsafe mmu_end(mm, &translation) }
    guard self.quiet(number) == quiet else { return }
    // No page of such a pin is copied, which would clear the entry for a moment.
    require(
      isMapped && translation.pfn == pin.frame, "CI42",
      "the page that is pinned is not the one that is mapped")
  }

  /// - Parameter storing: as the device does that it was pinned for.
  private func unpin(_ which: Int, storing: Bool, _ task: inout Task) {
    guard let pin = which == 0 ? task.pins.0 : task.pins.1 else { return }
    if which == 0 { task.pins.0 = nil } else { task.pins.1 = nil }
    if storing && pin.isWrite {
      unsafe pages.store(
        task.serial, to: pin.frame, cfolio_frame_word(pin.frame)!, by: pin.reacher)
    }
    // A child that ended and began again has other pages.
    if pin.reacher.space == 0 || pin.reacher.fork == task.reacher.fork { requireMapped(pin) }
    require(pages.life(pin.frame) == pin.life, "CI59", "a pinned page was given away")
    unsafe unpin_user_page(pfn_to_page(pin.frame))
  }

  // MARK: end

  func conclude() {
    for number in 1...threads.count {
      let counters = space(number).counters
      require(
        counters.filePages == 0 && counters.anonymousPages == 0, "CI52",
        "a child that ended maps pages")
      require(counters.tables == 1, "CI53", "a child that ended has tables")
    }
    let space = space(0)
    for violation in space.audit() {
      unsafe cfolio_violation_text(
        violation.invariant, violation.frame ?? UInt.max, violation.message)
    }
    do throws(MemoryError) {
      try space.unmap(0..<space.end)
    } catch {
      report("VMA", "the end of an address space fails")
    }
    pages.conclude(rules)
    let pins = foll_pin_statistics()
    require(
      pins.acquired - pinned.acquired == pins.released - pinned.released, "CI45",
      "pins and their ends are not counted alike")
    requireNoWaiter(rules)
  }

  func tearDown() {
    pages.tearDown()
    for thread in threads.indices { unsafe cfolio_free(found[thread]) }
    for word in changes + latest + [zaps] { word.free() }
  }
}
