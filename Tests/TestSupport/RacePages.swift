// SPDX-License-Identifier: MIT

// State for races: device pages in equal runs, one run per instance, and plain words that only the
// operations under test order (ThreadSanitizer sees every access to them).

package import CFolio
package import FolioCore

/// Words of plain memory, each on a cache line of its own.
@safe
package final class PlainWords: @unchecked Sendable {
  // @unchecked: whoever races on a word wants to.
  private let words: UnsafeMutablePointer<Int>
  private let count: Int
  private static var stride: Int { 64 / MemoryLayout<Int>.stride }

  package init(_ count: Int) {
    self.count = count
    unsafe words = .allocate(capacity: count * Self.stride)
    unsafe words.initialize(repeating: 0, count: count * Self.stride)
  }

  deinit {
    unsafe words.deallocate()
  }

  @inline(__always)
  package subscript(index: Int) -> Int {
    get { unsafe words[index * Self.stride] }
    set { unsafe words[index * Self.stride] = newValue }
  }

  /// The word itself, as a context for C callbacks.
  @unsafe package func address(_ index: Int) -> UnsafeMutablePointer<Int> {
    unsafe words + index * Self.stride
  }
}

/// A device map cut into runs of `1 << order` pages.
@safe
package final class RacePages: Sendable {
  package let map: PageMap
  package let order: Int
  package let runs: Int

  package init(
    _ kind: PageMap.Kind = .fsdax, runs: Int, order: Int = 0, _ options: PageMap.Options = .init()
  ) throws {
    map = try PageMap(kind, pages: max(runs << order, 512), options)
    self.order = order
    self.runs = runs
  }

  /// First frame of a run.
  package func frame(_ run: Int) -> UInt {
    map.frames.lowerBound + UInt(run << order)
  }

  /// The run that a frame belongs to.
  package func run(of frame: UInt) -> Int {
    Int(frame - map.frames.lowerBound) >> order
  }

  /// Page `index` of a run.
  @unsafe package func page(_ run: Int, _ index: Int = 0) -> UnsafeMutablePointer<page> {
    unsafe pfn_to_page(frame(run) + UInt(index))
  }

  /// The folio that begins at page `index` of a run, whatever its head word says.
  @unsafe package func folio(_ run: Int, _ index: Int = 0) -> UnsafeMutablePointer<folio> {
    unsafe UnsafeMutableRawPointer(page(run, index)).assumingMemoryBound(to: CFolio.folio.self)
  }
}
