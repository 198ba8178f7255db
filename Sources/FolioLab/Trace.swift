// SPDX-License-Identifier: MIT

// One execution, as values: what each thread did, in the order in which it took place.

import CFolio
import CLab
public import FolioWorkloads

/// One step of an execution.
public struct TraceStep: Sendable, Hashable, Codable {
  /// The lane that took it: the thread's number, or that of its store buffer; see `actor`.
  public var thread: Int
  /// Which step of its thread this is, from 0.
  public var index: Int
  /// What kind of operation.
  public var kind: Kind
  /// Where: the function.
  public var function: String
  /// The operation, as written there.
  public var text: String
  /// The word, by order of first appearance in the execution; nil: none.
  public var object: Int?
  /// The word's value in memory in front of the step.
  public var before: Int64
  /// And behind it.
  public var after: Int64
  /// C11 order of the access.
  public var order: Int
  /// Threads that could have gone on here.
  public var enabled: [Int]
  /// The eight bytes that the word is in, by order of first appearance: words of one cell overlap
  /// where their halves do.
  public var cell: Int?
  /// Which halves of the cell the word covers: bit 0 the low one, bit 1 the high one.
  public var halves: UInt8
  /// Inside an RCU read section; its unlock is the last such step.
  public var inSection: Bool
  /// What the step saw: not `before` where memory is weak.
  public var read: Int64
  /// The step whose store it saw, where the memory model says so; nil: see `Causality`.
  public var source: Int?
  /// Whose store a flush brings to memory; nil: it is none.
  public var owner: Int?
  /// C11: the next store of the word, which an old value was read in spite of. Of a flush: the last
  /// step of its thread before the store.
  public var missed: Int?
  /// C11: which of the stores that could be read; 0: the last, k: the k-th before.
  public var choice = 0
  /// C11: so many stores could have been read; 0 and 1: no choice.
  public var choices = 0
  /// The thread whose operation this is; `thread` is the lane, which a store buffer has one of.
  public var actor: Int { owner ?? thread }

  /// What a step does: accesses to a word, locks, sleeping, RCU, fences, and store buffers.
  public enum Kind: String, Sendable, Hashable, CaseIterable, Codable {
    case load, store, change, exchange, lock, tryLock, unlock, bitLock, sleep, resume, wake
    case graceBegin, graceEnd, readUnlock, deferCall, runDeferred, barrier, yield
    case fence, flush
  }

  /// - Parameter cell: nil: that of no other object.
  package init(
    thread: Int, index: Int, kind: Kind, function: String, text: String, object: Int?,
    before: Int64, after: Int64, order: Int = 0, enabled: [Int] = [], cell: Int? = nil,
    halves: UInt8 = 1, inSection: Bool = false, read: Int64? = nil, source: Int? = nil,
    owner: Int? = nil
  ) {
    self.thread = thread
    self.index = index
    self.kind = kind
    self.function = function
    self.text = text
    self.object = object
    self.before = before
    self.after = after
    self.order = order
    self.enabled = enabled
    self.cell = cell ?? object
    self.halves = halves
    self.inSection = inSection
    self.read = read ?? before
    self.source = source
    self.owner = owner
  }
}

/// An execution.
public struct Trace: Sendable, Hashable, Codable {
  /// In the order in which they took place.
  public var steps: [TraceStep]
  /// Under which memory model.
  public var model: MemoryModel

  /// What threads stood before that had not ended when a failure did end it.
  public var standing: [TraceStep]

  /// Who ran when a failure ended it: perhaps not who took the last step, but who was let go on
  /// behind it and failed in front of its next. nil: the execution came to its end.
  public var failing: Int?

  package init(
    steps: [TraceStep], standing: [TraceStep] = [], model: MemoryModel = .sc, failing: Int? = nil
  ) {
    self.steps = steps
    self.standing = standing
    self.model = model
    self.failing = failing
  }

  /// Lane, and value times 16, of each step: enough to run it again.
  public var choices: [UInt8] { steps.map { UInt8($0.thread | $0.choice << 4) } }

  /// Switches away from a thread that could have gone on.
  public var preemptions: Int { steps.indices.count { preempted(by: $0) != nil } }

  /// The thread that this step comes in front of although it could have gone on; nil: none.
  public func preempted(by step: Int) -> Int? {
    guard step > 0 else { return nil }
    let last = steps[step - 1].thread
    return last != steps[step].thread && steps[step].enabled.contains(last) ? last : nil
  }

  /// The last execution of the engine.
  static func last() -> Trace {
    var count: UInt32 = 0
    let events = unsafe lab_trace(&count)
    var objects: [UInt: Int] = [:]
    var cells: [UInt: Int] = [:]
    let steps = (0..<Int(count)).map { index in
      let event = unsafe events[index]
      let address = unsafe UInt(bitPattern: event.address)
      var object: Int?
      var cell: Int?
      if address != 0 {
        object = objects[address] ?? objects.count
        objects[address] = object
        cell = cells[address & ~7] ?? cells.count
        cells[address & ~7] = cell
      }
      let site = unsafe event.site
      var step = unsafe TraceStep(
        thread: Int(event.thread), index: Int(event.of_thread),
        kind: TraceStep.Kind.allCases[Int(event.kind)],
        function: site.map { unsafe String(cString: $0.pointee.function) } ?? "",
        text: site.map { unsafe String(cString: $0.pointee.text) } ?? "",
        object: object, before: Int64(truncatingIfNeeded: event.before),
        after: Int64(truncatingIfNeeded: event.after), order: Int(event.order),
        enabled: (0..<16).filter { unsafe event.enabled >> $0 & 1 == 1 }, cell: cell,
        halves: unsafe event.bytes == 8 ? 3 : address & 4 != 0 ? 2 : 1,
        inSection: unsafe event.in_section, read: Int64(truncatingIfNeeded: event.read),
        source: event.from < 0 ? nil : Int(event.from),
        owner: event.owner == event.thread ? nil : Int(event.owner))
      unsafe step.missed = event.missed < 0 ? nil : Int(event.missed)
      unsafe step.choice = Int(event.choice)
      unsafe step.choices = Int(event.choices)
      return step
    }
    let standing = (0..<Int(LAB_LANES)).compactMap { thread -> TraceStep? in
      var event = unsafe lab_event()
      guard unsafe lab_standing(UInt32(thread), &event) else { return nil }
      let site = unsafe event.site
      return unsafe TraceStep(
        thread: thread, index: steps.count { $0.thread == thread },
        kind: TraceStep.Kind.allCases[Int(event.kind)],
        function: site.map { unsafe String(cString: $0.pointee.function) } ?? "",
        text: site.map { unsafe String(cString: $0.pointee.text) } ?? "",
        object: nil, before: 0, after: 0, order: Int(event.order))
    }
    let failing = unsafe lab_finding().map { unsafe Int($0.pointee.thread) }
    return Trace(
      steps: steps, standing: standing, model: MemoryModel(engine: lab_model_now()),
      failing: failing.flatMap { $0 < Int(LAB_LANES) ? $0 : nil })
  }
}

/// What an execution did wrong.
public struct Finding: Sendable, Hashable, Codable {
  /// Which promise was broken: "CI22", "DATA-RACE", "DEADLOCK", or a name of the scenario's.
  public var invariant: String
  /// What was wrong, for a person.
  public var message: String
  /// The execution, up to the failure.
  public var trace: Trace
  /// Who did it; nil: found when the execution was over.
  public var thread: Int?

  package init(invariant: String, message: String, trace: Trace, thread: Int? = nil) {
    self.invariant = invariant
    self.message = message
    self.trace = trace
    self.thread = thread
  }
}
