// SPDX-License-Identifier: MIT

// A thread of the system that a test can join: blocking calls do not belong on the task pool.

import Glibc

/// A native thread. `join()` must be called.
@safe
package final class NativeThread: @unchecked Sendable {
  // @unchecked: the handle is written once, before anybody else has the object.
  private var handle = pthread_t()

  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  package init(_ run: @escaping @Sendable () -> Void) {
    let body = unsafe Unmanaged.passRetained(Body(run)).toOpaque()
    let status = unsafe pthread_create(
      &handle, nil,
      { argument in
        unsafe Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, body)
    precondition(status == 0, "pthread_create failed: \(status)")
  }

  /// A thread that has begun when this returns: what is not over then was held up.
  package static func begun(_ run: @escaping @Sendable () -> Void) -> NativeThread {
    let hasBegun = Flag()
    let thread = NativeThread {
      hasBegun.raise()
      run()
    }
    precondition(hasBegun.wait(), "a thread did not begin within ten seconds")
    return thread
  }

  package func join() {
    pthread_join(handle, nil)
  }
}

/// Polls until `condition` holds; false when that took longer than 10 s.
package func eventually(_ condition: () -> Bool) -> Bool {
  for _ in 0..<100_000 {
    if condition() { return true }
    usleep(100)
  }
  return false
}
