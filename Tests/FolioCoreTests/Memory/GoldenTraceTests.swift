// SPDX-License-Identifier: MIT

// What real kernels counted, step by step (Golden/README.md says how it was recorded): scenarios S1 and
// S3, as far as their steps map, unmap, fork, protect, move or take references; of a file system's
// steps what they do to entries and references. Those that are left out are named where they are.

import CFolio
import Foundation
import FolioCore
import Testing

/// One line of the recording: the raw words of a struct page after a step.
private struct GoldenLine: Hashable {
  var step: String
  var page: String
  var references: Int
  /// `_mapcount`: -1 is unmapped.
  var mapcount: Int
  var order: Int?
  var largeMapcount: Int?
  var entireMapcount: Int?
  var pins: Int?
}

/// A file of the recording as it was copied: its bytes, and the FNV-1a hash of them.
private struct GoldenFile {
  let name: String
  let bytes: Int
  let hash: UInt64

  static let traces = GoldenFile(
    name: "kernel-traces.tsv", bytes: 22153, hash: 0x2a03_2ca6_7021_dbd9)
  static let notes = GoldenFile(name: "README.md", bytes: 5630, hash: 0x945f_6339_f761_3611)

  /// What it holds. A missing, shorter or changed copy fails.
  func contents() throws -> String {
    let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(components: "Golden", name)
    let data = try Data(contentsOf: file)
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in data { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    try #require(data.count == bytes && hash == self.hash, "\(name) is not what was copied")
    return String(decoding: data, as: UTF8.self)
  }
}

/// The recording, whole.
private struct GoldenTraces {
  let lines: [(kernel: String, fileSystem: String, scenario: String, line: GoldenLine)]

  static let columns =
    "kernel\tfs\tscenario\tstep\tpage\tref\tmapc\tmapping\tindex_or_share\torder\tlarge_mapcount"
    + "\tnr_pages_mapped\tentire_mapcount\tpincount"

  init() throws {
    let rows = try GoldenFile.traces.contents().split(separator: "\n")
    try #require(rows.count == 418 && rows[0] == Self.columns)
    lines = try rows.dropFirst().map { row in
      let cells = row.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      try #require(cells.count == 14)
      return (
        cells[0], cells[1], cells[2],
        GoldenLine(
          step: cells[3], page: cells[4], references: try #require(Int(cells[5])),
          mapcount: try #require(Int(cells[6])), order: Int(cells[9]),
          largeMapcount: Int(cells[10]), entireMapcount: Int(cells[12]), pins: Int(cells[13]))
      )
    }
  }

  func lines(_ kernel: String, _ fileSystem: String, _ scenario: String) -> [GoldenLine] {
    lines.filter { $0.kernel == kernel && $0.fileSystem == fileSystem && $0.scenario == scenario }
      .map(\.line)
  }
}

/// A recording to compare with, and the rules that are to show it.
private struct Recording: Sendable, CustomTestStringConvertible {
  let kernel: String
  let fileSystem: String
  let rules: PageMap.Rules
  var testDescription: String { "\(kernel) \(fileSystem) under \(rules) rules" }

  static let all = [
    ("6.12.95", PageMap.Rules.legacy), ("6.18.15", .kernel), ("7.2.12", .strict),
  ].flatMap { kernel, rules in
    ["ext4", "xfs"].map { Recording(kernel: kernel, fileSystem: $0, rules: rules) }
  }
}

/// Compares what is after each step with the recording, in its order.
private final class Comparison {
  private var lines: [GoldenLine]
  private let map: PageMap
  /// Steps that are not done here, and why.
  private let skipped: Set<String>
  private(set) var compared = 0

  init(_ lines: [GoldenLine], _ map: PageMap, skipped: Set<String>) {
    self.lines = lines
    self.map = map
    self.skipped = skipped
  }

