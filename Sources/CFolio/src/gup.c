// SPDX-License-Identifier: MIT
/*
 * References and pins: counting, and giving back. See folio/gup.h; mirrors the kernel's gup.c. The
 * fast walk is in gup_fast.c.
 */
#include <folio/gup.h>
#include <folio/memremap.h>
#include <folio/rmap.h>
#include <folio/thread.h>

#include <errno.h>

static bool refused(struct folio *folio, unsigned int flags)
{
	return !(flags & FOLL_PCI_P2PDMA) && !MUTANT(C23) && folio_is_pci_p2pdma(folio);
}

/* Pins of one folio that a counter of 32 bits can take at once. */
#define PINS_MAX (__INT_MAX__ / GUP_PIN_COUNTING_BIAS)

static bool is_count(unsigned long npages)
{
	return !FOLIO_WARN_ON(npages > PINS_MAX, NULL,
			      "an errno, or too many, where a number of pins is asked for");
}

/* Of pages of any folios: more than there are pages in memory is an errno. */
static bool is_length(unsigned long npages)
{
	return !FOLIO_WARN_ON(npages > __LONG_MAX__, NULL,
			      "an errno where a number of pages is asked for");
}

/* Pins of the permanent pages are not counted (CI20). */
static bool uncounted(const struct folio *folio)
{
	return (is_zero_folio(folio) || is_huge_zero_folio(folio)) && !MUTANT(C25);
}

int try_grab_folio(struct folio *folio, int refs, unsigned int flags)
{
	if (FOLIO_WARN_ON(folio_ref_count(folio) <= 0, &folio->page, "try_grab_folio with R <= 0"))
		return -ENOMEM;
	if (refused(folio, flags))
		return -EREMOTEIO;
	if (flags & FOLL_GET) {
		folio_ref_add(folio, refs);
	} else if (flags & FOLL_PIN) {
		if (uncounted(folio))
			return 0;
		/* PC never exceeds R (CI6): R first. */
		if (folio_has_pincount(folio)) {
			folio_ref_add(folio, refs);
			atomic_add(refs, &folio->_pincount);
		} else {
			folio_ref_add(folio, refs * GUP_PIN_COUNTING_BIAS);
		}
	}
	return 0;
}

/*
 * The barrier at the end pairs with the one between clearing an entry and looking at the counters
 * (T3): who unmaps sees this reference, or we see the cleared entry.
 */
struct folio *try_grab_folio_fast(struct page *page, int refs, unsigned int flags)
{
	if (FOLIO_WARN_ON(!rcu_read_lock_held() && !MUTANT(C16), page,
			  "try_grab_folio_fast outside a read section"))
		return NULL;
	if (FOLIO_WARN_ON(!(flags & (FOLL_GET | FOLL_PIN)), page,
			  "try_grab_folio_fast with neither FOLL_GET nor FOLL_PIN"))
		return NULL;
	if (refused(page_folio(page), flags))
		return NULL;
	if (flags & FOLL_GET)
		return try_get_folio(page, refs);
	if (uncounted(page_folio(page)))
		return page_folio(page);
	struct folio *folio = try_get_folio(page, refs);
	if (!folio)
		return NULL;
	if ((flags & FOLL_LONGTERM) && !MUTANT(C24) && !folio_is_longterm_pinnable(folio)) {
		gup_put_folio(folio, refs, FOLL_GET);
		return NULL;
	}
	if (folio_has_pincount(folio))
		atomic_add(MUTANT(P75) ? 1 : refs, &folio->_pincount);
	else
		folio_ref_add(folio, refs * (GUP_PIN_COUNTING_BIAS - !MUTANT(C20)));
	if (!MUTANT(C14))
		smp_mb__after_atomic();
	return folio;
}

/* Pins of a folio whose pins count; exactly: folio_has_pincount(). */
static inline void put_pins(struct folio *folio, int refs, bool exactly)
{
	/* PC first (C21): once R is down the words of page 1 may be somebody else's. */
	if (likely(!exactly))
		refs *= GUP_PIN_COUNTING_BIAS;
	else if (MUTANT(C21))
		return folio_put_refs(folio, refs), atomic_sub(refs, &folio->_pincount);
	else
		atomic_sub(refs, &folio->_pincount);
	if (!put_devmap_managed_folio_refs(folio, refs))
		folio_put_refs(folio, refs);
}

void gup_put_folio(struct folio *folio, int refs, unsigned int flags)
{
	if (flags & FOLL_PIN) {
		if (!uncounted(folio))
			put_pins(folio, refs, folio_has_pincount(folio));
	} else if (!put_devmap_managed_folio_refs(folio, refs)) {
		folio_put_refs(folio, refs);
	}
}

