// SPDX-License-Identifier: MIT

// Places that the lab cannot come to, each with the reason. One that is reached after all does not
// belong here: `folio-lab sites` fails on it as on one that is missing.

/// Why a place is never reached.
package struct Unreachable: Sendable {
  package var site: Site
  package var reason: String
  /// In every build and every process; false: in some of them.
  package var isAlways = true

  package static let all: [Unreachable] =
    locks + order + once + reclaim + native + diagnostics + misuse

  private static func places(
    _ file: String, _ reason: String, isAlways: Bool = true,
    _ places: [(function: String, text: String)]
  ) -> [Unreachable] {
    places.map {
      Unreachable(
        site: Site(file, $0.function, $0.text), reason: reason, isAlways: isAlways)
    }
  }

  private static let order = places(
    "src/lock.c",
    "the order of locks is checked on native threads of debug builds: the lab finds deadlocks itself",
    isAlways: false,
    [
      ("class_number", "atomic_add_return(1, &classes)"),
      ("class_number", "atomic_cmpxchg(&lock_class->number, 0, fresh)"),
      ("class_number", "atomic_read(&lock_class->number)"),
      ("lock_order_acquire", "READ_ONCE(after[number])"),
      ("lock_order_acquire", "atomic_read(&held->number)"),
      ("lock_order_acquire", "set_bits(&after[number], BIT(taken))"),
      ("reachable_from", "READ_ONCE(after[next])"),
    ])

  private static let once =
    places(
      "src/thread.c", "once per process, perhaps before anybody asks", isAlways: false,
      [("folio_nr_cpus", "atomic_set(&cached, slots)")])
    + places(
      "src/wait.c", "once per process, perhaps before anybody asks", isAlways: false,
      [("init_waitqueue_head", "atomic_set(&queue->entries, 0)")])

  private static let locks = places(
    "src/lock.c",
    "native threads only: in the lab a lock is a predicate of the scheduler, taken as a step",
    [
      ("bit_spin_lock_sited", "test_and_set_bits_lock(word, BIT(bit))"),
      ("take", "atomic_try_cmpxchg(&lock->state, &expected, 1)"),
      ("spin_lock_slow", "atomic_read(&lock->state)"),
      ("spin_lock_slow", "atomic_try_cmpxchg(&lock->state, &expected, 1)"),
      ("spin_lock_slow", "atomic_xchg(&lock->state, 2)"),
      ("spin_trylock_sited", "atomic_try_cmpxchg(&lock->state, &expected, 1)"),
      ("spin_unlock_sited", "atomic_xchg(&lock->state, 0)"),
    ])

  private static let reclaim =
    places(
      "src/rcu.c",
      "native threads only: in the lab deferred calls run on the engine's lane",
      [
        ("call_rcu", "READ_ONCE(queue)"),
        ("call_rcu", "atomic_long_add(1, &pending)"),
        ("call_rcu", "atomic_xchg(&reclaim_wake, 1)"),
        ("call_rcu", "shared_try_cmpxchg(&queue, &top, (unsigned long)head)"),
        ("cfolio_rcu_pending", "atomic_long_read(&pending)"),
        ("drain", "atomic_long_add(-ran, &pending)"),
        ("drain", "mutex_lock(&drain_lock)"),
        ("drain", "mutex_unlock(&drain_lock)"),
        ("drain", "shared_xchg(&queue, 0)"),
        ("reclaim_thread", "atomic_xchg(&reclaim_wake, 0)"),
      ])
    + places(
      "src/thread.c", "native threads only: the record of a fiber is the engine's",
      [("folio_this_thread", "atomic_add_return(1, &last_id)")])

  private static let native = places(
    "src/seam_native.c",
    "the bookkeeping of scenarios that run on native threads, which the lab has no part in",
    [
      ("cfolio_native_bug", "atomic_long_read(&report->rounds)"),
      ("cfolio_native_bug", "atomic_xchg(&report->stopped, 1)"),
      ("cfolio_native_end_round", "atomic_long_add(1, &report->failed)"),
      ("cfolio_native_end_round", "atomic_long_read(&report->rounds)"),
      ("cfolio_native_end_round", "atomic_long_set(&report->rounds, rounds)"),
      ("cfolio_native_keep", "atomic_set(&report->open, 1)"),
      ("note_failure", "atomic_long_read(&report->first)"),
      ("note_failure", "atomic_long_set(&report->first_ns, cfolio_clock_ns() - begun)"),
      ("note_failure", "atomic_long_set_release(&report->first, rounds)"),
    ])

  private static let diagnostics = places(
    "src/bug.c",
    "findings end an execution before they are counted or printed, and warnings are quiet: "
      + "a bug of the museum may warn in each of a million executions",
    [
      ("cfolio_last_warning", "READ_ONCE(last_warning)"),
      ("cfolio_violation", "atomic_long_add(1, &violations_seen)"),
      ("cfolio_violation", "spin_lock(&violations_lock)"),
      ("cfolio_violation", "spin_unlock(&violations_lock)"),
      ("cfolio_violation_count", "atomic_long_read(&violations_seen)"),
      ("cfolio_warn", "atomic_xchg(&site->printed, 1)"),
      ("cfolio_warning_count", "atomic_long_read(&warnings)"),
      ("describe_page", "READ_ONCE(page->compound_head)"),
      ("describe_page", "READ_ONCE(page->flags)"),
      ("describe_page", "atomic_read(&page->_mapcount)"),
      ("describe_page", "atomic_read(&page->_refcount)"),
    ])

  private static let misuse =
    places(
      "src/page_ref.c",
      "behind a get of a folio that nobody holds, which no correct program makes (CI21)",
      [("__page_ref_get", "atomic_read(&cfolio_events)")])
    + places(
      "src/xarray_node.c",
      "of B02, which sanitizers find at the plain read before it: in the lab that finds poison",
      [("xa_node_free", "atomic_long_add(0, &nodes)")])
}
