// SPDX-License-Identifier: MIT

// What the operations of generated programs do to folios. Pages 0 and 1 are small, 2 and 3 are one
// large folio; every thread begins with a reference to folios 0 and 2, thread 0 with one to page 1,
// and gives back what it has at its end. An operation that its thread may not do is left out, so
// every program is correct and each alarm is one:
//   CI22  a page is freed twice, or not at all, or under a reference
//   CI1   references are left at the end
//   CI39  somebody else holds a frozen page, or two have frozen it
//   CI37  a lookup by page gave a folio that does not contain it
//   DATA-RACE (C11)  a payload is written by who holds its page alone (frozen, last, new), read by
//         who holds it; a second one is changed under the folio's lock

import CFolio

/// The state of programs of words.
@safe
final class CounterProgramWorld: ScenarioWorld {
  let threads: [ScenarioThread]
  let hasOnlyWords = true
  private let source: GeneratedProgramSource
  private let folios: ProgramFolios

  init(_ source: GeneratedProgramSource) throws {
    self.source = source
    threads = (0..<source.threads).map { ScenarioThread("thread \($0)", group: $0 + 1) }
    folios = try ProgramFolios(threads: source.threads)
  }

  func run(_ thread: Int) {
    var held = folios.held(by: thread)
    for slot in 0..<GeneratedProgram.slots {
      let byte = source.operation(thread, slot)
      if byte >> 3 != 0 { folios.run(byte, &held) }
    }
    folios.putAll(&held)
  }

  func prepare() { folios.prepare() }
  func conclude() { folios.conclude() }
  func tearDown() { folios.tearDown() }
}

/// Four pages and what protects what; references that a thread holds are its own variables.
@safe
final class ProgramFolios {
  /// References of one thread, by the first page of the folio.
  typealias Held = SIMD4<Int32>

  private static let count = 4
  private let pages: RAMPages
  private let holders: Int
  /// 1 while somebody has the folio frozen.
  private let owner: [SharedWord]
  private let payload: [PlainWord]
  private let underLock: [PlainWord]

  init(threads: Int) throws {
    holders = threads
    pages = try RAMPages(Self.count)
    owner = try (0..<Self.count).map { _ in try SharedWord("owner") }
    payload = try (0..<Self.count).map { _ in try PlainWord("payload") }
    underLock = try (0..<Self.count).map { _ in try PlainWord("under the lock") }
    unsafe prep_compound_page(pages.page(2), 1)
    unsafe set_page_count(pages.page(0), Int32(threads))
    unsafe set_page_count(pages.page(1), 1)
    unsafe set_page_count(pages.page(2), Int32(threads))
    let payload = payload
    pages.onFree = { payload[$0].write(0) }
  }

  func held(by thread: Int) -> Held { Held(1, thread == 0 ? 1 : 0, 1, 0) }

  func prepare() {}

  /// Does the operation, if the thread may.
  func run(_ byte: UInt8, _ held: inout Held) {
    let operand = Int(byte & 7)
    let index = operand & 3
    switch byte >> 3 {
    case GeneratedProgram.Code.get.rawValue:
      guard held[index] > 0 else { return }
      unsafe folio_get(pages.folio(index))
      held[index] += 1
    case GeneratedProgram.Code.put.rawValue: put(index, 1, &held)
    case GeneratedProgram.Code.putTwo.rawValue: put(index, 2, &held)
    case GeneratedProgram.Code.tryGet.rawValue:
      if unsafe folio_try_get(pages.folio(index)) { took(index, &held) }
    case GeneratedProgram.Code.lookup.rawValue: lookUp(index, &held)
    case GeneratedProgram.Code.freeze.rawValue: freeze(index, held)
    case GeneratedProgram.Code.split.rawValue: split(&held)
    case GeneratedProgram.Code.batch.rawValue: putBatch(operand, &held)
    case GeneratedProgram.Code.locked.rawValue: changeLocked(index, held)
    case GeneratedProgram.Code.read.rawValue:
      if held[index] > 0 { _ = payload[index].read() }
    case GeneratedProgram.Code.reuse.rawValue: reuse(index, &held)
    case GeneratedProgram.Code.release.rawValue: release(index, &held)
    default: break
    }
  }

