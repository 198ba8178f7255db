// SPDX-License-Identifier: MIT

// Waits of tasks, which park no thread: begun by the threads of the waits scenario, some cancelled,
// all accounted for at the end (CI46: every one came back).

import CFolio
import FolioCore

/// The tasks that wait in one round.
final class TaskWaits: Sendable {
  private let map: PageMap
  private let settings: RoundSettings
  private let open = SharedCount()
  private let cancellable = SharedValue<[Task<Void, Never>]>([])

  /// Tasks that wait at once, at most.
  private static let limit = 32

  init(map: PageMap, settings: RoundSettings) {
    self.map = map
    self.settings = settings
  }

  /// Begins a wait for a frame, unless too many are open. `cancels`: it is cancelled later.
  func begin(frame: UInt, cancels: Bool) {
    guard open.value < Self.limit else { return }
    open.add()
    let (map, settings, open) = (map, settings, open)
    let task = Task.detached {
      do throws(PageMapError) {
        try await map.idle(frame: frame)
      } catch {
        let isExpected =
          (error.code == .interrupted && cancels)
          || (error.code == .outOfMemory && settings.faultRate > 0)
        settings.log.require(
          isExpected, "CI47", frame: frame, "a task's wait ended with \(error)")
      }
      open.add(-1)
    }
    guard cancels else { return }
    cancellable.withLock { $0.append(task) }
  }

  /// Cancels some of the tasks that are to be cancelled.
  func fireSome(_ worker: inout Worker) {
    guard worker.pick(4) == 0 else { return }
    cancellable.withLock { $0.popLast() }?.cancel()
  }

  /// Every page is idle: every task must come back.
  func drain() {
    let end = cfolio_clock_ns() + 10_000_000_000
    while open.value > 0 && cfolio_clock_ns() < end { cfolio_sleep_ns(100_000) }
    settings.log.require(
      open.value == 0, "CI46", "\(open.value) tasks wait on although every page is idle")
  }
}
