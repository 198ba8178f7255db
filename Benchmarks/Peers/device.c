// SPDX-License-Identifier: MIT
/*
 * See peers/device.h. The calls that the library makes out of line are out of line here too, so
 * that the difference in time is the test that was left out.
 */
#include "walk.h"

#include <peers/device.h>
#include <peers/harness.h>

#include <folio/ledger.h>

static inline struct dev_pagemap *pgmap_of(const struct folio *folio)
{
	unsigned long word = READ_ONCE(folio->pgmap);
	return likely(word && !(word & 1)) ? (struct dev_pagemap *)word : NULL;
}

static __attribute__((noinline)) void end_life(struct folio *folio)
{
	unsigned long notes = READ_ONCE(folio->memcg_data);
	while (notes && !shared_try_cmpxchg(&folio->memcg_data, &notes, notes - 1))
		continue;
}

static bool call_page_free(struct dev_pagemap *pgmap, struct folio *folio)
{
	if (FOLIO_WARN_ON(!pgmap->ops || !pgmap->ops->page_free, &folio->page,
			  "peer: no page_free operation"))
		return false;
	pgmap->ops->page_free(&folio->page);
	return true;
}

static __attribute__((noinline)) void free_without_wake_test(struct folio *folio)
{
	struct dev_pagemap *pgmap = pgmap_of(folio);
	if (FOLIO_WARN_ON(!pgmap, &folio->page, "peer: device folio without a map freed"))
		return;
	int events = atomic_read(&cfolio_events);
	if (unlikely(events))
		cfolio_ledger_free(&folio->page);
	if (folio_test_anon(folio)) {
		FOLIO_BUG_ON(folio_test_large(folio), "CI8", &folio->page,
			     "peer: large anonymous folio");
		folio_clear_flag(folio, PG_anon_exclusive);
	}
	if (unlikely(pgmap->rules == FOLIO_RULES_LEGACY)) {
		put_dev_pagemap(pgmap);
		return;
	}
	if (likely(pgmap->type == MEMORY_DEVICE_FS_DAX)) {
		/* Who waits is not asked; that the page was touched last is told as there. */
		if (READ_ONCE(folio->memcg_data))
			end_life(folio);
		return;
	}
	switch (pgmap->type) {
	case MEMORY_DEVICE_FS_DAX:
		break;
	case MEMORY_DEVICE_GENERIC:
		FOLIO_BUG_ON(pgmap->strict_generic, "CI25", &folio->page,
			     "peer: base reference dropped");
		folio_set_count(folio, 1);
		break;
	case MEMORY_DEVICE_PRIVATE:
	case MEMORY_DEVICE_COHERENT:
		WRITE_ONCE(folio->mapping, 0);
		if (call_page_free(pgmap, folio))
			put_dev_pagemap(pgmap);
		break;
	case MEMORY_DEVICE_PCI_P2PDMA:
		WRITE_ONCE(folio->mapping, 0);
		(void)call_page_free(pgmap, folio);
		break;
	}
}

static __attribute__((noinline)) void put_zero(struct folio *folio)
{
	if (folio_is_zone_device(folio))
		free_without_wake_test(folio);
}

static __attribute__((cold, noinline)) void put_last(struct folio *folio, int refs)
{
	int now = page_ref_count(&folio->page);
	if (folio_events_pending())
		__page_ref_mod_and_test(&folio->page, -refs, now < 0 ? now : 0);
	FOLIO_BUG_ON(now < 0, "CI21", &folio->page, "peer: put of a reference that nobody holds");
	put_zero(folio);
}

static inline bool arm_put_no_wake_test(struct page *page)
{
	struct folio *folio = (struct folio *)page;
	folio_ref_inc(folio);
	if (unlikely(atomic_sub_and_test_low(1, &page->_refcount)))
		put_last(folio, 1);
	else if (folio_events_pending())
		__folio_put_event(folio, 1);
	return true;
}

size_t device_arm_put_no_wake_test(struct page *pages, size_t mask, size_t start, size_t n)
{
	return walk(pages, mask, start, n, arm_put_no_wake_test);
}

static inline bool unpin_no_event_test(struct page *page)
{
	struct folio *folio = (struct folio *)page;
	folio_get(folio);
	if (unlikely(atomic_sub_and_test_low(1, &page->_refcount)))
		put_last(folio, 1);
	return true;
}

size_t device_unpin_no_event_test(struct page *pages, size_t mask, size_t start, size_t n)
{
	return walk(pages, mask, start, n, unpin_no_event_test);
}

static __attribute__((noinline)) void plain_prep(struct page *head, unsigned int order)
{
	WRITE_ONCE(head->flags, READ_ONCE(head->flags) | BIT(PG_head));
	for (unsigned long i = 1; i < BIT(order); i++) {
		WRITE_ONCE(head[i].mapping, TAIL_MAPPING);
		WRITE_ONCE(head[i].compound_head, (unsigned long)head | 1);
		WRITE_ONCE(head[i].private, 0);
	}
}

static __attribute__((noinline)) void plain_split(struct page *head, unsigned int order,
						  unsigned long pgmap)
{
	WRITE_ONCE(head->flags, READ_ONCE(head->flags) & ~BIT(PG_head));
	for (unsigned long i = 0; i < BIT(order); i++) {
		WRITE_ONCE(head[i].mapping, 0);
		WRITE_ONCE(head[i].compound_head, pgmap);
		WRITE_ONCE(head[i].share, 0);
	}
}

size_t device_plain_prep_split(struct page *pages, unsigned int order, size_t mask, size_t start,
			       size_t n)
{
	unsigned long pgmap = READ_ONCE(pages->compound_head);
	for (size_t i = 0; i < n; i++) {
		struct page *head = pages + (walk_index(start + i, mask) << order);
		plain_prep(head, order);
		plain_split(head, order, pgmap);
	}
	return n;
}

size_t device_plain_map_unmap(size_t pages, size_t n)
{
	size_t failures = 0;
	for (size_t i = 0; i < n; i++) {
		struct page *page = harness_map(pages * sizeof(*page));
		if (!page) {
			failures++;
			continue;
		}
		for (size_t j = 0; j < pages; j++) {
			WRITE_ONCE(page[j].flags, (unsigned long)ZONE_DEVICE << ZONES_PGSHIFT);
			WRITE_ONCE(page[j].compound_head, (unsigned long)page);
			atomic_set(&page[j]._mapcount, -1);
			atomic_set(&page[j]._refcount, 0);
		}
		harness_unmap(page, pages * sizeof(*page));
	}
	return failures;
}