  /// What a thread that just took a reference may rely on.
  private func took(_ index: Int, _ held: inout Held) {
    held[index] += 1
    require(!pages.isFree(index), "CI22", "a page is free under a reference")
    require(owner[index].load() == 0, "CI39", "a reference to a frozen page was given out")
  }

  private func put(_ index: Int, _ count: Int32, _ held: inout Held) {
    guard held[index] >= count else { return }
    held[index] -= count
    if count == 1 {
      unsafe folio_put(pages.folio(index))
    } else {
      unsafe folio_put_refs(pages.folio(index), count)
    }
  }

  private func lookUp(_ index: Int, _ held: inout Held) {
    guard let folio = unsafe try_get_folio(pages.page(index), 1) else { return }
    let first = unsafe pages.index(of: folio)
    guard (0..<Self.count).contains(first) else {
      report("CI37", "a lookup gave a folio that is none of the pages")
      return
    }
    took(first, &held)
    let end = first + Int(unsafe folio_nr_pages(folio))
    require(first <= index && index < end, "CI37", "the folio does not contain the page")
  }

  private func freeze(_ index: Int, _ held: Held) {
    let folio = unsafe pages.folio(index)
    guard held[index] > 0, unsafe folio_ref_freeze(folio, held[index]) else { return }
    require(owner[index].exchange(1) == 0, "CI39", "a page is frozen by two")
    payload[index].write(1)
    owner[index].store(0)
    unsafe folio_ref_unfreeze(folio, held[index])
  }

  /// With an odd number of references: the others are one per page, and stay so.
  private func split(_ held: inout Held) {
    let folio = unsafe pages.folio(2)
    guard held[2] % 2 == 1, unsafe folio_trylock(folio) else { return }
    if unsafe folio_order(folio) == 1, unsafe folio_split(folio, 0, held[2] - 1, nil, nil) == 0 {
      let each = (held[2] - 1) / 2 + 1
      (held[2], held[3]) = (each, each)
    }
    unsafe folio_unlock(folio)
  }

  private func putBatch(_ set: Int, _ held: inout Held) {
    var batch = folio_batch()
    unsafe folio_batch_init(&batch)
    for index in 0..<3 where set >> index & 1 == 1 && held[index] > 0 {
      held[index] -= 1
      _ = unsafe folio_batch_add(&batch, pages.folio(index))
    }
    unsafe folios_put(&batch)
  }

  private func changeLocked(_ index: Int, _ held: Held) {
    let folio = unsafe pages.folio(index)
    guard held[index] > 0, unsafe folio_trylock(folio) else { return }
    underLock[index].write(underLock[index].read() + 1)
    unsafe folio_unlock(folio)
  }

  private func reuse(_ index: Int, _ held: inout Held) {
    guard index < 2, pages.handOut(index) else { return }
    payload[index].write(2)
    unsafe page_ref_unfreeze(pages.page(index), 1)
    held[index] += 1
  }

  private func release(_ index: Int, _ held: inout Held) {
    guard held[index] > 0 else { return }
    let count = min(held[index], 2)
    held[index] -= count
    var words = unsafe (
      encode_page(pages.page(index), count == 2 ? UInt(ENCODED_PAGE_BIT_NR_PAGES_NEXT) : 0),
      encode_nr_pages(UInt(count))
    )
    unsafe withUnsafeMutablePointer(to: &words) {
      unsafe $0.withMemoryRebound(to: OpaquePointer.self, capacity: 2) {
        unsafe release_pages($0, count == 2 ? 2 : 1)
      }
    }
  }

  func putAll(_ held: inout Held) {
    for index in 0..<Self.count {
      while held[index] > 0 { put(index, held[index] > 1 ? 2 : 1, &held) }
    }
  }

  func conclude() {
    pages.requireFree(0)
    pages.requireFree(1)
    pages.requireFree(2)
    // Page 3 lived its own life if the folio was split.
    if pages.isFree(3) { pages.requireFree(3) }
    require(
      unsafe page_ref_count(pages.page(3)) == 0, "CI1", "references to page 3 are left")
  }

  func tearDown() {
    pages.tearDown()
    for word in owner { word.free() }
    for word in payload + underLock { word.free() }
  }
}
