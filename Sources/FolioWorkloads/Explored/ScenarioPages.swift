// SPDX-License-Identifier: MIT

// Pages that scenarios race for: RAM that counts its frees, and the first pages of a device map.

import CFolio
import FolioCore
import Synchronization

/// An array of struct pages of a scenario.
protocol ScenarioPages: AnyObject {
  func page(_ index: Int) -> UnsafeMutablePointer<page>
  /// Before each execution.
  func prepare()
  /// Gives them back.
  func tearDown()
}

extension ScenarioPages {
  /// The folio that begins there.
  func folio(_ index: Int) -> UnsafeMutablePointer<folio> {
    unsafe UnsafeMutableRawPointer(page(index)).assumingMemoryBound(to: CFolio.folio.self)
  }
}

/// Who is told of the last put of each folio of RAM, once its R is 0. One at a time, on the thread of
/// the put.
@safe
struct RAMFreePath {
  private let previous: cfolio_ram_free_t?
  /// The free path has no context.
  private nonisolated(unsafe) static var current: ((UnsafeMutablePointer<folio>) -> Void)?

  init(_ body: @escaping (UnsafeMutablePointer<folio>) -> Void) {
    unsafe Self.current = unsafe body
    unsafe previous = cfolio_ram_set_free { unsafe Self.current?($0) }
  }

  func restore() {
    _ = unsafe cfolio_ram_set_free(previous)
    unsafe Self.current = nil
  }
}

/// A few struct pages of RAM, in the seam's memory, and what became of them. One at a time.
///
/// The free path counts each page's runs; a second one within a life is CI22.
@safe
final class RAMPages: ScenarioPages {
  let count: Int
  private let memory: UnsafeMutableRawPointer
  private let first: UnsafeMutablePointer<page>
  /// Runs of the free path, per page.
  private let frees: [SharedWord]
  /// Who ran it last: the thread record's address. No shared state, for obligations only.
  private let freer = Atomic<UInt>(0)
  private var freePath: RAMFreePath?
  /// Runs in the free path before it is counted.
  var onFree: ((Int) -> Void)?

  /// Pages with R == 0, the first aligned to the number of pages, a power of two up to 64.
  init(_ count: Int) throws(ScenarioMemoryError) {
    self.count = count
    let size = MemoryLayout<page>.stride * count
    guard let memory = unsafe cfolio_zalloc(2 * size) else { throw ScenarioMemoryError() }
    unsafe self.memory = memory
    // The array of struct pages begins on a boundary of 64 pages, so addresses align as frames do.
    let start = (UInt(bitPattern: memory) + UInt(size) - 1) & ~(UInt(size) - 1)
    unsafe first = memory.advanced(by: Int(start - UInt(bitPattern: memory)))
      .bindMemory(to: CFolio.page.self, capacity: count)
    var frees: [SharedWord] = []
    for _ in 0..<count { frees.append(try SharedWord("frees")) }
    self.frees = frees
    for index in 0..<count { unsafe cfolio_ram_init_page(page(index)) }
    freePath = unsafe RAMFreePath { [self] folio in unsafe freed(folio) }
  }

  func page(_ index: Int) -> UnsafeMutablePointer<page> { unsafe first + index }

  func isFree(_ index: Int) -> Bool { frees[index].load() != 0 }

  /// The number of the folio's first page.
  func index(of folio: UnsafeMutablePointer<folio>) -> Int {
    unsafe UnsafeMutableRawPointer(folio).assumingMemoryBound(to: CFolio.page.self) - first
  }

  /// Takes a free page for a new life; false: it is not free, or somebody else took it.
  func handOut(_ index: Int) -> Bool { frees[index].exchange(0) != 0 }

  private func freed(_ folio: UnsafeMutablePointer<folio>) {
    let index = unsafe index(of: folio)
    onFree?(index)
    freer.store(unsafe UInt(bitPattern: folio_this_thread()), ordering: .relaxed)
    if frees[index].add(1) != 1 {
      unsafe cfolio_violation_text("CI22", UInt(index), "the free path ran twice")
    }
  }

  /// Whether the calling thread ran the free path last.
  var wasFreedHere: Bool {
    freer.load(ordering: .relaxed) == (unsafe UInt(bitPattern: folio_this_thread()))
  }

  /// Nobody ran it yet.
  func prepare() { freer.store(0, ordering: .relaxed) }

  /// At the end: the page is free, once, and has no reference.
  func requireFree(_ index: Int) {
    let (references, runs) = unsafe (page_ref_count(page(index)), frees[index].load())
    if references != 0 {
      unsafe cfolio_violation_text("CI1", UInt(index), "references are left: R is \(references)")
    }
    if runs != 1 {
      unsafe cfolio_violation_text("CI22", UInt(index), "the free path ran \(runs) times")
    }
  }

  func tearDown() {
    freePath?.restore()
    for word in frees { word.free() }
    unsafe cfolio_free(memory)
  }
}

/// The pages of a device map of a scenario.
@safe
final class DevicePages: ScenarioPages {
  let map: PageMap
  private let first: UnsafeMutablePointer<page>
  /// The pages' address of the map: what their map word says.
  let mapWord: UInt

  /// A map of 512 single pages, all idle.
  init(
    _ kind: PageMap.Kind, _ rules: PageMap.Rules, onFree: (@Sendable (UInt) -> Void)? = nil
  ) throws(PageMapError) {
    map = try PageMap(kind, pages: 512, .init(rules: rules, onFree: onFree))
    unsafe first = map.page(map.frames.lowerBound)
    mapWord = unsafe UInt(bitPattern: map.pgmap)
    readyWaitTable()
  }

  func frame(_ index: Int) -> UInt { map.frames.lowerBound + UInt(index) }
  func page(_ index: Int) -> UnsafeMutablePointer<page> { unsafe first + index }

  func prepare() {}

  /// R of the page is as it must be at the end.
  func require(_ index: Int, references: Int32) {
    let count = unsafe page_ref_count(page(index))
    if count != references {
      unsafe cfolio_violation_text(
        "CI1", frame(index), "R of page \(index) is \(count), not \(references)")
    }
  }

  /// Page `index` is a small page as memremap made it: CI8, CI11, CI34, CI36.
  func requireSmall(_ index: Int) {
    let page = unsafe page(index)
    let folio = unsafe folio(index)
    func require(_ holds: Bool, _ invariant: String, _ text: String) {
      if !holds { unsafe cfolio_violation_text(invariant, frame(index), text) }
    }
    require(unsafe !PageHead(page), "CI8", "a small page with the head flag")
    require(unsafe page_head_word(page) == mapWord, "CI11", "a small page without its map")
    require(unsafe page_mapping_word(page) == 0, "CI34", "a mapping is left behind")
    require(unsafe folio_share(folio) == 0, "CI36", "a share count is left behind")
    require(unsafe page_memcg_word(page) == 0, "CI34", "a charge is left behind")
    require(unsafe page_driver_word(page) == 0, "CI34", "driver's data is left behind")
  }

  /// Pages as they were, and the map unmapped: nobody but its frames has a reference on it.
  func tearDown() {
    for index in 0..<map.pages {
      unsafe __init_zone_device_page(page(index), map.pgmap)
    }
    do throws(PageMapError) {
      try map.unmap()
    } catch {
      preconditionFailure("the map of a scenario is not idle: \(error)")
    }
  }
}
