// SPDX-License-Identifier: MIT

// The pages that generated programs of memory reach, whose they are, and what they may hold. Pages of
// the device are the file's or somebody else's, pages of RAM are in use or free; a word per page counts
// those changes, so who holds a page finds out that it was given away. What a page holds says where it
// was stored. Alarms:
//   CI59  a pin, or a page that is mapped, is somebody else's
//   CI51  a translation outlives its page; a load gives what nobody stored there, and so does the end
//   CI42  a store of another address space is seen, or one of the parent behind the fork
//   CI20  a store to the zero page

import CFolio
import FolioCore

/// What was stored, and where: 0, or the fields from the top.
struct StoredWord: Equatable {
  let bits: UInt

  private static let deviceKind: UInt = 1
  private static let spaceKind: UInt = 2

  /// Stored to page `page` of the device in that life of it.
  init(page: Int, life: Int32, _ serial: UInt) {
    bits = Self.deviceKind << 56 | UInt(page) << 48 | UInt(life) << 32 | serial
  }

  /// Stored to a private page by address space `space`, when so many forks were done.
  init(space: Int, forks: Int32, _ serial: UInt) {
    bits = Self.spaceKind << 56 | UInt(space) << 48 | UInt(forks) << 32 | serial
  }

  init(_ bits: UInt) { self.bits = bits }

  var isOfDevice: Bool { bits >> 56 == Self.deviceKind }
  var isOfSpace: Bool { bits >> 56 == Self.spaceKind }
  /// Page or address space.
  var owner: Int { Int(bits >> 48 & 0xff) }
  /// Life or forks.
  var count: Int32 { Int32(bits >> 32 & 0xffff) }
}

/// Who reaches a page: an address space, for children since which fork.
struct Reacher {
  /// 0: the parent.
  var space: Int
  /// Which fork made it, counted from 1.
  var fork: Int32
}

@safe
final class MemoryProgramPages {
  /// Pages of the file, and of each address space.
  static let count = 4
  let world: MappedFile
  let ram: ScenarioRAM
  /// Forks that are done.
  let forks: SharedWord
  /// Stores to any page that began, times 256, and those in progress.
  let stores: SharedWord
  /// Per page of the device: odd while it is somebody else's.
  private let lives: [SharedWord]
  /// Which page of the device a page of the file is. Under the file's lock.
  private let blocks: [SharedWord]
  /// The page of the device that is somebody else's. Under the file's lock.
  private let spare: SharedWord

  init(_ settings: Scenario.Settings, spaces: Int) throws {
    readyWaitTable()
    world = try MappedFile(settings, spaces: spaces)
    ram = try ScenarioRAM(3 * Self.count, countsLives: true)
    forks = try SharedWord("forks")
    stores = try SharedWord("stores")
    lives = try (0...Self.count).map { page in
      try SharedWord("lives of a page", page == Self.count ? 1 : 0)
    }
    blocks = try (0..<Self.count).map { try SharedWord("the file's block", Int32($0)) }
    spare = try SharedWord("somebody else's page", Int32(Self.count))
    let blocks = blocks
    world.file.block = { Int(blocks[$0].load()) }
    unsafe folio_raise(world.pages.folio(Self.count))
    fill(Self.count, 1, 0)
  }

  /// The newest value, whatever the memory model.
  static func now(_ word: SharedWord) -> Int32 { word.add(0) }

  /// Of words that count what began, times 256, and what is in progress.
  static func begin(_ word: SharedWord) { _ = word.add(0x101) }
  static func end(_ word: SharedWord) { _ = word.add(-1) }

  private func page(of frame: UInt) -> Int? {
    let first = world.pages.frame(0)
    return frame >= first && frame <= first + UInt(Self.count) ? Int(frame - first) : nil
  }

  /// How often the page changed hands; nil: the zero page, which never does.
  func life(_ frame: UInt) -> Int32? {
    if let page = page(of: frame) { return Self.now(lives[page]) }
    return ram.lives(of: frame).map { Self.now($0) }
  }

  /// A page that somebody has just reached is not somebody else's, and not free.
  func requireOurs(_ frame: UInt, _ life: Int32?, _ invariant: StaticString) {
    guard let life else { return }
    let isOurs = life & 1 == (page(of: frame) == nil ? 1 : 0)
    require(isOurs, invariant, "a page is reached that is somebody else's")
  }

