/* SPDX-License-Identifier: MIT */
/*
 * SRCU: read sections that belong to one object, and whose readers may block. Mirrors the kernel's
 * srcu.h. A grace period waits for the readers of its own object only, so it may be awaited where
 * one of RCU may not: under a spinlock that RCU readers wait for.
 */
#ifndef FOLIO_SRCU_H
#define FOLIO_SRCU_H

#include <folio/lock.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** One CPU's share of both indices, on a cache line of its own. Any thread adds. */
struct srcu_slot {
	atomic_long_t locks[2];	  /**< sections that began, by index */
	atomic_long_t unlocks[2]; /**< sections that ended, by index */
	char pad[FOLIO_CACHE_LINE - 4 * sizeof(atomic_long_t)];
};

/** One object with sections of its own. Its memory is the user's. */
struct srcu_struct {
	struct srcu_slot *_Null_unspecified slots; /**< folio_nr_cpus() of them; fixed */
	atomic_t index;	  /**< even or odd: where readers begin; by who awaits, under `updates` */
	atomic_t awaited; /**< somebody waits for readers; under `updates` */
	atomic_t ended;	  /**< sections that ended meanwhile; futex word */
	struct mutex updates;
} FOLIO_NONCOPYABLE;

/** No sections yet. 0 or -ENOMEM. */
int init_srcu_struct(struct srcu_struct *ssp) __must_check;
/** Gives its slots back. Stops with "SRCU" when a section is left. Context: nobody waits. */
void cleanup_srcu_struct(struct srcu_struct *ssp);

/** Begins a section; its number goes to srcu_read_unlock(), from any thread. FULL. Nests. */
int srcu_read_lock(struct srcu_struct *ssp) __must_check;
/** Ends it. FULL. */
void srcu_read_unlock(struct srcu_struct *ssp, int index);

/** Waits until every section that began before has ended. FULL on both sides. Not in a section. */
void synchronize_srcu(struct srcu_struct *ssp);

FOLIO_ASSUME_NONNULL_END

#endif