void folio_add_pin(struct folio *folio)
{
	if (uncounted(folio))
		return;
	if (folio_has_pincount(folio)) {
		(void)FOLIO_WARN_ON(atomic_read(&folio->_pincount) < 1, &folio->page,
				    "folio_add_pin of a folio that is not pinned");
		folio_ref_inc(folio);
		atomic_inc(&folio->_pincount);
	} else {
		(void)FOLIO_WARN_ON(folio_ref_count(folio) < GUP_PIN_COUNTING_BIAS, &folio->page,
				    "folio_add_pin of a folio that is not pinned");
		folio_ref_add(folio, GUP_PIN_COUNTING_BIAS);
	}
	count_foll_pins(1, 0);
}

int folio_add_pins(struct folio *folio, unsigned int refs)
{
	if (uncounted(folio))
		return 0;
	if (!is_count(refs))
		return -EINVAL;
	(void)FOLIO_WARN_ON(!folio_maybe_dma_pinned(folio), &folio->page,
			    "folio_add_pins of a folio that is not pinned");
	int result = try_grab_folio(folio, (int)refs, FOLL_PIN);
	if (result == 0)
		count_foll_pins(refs, 0);
	return result;
}

/* ---- statistics ------------------------------------------------------------------------------ */

#define STATISTICS_SLOTS 64

/* Spread by CPU, summed by who asks. RLX. */
static struct {
	atomic_long_t acquired;
	atomic_long_t released;
	char pad[FOLIO_CACHE_LINE - 2 * sizeof(atomic_long_t)];
} statistics[STATISTICS_SLOTS];

void count_foll_pins(long acquired, long released)
{
	unsigned int slot = folio_this_cpu() % STATISTICS_SLOTS;
	if (acquired)
		atomic_long_add(acquired, &statistics[slot].acquired);
	if (released)
		atomic_long_add(released, &statistics[slot].released);
}

struct foll_pin_statistics foll_pin_statistics(void)
{
	struct foll_pin_statistics sum = {0, 0};
	for (unsigned int slot = 0; slot < STATISTICS_SLOTS; slot++) {
		sum.released += atomic_long_read(&statistics[slot].released);
		sum.acquired += atomic_long_read(&statistics[slot].acquired);
	}
	return sum;
}

/* ---- giving back ----------------------------------------------------------------------------- */

void sanity_check_pinned_pages(struct page *const *pages, unsigned long npages)
{
	for (unsigned long i = 0; i < npages; i++) {
		if (!pages[i])
			continue;
		const struct folio *folio = page_folio(pages[i]);
		if (likely(!folio_test_anon(folio)) || is_zero_folio(folio))
			continue;
		/* Of a folio that one leaf maps the first page says it for all. */
		if (!FOLIO_WARN_ON(!folio_page_is_exclusive(&folio->page) &&
					   !folio_page_is_exclusive(pages[i]),
				   pages[i], "a pinned anonymous page is not exclusive"))
			continue;
		const struct dev_pagemap *pgmap =
			folio_is_zone_device(folio) ? folio_pgmap(folio) : NULL;
		FOLIO_BUG_ON(pgmap && pgmap->rules == FOLIO_RULES_LEGACY, "CI42", pages[i],
			     "a pinned page of a legacy map is not exclusive");
	}
}

/* A look at each page costs as much as its put. */
static void check_in_debug_builds(struct page *const *pages, unsigned long npages)
{
#if defined(DEBUG) || defined(FOLIO_LAB)
	sanity_check_pinned_pages(pages, npages);
#else
	(void)pages;
	(void)npages;
#endif
}

/* Pins of one folio at once; how many of them count. */
static inline long unpin(struct folio *folio, unsigned long refs, bool exactly)
{
	if (unlikely(uncounted(folio)))
		return 0;
	put_pins(folio, (int)refs, exactly);
	return (long)refs;
}

void unpin_user_folio(struct folio *folio, unsigned long npages)
{
	if (is_count(npages))
		count_foll_pins(0, unpin(folio, npages, folio_has_pincount(folio)));
}

void unpin_folio(struct folio *folio)
{
	unpin_user_folio(folio, 1);
}

void unpin_user_page(struct page *page)
{
	check_in_debug_builds(&page, 1);
	unpin_user_folio(page_folio(page), 1);
}

/*
 * How many pages at the end of the list belong to the folio of the last, as many as one put can
 * take: it keeps its shape, as the caller has references.
 */
