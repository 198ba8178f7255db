// SPDX-License-Identifier: MIT
/*
 * Get and put, one by one and in batches (spec: core.md section 4, rows 18-30). The inline forms
 * are in folio/mm.h. Mirrors the kernel's swap.c and the put half of memremap.c.
 */
#include <folio/ledger.h>
#include <folio/vmemmap.h>

void get_page(struct page *page)
{
	struct folio *folio = page_folio(page);
	if (FOLIO_WARN_ON(folio_test_slab(folio) || folio_test_large_kmalloc(folio), page,
			  "get_page of a slab or kmalloc page"))
		return;
	folio_get(folio);
}

bool try_get_page(struct page *page)
{
	page = compound_head(page);
	if (FOLIO_WARN_ON(page_ref_count(page) <= 0, page, "try_get_page with R <= 0"))
		return false;
	page_ref_inc(page);
	return true;
}

struct folio *folio_get_nontail_page(struct page *page)
{
	return get_page_unless_zero(page) ? (struct folio *)page : NULL;
}

/*
 * Why the second look (CI37). Definitions: P the page asked for, H = page_folio(P) as read.
 *   1. H was read without a reference, so by the time of the add H may be a different folio's head
 *      and its R belong to a stranger.
 *   2. add_unless(0) succeeds only while H is live, and is FULL: the head word of P is read after,
 *      and since R leaves 0 by releases only, it is no older than the life of H that we are in.
 *   3. A folio with R > 0 is not split or re-formed (CI33). So if P's head still is H after 2, P is
 *      in H now and stays in it as long as we hold the references. Otherwise we give them back.
 */
struct folio *try_get_folio(struct page *page, int refs)
{
	for (;;) {
		struct folio *folio = page_folio(page);
		if (FOLIO_WARN_ON(folio_ref_count(folio) < 0, page, "try_get_folio with R < 0"))
			return NULL;
		if (!folio_ref_try_add(folio, refs))
			return NULL;
		if (MUTANT(C01) || likely(page_folio(page) == folio)) {
			if (folio_events_pending() && page_folio(page) != folio)
				cfolio_violation("CI37", page_to_pfn(page),
						 "left its folio while held");
			return folio;
		}
		if (!put_devmap_managed_folio_refs(folio, refs))
			folio_put_refs(folio, MUTANT(C03) ? 1 : refs);
	}
}

void __folio_put(struct folio *folio)
{
	if (folio_is_zone_device(folio))
		free_zone_device_folio(folio);
	else
		cfolio_ram_free_folio(folio);
}

void __folio_put_event(struct folio *folio, int refs)
{
	/* Only the sign of the result is looked at; the page is somebody else's by now. */
	__page_ref_mod_and_test(&folio->page, -refs, 1);
}

/*
 * The decrement said 0 or less. R is read once more to tell which, and to name it: below 0 is a put
 * too many, here or elsewhere. It may also be above 0, when the owner raised the page again: this
 * put was the last of its life all the same.
 */
void __folio_put_last(struct folio *folio, int refs)
{
	int now = page_ref_count(&folio->page);
	if (folio_events_pending())
		__page_ref_mod_and_test(&folio->page, -refs, now < 0 ? now : 0);
	FOLIO_BUG_ON(now < 0, "CI21", &folio->page, "put of a reference that nobody holds: R is %d",
		     now);
	__folio_put(folio);
}

void put_page(struct page *page)
{
	struct folio *folio = page_folio(page);
	if (folio_test_slab(folio) || folio_test_large_kmalloc(folio))
		return;
	if (!MUTANT(C42) && put_devmap_managed_folio_refs(folio, 1))
		return;
	folio_put(folio);
}

bool put_page_testzero(struct page *page)
{
	int result = page_ref_put_return(page, 1);
	FOLIO_BUG_ON(result < 0, "CI21", page, "put of a page whose R was %d", result + 1);
	return result == 0;
}

bool folio_put_testzero(struct folio *folio)
{
	return put_page_testzero(&folio->page);
}

bool __put_devmap_managed_folio_refs(struct folio *folio, int refs)
{
	if (!folio_is_zone_device(folio))
		return false;
	struct dev_pagemap *pgmap = page_pgmap(&folio->page);
	if (!pgmap || pgmap->rules != FOLIO_RULES_LEGACY || pgmap->type != MEMORY_DEVICE_FS_DAX)
		return false;
	int result = folio_ref_sub_return(folio, refs);
	FOLIO_BUG_ON(result < 1, "CI21", &folio->page, "put below the base reference: R is %d",
		     result);
	if (result == (MUTANT(P20) ? 2 : 1)) {
		if (atomic_read(&cfolio_events) & FOLIO_EVENT_LEDGER)
			cfolio_ledger_wake(&folio->page);
		wake_up_var(&folio->page._refcount);
	}
	return true;
}

void folios_put_refs(struct folio_batch *batch, const unsigned int *refs)
{
	for (unsigned int i = 0; i < batch->nr; i++) {
		struct folio *folio = batch->folios[i];
		int nr = refs && !MUTANT(P10) ? (int)refs[i] : 1;
		if (!MUTANT(P14) && is_huge_zero_folio(folio))
			continue;
		if (!MUTANT(P19) && put_devmap_managed_folio_refs(folio, nr))
			continue;
		folio_put_refs(folio, nr);
	}
	batch->nr = MUTANT(P13) ? batch->nr : 0;
}

void folios_put(struct folio_batch *batch)
{
	folios_put_refs(batch, NULL);
}

void release_pages(struct encoded_page **pages, int nr)
{
	struct folio_batch batch;
	unsigned int refs[PAGEVEC_SIZE];
	folio_batch_init(&batch);
	for (int i = 0; i < nr; i++) {
		unsigned long word = (unsigned long)pages[i];
		struct page *page = (struct page *)(word & ~3UL);
		refs[batch.nr] = 1;
		if (word & ENCODED_PAGE_BIT_NR_PAGES_NEXT)
			refs[batch.nr] =
				(unsigned int)((unsigned long)pages[++i] >> (MUTANT(P11) ? 1 : 2));
		if (folio_batch_add(&batch, page_folio(page)) == 0)
			folios_put_refs(&batch, refs);
	}
	if (batch.nr && !MUTANT(P12))
		folios_put_refs(&batch, refs);
}

void free_pages_and_swap_cache(struct encoded_page **pages, int nr)
{
	release_pages(pages, nr);
}
