// SPDX-License-Identifier: MIT

// Waiting until a page is idle, as a task: a queue entry resumes a continuation and no thread is
// parked. The barrier argument is the sleeping form's, with "store the sleeping state" replaced by
// "be enqueued": see folio/wait.h and idle.c.

import CFolio

extension PageMap {
  /// Suspends the task until the folio of a frame is idle. Parks no thread. Holds the map: `unmap()`
  /// waits for the end of this.
  ///
  /// - Throws: `outOfRange`; `dead` when the map is going; `interrupted` when the task is cancelled while the page is busy. A
  ///   condition that holds beats the cancellation.
  public func idle(
    frame: UInt, _ condition: IdleCondition? = nil
  ) async throws(PageMapError) {
    guard frames.contains(frame) else { throw PageMapError(.outOfRange, frame: frame) }
    let wanted = condition ?? idleCondition
    try takeMapReference(frame)
    defer { dropMapReference() }
    while !isIdle(frame: frame, wanted) {
      guard let wait = IdleSuspension() else { throw PageMapError(.outOfMemory, frame: frame) }
      await withTaskCancellationHandler {
        unsafe await withUnsafeContinuation { continuation in
          unsafe wait.begin(folio(frame), wanted.value, continuation)
        }
      } onCancel: {
        wait.cancel()
      }
      if wait.isCancelled && !isIdle(frame: frame, wanted) {
        throw PageMapError(.interrupted, frame: frame)
      }
    }
  }
}

/// One suspension: owns the queue entry until the task goes on.
@safe
private final class IdleSuspension: @unchecked Sendable {
  // @unchecked: the C structure orders begin, wake and cancel; `continuation` is written before the
  // entry is published and read by the one who dequeued it.
  private let wait: UnsafeMutablePointer<folio_idle_callback>
  private var continuation: UnsafeContinuation<Void, Never>?

  init?() {
    guard let memory = unsafe cfolio_zalloc(MemoryLayout<folio_idle_callback>.size) else {
      return nil
    }
    unsafe wait = memory.bindMemory(to: folio_idle_callback.self, capacity: 1)
  }

  deinit {
    unsafe cfolio_free(wait)
  }

  func begin(
    _ folio: UnsafeMutablePointer<folio>, _ condition: folio_idle_condition,
    _ continuation: UnsafeContinuation<Void, Never>
  ) {
    unsafe self.continuation = unsafe continuation
    let done = unsafe folio_idle_callback_begin(
      wait, folio, condition,
      { callback in
        // Under the bucket lock: resume only schedules the task.
        let context = unsafe callback.pointee.context!
        unsafe Unmanaged<IdleSuspension>.fromOpaque(context).takeUnretainedValue().resume()
      }, Unmanaged.passUnretained(self).toOpaque())
    if done { resume() }
  }

  private func resume() {
    unsafe continuation!.resume()
  }

  func cancel() {
    unsafe folio_idle_callback_cancel(wait)
  }

  var isCancelled: Bool { unsafe folio_idle_callback_cancelled(wait) }
}
