// SPDX-License-Identifier: MIT

// Generated programs that also wait for each other, count in a percpu_ref, store in an XArray and end
// grace periods. A thread waits for lower ones only, who signal at their end at the latest, so
// nothing that is correct deadlocks. Alarms beside those of CounterProgramWorld:
//   CI47    a wait ended before its condition
//   CI46    a waiter is counted at the end
//   CI28, CI30  the percpu count is off; it was released under a reference, twice, or not at all
//   XArray  a lookup gave what nobody stored there; the tree is broken
//   DEADLOCK, USE-AFTER-FREE  the engine's

import CFolio

@safe
final class StructureProgramWorld: ScenarioWorld {
  let threads: [ScenarioThread]
  private let source: GeneratedProgramSource
  private let folios: ProgramFolios
  /// 1: the thread of that number has signalled.
  private let signals: [SharedWord]
  private let object: CountedObject
  /// 1: somebody has killed it.
  private let killed: SharedWord
  private let array: UnsafeMutablePointer<xarray>

  /// Near ones share a node, far ones make the tree higher.
  private static let indices: [UInt] = [0, 1, 5, 63, 64, 65, 4095, 4096]

  init(_ source: GeneratedProgramSource) throws {
    readyWaitTable()
    self.source = source
    threads = (0..<source.threads).map { ScenarioThread("thread \($0)", group: $0 + 1) }
    folios = try ProgramFolios(threads: source.threads)
    signals = try (0..<source.threads).map { _ in try SharedWord("signal") }
    object = try CountedObject()
    killed = try SharedWord("killed")
    unsafe array = try unsafe seamMemory(xarray.self)
    unsafe xa_init(array)
  }

  func run(_ thread: Int) {
    var held = folios.held(by: thread)
    var counted = 0
    for slot in 0..<GeneratedProgram.slots {
      let byte = source.operation(thread, slot)
      guard let code = GeneratedProgram.Code(rawValue: byte >> 3) else { continue }
      let operand = Int(byte & 7)
      switch code {
      case .signal: signal(thread)
      case .wait: wait(for: operand, thread)
      case .percpuTryGet, .percpuGet, .percpuPut, .percpuKill: count(code, &counted)
      case .store:
        unsafe _ = xa_store(
          array, Self.indices[operand], xa_mk_value(UInt(operand << 8 | thread << 4 | slot)))
      case .erase: unsafe _ = xa_erase(array, Self.indices[operand])
      case .load: load(operand)
      case .synchronize: synchronize_rcu()
      default: folios.run(byte, &held)
      }
    }
    folios.putAll(&held)
    if thread == 0, usesCount { count(.percpuKill, &counted) }
    while counted > 0 { count(.percpuPut, &counted) }
    if source.has(.wait) { signal(thread) }
  }

  private var usesCount: Bool {
    source.has(.percpuTryGet, .percpuGet, .percpuPut, .percpuKill)
  }

  private func signal(_ thread: Int) {
    unsafe store_release_wake_up(signals[thread].address, 1)
  }

  private func wait(for other: Int, _ thread: Int) {
    guard other < thread else { return }
    let wait = unsafe FlagWait(signals[other])
    require(wait.met && wait.result == 0, "CI47", "a wait came back with its condition false")
  }

  private func count(_ code: GeneratedProgram.Code, _ counted: inout Int) {
    switch code {
    case .percpuTryGet:
      guard unsafe percpu_ref_tryget_live(object.ref) else { return }
      counted += 1
      require(object.releases == 0, "CI30", "a reference to what was released")
    case .percpuGet:
      guard counted > 0 else { return }
      unsafe percpu_ref_get(object.ref)
      counted += 1
    case .percpuPut:
      guard counted > 0 else { return }
      require(object.releases == 0, "CI30", "released under a reference")
      counted -= 1
      unsafe percpu_ref_put(object.ref)
    default:
      if killed.exchange(1) == 0 { unsafe percpu_ref_kill(object.ref) }
    }
  }

  private func load(_ operand: Int) {
    guard let entry = unsafe xa_load(array, Self.indices[operand]) else { return }
    let isValue = unsafe xa_is_value(entry)
    require(isValue, "XArray", "a lookup gave an internal entry")
    if isValue {
      require(
        unsafe xa_to_value(entry) >> 8 == UInt(operand), "XArray",
        "a lookup gave another index's entry")
    }
  }

  func conclude() {
    folios.conclude()
    require(!folio_events_pending(), "CI46", "a waiter is counted at the end")
    require(unsafe cfolio_xa_verify(array) == nil, "XArray", "the tree is broken")
    guard usesCount else { return }
    require(object.releases == 1, "CI30", "released not once")
    require(unsafe percpu_ref_is_zero(object.ref), "CI28", "the count is off")
  }

  func tearDown() {
    folios.tearDown()
    for word in signals { word.free() }
    killed.free()
    object.free()
    unsafe xa_destroy(array)
    unsafe cfolio_free(array)
  }
}
