/* SPDX-License-Identifier: MIT */
/*
 * Waiting until a device page is idle (spec: core.md section 13, row 110), by sleeping and by a
 * callback that parks no thread. Also the share word as plain storage (rows of dax.md section 5
 * build on it later). Mirrors the wait half of the kernel's fs/dax.c.
 *
 * Two conditions. "Idle": R is the type's idle count - what the kernel waits for. "Unpinned":
 * every reference beyond the base belongs to a mapping - what its busy scan asks. Under kernel
 * rules an unpin that leaves mappings sends no wake, so a wait for "idle" can outlast the last pin
 * (C41); strict maps wait for "unpinned" and whatever takes references off, or maps, sends the
 * wake. Pages of other types than FS_DAX, for which the kernel has no such wait, are woken alike
 * under all rules. A freeze wakes nobody: it hides R from everyone.
 */
#ifndef FOLIO_IDLE_H
#define FOLIO_IDLE_H

#include <folio/memremap.h>
#include <folio/mutant.h>

FOLIO_ASSUME_NONNULL_BEGIN

enum folio_idle_condition {
	FOLIO_IDLE = 0,	    /**< R == idle count of the type */
	FOLIO_UNPINNED = 1, /**< R - M == idle count of the type */
};

/** What the map's rules wait for. */
static inline enum folio_idle_condition pgmap_idle_condition(const struct dev_pagemap *pgmap)
{
	return pgmap->rules == FOLIO_RULES_STRICT && !MUTANT(C41) ? FOLIO_UNPINNED : FOLIO_IDLE;
}

/** The condition now. ACQ: a true answer sees what the last holder wrote before its put. */
bool folio_is_idle(const struct folio *folio, enum folio_idle_condition condition);

/**
 * Sleeps until the condition. Result and context as wait_var_event_options(); the caller also keeps
 * the map alive. Stops with CI11 for a page of no device map, as the functions below do.
 */
int64_t folio_wait_idle(struct folio *folio, enum folio_idle_condition condition,
			const struct wait_options *options);

/** One wait that parks no thread. Memory: cfolio_zalloc(sizeof), freed by its owner. */
struct folio_idle_callback {
	struct wait_callback callback;
	/** 1 once the entry was enqueued; written by the beginner, read by the canceller. */
	atomic_t begun;
	/** 1 once cancelled; written by the canceller, read by the beginner. */
	atomic_t cancelled;
} FOLIO_NONCOPYABLE;

/**
 * Enqueues for the folio's idle key. True: done, do not wait - the condition already held or a
 * cancellation came first - and resume will not be called. False: resume(context) will be called
 * once, from a wake or from folio_idle_callback_cancel(); that may be before this returns, which
 * still uses the memory then: it may go when both have happened.
 */
bool folio_idle_callback_begin(struct folio_idle_callback *wait, struct folio *folio,
			       enum folio_idle_condition condition,
			       void (*resume)(struct wait_callback *callback),
			       void *_Nullable context);
/** Any thread, any time before the memory goes. Calls resume if the wait was still queued. */
void folio_idle_callback_cancel(struct folio_idle_callback *wait);
/** Whether it was cancelled. */
bool folio_idle_callback_cancelled(const struct folio_idle_callback *wait);

/** Associations counted in the share word; plain storage under the owner's lock. RLX. */
static inline unsigned long folio_share(const struct folio *folio)
{
	return READ_ONCE(folio->share);
}

static inline void folio_set_share(struct folio *folio, unsigned long share)
{
	WRITE_ONCE(folio->share, share);
}

/** The mapping word; 0: none. RLX, owner's lock for writing. */
static inline unsigned long folio_mapping_word(const struct folio *folio)
{
	return READ_ONCE(folio->mapping);
}

static inline void folio_set_mapping_word(struct folio *folio, unsigned long mapping)
{
	WRITE_ONCE(folio->mapping, mapping);
}

/** Shared: no mapping and a share count (core.md CI36). */
static inline bool dax_folio_is_shared(const struct folio *folio)
{
	return folio_mapping_word(folio) == 0 && folio_share(folio) != 0;
}

FOLIO_ASSUME_NONNULL_END

#endif
