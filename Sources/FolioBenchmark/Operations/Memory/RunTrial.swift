// SPDX-License-Identifier: MIT

// Trials of operations that leave every page mapped as it was: what one does to a run of pages is a
// RunStep; the walk, the checks and the kernel's side are the same for all.

import BenchmarkPeers
import CFolio
import FolioCore

/// An operation on a run of mapped pages, after which they are mapped again. Returns the pages that
/// went through all of it.
struct RunStep: Sendable {
  let body: @Sendable (_ mapped: MappedPages, _ space: MemoryMap, _ pages: Range<Int>) -> Int

  init(
    _ body:
      @escaping @Sendable (_ mapped: MappedPages, _ space: MemoryMap, _ pages: Range<Int>)
      -> Int
  ) {
    self.body = body
  }
}

/// Pages to work on, and with whom to compare.
struct RunTrial {
  private let mapped: MappedPages
  private let walk: RunWalk
  private let configuration: Configuration
  private let calls: [kernel_call]
  /// Beside itself on few of the pages.
  private let isSequential: Bool
  /// 2 MiB folios that stay in the cache.
  private static let hotFolios = 8

  /// - Parameters:
  ///   - pages: of each thread, a power of two; nil: the run when warm, many when cold.
  ///   - run: pages of a step, whole folios.
  ///   - order: of the folios.
  ///   - isSequential: one run after the other, beside itself on few pages.
  ///   - calls: the peers.
  init(
    _ configuration: Configuration, pages: Int? = nil, run: Int = MappedPages.hugePages,
    order: Int = 0, sharers: Int = 1, isSequential: Bool = false, _ calls: [kernel_call]
  ) throws(Refusal) {
    var regions = 1
    while regions < configuration.threads { regions *= 2 }
    let warm = order == PMD_ORDER ? Self.hotFolios * run : run
    let pages = pages ?? configuration.mappedPages(warm: warm, sharing: regions)
    mapped = try MappedPages(pages: pages * regions, order: order, sharers: sharers)
    walk = RunWalk(
      run: run, runs: pages / run, spaces: sharers, isSequential: isSequential, ownPages: true)
    self.configuration = configuration
    self.calls = calls
    self.isSequential = isSequential
  }

  func make(_ step: RunStep) -> Trial {
    let (mapped, walk) = (mapped, walk)
    // Of a leaf the operation is one; of single pages, one per page.
    let unit = mapped.isHuge ? walk.run : 1
    let ours = side("folio", walk, step, isBroken: configuration.isBroken)
    let few = walk.limited(to: Configuration.fewPages)
    let itself = isSequential ? [side(Peer.fewPages, few, step)] : []
    return Trial(
      pages: mapped.device.count,
      sides: ([ours] + itself + calls.map(peer)).map { $0.counted(in: unit) },
      witness: { Self.stepThrough(mapped, walk, step, &$0) },
      close: { mapped.close(&$0) })
  }

  private func side(
    _ name: String, _ walk: RunWalk, _ step: RunStep, isBroken: Bool = false
  ) -> Side {
    let mapped = mapped
    let check = walk.check(mapped)
    return Side(
      name, granularity: walk.run,
      loop: Loop { thread, first, count in
        if isBroken && thread == 0 && first == 0 { mapped.device.plantReference(on: 0) }
        return Self.loop(mapped, walk, step, thread, first, count)
      },
      verify: { progress, verifier in
        check.verify(progress, &verifier)
        mapped.verifySpaces(&verifier)
      })
  }

  private func peer(_ call: kernel_call) -> Side {
    var shape = configuration.kernelShape(of: mapped)
    // A fork writes the page behind the run.
    shape.pages = call == KERNEL_FORK ? 2 * walk.run : min(shape.pages, walk.pages)
    return KernelPeers.side(call, shape, run: walk.run, configuration)
  }

  /// What is timed: the step, and a load through one of the entries, so that the space has users and
  /// the next flush has to know whom to wait for. Returns the pages that went through both.
  @inline(never)
  private static func loop(
    _ mapped: MappedPages, _ walk: RunWalk, _ step: RunStep, _ thread: Int, _ first: Int,
    _ count: Int
  ) -> Int {
    let spaces = mapped.spaces
    var number = first / walk.run
    let end = (first &+ count) / walk.run
    var done = 0
    while number < end {
      let page = walk.page(number, thread: thread)
      let space = spaces[number & walk.spaceMask]
      let changed = step.body(mapped, space, page..<page &+ walk.run)
      var translation = translation()
      if unsafe mmu_begin(space.mm, MappedPages.address(page), false, &translation) {
        unsafe mmu_end(space.mm, &translation)
        done &+= changed
      }
      number &+= 1
    }
    return done
  }

  /// The step in every space, and entries away and back in each, the counters compared in between.
  private static func stepThrough(
    _ mapped: MappedPages, _ walk: RunWalk, _ step: RunStep, _ verifier: inout Verifier
  ) {
    let pages = 0..<walk.run
    for space in mapped.spaces {
      verifier.expect(step.body(mapped, space, pages), pages.count, "pages of one step")
      mapped.verify([0], &verifier)
      verifier.expect(mapped.zap(space, pages), true, "entries removed")
      verifier.expect(
        space.counters.filePages, mapped.device.count - pages.count, "pages left in the space")
      var model = mapped.model
      model.put()
      let id = unsafe space.mm.pointee.mm_id
      if mapped.isHuge { model.unmapEntirely(by: id) } else { model.unmap(page: 0, by: id) }
      mapped.device.verify([0], model, &verifier)
      verifier.expect(mapped.map(space, pages), pages.count, "entries made")
      mapped.verify([0], &verifier)
    }
  }
}