  /// The lines of the step that is done now: for each, page 0 of the map is the file's first.
  func step(_ name: String, pages: [String: Int] = ["p": 0]) {
    dropSkipped()
    var seen = 0
    while let line = lines.first, line.step == name {
      lines.removeFirst()
      let page = line.page.hasPrefix("t5") ? 5 : pages[line.page]
      guard let page else {
        Issue.record("no page \(line.page) in step \(name)")
        return
      }
      compare(line, page)
      seen += 1
    }
    let next = lines.first?.step ?? "none"
    #expect(seen > 0, "step \(name) is not the next of the recording: \(next)")
    compared += seen
  }

  func end() {
    dropSkipped()
    #expect(lines.isEmpty, "steps were not done: \(Set(lines.map(\.step)))")
  }

  private func dropSkipped() {
    while let line = lines.first, skipped.contains(line.step) { lines.removeFirst() }
  }

  private func compare(_ line: GoldenLine, _ index: Int) {
    let page = unsafe map.page(map.frames.lowerBound + UInt(index))
    let folio = unsafe UnsafeMutableRawPointer(page).assumingMemoryBound(to: CFolio.folio.self)
    let isHead = unsafe PageHead(page)
    var found = line
    found.references = Int(unsafe page_ref_count(page))
    found.mapcount = Int(unsafe atomic_read(&page.pointee._mapcount))
    if line.order != nil { found.order = isHead ? Int(unsafe folio_order(folio)) : 0 }
    if line.largeMapcount != nil {
      found.largeMapcount = Int(unsafe atomic_read(&folio.pointee._large_mapcount))
      found.entireMapcount = Int(unsafe atomic_read(&folio.pointee._entire_mapcount))
      found.pins = Int(unsafe atomic_read(&folio.pointee._pincount))
    }
    #expect(found == line)
  }
}

@Suite("Recordings of real kernels")
struct GoldenTraceTests {
  private static let page = MemoryMap.pageSize

  @Test("what the steps do is said beside them, as it was copied")
  func notes() throws {
    let notes = try GoldenFile.notes.contents()
    for scenario in ["**S1**", "**S3**", "**S4**", "**S8, S8b**"] {
      #expect(notes.contains(scenario))
    }
  }

  @Test("S1: mappings of one page, shared, private, forked, moved, held", arguments: Recording.all)
  private func small(recording: Recording) throws {
    let lines = try GoldenTraces().lines(recording.kernel, recording.fileSystem, "S1")
    let map = try PageMap(.fsdax, pages: 512, .init(rules: recording.rules))
    let file = try MappedObject(.fsdax, DeviceFile(map, answers: .frameStores))
    let space = try MemoryMap(MemoryMap.Options(rules: recording.rules))
    // Nothing is written back here, and no count depends on it.
    let trace = Comparison(lines, map, skipped: ["msync"])

    let first = try space.map(file, pages: 1, [.read, .write], .shared)
    _ = try space.load(first.start)
    trace.step("read fault, 1 map")
    try space.store(1, at: first.start)
    trace.step("write fault (mkwrite)")
    let second = try space.map(file, pages: 1, [.read, .write], .shared)
    try space.store(2, at: second.start)
    trace.step("2nd mapping write")
    let third = try space.map(file, pages: 1, [.read, .write], .private)
    _ = try space.load(third.start)
    trace.step("3rd mapping MAP_PRIVATE read")
    try space.store(3, at: third.start)
    trace.step("MAP_PRIVATE write (COW)")
    try space.unmap(third.range)
    trace.step("munmap private")
    try space.unmap(second.range)
    trace.step("munmap 2nd")
    do {
      let child = try space.fork()
      _ = try child.load(first.start)
      trace.step("after fork, child touched")
    }
    trace.step("child exited")
    try space.discard(first.range)
    trace.step("MADV_DONTNEED")
    _ = try space.load(first.start)
    trace.step("refault")
    // Something behind it, so that it cannot grow where it is.
    try space.map(pages: 1, .read, .private, at: .near(first.end))
    let moved = try space.remap(first.range, pages: 2)
    let range = moved..<(moved + 2 * Self.page)
    trace.step("mremap grow/move")
    try space.protect(range, [])
    trace.step("mprotect NONE")
    try space.protect(range, [.read, .write])
    let pipe = try space.get(moved..<(moved + Self.page))
    trace.step("vmsplice into pipe")
    let again = try space.get(moved..<(moved + Self.page))
    trace.step("vmsplice again")
    try space.unmap(range)
    trace.step("munmap while in pipe")
    pipe.release()
    again.release()
    trace.step("pipe drained")
    let last = try space.map(file, pages: 1, [.read, .write], .shared)
    _ = try space.load(last.start)
    trace.step("remap+touch")
    // What a truncation does to entries; the block itself is the file system's.
    file.unmap()
    trace.step("ftruncate(0) mapped")
    trace.end()
    #expect(trace.compared == 19)
    #expect(map.audit().isEmpty)
  }

