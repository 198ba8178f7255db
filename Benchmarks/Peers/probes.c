// SPDX-License-Identifier: MIT
/*
 * See peers/probes.h. The plain halves know the counter's place and the event word, nothing else.
 */
#include <peers/probes.h>

#include <folio/events.h>

#include <stdatomic.h>

void folio_bench_probe_get_put(struct folio *folio)
{
	folio_get(folio);
	folio_put(folio);
}

bool folio_bench_probe_try_get(struct folio *folio)
{
	return folio_try_get(folio);
}

static atomic_int *counter(struct page *page)
{
	return &page->_refcount.counter;
}

static bool branch(void)
{
	return __builtin_expect(
		atomic_load_explicit(&cfolio_events.counter, memory_order_relaxed) != 0, 0);
}

void folio_bench_probe_plain_get_put(struct page *page)
{
	atomic_fetch_add_explicit(counter(page), 1, memory_order_relaxed);
	if (branch())
		__page_ref_get(page);
	if (__builtin_expect(atomic_fetch_sub_explicit(counter(page), 1, memory_order_seq_cst) <= 1,
			     0))
		__folio_put_last((struct folio *)page, 1);
	else if (branch())
		__folio_put_event((struct folio *)page, 1);
}

/* Ordered on both sides when it succeeds, for the compiler too: what try_get promises. */
bool folio_bench_probe_plain_try_get(struct page *page)
{
	if (branch())
		return __page_ref_add_unless(page, 1, 0);
	int old = atomic_load_explicit(counter(page), memory_order_relaxed);
	for (;;) {
		if (old == 0)
			return false;
		atomic_signal_fence(memory_order_seq_cst);
		if (atomic_compare_exchange_strong(counter(page), &old,
						   (int)((unsigned int)old + 1)))
			break;
	}
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

int folio_bench_waiters(void)
{
	return atomic_read(&cfolio_events) / FOLIO_EVENT_WAITER;
}
