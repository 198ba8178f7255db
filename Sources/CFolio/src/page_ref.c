// SPDX-License-Identifier: MIT
/*
 * What the reference-count paths do when the event word is not zero: event log, ghost ledger,
 * wakes owed to waiters. See folio/page_ref.h for the operations themselves.
 */
#include <folio/ledger.h>
#include <folio/mutant.h>
#include <folio/trace.h>

/* Checks that hold in every step while a map is audited. */
static void check_step(const struct page *page, int delta, int result)
{
	if (!cfolio_ledger_entry(page))
		return;
	/* After a put the page is nobody's and may be a tail of a new folio already. */
	if (delta > 0 && PageTail(page))
		cfolio_violation("CI7", page_to_pfn(page), "R of a tail changed by %d", delta);
	else if (result < 0)
		cfolio_violation("CI21", page_to_pfn(page), "R is %d after %+d", result, delta);
}

static void record(enum page_ref_event event, struct page *page, int delta, int result, int shown)
{
	int events = atomic_read(&cfolio_events);
	if (events & FOLIO_EVENT_TRACE)
		cfolio_trace_emit(event, page, delta, shown);
	if (events & FOLIO_EVENT_LEDGER) {
		rcu_read_lock();
		check_step(page, delta, result);
		cfolio_ledger_mod(page, delta);
		rcu_read_unlock();
	}
}

void __page_ref_set(struct page *page, int value)
{
	int events = atomic_read(&cfolio_events);
	if (events & FOLIO_EVENT_TRACE)
		cfolio_trace_emit(PAGE_REF_SET, page, value, value);
	if (events & FOLIO_EVENT_LEDGER)
		cfolio_ledger_set(page, page_ref_count(page), value);
}

void __page_ref_mod(struct page *page, int delta, int result)
{
	record(PAGE_REF_MOD, page, delta, result, result);
	if (delta < 0 && result > 0 && atomic_read(&cfolio_events) >= FOLIO_EVENT_WAITER)
		cfolio_folio_changed((struct folio *)page);
}

void __page_ref_get(struct page *page)
{
	int now = page_ref_count(page);
	record(PAGE_REF_MOD, page, 1, now, now);
	/* The caller held a reference before, so with the new one R is at least 2. */
	if (now < 2 && (atomic_read(&cfolio_events) & FOLIO_EVENT_LEDGER)) {
		rcu_read_lock();
		if (cfolio_ledger_entry(page))
			cfolio_violation("CI21", page_to_pfn(page),
					 "get of a folio nobody holds: R is %d", now);
		rcu_read_unlock();
	}
}

static void record_put(enum page_ref_event event, struct page *page, int delta, int result,
		       int shown)
{
	record(event, page, delta, result, shown);
	if (delta > 0)
		return;
	int events = atomic_read(&cfolio_events);
	if (result == 0 && (events & FOLIO_EVENT_LEDGER))
		cfolio_ledger_zero(page);
	/* Only the legacy hook puts by sub_return. */
	if (result == 1 && event == PAGE_REF_MOD_AND_RETURN && (events & FOLIO_EVENT_LEDGER))
		cfolio_ledger_one(page);
	if (result > 0 && events >= FOLIO_EVENT_WAITER && !MUTANT(P58))
		cfolio_folio_changed((struct folio *)page);
}

void __page_ref_mod_and_test(struct page *page, int delta, int result)
{
	record_put(PAGE_REF_MOD_AND_TEST, page, delta, result, result == 0);
}

void __page_ref_mod_and_return(struct page *page, int delta, int result)
{
	record_put(PAGE_REF_MOD_AND_RETURN, page, delta, result, result);
}

/*
 * The kernel's test before it writes to a page that the vmemmap optimisation may have remapped
 * read-only: R is read with ACQ first, so that a head seen afterwards is at least as new as the
 * remapping that froze the page (C04); then a page that only looks like a head is refused.
 */
static bool page_count_writable(const struct page *page, int u)
{
	if (atomic_read_acquire(&page->_refcount) == u)
		return false;
	if (!PageHead(page) || ((unsigned long)page & (PAGE_SIZE - 1)) != 0)
		return true;
	unsigned long next = READ_ONCE(page[1].compound_head);
	return !(next & 1) || next - 1 == (unsigned long)page;
}

bool __page_ref_add_unless(struct page *page, int nr, int u)
{
	bool keyed = (atomic_read(&cfolio_events) & FOLIO_EVENT_VMEMMAP) != 0;
	bool audited = (atomic_read(&cfolio_events) & FOLIO_EVENT_LEDGER) != 0;
	int frozen = audited ? cfolio_ledger_frozen(page) : -1;
	bool done = false;
	u = MUTANT(C02) ? INT_MIN : u;
	if (keyed && !MUTANT(P08))
		rcu_read_lock();
	if (!keyed || MUTANT(P09) || page_count_writable(page, u))
		done = atomic_add_unless(&page->_refcount, nr, u);
	if (keyed && !MUTANT(P08))
		rcu_read_unlock();

	int events = atomic_read(&cfolio_events);
	if (events & FOLIO_EVENT_TRACE)
		cfolio_trace_emit(PAGE_REF_MOD_UNLESS, page, nr, done);
	if (done && (events & FOLIO_EVENT_LEDGER)) {
		rcu_read_lock();
		/* Frozen before and, in the same freeze, still: the add went through a frozen R. */
		if (frozen > 0 && (frozen & 1) && cfolio_ledger_frozen(page) == frozen)
			cfolio_violation("CI38", page_to_pfn(page),
					 "reference taken on a frozen page");
		check_step(page, nr, page_ref_count(page));
		cfolio_ledger_mod(page, nr);
		rcu_read_unlock();
	}
	return done;
}

void __page_ref_freeze(struct page *page, int count, bool result)
{
	int events = atomic_read(&cfolio_events);
	if (events & FOLIO_EVENT_TRACE)
		cfolio_trace_emit(PAGE_REF_FREEZE, page, count, result);
	if (result && (events & FOLIO_EVENT_LEDGER))
		cfolio_ledger_freeze(page, true, count);
}

void __page_ref_unfreeze(struct page *page, int count)
{
	int events = atomic_read(&cfolio_events);
	if (events & FOLIO_EVENT_TRACE)
		cfolio_trace_emit(PAGE_REF_UNFREEZE, page, count, count);
	if (events & FOLIO_EVENT_LEDGER)
		cfolio_ledger_freeze(page, false, count);
}

void page_ref_unfreeze(struct page *page, int count)
{
	FOLIO_BUG_ON(page_ref_count(page) != 0, "CI39", page,
		     "unfreeze of a page that is not frozen");
	FOLIO_BUG_ON(count == 0, "CI39", page, "unfreeze to 0");
	count += MUTANT(P05);
	/* The ledger first: once R is published, a put may free the page and reach the ledger. */
	if (folio_events_pending())
		__page_ref_unfreeze(page, count);
	if (MUTANT(O04))
		return atomic_set(&page->_refcount, count);
	atomic_set_release(&page->_refcount, count);
}
