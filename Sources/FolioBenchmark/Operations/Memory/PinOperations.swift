// SPDX-License-Identifier: MIT

// Pins taken by address without a lock, and given back (core.md section 12, rows 70-80): in runs of
// 1, 16 and 512 pages, over sizes, over address spaces that share the pages, by leaves of 2 MiB.

import BenchmarkPeers
import CFolio
import FolioCore

enum PinOperations {
  static let all =
    runs.map(fast) + runs.map(huge) + [giant] + [4, 64].map(shared)
    + [1, MappedPages.hugePages].map(slow) + [sequential]

  /// Pages of a call.
  private static let runs = [1, 16, MappedPages.hugePages]

  /// Calls of the kernel that take and give back a reference to a mapped page.
  private static let calls = [KERNEL_IO_URING, KERNEL_VMSPLICE, KERNEL_READV]

  /// Pages that stay in the caches, struct pages and entries.
  private static let hotPages = 512
  /// 2 MiB folios that do.
  private static let hotFolios = 8

  private static func fast(_ run: Int) -> BenchmarkOperation {
    BenchmarkOperation(
      Name.fastPins(run),
      "gup_fast() of \(run == 1 ? "a page" : "\(run) pages") mapped by PTEs, unpin_user_pages(); "
        + "per page; cold: at random, the kernel's over 2^15 pages at most",
      peers: calls.map(KernelPeers.name)
    ) { configuration throws(Refusal) in
      let pages = configuration.mappedPages(warm: hotPages)
      let mapped = try MappedPages(pages: pages)
      return trial(mapped, configuration, run: run)
    }
  }

  private static func huge(_ run: Int) -> BenchmarkOperation {
    let isWhole = run == MappedPages.hugePages
    return BenchmarkOperation(
      Name.hugePins(run),
      "gup_fast() of \(run == 1 ? "a page" : isWhole ? "the 512 pages" : "\(run) pages") of a PMD "
        + "leaf, unpin_user_pages(); per page",
      warmOnly: isWhole ? nil : "what misses the cache is what a whole leaf's does",
      peers: calls.map(KernelPeers.name)
    ) { configuration throws(Refusal) in
      let pages = configuration.mappedPages(warm: hotFolios * MappedPages.hugePages)
      let mapped = try MappedPages(pages: pages, order: Int(PMD_ORDER))
      return trial(mapped, configuration, run: run)
    }
  }

  private static let giant = BenchmarkOperation(
    Name.giantPins,
    "gup_fast() of 512 pages of a PUD leaf, unpin_user_pages(); per page; the kernel's of a PMD leaf",
    warmOnly: "its one reference and its one entry are always warm", peers: [Peer.ioUring]
  ) { configuration throws(Refusal) in
    let mapped = try MappedPages(pages: 1 << Int(PUD_ORDER), order: Int(PUD_ORDER))
    return trial(mapped, configuration, run: MappedPages.hugePages, calls: [KERNEL_IO_URING])
  }

  private static func shared(_ sharers: Int) -> BenchmarkOperation {
    BenchmarkOperation(
      Name.sharedPins(sharers),
      "gup_fast() of 16 pages that \(sharers) maps share, through one map after the other; per page",
      warmOnly: "what it adds, the tables of more maps, is small and stays in the cache",
      peers: [Peer.ioUring]
    ) { configuration throws(Refusal) in
      let mapped = try MappedPages(pages: hotPages, sharers: sharers)
      return trial(mapped, configuration, run: 16, calls: [KERNEL_IO_URING])
    }
  }

  private static func slow(_ run: Int) -> BenchmarkOperation {
    BenchmarkOperation(
      Name.slowPins(run),
      "pin_user_pages_unlocked() of \(run == 1 ? "a page" : "\(run) pages"), unpin_user_pages(); "
        + "per page; cold: at random",
      peers: [Peer.readv]
    ) { configuration throws(Refusal) in
      let mapped = try MappedPages(pages: configuration.mappedPages(warm: hotPages))
      return trial(mapped, configuration, run: run, calls: [KERNEL_READV], isSlow: true)
    }
  }

  private static let sequential = BenchmarkOperation(
    Name.sequentialPins, "gup_fast() of 512 pages and unpin_user_pages(), run after run; per page",
    threads: [1], warmOnly: "its sizes go from warm to cold", isScaled: true,
    peers: [Peer.fewPages]
  ) { configuration throws(Refusal) in
    let mapped = try MappedPages(pages: configuration.scaledPages)
    return trial(mapped, configuration, run: 512, calls: [], isSequential: true)
  }

  /// Runs of the mapped pages, pinned and unpinned.
  private static func trial(
    _ mapped: MappedPages, _ configuration: Configuration, run: Int,
    calls: [kernel_call] = calls, isSequential: Bool = false, isSlow: Bool = false
  ) -> Trial {
    let walk = RunWalk(
      run: run, runs: mapped.device.count / run, spaces: mapped.spaces.count,
      isSequential: isSequential)
    let pins = Pins(mapped, walk, threads: configuration.threads, isSlow: isSlow)
    let shape = configuration.kernelShape(of: mapped)
    var sides = [
      Side(
        "folio", granularity: run,
        loop: Loop { thread, first, count in
          if configuration.isBroken && thread == 0 && first == 0 {
            mapped.device.plantReference(on: 0)
          }
          return pins.run(walk, thread, first, count)
        }, verify: pins.verifier(walk))
    ]
    if isSequential {
      let few = walk.limited(to: Configuration.fewPages)
      sides.append(
        Side(
          Peer.fewPages, granularity: run,
          loop: Loop { thread, first, count in pins.run(few, thread, first, count) },
          verify: pins.verifier(few)))
    }
    return Trial(
      pages: mapped.device.count,
      sides: sides + calls.map { KernelPeers.side($0, shape, run: run, configuration) },
      witness: { pins.stepThrough(&$0) },
      close: { mapped.close(&$0) })
  }

