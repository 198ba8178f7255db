/* SPDX-License-Identifier: MIT */
/*
 * Raw operations on _refcount (spec: core.md section 3, rows 1-17). Nothing else in the library
 * touches that word. The page_ and folio_ forms do the same; a folio_ form works on the head.
 * Mirrors the kernel's page_ref.h, hook for hook: each of the seven kinds of change reports to
 * the event log when it is switched on (see events.h).
 *
 * R is signed. 0 is free, frozen or dying, which a lock-free reader cannot tell apart.
 *
 * R leaves 0 by set_page_count(), page_ref_add() and page_ref_unfreeze(). All three release, so a
 * walker whose try_get (FULL) succeeds sees the page as its owner made it: its shape above all, or
 * the second look of try_get_folio() would read the head of the life before (T10, CI37). The kernel
 * has the first two relaxed and leaves that to whatever brings the walker to the page.
 */
#ifndef FOLIO_PAGE_REF_H
#define FOLIO_PAGE_REF_H

#include <folio/events.h>
#include <folio/page_flags.h>
#include <limits.h>

FOLIO_ASSUME_NONNULL_BEGIN

/* Out-of-line halves: what happens when the event word is not zero. */
void __page_ref_set(struct page *page, int value) __cold;
void __page_ref_mod(struct page *page, int delta, int result) __cold;
void __page_ref_get(struct page *page) __cold;
void __page_ref_mod_and_test(struct page *page, int delta, int result) __cold;
void __page_ref_mod_and_return(struct page *page, int delta, int result) __cold;
bool __page_ref_add_unless(struct page *page, int nr, int u) __cold;
void __page_ref_freeze(struct page *page, int count, bool result) __cold;
void __page_ref_unfreeze(struct page *page, int count) __cold;

/** R of exactly this page. RLX snapshot. */
static inline int page_ref_count(const struct page *page)
{
	return atomic_read(&page->_refcount);
}

/** R of the folio. RLX snapshot. */
static inline int folio_ref_count(const struct folio *folio)
{
	return page_ref_count(&folio->page);
}

/**
 * R := value. Context: exclusive owner, no speculative getter may succeed (R == 0), or init.
 * REL-ST.
 */
static inline void set_page_count(struct page *page, int value)
{
	/*
	 * The ledger first: it needs the old R, and once R is published a put may reach the
	 * ledger.
	 */
	if (folio_events_pending())
		__page_ref_set(page, value);
	if (MUTANT(O23))
		atomic_set(&page->_refcount, value);
	else
		atomic_set_release(&page->_refcount, value);
}

static inline void folio_set_count(struct folio *folio, int value)
{
	set_page_count(&folio->page, value);
}

/** R := 1 at initialisation. REL-ST. */
static inline void init_page_count(struct page *page)
{
	set_page_count(page, 1);
}

/** R += nr. Context: holds a reference, or owns the page by another lock (0->1). REL-RMW. */
static inline void page_ref_add(struct page *page, int nr)
{
	if (MUTANT(O22))
		atomic_add(nr, &page->_refcount);
	else
		(void)atomic_add_return_release(nr, &page->_refcount);
	if (folio_events_pending())
		__page_ref_mod(page, nr, page_ref_count(page));
}

static inline void folio_ref_add(struct folio *folio, int nr)
{
	page_ref_add(&folio->page, nr);
}

/**
 * R -= nr. Context: owns nr references that are not the last; reaching 0 here leaks. RLX to its
 * caller; ordered before the look for waiters, as a put that leaves R == M is (T4).
 */
static inline void page_ref_sub(struct page *page, int nr)
{
	int result = atomic_add_return_relaxed(-nr, &page->_refcount);
	smp_mb__after_atomic();
	if (folio_events_pending())
		__page_ref_mod(page, -nr, result);
}

static inline void folio_ref_sub(struct folio *folio, int nr)
{
	page_ref_sub(&folio->page, nr);
}

/** R += 1. Context as page_ref_add(): with set_page_count and unfreeze the only way from 0. */
static inline void page_ref_inc(struct page *page)
{
	page_ref_add(page, 1);
}

static inline void folio_ref_inc(struct folio *folio)
{
	page_ref_inc(&folio->page);
}

/** R -= 1. Context as page_ref_sub(). RLX. */
static inline void page_ref_dec(struct page *page)
{
	page_ref_sub(page, 1);
}

static inline void folio_ref_dec(struct folio *folio)
{
	page_ref_dec(&folio->page);
}

/** R -= nr, returns the new R. FULL. */
static inline int folio_ref_sub_return(struct folio *folio, int nr)
{
	int result = atomic_sub_return(nr, &folio->page._refcount);
	if (folio_events_pending())
		__page_ref_mod_and_return(&folio->page, -nr, result);
	return result;
}

/** R += 1, returns the new R. FULL. */
static inline int page_ref_inc_return(struct page *page)
{
	int result = atomic_add_return(1, &page->_refcount);
	if (folio_events_pending())
		__page_ref_mod_and_return(page, 1, result);
	return result;
}

