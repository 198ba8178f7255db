// SPDX-License-Identifier: MIT
//
// The real library as a subject: a PageMap, its words read at the offsets of core.md 1.1 and 1.2
// into the model's value type. The calls themselves are in Executor+Operations.swift.

import CFolio
package import FolioCore
import Synchronization

/// Runs operations on a device map of its own, in one thread.
@safe
package final class Executor: Subject {
  let configuration: ModelConfiguration
  private let map: PageMap
  private let isAudited: Bool
  private let freed: FreeRecorder
  /// The first struct page of the map; the others follow it.
  @unsafe let base: UnsafeMutablePointer<page>

  /// - Parameter audited: keep the ghost ledger, so that events are counted and steps checked.
  package init(_ configuration: ModelConfiguration, audited: Bool) throws(PageMapError) {
    self.configuration = configuration
    isAudited = audited
    let freed = FreeRecorder(pages: configuration.pages)
    self.freed = freed
    let options = PageMap.Options(
      rules: configuration.rules.rules, compoundOrder: configuration.compoundOrder,
      perPageMapcount: configuration.perPageMapcount, ownerTracking: configuration.ownerTracking,
      onFree: { frame in
        let map = unsafe page_pgmap(pfn_to_page(frame))!
        freed.record(Int(frame - (unsafe map.pointee.ranges.0.start)))
      })
    map = try PageMap(configuration.kind.kind, pages: configuration.pages, options)
    unsafe base = map.page(map.frames.lowerBound)
    if configuration.kind == .generic && configuration.rules == .legacy {
      // Before v6.15 every type had a page_free; FolioCore installs none for this one.
      unsafe map.pgmap.pointee.owner = Unmanaged.passUnretained(freed).toOpaque()
      unsafe map.pgmap.pointee.ops = FreeRecorder.operations
    }
    if audited { try map.startAuditing() }
  }

  deinit {
    detachRecorder()
  }

  private func detachRecorder() {
    guard unsafe map.pgmap.pointee.ops == FreeRecorder.operations else { return }
    unsafe map.pgmap.pointee.ops = nil
    unsafe map.pgmap.pointee.owner = nil
  }

  var pgmap: UnsafeMutablePointer<dev_pagemap> { unsafe map.pgmap }

  package var countsEvents: Bool { isAudited }

  package func mapWords() -> MapWords {
    MapWords(references: map.mapReferenceCount)
  }

  /// Audits the idle map and takes it down. Context: nothing of it is in use.
  package func finish(resets: [Int] = []) -> [String] {
    let violations = map.audit()
    var wrong = violations.filter { $0.invariant != "C72" }.map(\.description)
    // The kernel masks a dropped base reference, and an audited map of its rules names each one.
    let masked = violations.filter { $0.invariant == "C72" }
      .map { violation in violation.frame.map { Int($0 - map.frames.lowerBound) } ?? -1 }
    let expected = isAudited && configuration.rules == .kernel ? resets : []
    if masked.sorted() != expected.sorted() {
      wrong.append("C72 named for pages \(masked), the model says \(expected)")
    }
    map.stopAuditing()
    detachRecorder()
    // A map with something wrong may still be referenced: taking it down would wait for ever.
    guard wrong.isEmpty else { return wrong }
    do throws(PageMapError) {
      try map.unmap()
    } catch {
      wrong.append("unmap: \(error)")
    }
    return wrong
  }
}

// MARK: - Words

extension Executor {
  /// Offsets in struct page (core.md 1.1) and, from the head, of a large folio's words (1.2).
  private enum Offset {
    static let flags = 0, link = 8, mapping = 24, share = 32, privateWord = 40
    static let mapcount = 48, refcount = 52, memoryControlGroup = 56
    static let flags1 = 64, largeMapcount = 80, pagesMapped = 84, entireMapcount = 88
    static let pinCount = 92, pageCount = 120, list = 144
  }

  private func word(_ page: Int, _ offset: Int) -> UInt {
    unsafe UInt(
      bitPattern: atomic_long_read(
        (UnsafeRawPointer(base + page) + offset).assumingMemoryBound(to: atomic_long_t.self)))
  }

  private func count(_ page: Int, _ offset: Int) -> Int {
    unsafe Int(
      atomic_read(
        (UnsafeRawPointer(base + page) + offset).assumingMemoryBound(to: atomic_t.self)))
  }

  func setWord(_ page: Int, _ offset: Int, _ value: UInt) {
    unsafe atomic_long_set(
      (UnsafeMutableRawPointer(base + page) + offset).assumingMemoryBound(to: atomic_long_t.self),
      Int(bitPattern: value))
  }

  /// The page words that their owner stores.
  func store(_ code: WordCode, _ page: Int, _ value: UInt) {
    switch code {
    case .mapping: setWord(page, Offset.mapping, value)
    case .share: setWord(page, Offset.share, value)
    case .privateWord: setWord(page, Offset.privateWord, value)
    case .pageType:
      // The type is the top byte of the word that else counts mappings.
      let word = unsafe (UnsafeMutableRawPointer(base + page) + Offset.mapcount)
        .assumingMemoryBound(to: atomic_t.self)
      unsafe atomic_set(word, value == 0 ? -1 : Int32(truncatingIfNeeded: value << 24))
    }
  }

  /// The head of the page's folio by the page's own word; nil when it is no tail of this map.
  private func head(of link: PageLink) -> Int? {
    if case .tail(let head) = link { head } else { nil }
  }