  /// The loop, and what has to be true between its batches.
  @safe private final class Pins {
    private let mapped: MappedPages
    private let walk: RunWalk
    /// By areas, entries and faults, under mmap_lock; else by the walk without locks.
    private let isSlow: Bool
    /// Per thread, where the pages of a run are noted.
    private let buffers: UnsafeMutablePointer<UnsafeMutablePointer<page>?>
    /// Of the fixture, which keeps them.
    private let spaces: UnsafeMutableBufferPointer<UnsafeMutablePointer<mm_struct>>
    private let statistics = foll_pin_statistics()
    private var pinsOfWitness = 0
    /// Pages that the walks have pinned, each by its number.
    private var pinsOfWalks: [Int] = []

    init(_ mapped: MappedPages, _ walk: RunWalk, threads: Int, isSlow: Bool) {
      self.isSlow = isSlow
      self.mapped = mapped
      self.walk = walk
      unsafe spaces = .allocate(capacity: mapped.spaces.count)
      _ = unsafe spaces.initialize(fromContentsOf: mapped.spaces.map { unsafe $0.mm })
      // Runs of different threads are noted on different cache lines.
      unsafe buffers = .allocate(capacity: threads * (walk.run + 16))
      unsafe buffers.initialize(repeating: nil, count: threads * (walk.run + 16))
    }

    deinit {
      unsafe buffers.deallocate()
      unsafe spaces.deallocate()
    }

    /// Pins and unpins runs of a walk over the mapped pages. Returns the pages that were pinned.
    func run(_ walk: RunWalk, _ thread: Int, _ first: Int, _ count: Int) -> Int {
      unsafe Self.loop(
        UnsafeBufferPointer(spaces), walk, isSlow, buffers + thread * (walk.run + 16), first, count)
    }

    /// What is timed. Returns the pages that were pinned.
    @inline(never)
    private static func loop(
      _ spaces: UnsafeBufferPointer<UnsafeMutablePointer<mm_struct>>, _ walk: RunWalk,
      _ isSlow: Bool, _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>, _ first: Int,
      _ count: Int
    ) -> Int {
      var number = first / walk.run
      let end = (first &+ count) / walk.run
      var pinned = 0
      while number < end {
        let address = MappedPages.address(walk.page(number))
        let mm = unsafe spaces[number & walk.spaceMask]
        let got = unsafe pin(mm, address, walk.run, isSlow, pages)
        unsafe unpin_user_pages(pages, got)
        pinned &+= Int(got)
        number &+= 1
      }
      return pinned
    }

    /// Pins pages from the address on. Returns how many.
    @inline(__always)
    private static func pin(
      _ mm: UnsafeMutablePointer<mm_struct>, _ address: UInt, _ count: Int, _ isSlow: Bool,
      _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>
    ) -> UInt {
      if isSlow {
        let got = unsafe CFolio.pin_user_pages_unlocked(
          mm, address, UInt(count), pages, FOLL_WRITE)
        return UInt(max(got, 0))
      }
      let end = address &+ UInt(count) &<< UInt(PAGE_SHIFT)
      return unsafe gup_fast(mm, address, end, FOLL_PIN | FOLL_WRITE, pages)
    }

    /// What looks at the pages of a walk, and at the statistics, which all walks share.
    func verifier(_ walk: RunWalk) -> (IterationCounts, inout Verifier) -> Void {
      let check = walk.check(mapped)
      let number = pinsOfWalks.count
      pinsOfWalks.append(0)
      return { [self] progress, verifier in
        check.verify(progress, &verifier)
        pinsOfWalks[number] = progress.total
        let now = foll_pin_statistics()
        let expected = pinsOfWalks.reduce(pinsOfWitness, +)
        verifier.expect(now.acquired - statistics.acquired, expected, "pages that were pinned")
        verifier.expect(now.released - statistics.released, expected, "pages that were unpinned")
      }
    }

    /// Pins every page once: the first pin of a page marks it referenced, which none of those that are
    /// timed has to do.
    private func markAll(_ verifier: inout Verifier) {
      for page in stride(from: 0, to: mapped.device.count, by: walk.run) {
        let got = unsafe Self.pin(
          spaces[0], MappedPages.address(page), walk.run, false, buffers)
        unsafe unpin_user_pages(buffers, got)
        pinsOfWitness += Int(got)
      }
      verifier.expect(pinsOfWitness, mapped.device.count, "pages that were pinned once")
    }

    /// Pins and unpins a run through each address space, looking after each step.
    func stepThrough(_ verifier: inout Verifier) {
      markAll(&verifier)
      let heads = [0]
      for space in mapped.spaces {
        let count = UInt(walk.run)
        let got = unsafe Self.pin(
          space.mm, MappedPages.address(0), walk.run, isSlow, buffers)
        verifier.expect(got, count, "pages pinned")
        pinsOfWitness += Int(got)
        mapped.verify(heads, pins: mapped.isHuge ? Int(got) : 1, &verifier)
        for index in 0..<Int(got) {
          let isRight = unsafe buffers[index] == mapped.device.base + index
          verifier.expect(isRight, true, "page \(index) is the one at its address")
        }
        unsafe unpin_user_pages(buffers, got)
        mapped.verify(heads, &verifier)
      }
    }
  }
}
