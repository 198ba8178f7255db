// SPDX-License-Identifier: MIT

// Threads that run timed loops: one per CPU, bound to it, asleep on a futex word between jobs. They
// are started once, before anything is timed.

internal import BenchmarkPeers
internal import Glibc

/// What the workers run next: called once on each of the first `threads` workers.
struct Job: @unchecked Sendable {
  // @unchecked: handed to the workers by a store release and not touched until they are done.
  let threads: Int
  let body: (_ thread: Int) -> Void
}

/// A fixed set of pinned threads.
@safe final class Workers: @unchecked Sendable {
  // @unchecked: `job` is written by the owner while no worker runs; `command` publishes it.
  private var job = Job(threads: 0) { _ in }
  private let command: OpaquePointer
  private let done: OpaquePointer
  private var isStopping = false
  private var generation: Int32 = 0
  private var handles: [pthread_t] = []
  let count: Int

  /// Starts one worker per CPU.
  init(cpus: [Int32]) {
    guard let command = unsafe harness_word_create(), let done = unsafe harness_word_create() else {
      fatalError("no memory for two words")
    }
    unsafe self.command = command
    unsafe self.done = done
    count = cpus.count
    for (index, cpu) in cpus.enumerated() {
      start(index: index, cpu: cpu)
    }
    // The first job makes sure that every worker is up, pinned and has seen its first command.
    run(Job(threads: count) { _ in })
  }

  private final class Start {
    let workers: Workers
    let index: Int
    let cpu: Int32

    init(workers: Workers, index: Int, cpu: Int32) {
      self.workers = workers
      self.index = index
      self.cpu = cpu
    }
  }

  private func start(index: Int, cpu: Int32) {
    let start = unsafe Unmanaged.passRetained(Start(workers: self, index: index, cpu: cpu))
    var handle = pthread_t()
    let error = unsafe pthread_create(
      &handle, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        _ = harness_pin_to_cpu(start.cpu)
        start.workers.serve(index: start.index)
        return nil
      }, start.toOpaque())
    precondition(error == 0, "cannot start worker \(index): errno \(error)")
    handles.append(handle)
  }

  private func serve(index: Int) {
    var seen: Int32 = 0
    while true {
      unsafe harness_word_wait(command, seen)
      seen = unsafe harness_word_load(command)
      if isStopping { return }
      let job = self.job
      guard index < job.threads else { continue }
      job.body(index)
      unsafe harness_word_add(done, 1)
      unsafe harness_word_wake(done)
    }
  }

  /// Runs the job and returns when its threads are done. One caller at a time.
  func run(_ job: Job) {
    precondition(job.threads <= count)
    self.job = job
    unsafe harness_word_store(done, 0)
    send()
    while true {
      let finished = unsafe harness_word_load(done)
      if finished == Int32(job.threads) { break }
      unsafe harness_word_wait(done, finished)
    }
    self.job = Job(threads: 0) { _ in }
  }

  private func send() {
    generation += 1
    unsafe harness_word_store(command, generation)
    unsafe harness_word_wake(command)
  }

  /// Ends the threads. Nothing may be run afterwards.
  func stop() {
    isStopping = true
    send()
    for handle in handles { _ = pthread_join(handle, nil) }
    handles = []
    unsafe harness_word_destroy(command)
    unsafe harness_word_destroy(done)
  }
}

/// CPUs that this process may use.
func allowedCPUs() -> [Int32] {
  var cpus = [Int32](repeating: 0, count: 1024)
  let found = unsafe cpus.withUnsafeMutableBufferPointer { buffer in
    unsafe harness_allowed_cpus(buffer.baseAddress, Int32(buffer.count))
  }
  return Array(cpus.prefix(Int(found)))
}
