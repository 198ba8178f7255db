// SPDX-License-Identifier: MIT

// Walks over runs of pages, which operations on address ranges work on: iterations are pages, a step
// is a run.

import BenchmarkPeers

/// Runs of pages one after the other, or in the order of peers/atomics.h; with every step the next
/// address space, and with every thread, where wanted, pages of its own.
struct RunWalk: Sendable {
  /// Pages of a run, a power of two.
  let run: Int
  /// Address spaces - 1.
  let spaceMask: Int
  private let mask: Int
  private let isSequential: Bool
  /// Pages from those of one thread to those of the next; 0: all threads walk over the same.
  private let threadPages: Int

  /// - Parameters:
  ///   - runs: of one thread, a power of two.
  ///   - spaces: address spaces, a power of two.
  init(
    run: Int, runs: Int, spaces: Int = 1, isSequential: Bool = false, ownPages: Bool = false
  ) {
    self.run = run
    mask = runs - 1
    spaceMask = spaces - 1
    self.isSequential = isSequential
    threadPages = ownPages ? runs * run : 0
  }

  /// Pages that one thread walks over.
  var pages: Int { (mask + 1) * run }

  /// The same over the first so many pages.
  func limited(to pages: Int) -> RunWalk {
    RunWalk(
      run: run, runs: min(mask + 1, pages / run), spaces: spaceMask + 1, isSequential: isSequential,
      ownPages: threadPages > 0)
  }

  /// First page of the run of a step.
  @inline(__always)
  func page(_ step: Int, thread: Int = 0) -> Int {
    let run = isSequential ? step & mask : Int(walk_index(step, mask))
    return thread &* threadPages &+ run &* self.run
  }

  /// Compares the pages that were walked over.
  func check(_ mapped: MappedPages) -> WalkCheck {
    WalkCheck(
      mapped.device, mask: mask, scale: run.trailingZeroBitCount, isSequential: isSequential,
      perStep: run, threadPages: threadPages, mapped.model)
  }
}

extension Configuration {
  /// Pages that are mapped: few when warm, as many as a walk goes over when cold.
  ///
  /// - Parameter sharing: threads that have to share those.
  func mappedPages(warm: Int, sharing: Int = 1) -> Int {
    state == .warm ? warm : max(walkPages / sharing, warm)
  }

  /// The same pages as the kernel has them, no more of them than 128 MiB: it does not look at what
  /// is in them, and needs time to make them.
  func kernelShape(of mapped: MappedPages) -> KernelShape {
    KernelShape(
      pages: min(mapped.device.count, isQuick ? 1 << 13 : 1 << 15),
      views: mapped.spaces.count, isHuge: mapped.isHuge)
  }
}
