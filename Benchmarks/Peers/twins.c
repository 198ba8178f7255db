// SPDX-License-Identifier: MIT
/* See peers/twins.h. */
#include "walk.h"

#include <peers/twins.h>

#include <folio/idle.h>

static inline bool try_get_put(struct page *page)
{
	struct folio *folio = (struct folio *)page;
	if (!folio_try_get(folio))
		return false;
	folio_put(folio);
	return true;
}

size_t twin_try_get_put(struct page *pages, size_t mask, size_t start, size_t n)
{
	return walk(pages, mask, start, n, try_get_put);
}

static inline bool get_put(struct page *page)
{
	folio_get((struct folio *)page);
	folio_put((struct folio *)page);
	return true;
}

size_t twin_get_put(struct page *pages, size_t mask, size_t start, size_t n)
{
	return walk(pages, mask, start, n, get_put);
}

static inline bool get_page_put_page(struct page *page)
{
	get_page(page);
	put_page(page);
	return true;
}

size_t twin_get_page_put_page(struct page *pages, size_t mask, size_t start, size_t n)
{
	return walk(pages, mask, start, n, get_page_put_page);
}

static inline bool freeze_unfreeze(struct page *page)
{
	if (!page_ref_freeze(page, 1))
		return false;
	page_ref_unfreeze(page, 1);
	return true;
}

size_t twin_freeze_unfreeze(struct page *pages, size_t mask, size_t start, size_t n)
{
	return walk(pages, mask, start, n, freeze_unfreeze);
}

static inline bool try_get_folio_put(struct page *page)
{
	struct folio *folio = try_get_folio(page, 1);
	if (!folio)
		return false;
	folio_put(folio);
	return true;
}

size_t twin_try_get_folio_put(struct page *pages, size_t mask, size_t start, size_t n)
{
	return walk(pages, mask, start, n, try_get_folio_put);
}

static inline struct folio *batch_folio(struct page *pages, size_t mask, size_t i)
{
	return (struct folio *)(pages + walk_index(i, mask));
}

size_t twin_batch_put(struct page *pages, size_t mask, size_t start, size_t n)
{
	struct folio_batch batch;
	folio_batch_init(&batch);
	for (size_t done = 0; done < n; done += PAGEVEC_SIZE) {
		for (size_t i = 0; i < PAGEVEC_SIZE; i++) {
			struct folio *folio = batch_folio(pages, mask, start + done + i);
			folio_get(folio);
			(void)folio_batch_add(&batch, folio);
		}
		folios_put(&batch);
	}
	return n;
}

size_t twin_single_put(struct page *pages, size_t mask, size_t start, size_t n)
{
	for (size_t done = start; done < start + n; done += PAGEVEC_SIZE) {
		for (size_t i = 0; i < PAGEVEC_SIZE; i++)
			folio_get(batch_folio(pages, mask, done + i));
		for (size_t i = 0; i < PAGEVEC_SIZE; i++)
			folio_put(batch_folio(pages, mask, done + i));
	}
	return n;
}

size_t twin_rmap_pte(struct page *pages, size_t mask, size_t start, size_t n, mm_id_t mm)
{
	for (size_t i = 0; i < n; i++) {
		struct page *page = pages + walk_index(start + i, mask);
		struct folio *folio = page_folio(page);
		folio_add_file_rmap_pte(folio, page, mm);
		folio_remove_rmap_pte(folio, page, mm);
	}
	return n;
}

size_t twin_rmap_pmd(struct folio *folio, mm_id_t mm, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		folio_add_file_rmap_pmd(folio, mm);
		folio_remove_rmap_pmd(folio, mm);
	}
	return n;
}

size_t twin_prep_split(struct page *pages, unsigned int order, size_t mask, size_t start, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct page *head = pages + (walk_index(start + i, mask) << order);
		prep_compound_page(head, order);
		folio_split_to_order_0((struct folio *)head);
	}
	return n;
}

size_t twin_percpu_get_put(struct percpu_ref *ref, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		percpu_ref_get(ref);
		percpu_ref_put(ref);
	}
	return n;
}

size_t twin_pgmap_get_put(unsigned long pfn, size_t n)
{
	size_t got = 0;
	for (size_t i = 0; i < n; i++) {
		struct dev_pagemap *pgmap = get_dev_pagemap(pfn);
		got += pgmap != NULL;
		put_dev_pagemap(pgmap);
	}
	return got;
}

static inline bool arm_put(struct page *page)
{
	folio_ref_inc((struct folio *)page);
	folio_put((struct folio *)page);
	return true;
}

size_t twin_arm_put(struct page *pages, size_t mask, size_t start, size_t n)
{
	return walk(pages, mask, start, n, arm_put);
}

static inline bool share_up_down(struct page *page)
{
	struct folio *folio = (struct folio *)page;
	folio_set_share(folio, folio_share(folio) + 1);
	folio_set_share(folio, folio_share(folio) - 1);
	return true;
}

size_t twin_share_up_down(struct page *pages, size_t mask, size_t start, size_t n)
{
	return walk(pages, mask, start, n, share_up_down);
}
