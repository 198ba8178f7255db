// SPDX-License-Identifier: MIT

// Executions whose decisions are bytes: what a fuzzer gives. Which byte means what is told at
// lab_run_bytes() in lab/lab.h.

import CLab
import FolioWorkloads

extension LabWorld {
  /// Begins a series of such executions.
  ///
  /// - Parameter counters: one per racing pair, by a hash of its names, is raised with each
  ///   occurrence of the pair; a power of two of them. They are not reset here.
  package func beginByteRuns(
    model: MemoryModel = .sc, counters: UnsafeMutableBufferPointer<UInt8>? = nil
  ) throws(LabError) {
    if let refusal = refusal(.random, model: model) { throw refusal }
    settings.obligations.forget()
    var search = unsafe lab_search()
    unsafe search.strategy = LAB_BYTES
    unsafe search.model = model.engine
    unsafe search.pairs = true
    if let counters = unsafe counters {
      precondition(counters.count.nonzeroBitCount == 1, "the counters are not a power of two")
      unsafe search.counters = counters.baseAddress
      unsafe search.counters_count = UInt32(counters.count)
    }
    unsafe lab_begin(&search)
  }

  /// Runs one execution by these decisions; behind the last one the thread that runs goes on.
  ///
  /// - Returns: false: it failed, and `lastFinding` says how.
  package func run(decisions: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let base = decisions.baseAddress else {
      var none: UInt8 = 0
      return unsafe lab_run_bytes(&none, 0) != LAB_FINDING
    }
    return unsafe lab_run_bytes(base, UInt32(decisions.count)) != LAB_FINDING
  }

  /// The same for an array; the finding, when it failed.
  package func run(decisions: [UInt8]) -> Finding? {
    unsafe decisions.withUnsafeBufferPointer { unsafe run(decisions: $0) ? nil : lastFinding }
  }

  /// How many decisions the last such execution made, of threads and of values.
  package var lastDecisions: Int { Int(lab_decisions()) }

  /// Racing pairs since the series began.
  package var pairsSoFar: Int { Int(lab_pairs_count()) }

  /// What the last execution did wrong; nil: nothing.
  package var lastFinding: Finding? { Self.finding() }
}

extension Trace {
  /// The decisions that lead through this execution; zeros at the end are left out.
  package var decisions: [UInt8] {
    var decisions: [UInt8] = []
    for (index, step) in steps.enumerated() {
      if step.enabled.count > 1 {
        var lanes = step.enabled
        if index > 0, let last = lanes.firstIndex(of: steps[index - 1].thread) {
          lanes.insert(lanes.remove(at: last), at: 0)
        }
        decisions.append(UInt8(lanes.firstIndex(of: step.thread)!))
      }
      if step.choices > 1 { decisions.append(UInt8(step.choice)) }
    }
    while decisions.last == 0 { decisions.removeLast() }
    return decisions
  }
}
