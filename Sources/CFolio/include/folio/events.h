/* SPDX-License-Identifier: MIT */
/*
 * The one word that the reference-count paths test: zero in normal running. Tracing, the ghost
 * ledger, waiters, the legacy 2->1 hook and the vmemmap key all hang on it, so each path pays one
 * predictable branch for all of them. The out-of-line halves are in page_ref.c.
 *
 * Written by: trace and ledger switches, waiters (a count above the four switches), creation
 * and death of legacy maps. Read RLX by everyone.
 *
 * Why a put tests it after its decrement and not before: a waiter raises its count (FULL), then
 * reads the refcount. With decrement (FULL) then test on this side, either the put sees the waiter
 * or the waiter sees the decrement (T4). Tested before, both could miss.
 */
#ifndef FOLIO_EVENTS_H
#define FOLIO_EVENTS_H

#include <folio/atomic.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** Switches in the event word. */
enum folio_event {
	FOLIO_EVENT_TRACE = 1,	 /**< refcount events go to the rings */
	FOLIO_EVENT_LEDGER = 2,	 /**< some map is audited */
	FOLIO_EVENT_MANAGED = 4, /**< some legacy map lives (the kernel's devmap_managed_key) */
	FOLIO_EVENT_VMEMMAP = 8, /**< the kernel's hugetlb_optimize_vmemmap_key */
	FOLIO_EVENT_WAITER = 16, /**< one waiter; the rest of the word counts them */
};

extern atomic_t cfolio_events;

/** True when a slow path must look at the event word. */
static inline bool folio_events_pending(void)
{
	return unlikely(atomic_read(&cfolio_events) != 0);
}

/** Raises or drops one of the switches; calls nest. */
void cfolio_events_enable(int event);
void cfolio_events_disable(int event);

FOLIO_ASSUME_NONNULL_END

#endif
