// SPDX-License-Identifier: MIT

// Runs of frames that somebody has: the owners of a map's pages, the free blocks of RAM. They do not
// overlap, so the run before a frame in order and the one after it are all that can be in the way.

/// Disjoint runs of frames, in order.
struct FrameRuns {
  private var runs: [Range<UInt>] = []

  /// Number of runs that begin before the frame.
  private func index(of frame: UInt) -> Int {
    var (low, high) = (0, runs.count)
    while low < high {
      let middle = (low + high) / 2
      if runs[middle].lowerBound < frame { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Adds the run; false when it meets one that is there.
  mutating func insert(_ run: Range<UInt>) -> Bool {
    let index = index(of: run.lowerBound)
    if index > 0, runs[index - 1].overlaps(run) { return false }
    if index < runs.count, runs[index].overlaps(run) { return false }
    runs.insert(run, at: index)
    return true
  }

  /// Takes out this very run; false when it is not there.
  mutating func remove(_ run: Range<UInt>) -> Bool {
    let index = index(of: run.lowerBound)
    guard index < runs.count, runs[index] == run else { return false }
    runs.remove(at: index)
    return true
  }

  var isEmpty: Bool { runs.isEmpty }

  /// Takes out the first run.
  mutating func removeFirst() -> Range<UInt> { runs.removeFirst() }
}