  @Test("S3: mappings of 2 MiB, whole and in pieces", arguments: Recording.all)
  private func huge(recording: Recording) throws {
    let lines = try GoldenTraces().lines(recording.kernel, recording.fileSystem, "S3")
    let map = try PageMap(.fsdax, pages: 2048, .init(rules: recording.rules))
    let device = DeviceFile(map, order: 9, answers: .frameStores)
    let file = try MappedObject(.fsdax, device)
    let space = try MemoryMap(MemoryMap.Options(rules: recording.rules))
    // Nothing is mapped or held any more then: it changes the mapping words, which are not compared.
    let trace = Comparison(lines, map, skipped: ["truncate 0"])
    let pages = ["head": 0, "p5": 5]

    let first = try space.map(file, pages: 1024, [.read, .write], .shared)
    _ = try space.load(first.address(ofPage: 5))
    trace.step("2M read fault", pages: pages)
    try space.store(7, at: first.address(ofPage: 7))
    trace.step("2M write fault", pages: pages)
    let second = try space.map(file, pages: 1024, [.read, .write], .shared)
    try space.store(8, at: second.address(ofPage: 7))
    trace.step("2nd 2M mapping", pages: pages)
    do {
      let child = try space.fork()
      _ = try child.load(first.address(ofPage: 5))
      trace.step("fork+touch", pages: pages)
    }
    trace.step("child exit", pages: pages)
    try space.unmap(second.addresses(ofPages: 5..<6))
    trace.step("munmap 4K in 2nd mapping", pages: pages)
    _ = try space.load(second.address(ofPage: 6))
    trace.step("touch other 4K in 2nd", pages: pages)
    let third = try space.map(file, from: 4, pages: 3, [.read, .write], .shared)
    _ = try space.load(third.address(ofPage: 1))
    trace.step("unaligned 3-page mapping touch 1", pages: pages)
    _ = try space.load(third.address(ofPage: 2))
    trace.step("touch 2", pages: pages)
    try space.unmap(third.range)
    try space.unmap(second.range)
    trace.step("unmap those", pages: pages)
    let pipe = try space.get(first.addresses(ofPages: 9..<10))
    trace.step("vmsplice page 9", pages: pages)
    // A punch takes the entries of its page, and waits for who holds one of the folio's; then the
    // block is in pieces. Under legacy rules pages were single before.
    file.unmap(pages: 3..<4)
    trace.step("during punch p3, p9 pinned", pages: pages)
    pipe.release()
    device.split(3)
    trace.step("after punch page 3", pages: pages)
    _ = try space.load(first.address(ofPage: 5))
    trace.step("touch page 5 after punch", pages: pages)
    trace.step("page5", pages: pages)
    try space.unmap(first.range)
    trace.step("munmap all", pages: pages)
    trace.end()
    #expect(trace.compared == 31)
    #expect(map.audit().isEmpty)
  }
}
