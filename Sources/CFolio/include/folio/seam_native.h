/* SPDX-License-Identifier: MIT */
/*
 * Scenarios on native threads, round after round, in a Lab build: words are C11 atomics, RCU is
 * liburcu's, threads sleep in the kernel. What the lab's engine does between executions is done
 * here between rounds: memory of the seam comes from an arena, and that, the struct pages and
 * CFolio's globals are put back. Empty unless the trait Lab is on.
 *
 * For a process of its own: once begun there is no way back.
 */
#ifndef FOLIO_SEAM_NATIVE_H
#define FOLIO_SEAM_NATIVE_H

#include <folio/atomic.h>
#include <stdarg.h>

FOLIO_ASSUME_NONNULL_BEGIN

struct rcu_head;

#if defined(FOLIO_LAB)

/** What rounds found, in memory that the process shares with whoever looks after it. */
struct native_report {
	atomic_t open;		/**< the world is made, rounds begin */
	atomic_long_t rounds;	/**< that came to their end */
	atomic_long_t failed;	/**< of these, with a violation */
	atomic_long_t first;	/**< rounds up to the first that failed; 0: none did */
	atomic_long_t first_ns; /**< from begin to its end */
	atomic_t stopped;	/**< a BUG ended the process */
	char invariant[24];	/**< of the first failure; written before `first` */
	char message[256];
};

/** Takes the process over. False: no memory. Context: one thread, nothing in the library yet. */
bool cfolio_native_begin(struct native_report *report);
/** What memory holds now is where rounds begin. False: no memory. Context: no round runs. */
bool cfolio_native_keep(void);
/** Waits until deferred calls have run. Context: all bodies of the round have come back. */
void cfolio_native_settle(void);
/** Counts the round, with what was violated in it, and puts memory back. Context: as above. */
void cfolio_native_end_round(void);

/* What the seam asks on native threads; false: nobody has taken the process over. */
bool cfolio_native_allocate(size_t size, void *_Nullable *_Nonnull memory);
bool cfolio_native_free(void *memory);
bool cfolio_native_commit(void *start, size_t size);
bool cfolio_native_decommit(void *start, size_t size);
bool cfolio_native_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
bool cfolio_native_rcu_barrier(void);
/** Does not return when somebody has. */
void cfolio_native_bug(const char *invariant, const char *format, va_list arguments);

#endif

FOLIO_ASSUME_NONNULL_END

#endif
