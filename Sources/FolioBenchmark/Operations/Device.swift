// SPDX-License-Identifier: MIT

// The pages that loops work on: a device map of Folio with every page at its idle count, the walk
// over them, and the comparison with the model when a batch is done.

import BenchmarkPeers
import CFolio
import FolioCore

/// A device map and the C pages of it.
@safe final class Device {
  let map: PageMap
  let base: UnsafeMutablePointer<page>
  let count: Int
  /// References left behind by a loop that is broken on purpose.
  private var planted: [Int] = []

  /// - Parameter kind: `.generic` pages idle at one reference, so that gets and puts need no
  ///   preparation; `.fsdax` pages idle at none.
  init(_ kind: PageMap.Kind, pages: Int, _ options: PageMap.Options = .init()) throws(Refusal) {
    do {
      map = try PageMap(kind, pages: pages, options)
    } catch {
      throw Refusal("no device of \(pages) pages: \(error)")
    }
    count = pages
    unsafe base = map.page(map.frames.lowerBound)
  }

  func folio(_ index: Int) -> UnsafeMutablePointer<folio> {
    unsafe folioOf(base + index)
  }

  /// Compares pages with one model.
  func verify(_ indices: some Sequence<Int>, _ model: FolioModel, _ verifier: inout Verifier) {
    for index in indices {
      unsafe model.verify(base + index, "page \(index)", &verifier)
    }
  }

  /// Leaves a reference behind on a page.
  func plantReference(on index: Int) {
    unsafe page_ref_inc(base + index)
    planted.append(index)
  }

  /// Compares every folio with the model, then takes the map down: that no page is in use is one
  /// more comparison.
  func close(_ model: FolioModel, _ verifier: inout Verifier) {
    verify(stride(from: 0, to: count, by: 1 << model.order), model, &verifier)
    for index in planted { unsafe page_ref_dec(base + index) }
    do throws(PageMapError) {
      try map.unmap()
      verifier.expect(true, true, "unmap")
    } catch {
      verifier.expect("\(error)", "unmapped", "memunmap_pages")
    }
  }
}

/// The folio whose head page this is.
@inline(__always)
func folioOf(_ page: UnsafeMutablePointer<page>) -> UnsafeMutablePointer<folio> {
  unsafe UnsafeMutableRawPointer(page).assumingMemoryBound(to: folio.self)
}

/// Comparison of a walk: the pages that a side has touched since it was last looked at, and the
/// counters of the folios that they belong to.
final class WalkCheck {
  private let device: Device
  private let isSequential: Bool
  private let mask: Int
  private let offset: Int
  private let scale: Int
  private let place: Int
  private let perStep: Int
  private let threadPages: Int
  private let model: FolioModel
  private var seen: [Int] = []

  /// - Parameters:
  ///   - offset: added to the number of every iteration.
  ///   - place: first page of the walk.
  ///   - scale: log2 of the pages that one step works on.
  ///   - perStep: iterations that make a step.
  ///   - threadPages: pages from those of one thread to those of the next.
  init(
    _ device: Device, place: Int = 0, mask: Int, offset: Int = 0, scale: Int = 0,
    isSequential: Bool = false, perStep: Int = 1, threadPages: Int = 0, _ model: FolioModel
  ) {
    self.device = device
    self.mask = mask
    self.offset = offset
    self.scale = scale
    self.place = place
    self.isSequential = isSequential
    self.perStep = perStep
    self.threadPages = threadPages
    self.model = model
  }

  func verify(_ progress: IterationCounts, _ verifier: inout Verifier) {
    var heads: Set<Int> = []
    for (thread, iterations) in progress.iterations.enumerated() {
      if seen.count <= thread { seen.append(0) }
      let end = iterations / perStep
      let place = place + thread * threadPages
      for iteration in max(seen[thread], end - mask - 1)..<end {
        let step =
          isSequential
          ? (iteration + offset) & mask : Int(walk_index(iteration + offset, mask))
        for page in step << scale..<(step + 1) << scale {
          verify(place + page, &heads, &verifier)
        }
      }
      seen[thread] = end
    }
  }

  /// The page's own counters, and its folio's when they have not been looked at yet.
  private func verify(_ page: Int, _ heads: inout Set<Int>, _ verifier: inout Verifier) {
    guard model.order > 0 else {
      unsafe model.verify(device.base + page, "page \(page)", &verifier)
      return
    }
    let head = page & ~((1 << model.order) - 1)
    if heads.insert(head).inserted {
      unsafe model.verify(device.base + head, "page \(head)", tails: 0..<0, &verifier)
    }
    unsafe model.verifyTails(
      device.base + head, page - head..<page - head + 1, "page \(head)", &verifier)
  }
}

/// A loop over pages, as Folio and its peers on struct pages have it.
@safe struct PageLoop {
  typealias Body = (
    _ pages: UnsafeMutablePointer<page>, _ mask: Int, _ thread: Int, _ first: Int, _ count: Int
  ) -> Int

  let name: String
  let run: Body

  init(_ name: String, _ run: @escaping Body) {
    self.name = name
    unsafe self.run = run
  }
}

extension Device {
  /// Folio's loop and others on mask + 1 pages from `place`, every second walk half of them ahead:
  /// neither finds in the cache what the one before has just brought there.
  func walkSides(
    _ model: FolioModel, _ configuration: Configuration, place: Int = 0, mask: Int? = nil,
    granularity: Int = 1, _ loops: [PageLoop]
  ) -> [Side] {
    let mask = mask ?? count - 1
    return loops.enumerated().map { number, body in
      let offset = number % 2 * ((mask + 1) / 2)
      let check = WalkCheck(self, place: place, mask: mask, offset: offset, model)
      let isBroken = configuration.isBroken && number == 0
      return Side(
        body.name, granularity: granularity,
        loop: Loop { thread, first, iterations in
          if isBroken && thread == 0 && first == 0 {
            self.plantReference(on: (place + Int(walk_index(0, mask))) & ~((1 << model.order) - 1))
          }
          return unsafe body.run(self.base + place, mask, thread, first + offset, iterations)
        },
        verify: { check.verify($0, &$1) })
    }
  }
}

extension Configuration {
  /// Pages of an operation whose cost per page is to be the same over all sizes.
  var scaledPages: Int { devicePages ?? Self.fewPages }

  /// Pages that its peer, itself, works on: as many of the same ones as stay in the caches. Both are
  /// measured round by round, as a machine that slows down between two sizes would make one of them
  /// dearer.
  static let fewPages = 1 << 10

  /// Pages that a walk goes over: one when warm, twice the last-level cache when cold unless the
  /// configuration says how many.
  var walkPages: Int {
    guard state == .cold else { return 1 }
    if let devicePages { return devicePages }
    let wanted = max(Int(harness_cache_bytes()), 8 << 20) * 2 / MemoryLayout<page>.stride
    var pages = 1 << 18
    while pages < wanted && pages < 1 << 22 { pages *= 2 }
    return pages
  }
}
