// SPDX-License-Identifier: MIT

// Retains and releases of Swift objects per operation. The thresholds in Thresholds/ are 0 for
// every path of Folio; the control has an object in its loop, so that a count of 0 cannot come from a
// counter that does not count. Times are the main job's business (folio-bench), not this one's.

import Benchmark
import FolioCore
import RuntimeCounter

/// What the loops work on: one map for the whole process, and a reference that keeps a folio alive.
final class Bed: Sendable {
  static let shared = Bed()
  let map: PageMap
  let frame: UInt

  private init() {
    do {
      map = try PageMap(.generic, pages: 1024)
    } catch {
      fatalError("no device map: \(error)")
    }
    frame = map.frames.lowerBound
  }

  /// A reference to the first page; stops when it has none.
  func reference() -> FolioReference {
    guard let reference = FolioReference(tryGet: frame) else { fatalError("an idle base count") }
    return reference
  }
}

/// Operations per measurement: a count of one in a thousand of them shows.
let operations = 1000

/// Runs the loop once and reports what it cost in retains, releases and allocations.
@inline(__always)
func count(_ benchmark: Benchmark, _ loop: () -> Void) {
  runtime_counter_begin()
  loop()
  let counts = runtime_counter_end()
  benchmark.measurement(.custom("retains"), counts.retains)
  benchmark.measurement(.custom("releases"), counts.releases)
  benchmark.measurement(.custom("allocations"), counts.allocations)
}

/// The object of the control.
final class Link {
  var next: Link?
}

let benchmarks: @Sendable () -> Void = {
  let options = Benchmark.Configuration(
    metrics: [.custom("retains"), .custom("releases"), .custom("allocations")],
    maxDuration: .seconds(1), maxIterations: 50)

  Benchmark("FolioReference.clone", configuration: options) { benchmark in
    let reference = Bed.shared.reference()
    count(benchmark) {
      for _ in 0..<operations { _ = reference.clone() }
    }
  }

  Benchmark("FolioReference.tryGet", configuration: options) { benchmark in
    let frame = Bed.shared.frame
    count(benchmark) {
      for _ in 0..<operations {
        guard let reference = FolioReference(tryGet: frame) else { fatalError("a live page") }
        reference.release()
      }
    }
  }

  Benchmark("ReadScope.view", configuration: options) { benchmark in
    let frame = Bed.shared.frame
    var sum = 0
    count(benchmark) {
      for _ in 0..<operations {
        sum &+= withReadScope { scope in scope.folio(at: frame)?.referenceCount ?? 0 }
      }
    }
    blackHole(sum)
  }

  Benchmark("FolioView.tryGet", configuration: options) { benchmark in
    let frame = Bed.shared.frame
    count(benchmark) {
      for _ in 0..<operations {
        withReadScope { scope in
          guard let reference = scope.folio(at: frame)?.tryGet() else { fatalError("a live page") }
          reference.release()
        }
      }
    }
  }

  // Two retains, two releases and an allocation for each turn, or the counter does not count.
  Benchmark("Control.object", configuration: options) { benchmark in
    let link = Link()
    count(benchmark) {
      for _ in 0..<operations {
        link.next = sibling(of: link)
        link.next = nil
      }
    }
  }
}

/// A new object; the optimiser may not see whose.
@inline(never)
func sibling(of link: Link) -> Link {
  let sibling = Link()
  sibling.next = link
  return sibling
}