static inline unsigned long run_of(const struct folio *folio, bool large, struct page *const *pages,
				   unsigned long npages)
{
	const struct page *first = &folio->page;
	const unsigned long size = large ? (unsigned long)folio_nr_pages(folio) : 1;
	unsigned long nr = 1;
	for (; nr < npages; nr++) {
		const struct page *page = pages[npages - nr - 1];
		if (page != first && (!large || !page || (unsigned long)(page - first) >= size))
			break;
		if (nr == PINS_MAX)
			break;
	}
	return nr;
}

void cfolio_put_user_pages(struct page *const *pages, unsigned long npages)
{
	for (unsigned long nr; npages > 0; npages -= nr) {
		struct folio *folio = page_folio(pages[npages - 1]);
		nr = run_of(folio, folio_test_large(folio), pages, npages);
		gup_put_folio(folio, (int)nr, FOLL_GET);
	}
}

/*
 * unpin_user_pages() as far as the pages, from the last one on, are folios of their own, each there
 * once: no call, and what cannot change while they are pinned is read once. Adds to `released`;
 * returns how many pages are left.
 */
static unsigned long unpin_small(struct page *const *pages, unsigned long npages, long *released)
{
	const unsigned long all = npages;
	/* The legacy map of a pinned page lives; the zero page was named before it was mapped. */
	if (atomic_read(&cfolio_events) & FOLIO_EVENT_MANAGED)
		return npages;
	const struct page *const zero = cfolio_zero_page_now();
	while (npages > 0) {
		struct page *page = pages[npages - 1];
		if (unlikely(!page || page == zero || PageTail(page) || PageHead(page) ||
			     (npages > 1 && page == pages[npages - 2])))
			break;
		folio_put_refs((struct folio *)page, GUP_PIN_COUNTING_BIAS);
		npages--;
	}
	*released += (long)(all - npages);
	return npages;
}

/*
 * From the last page to the first: the last ones are those that their walk, or a look at them in
 * that order, has left in the cache.
 */
void unpin_user_pages(struct page *const *pages, unsigned long npages)
{
	if (!is_length(npages))
		return;
	check_in_debug_builds(pages, npages);
	long released = 0;
	for (unsigned long nr; (npages = unpin_small(pages, npages, &released)) > 0; npages -= nr) {
		nr = 1;
		if (!pages[npages - 1])
			continue;
		struct folio *folio = page_folio(pages[npages - 1]);
		const bool exactly = folio_has_pincount(folio);
		nr = run_of(folio, exactly, pages, npages);
		released += unpin(folio, nr, exactly);
	}
	count_foll_pins(0, released);
}

void unpin_folios(struct folio *const *folios, unsigned long nfolios)
{
	if (!is_length(nfolios))
		return;
	long released = 0;
	for (unsigned long i = 0, nr; i < nfolios; i += nr) {
		for (nr = 1; nr < PINS_MAX && i + nr < nfolios && folios[i + nr] == folios[i];)
			nr++;
		released += unpin(folios[i], nr, folio_has_pincount(folios[i]));
	}
	count_foll_pins(0, released);
}

/* The last unpin sees the folio dirty (T15): the mark is in front of it. */
static void mark_dirty(struct folio *folio)
{
	if (folio_test_flag(folio, PG_dirty))
		return;
	folio_lock(folio);
	folio_set_flag(folio, PG_dirty);
	folio_unlock(folio);
}

void unpin_user_pages_dirty_lock(struct page *const *pages, unsigned long npages, bool make_dirty)
{
	if (!is_length(npages))
		return;
	check_in_debug_builds(pages, npages);
	long released = 0;
	for (unsigned long nr; npages > 0; npages -= nr) {
		struct folio *folio = page_folio(pages[npages - 1]);
		const bool exactly = folio_has_pincount(folio);
		nr = run_of(folio, exactly, pages, npages);
		if (make_dirty)
			mark_dirty(folio);
		released += unpin(folio, nr, exactly);
	}
	count_foll_pins(0, released);
}

void unpin_user_page_range_dirty_lock(struct page *page, unsigned long npages, bool make_dirty)
{
	if (!is_length(npages))
		return;
	long released = 0;
	for (unsigned long i = 0, nr; i < npages; i += nr) {
		struct folio *folio = page_folio(page + i);
		unsigned long left =
			(1UL << folio_order(folio)) - (unsigned long)(page + i - &folio->page);
		nr = left < npages - i ? left : npages - i;
		if (make_dirty)
			mark_dirty(folio);
		released += unpin(folio, nr, folio_has_pincount(folio));
	}
	count_foll_pins(0, released);
}
