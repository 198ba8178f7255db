// SPDX-License-Identifier: MIT

// One execution, as values: what each thread did, in the order in which it took place.

import CFolio
import CLab

/// One step of an execution.
public struct TraceStep: Sendable, Hashable {
  public var thread: Int
  /// Which step of its thread this is, from 0.
  public var index: Int
  public var kind: Kind
  /// Where: the function, and the operation as written there.
  public var function: String
  public var text: String
  /// The word, by order of first appearance in the execution; nil: none.
  public var object: Int?
  public var before: Int64
  public var after: Int64
  /// C11 order of the access.
  public var order: Int
  /// Threads that could have gone on here.
  public var enabled: [Int]

  public enum Kind: String, Sendable, Hashable, CaseIterable {
    case load, store, change, exchange, lock, tryLock, unlock, bitLock, sleep, resume, wake
    case graceBegin, graceEnd, readUnlock, deferCall, runDeferred, barrier, yield
  }
}

/// An execution.
public struct Trace: Sendable, Hashable {
  public var steps: [TraceStep]

  /// The thread of each step: enough to run it again.
  public var choices: [UInt8] { steps.map { UInt8($0.thread) } }

  /// Switches away from a thread that could have gone on.
  public var preemptions: Int {
    zip(steps, steps.dropFirst()).count { $0.thread != $1.thread && $1.enabled.contains($0.thread) }
  }

  /// The last execution of the engine.
  static func last() -> Trace {
    var count: UInt32 = 0
    let events = unsafe lab_trace(&count)
    var objects: [UInt: Int] = [:]
    let steps = (0..<Int(count)).map { index in
      let event = unsafe events[index]
      let address = unsafe UInt(bitPattern: event.address)
      var object: Int?
      if address != 0 {
        object = objects[address] ?? objects.count
        objects[address] = object
      }
      let site = unsafe event.site
      return unsafe TraceStep(
        thread: Int(event.thread), index: Int(event.of_thread),
        kind: TraceStep.Kind.allCases[Int(event.kind)],
        function: site.map { unsafe String(cString: $0.pointee.function) } ?? "",
        text: site.map { unsafe String(cString: $0.pointee.text) } ?? "",
        object: object, before: Int64(truncatingIfNeeded: event.before),
        after: Int64(truncatingIfNeeded: event.after), order: Int(event.order),
        enabled: (0..<16).filter { unsafe event.enabled >> $0 & 1 == 1 })
    }
    return Trace(steps: steps)
  }
}

/// What an execution did wrong.
public struct Finding: Sendable, Hashable {
  public var invariant: String
  public var message: String
  public var trace: Trace
}