static inline int folio_ref_inc_return(struct folio *folio)
{
	return page_ref_inc_return(&folio->page);
}

/** R -= 1, returns the new R. FULL. */
static inline int page_ref_dec_return(struct page *page)
{
	int result = atomic_sub_return(1, &page->_refcount);
	if (folio_events_pending())
		__page_ref_mod_and_return(page, -1, result);
	return result;
}

static inline int folio_ref_dec_return(struct folio *folio)
{
	return page_ref_dec_return(&folio->page);
}

/** R -= nr, returns the new R: what puts do, folio_put_refs() in its own words. FULL. */
static inline int page_ref_put_return(struct page *page, int nr)
{
	int result = atomic_sub_return(nr, &page->_refcount);
	if (folio_events_pending())
		__page_ref_mod_and_test(page, -nr, result);
	return result;
}

/** R -= nr; true when R became 0, for exactly one caller. Context: owns nr references. FULL. */
static inline bool page_ref_sub_and_test(struct page *page, int nr)
{
	return page_ref_put_return(page, nr) == 0;
}

static inline bool folio_ref_sub_and_test(struct folio *folio, int nr)
{
	return page_ref_sub_and_test(&folio->page, nr);
}

/** R -= 1; true when R became 0. FULL. */
static inline bool page_ref_dec_and_test(struct page *page)
{
	return page_ref_sub_and_test(page, 1);
}

static inline bool folio_ref_dec_and_test(struct folio *folio)
{
	return page_ref_dec_and_test(&folio->page);
}

/**
 * page_ref_add_unless() (row 13) of which nobody is told: R += nr unless R == u. FULL/f. Context:
 * as there, and the caller has just seen that no event is pending; a switch that is thrown in
 * between is as late as one behind the change.
 */
static inline bool page_ref_add_unless_quiet(struct page *page, int nr, int u)
{
	if (MUTANT(O05))
		return weakened_add_unless(&page->_refcount, nr, u, memory_order_relaxed);
	if (MUTANT(C14))
		return weakened_add_unless(&page->_refcount, nr, u, memory_order_acq_rel);
	if (MUTANT(P02))
		return page_ref_count(page) != u &&
		       (set_page_count(page, page_ref_count(page) + nr), 1);
	u = MUTANT(C02) ? INT_MIN : u;
	if (MUTANT(P64)) {
		int seen = page_ref_count(page);
		return seen != u && atomic_try_cmpxchg(&page->_refcount, &seen, seen + nr);
	}
	return atomic_add_unless(&page->_refcount, nr, u);
}

/**
 * R += nr unless R == u. FULL/f. Context: the struct page must stay memory (RCU, or a map that
 * cannot go). The read section and the test for a writable page that the kernel puts around this
 * belong to its vmemmap remapping; they are in the out-of-line half, under FOLIO_EVENT_VMEMMAP.
 */
static inline bool page_ref_add_unless(struct page *page, int nr, int u)
{
	if (folio_events_pending())
		return __page_ref_add_unless(page, nr, u);
	return page_ref_add_unless_quiet(page, nr, u);
}

static inline bool folio_ref_add_unless(struct folio *folio, int nr, int u)
{
	return page_ref_add_unless(&folio->page, nr, u);
}

/** R += 1 unless R == 0. FULL/f. The pointer may be stale; the caller re-checks what it names. */
static inline bool folio_try_get(struct folio *folio)
{
	return folio_ref_add_unless(folio, 1, 0);
}

/** R += count unless R == 0. FULL/f. */
static inline bool folio_ref_try_add(struct folio *folio, int count)
{
	return folio_ref_add_unless(folio, count, 0);
}

/**
 * R := 0 if R == count. FULL/f. Context: the locks that make count the expected value. After
 * success every try_get fails and a plain get is a bug.
 */
static inline bool page_ref_freeze(struct page *page, int count)
{
	int expected = MUTANT(C10) ? page_ref_count(page) : count;
	if (MUTANT(P04) && page_ref_count(page) == count)
		atomic_set(&page->_refcount, expected = 0);
	bool result = MUTANT(O06) ? weakened_try_cmpxchg(&page->_refcount, &expected, 0,
							 memory_order_relaxed)
				  : atomic_try_cmpxchg(&page->_refcount, &expected, 0);
	if (MUTANT(P65) && expected == 0)
		result = true;
	if (folio_events_pending())
		__page_ref_freeze(page, count, result);
	return result;
}

static inline bool folio_ref_freeze(struct folio *folio, int count)
{
	return page_ref_freeze(&folio->page, count);
}

/** R := count. REL-ST: publishes what was written while frozen. Stops when R != 0 or count == 0. */
void page_ref_unfreeze(struct page *page, int count);

static inline void folio_ref_unfreeze(struct folio *folio, int count)
{
	page_ref_unfreeze(&folio->page, count);
}

FOLIO_ASSUME_NONNULL_END

#endif
