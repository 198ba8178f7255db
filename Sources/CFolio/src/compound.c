// SPDX-License-Identifier: MIT
/*
 * Compound pages, word by word. See folio/compound.h.
 *
 * What lock-free readers may see. prep and split run with R == 0, so no reader can take a
 * reference; a reader that computed a head before or during the change is caught by the second
 * look of try_get_folio(). Within prep, tails come before the head's counters because page 1's
 * mapping, private and index words and page 2's mapping word are those counters (C35).
 */
#include <folio/compound.h>
#include <folio/ledger.h>
#include <folio/sys.h>

#include <errno.h>

void prep_compound_tail(struct page *head, unsigned long i)
{
	struct page *tail = head + i;
	WRITE_ONCE(tail->mapping, TAIL_MAPPING);
	WRITE_ONCE(tail->compound_head, (unsigned long)head + 1);
	WRITE_ONCE(tail->private, 0);
}

static void write_order(struct folio *folio, unsigned int order)
{
	WRITE_ONCE(folio->_flags_1, (READ_ONCE(folio->_flags_1) & ~0xffUL) | order);
	if (order || !MUTANT(C33))
		atomic_set(&folio->_nr_pages, order ? 1 << order : 0);
	if (MUTANT(P18) && order)
		atomic_set(&folio->_nr_pages, (1 << order) - 1);
	/* With _nr_pages the memcg_data word of page 1: 0 again when the folio is no more. */
	if (order == 0)
		atomic_set(&folio->_unmaps, 0);
}

void folio_set_order(struct folio *folio, unsigned int order)
{
	if (FOLIO_WARN_ON(order == 0 || !folio_test_large(folio), &folio->page,
			  "order of a small folio set"))
		return;
	write_order(folio, order);
}

void folio_reset_order(struct folio *folio)
{
	if (FOLIO_WARN_ON(!folio_test_large(folio), &folio->page, "order of a small folio reset"))
		return;
	write_order(folio, 0);
}

void prep_compound_head(struct page *head, unsigned int order)
{
	struct folio *folio = (struct folio *)head;
	folio_set_order(folio, order);
	atomic_set(&folio->_large_mapcount, -1);
	atomic_set(&folio->_nr_pages_mapped, 0);
	WRITE_ONCE(folio->_mm_ids, 0);
	atomic_set(&folio->_mm_id_mapcount[0], -1);
	atomic_set(&folio->_mm_id_mapcount[1], -1);
	atomic_set(&folio->_pincount, 0);
	atomic_set(&folio->_unmaps, 0);
	atomic_set(&folio->_entire_mapcount, -1);
	if (order > 1) {
		unsigned long list = (unsigned long)&folio->_deferred_list_next;
		WRITE_ONCE(folio->_deferred_list_next, list);
		WRITE_ONCE(folio->_deferred_list_prev, list);
	}
}

static void check_may_form(struct page *head, unsigned int order)
{
	FOLIO_BUG_ON(order == 0 || order > MAX_FOLIO_ORDER, "CI8", head, "order %u", order);
	FOLIO_BUG_ON(page_to_pfn(head) & (BIT(order) - 1), "CI9", head, "not aligned to order %u",
		     order);
	/* A fresh RAM block has one reference on its first page; a device folio is formed at 0. */
	FOLIO_BUG_ON(page_ref_count(head) > (is_zone_device_page(head) ? 0 : 1), "CI33", head,
		     "folio formed while referenced");
	for (unsigned long i = 0; i < BIT(order); i++) {
		struct page *page = head + i;
		FOLIO_BUG_ON(i > 0 && page_ref_count(page) != 0, "CI33", page,
			     "folio formed over a referenced page");
		FOLIO_BUG_ON(PageHead(page) || PageTail(page), "CI33", page,
			     "folio formed over a compound page");
		FOLIO_BUG_ON(atomic_read(&page->_mapcount) != -1, "CI33", page,
			     "folio formed over a mapped page");
	}
}

static bool free_path_ended(void *context)
{
	return smp_load_acquire(&((struct page *)context)->memcg_data) == 0;
}

/*
 * A put that brought one of the pages to 0 may not have taken back the note of folio_raise() yet:
 * its free path still uses the page as one of its own. It takes the note back and then wakes the
 * page's key (end_life in memremap.c), both before and after a full barrier, so this cannot sleep
 * past it (T4).
 */
static void wait_for_free_paths(struct page *head, unsigned int order)
{
	if (!is_zone_device_page(head))
		return;
	const struct wait_options options = {.state = TASK_UNINTERRUPTIBLE};
	for (unsigned long i = 0; i < BIT(order); i++) {
		if (unlikely(!free_path_ended(head + i)) && !MUTANT(P25))
			(void)wait_var_event_options(head + i, free_path_ended, head + i, &options);
	}
}

void prep_compound_page(struct page *head, unsigned int order)
{
	check_may_form(head, order);
	wait_for_free_paths(head, order);
	set_bits(&head->flags, BIT(PG_head));
	for (unsigned long i = 1; i < BIT(order) - MUTANT(P17); i++)
		prep_compound_tail(head, i);
	prep_compound_head(head, order);
	for (unsigned long i = 1; MUTANT(C35) && i < BIT(order); i++)
		prep_compound_tail(head, i);
	if (folio_events_pending())
		cfolio_check_prepared((struct folio *)head, order);
}