  // MARK: contents

  /// Stores to the page. Context: a translation, or a pin.
  ///
  /// - Returns: what; nil: nothing, it is the zero page.
  @discardableResult
  func store(
    _ serial: UInt, to frame: UInt, _ word: UnsafeMutablePointer<shared_t>, by reacher: Reacher
  ) -> StoredWord? {
    guard let life = life(frame) else {
      report("CI20", "a store to the zero page")
      return nil
    }
    requireOurs(frame, life, "CI51")
    let value =
      if let page = page(of: frame) {
        StoredWord(page: page, life: life, serial)
      } else {
        StoredWord(space: reacher.space, forks: Self.now(forks), serial)
      }
    Self.begin(stores)
    unsafe shared_set(word, value.bits)
    Self.end(stores)
    require(self.life(frame) == life, "CI51", "a store comes behind the end of the page")
    return value
  }

  /// Loads from the page. Context: a translation.
  func load(
    _ frame: UInt, _ word: UnsafeMutablePointer<shared_t>, by reacher: Reacher
  ) -> StoredWord {
    let life = life(frame)
    requireOurs(frame, life, "CI51")
    let value = unsafe StoredWord(shared_read(word))
    require(self.life(frame) == life, "CI51", "a load comes behind the end of the page")
    guard let life else {
      require(value.bits == 0, "CI20", "the zero page is not zero")
      return value
    }
    if let page = page(of: frame) {
      requireItsOwn(page, life, value)
    } else if value.isOfSpace {
      // Its own since it began; what the parent stored before the fork is the child's too.
      require(
        value.owner == reacher.space && value.count >= reacher.fork
          || (value.owner == 0 && reacher.space != 0 && value.count < reacher.fork), "CI42",
        "another address space's store is seen")
    } else {
      require(value.isOfDevice || value.bits == 0, "CI51", "a load gives what nobody stored")
    }
    return value
  }

  /// A page of the device holds what was stored in that life of it.
  private func requireItsOwn(_ page: Int, _ life: Int32, _ value: StoredWord) {
    let isIts = value.isOfDevice && value.owner == page && value.count == life
    require(isIts || value.bits == 0 && life == 0, "CI51", "the file holds what is not its own")
  }

  // MARK: the file

  /// The file's owner takes a page out everywhere; when nobody has it, it becomes somebody else's, and
  /// the file gets another one there.
  func zap(_ page: Int, includingCopies: Bool, _ serial: UInt) {
    world.file.locked {
      world.unmapAll(page..<(page + 1), includingCopies: includingCopies)
      let (old, new) = (Int(blocks[page].load()), Int(spare.load()))
      guard unsafe folio_extra_refs(world.pages.folio(old)) == 0 else { return }
      require(world.mappings(old) == 0, "CI19", "idle, and mapped behind the removal")
      unsafe folio_raise(world.pages.folio(old))
      let life = lives[old].add(1)
      require(life & 1 == 1, "CI40", "two have a page")
      fill(old, life, serial)
      blocks[page].store(Int32(new))
      spare.store(Int32(old))
      fill(new, lives[new].add(1), serial)
      unsafe folio_put(world.pages.folio(new))
    }
  }

  private func fill(_ page: Int, _ life: Int32, _ serial: UInt) {
    let value = StoredWord(page: page, life: life, serial)
    unsafe shared_set(cfolio_frame_word(world.pages.frame(page))!, value.bits)
  }

  // MARK: end

  /// Everybody has unmapped everything: all pages are where they were at first.
  func conclude(_ rules: PageMap.Rules) {
    let base: Int32 = rules == .legacy ? 1 : 0
    for page in 0...Self.count {
      let isSpare = page == Int(spare.load())
      require(
        world.references(page) == base + (isSpare ? 1 : 0), "CI1", "references are lost or left")
      require(world.mappings(page) == 0, "CI4", "mappings are lost or left")
      let word = unsafe cfolio_frame_word(world.pages.frame(page))!
      requireItsOwn(page, lives[page].load(), unsafe StoredWord(shared_read(word)))
    }
    ram.require(inUse: 0)
  }

  func tearDown() {
    world.tearDown()
    ram.tearDown()
    for word in lives + blocks + [forks, stores, spare] { word.free() }
  }
}
