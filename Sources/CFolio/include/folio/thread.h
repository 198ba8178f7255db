/* SPDX-License-Identifier: MIT */
/*
 * What Folio keeps per thread, in one place: the slot number that per-CPU counters are spread by,
 * the held-lock stack of the lock-order checker and the event ring. No other file may use
 * thread-local storage, because fibers of the lab share it.
 */
#ifndef FOLIO_THREAD_H
#define FOLIO_THREAD_H

#include <folio/atomic.h>

FOLIO_ASSUME_NONNULL_BEGIN

#define FOLIO_LOCKS_HELD_MAX 16

struct trace_ring;

struct folio_thread {
	unsigned int id;	 /**< 1, 2, ... in order of first use; owner only. */
	unsigned int locks_held; /**< owner only. */
	const void *_Null_unspecified locks[FOLIO_LOCKS_HELD_MAX]; /**< lock classes, outermost
								      first; owner only. */
	struct trace_ring *_Nullable ring; /**< NULL until the first traced event; owner only. */
};

/** The calling thread's record. Never NULL; valid until the thread ends. */
struct folio_thread *folio_this_thread(void);

/** Gives the thread's event ring to the next thread; called as the thread ends. */
void cfolio_trace_thread_exit(struct folio_thread *thread);

/** The CPU the caller runs on, below folio_nr_cpus(). Stale at once: only spreads counters. */
unsigned int folio_this_cpu(void);

/** Slots that per-CPU counters have: a power of two, at least the number of CPUs. */
unsigned int folio_nr_cpus(void);

FOLIO_ASSUME_NONNULL_END

#endif