  private func link(_ page: Int) -> PageLink {
    let word = word(page, Offset.link)
    if unsafe word == UInt(bitPattern: pgmap) { return .map }
    let offset = Int(bitPattern: word) - 1 - (unsafe Int(bitPattern: base))
    let size = MemoryLayout<page>.size
    if word & 1 == 1, offset >= 0, offset % size == 0, offset / size < configuration.pages {
      return .tail(of: offset / size)
    }
    return .other(word)
  }

  private func flags(_ page: Int) -> PageFlagSet {
    let word = word(page, Offset.flags)
    var flags: PageFlagSet = []
    func add(_ bit: pageflags, _ flag: PageFlagSet) {
      if word & (1 << UInt(bit.rawValue)) != 0 { flags.insert(flag) }
    }
    add(PG_head, .head)
    add(PG_locked, .locked)
    add(PG_reserved, .reserved)
    add(PG_anon_exclusive, .anonExclusive)
    add(PG_swapbacked, .swapBacked)
    return flags
  }

  package func words(of page: Int) -> PageWords {
    var words = PageWords()
    words.refcount = count(page, Offset.refcount)
    words.mapcount = count(page, Offset.mapcount)
    words.flags = flags(page)
    words.link = link(page)
    let mapping = word(page, Offset.mapping)
    words.mapping =
      mapping == 0
      ? MappingWord.none
      : mapping == cfolio_tail_mapping() ? .tail : .value(mapping)
    words.share = word(page, Offset.share)
    words.privateWord = word(page, Offset.privateWord)
    words.memoryControlGroup = word(page, Offset.memoryControlGroup)
    if let head = head(of: words.link) {
      hideOverlaid(&words, page - head, order: Int(word(head, Offset.flags1) & 0xff))
    }
    if words.flags.contains(.head) { words.large = large(page) }
    words.events = events(page)
    return words
  }

  /// Words of pages 1 and 2 that belong to the head (1.2).
  private func hideOverlaid(_ words: inout PageWords, _ position: Int, order: Int) {
    if position == 1 {
      words.flags.formIntersection(.besideOrder)
      words.mapping = nil
      words.share = nil
      words.privateWord = nil
      words.memoryControlGroup = nil
    } else if position == 2 && order != 1 {
      // A folio whose order was reset has a page 2 with a list, or it would be of order 1.
      words.mapping = nil
    }
  }

  private func large(_ head: Int) -> LargeWords {
    let order = Int(word(head, Offset.flags1) & 0xff)
    var large = LargeWords(order: order, pageCount: count(head, Offset.pageCount))
    large.largeMapcount = count(head, Offset.largeMapcount)
    large.entireMapcount = count(head, Offset.entireMapcount)
    large.pinCount = count(head, Offset.pinCount)
    if configuration.perPageMapcount { large.pagesMapped = count(head, Offset.pagesMapped) }
    if configuration.ownerTracking {
      let read = unsafe folio_mm_slots(folio(head))
      var slots = SlotWords()
      slots.ids = [read.id0, read.id1]
      slots.counts = [Int(read.count0), Int(read.count1)]
      slots.isShared = read.shared
      slots.isLocked = read.locked
      large.slots = slots
    }
    if order > 1 {
      let list = unsafe UInt(bitPattern: base + head) + UInt(Offset.list)
      large.isListEmpty =
        word(head, Offset.list) == list && word(head, Offset.list + 8) == list
    }
    return large
  }

  private func events(_ page: Int) -> PageEvents {
    var events = PageEvents()
    events.callbacks = freed.count(page)
    let ledger = unsafe cfolio_ledger_numbers(base + page)
    events.zeroes = ledger.kept ? Int(ledger.zeroes) : nil
    events.frees = ledger.kept ? Int(ledger.frees) : nil
    events.wakes = ledger.kept ? Int(ledger.wakes) : nil
    return events
  }
}

// MARK: - Callbacks

/// Counts page_free by page. Sendable because callbacks run in whichever thread puts last.
final class FreeRecorder: Sendable {
  private let counts: Mutex<[Int]>

  init(pages: Int) {
    counts = Mutex(Array(repeating: 0, count: pages))
  }

  func record(_ page: Int) { counts.withLock { $0[page] += 1 } }
  func count(_ page: Int) -> Int { counts.withLock { $0[page] } }

  /// For maps to which FolioCore attaches no driver. Never freed: maps may hold it to the end.
  nonisolated(unsafe) static let operations: UnsafePointer<dev_pagemap_ops> = {
    let operations = UnsafeMutablePointer<dev_pagemap_ops>.allocate(capacity: 1)
    unsafe operations.initialize(
      to: dev_pagemap_ops(
        page_free: { page in
          guard let map = unsafe page_pgmap(page), let owner = unsafe map.pointee.owner else {
            return
          }
          let recorder = unsafe Unmanaged<FreeRecorder>.fromOpaque(owner).takeUnretainedValue()
          let start = unsafe map.pointee.ranges.0.start
          recorder.record(Int((unsafe page_to_pfn(page)) - start))
        },
        migrate_to_ram: nil, memory_failure: nil))
    return unsafe UnsafePointer(operations)
  }()
}

extension ModelKind {
  /// The same kind as FolioCore names it.
  package var kind: PageMap.Kind {
    switch self {
    case .devicePrivate: .devicePrivate
    case .deviceCoherent: .deviceCoherent
    case .fsdax: .fsdax
    case .generic: .generic
    case .pciP2PDMA: .pciP2PDMA
    }
  }
}

extension ModelRules {
  /// The same rules as FolioCore names them.
  package var rules: PageMap.Rules {
    switch self {
    case .strict: .strict
    case .kernel: .kernel
    case .legacy: .legacy
    }
  }
}
