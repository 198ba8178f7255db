// SPDX-License-Identifier: MIT
/* See peers/twins.h. */
#include <peers/atomics.h>
#include <peers/twins.h>

#include <folio/idle.h>

static struct folio *walk_folio(struct page *pages, size_t mask, size_t i)
{
	return (struct folio *)(pages + walk_index(i, mask));
}

static size_t try_get_put_one(struct folio *folio, size_t n)
{
	size_t got = 0;
	for (size_t i = 0; i < n; i++) {
		if (!folio_try_get(folio))
			continue;
		got++;
		folio_put(folio);
	}
	return got;
}

static void get_put_one(struct folio *folio, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		folio_get(folio);
		folio_put(folio);
	}
}

size_t twin_try_get_put(struct page *pages, size_t mask, size_t start, size_t n)
{
	size_t got = 0;
	if (mask == 0)
		return try_get_put_one((struct folio *)pages, n);
	for (size_t i = 0; i < n; i++) {
		struct folio *folio = walk_folio(pages, mask, start + i);
		if (!folio_try_get(folio))
			continue;
		got++;
		folio_put(folio);
	}
	return got;
}

void twin_get_put(struct page *pages, size_t mask, size_t start, size_t n)
{
	if (mask == 0) {
		get_put_one((struct folio *)pages, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct folio *folio = walk_folio(pages, mask, start + i);
		folio_get(folio);
		folio_put(folio);
	}
}

void twin_get_page_put_page(struct page *page, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		get_page(page);
		put_page(page);
	}
}

size_t twin_freeze_unfreeze(struct folio *folio, int count, size_t n)
{
	size_t frozen = 0;
	for (size_t i = 0; i < n; i++) {
		if (!folio_ref_freeze(folio, count))
			continue;
		frozen++;
		folio_ref_unfreeze(folio, count);
	}
	return frozen;
}

size_t twin_try_get_folio_put(struct page *page, size_t n)
{
	size_t got = 0;
	for (size_t i = 0; i < n; i++) {
		struct folio *folio = try_get_folio(page, 1);
		if (!folio)
			continue;
		got++;
		folio_put(folio);
	}
	return got;
}

void twin_batch_put(struct page *pages, size_t n)
{
	struct folio_batch batch;
	folio_batch_init(&batch);
	for (size_t done = 0; done < n; done += PAGEVEC_SIZE) {
		for (size_t i = 0; i < PAGEVEC_SIZE; i++) {
			struct folio *folio = (struct folio *)(pages + i);
			folio_get(folio);
			(void)folio_batch_add(&batch, folio);
		}
		folios_put(&batch);
	}
}

void twin_single_put(struct page *pages, size_t n)
{
	for (size_t done = 0; done < n; done += PAGEVEC_SIZE) {
		for (size_t i = 0; i < PAGEVEC_SIZE; i++)
			folio_get((struct folio *)(pages + i));
		for (size_t i = 0; i < PAGEVEC_SIZE; i++)
			folio_put((struct folio *)(pages + i));
	}
}

void twin_rmap_pte(struct folio *folio, struct page *page, mm_id_t mm, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		folio_add_file_rmap_pte(folio, page, mm);
		folio_remove_rmap_pte(folio, page, mm);
	}
}

void twin_rmap_pmd(struct folio *folio, mm_id_t mm, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		folio_add_file_rmap_pmd(folio, mm);
		folio_remove_rmap_pmd(folio, mm);
	}
}

void twin_prep_split(struct page *head, unsigned int order, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		prep_compound_page(head, order);
		folio_split_to_order_0((struct folio *)head);
	}
}

void twin_percpu_get_put(struct percpu_ref *ref, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		percpu_ref_get(ref);
		percpu_ref_put(ref);
	}
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

void twin_arm_put(struct folio *folio, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		folio_ref_inc(folio);
		folio_put(folio);
	}
}

void twin_share_up_down(struct folio *folio, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		folio_set_share(folio, folio_share(folio) + 1);
		folio_set_share(folio, folio_share(folio) - 1);
	}
}