void folio_split_to_order_0(struct folio *folio)
{
	struct page *head = &folio->page;
	unsigned int order = folio_order(folio);
	struct dev_pagemap *pgmap = (struct dev_pagemap *)READ_ONCE(folio->pgmap);

	FOLIO_BUG_ON(order == 0, "CI8", head, "split of a small folio");
	FOLIO_BUG_ON(!MUTANT(C34) && folio_ref_count(folio), "CI33", head,
		     "split while referenced");
	FOLIO_BUG_ON(folio_mapcount(folio) != 0, "CI33", head, "split while mapped");
	FOLIO_BUG_ON(atomic_read(&folio->_pincount) != 0, "CI33", head, "split while pinned");

	folio_reset_order(folio);
	if (!MUTANT(C37))
		clear_bits(&head->flags, BIT(PG_head));
	for (unsigned long i = 0; i < BIT(order); i++) {
		struct page *page = head + i;
		/*
		 * The kernel clears the word and then stores the map: a reader without a reference
		 * can see no map at all (C29). One store leaves nothing to see in between.
		 */
		if (pgmap->rules == FOLIO_RULES_KERNEL || MUTANT(C29))
			WRITE_ONCE(page->compound_head, 0);
		WRITE_ONCE(page->mapping, 0);
		WRITE_ONCE(page->compound_head, pgmap);
		if (MUTANT(C30) && i)
			WRITE_ONCE(page->compound_head, 0);
		if (!MUTANT(C32))
			WRITE_ONCE(page->share, 0);
		/* What the head's counters left in the driver's word of pages 1 and 2. */
		if ((i == 1 || i == 2) && !MUTANT(P34))
			WRITE_ONCE(page->zone_device_data, 0);
		FOLIO_WARN_ON(page_ref_count(page) != 0, page,
			      "split of a folio with a referenced page");
	}
	if (folio_events_pending())
		cfolio_check_split(head, order, pgmap);
}

void split_page(struct page *page, unsigned int order)
{
	FOLIO_BUG_ON(PageHead(page) || PageTail(page), "CI33", page,
		     "split_page of a compound page");
	FOLIO_BUG_ON(page_ref_count(page) == 0, "CI33", page, "split_page of a free page");
	for (unsigned long i = MUTANT(P15) ? 0 : MUTANT(P16) ? 2 : 1; i < BIT(order); i++)
		set_page_count(page + i, 1);
}

int folio_split(struct folio *folio, unsigned int new_order, int extra,
		folio_split_slots_t replace_slot, void *context)
{
	struct page *head = &folio->page;
	unsigned int order = folio_order(folio);
	unsigned long flags = READ_ONCE(folio->flags) & FOLIO_SPLIT_FLAGS;

	FOLIO_BUG_ON(new_order >= order, "CI8", head, "split of order %u to %u", order, new_order);
	FOLIO_BUG_ON(folio_is_zone_device(folio), "CI11", head, "cache split of a device folio");
	unsigned long step = BIT(new_order);
	/*
	 * The cache holds one reference per page, so each new folio inherits as many as its pages.
	 */
	int inherited = extra >> (order - new_order);
	FOLIO_BUG_ON(!folio_test_flag(folio, PG_locked), "CI39", head,
		     "split without the folio lock");
	FOLIO_BUG_ON(folio_mapped(folio), "CI33", head, "split while mapped");
	if (!folio_ref_freeze(folio, 1 + extra) && !MUTANT(P07))
		return -EAGAIN;
	FOLIO_BUG_ON(inherited << (order - new_order) != extra, "CI1", head,
		     "%d references do not divide among the pieces", extra);

	/*
	 * First, because page 1's low flag bits are the order and would swallow the flags it
	 * inherits.
	 */
	if (new_order) {
		folio_set_order(folio, new_order);
	} else {
		folio_reset_order(folio);
		clear_bits(&head->flags, BIT(PG_head));
	}
	if (MUTANT(C09))
		folio_ref_unfreeze(folio, inherited + 1);
	for (unsigned long i = step; i < BIT(order); i += step) {
		struct page *page = head + i;
		set_bits(&page->flags, flags);
		/* Flags are there before the page stops being a tail. */
		smp_wmb();
		for (unsigned long j = 0; j < step; j++) {
			WRITE_ONCE(page[j].mapping, READ_ONCE(folio->mapping));
			WRITE_ONCE(page[j].compound_head, 0);
			/* What the head's counters and list left in pages 1 and 2. */
			WRITE_ONCE(page[j].lru_prev, 0);
			WRITE_ONCE(page[j].private, 0);
			WRITE_ONCE(page[j].__folio_index, READ_ONCE(folio->index) + i + j);
		}
		if (new_order)
			prep_compound_page(page, new_order);
		if (replace_slot)
			replace_slot(context, folio, page);
		page_ref_unfreeze(page, inherited + 1 - MUTANT(P06));
	}
	/*
	 * The original last: until then nobody can take it through a slot that is about to move
	 * (C09).
	 */
	if (!MUTANT(C09))
		folio_ref_unfreeze(folio, inherited + 1);
	return 0;
}

int free_tail_page_prepare(struct page *head, unsigned long i)
{
	struct folio *folio = (struct folio *)head;
	struct page *page = head + i;
	int bad = 0;
	if (i == 1) {
		bad += folio_large_mapcount(folio) != 0;
		bad += atomic_read(&folio->_nr_pages_mapped) != 0;
		bad += atomic_read(&folio->_mm_id_mapcount[0]) != -1;
		bad += atomic_read(&folio->_mm_id_mapcount[1]) != -1;
		bad += atomic_read(&folio->_entire_mapcount) != -1;
		bad += atomic_read(&folio->_pincount) != 0;
	} else if (i == 2) {
		bad += READ_ONCE(folio->_deferred_list_next) !=
		       (unsigned long)&folio->_deferred_list_next;
	} else {
		bad += READ_ONCE(page->mapping) != TAIL_MAPPING;
	}
	bad += !PageTail(page);
	bad += compound_head(page) != head;
	WRITE_ONCE(page->mapping, 0);
	WRITE_ONCE(page->compound_head, 0);
	return bad;
}
