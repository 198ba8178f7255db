// SPDX-License-Identifier: MIT
/*
 * The parts of auditing that must be fast or happen inside a step: skipping pages that are idle
 * with nothing to say about them, and the checks at the end of prep and split. The audit itself is
 * in FolioCore/Audit.
 */
#include <folio/compound.h>
#include <folio/ledger.h>

static bool audited(const struct page *page)
{
	rcu_read_lock();
	bool kept = cfolio_ledger_entry(page) != NULL;
	rcu_read_unlock();
	return kept;
}

void cfolio_check_prepared(struct folio *folio, unsigned int order)
{
	if (!audited(&folio->page))
		return;
	bool list = order < 2 || READ_ONCE(folio->_deferred_list_next) ==
					 (unsigned long)&folio->_deferred_list_next;
	if (folio_order(folio) != order || folio_nr_pages(folio) != 1L << order ||
	    folio_large_mapcount(folio) != 0 || folio_entire_mapcount(folio) != 0 ||
	    atomic_read(&folio->_nr_pages_mapped) != 0 || atomic_read(&folio->_pincount) != 0 ||
	    atomic_read(&folio->_mm_id_mapcount[0]) != -1 ||
	    atomic_read(&folio->_mm_id_mapcount[1]) != -1 || READ_ONCE(folio->_mm_ids) != 0 ||
	    !list)
		cfolio_violation("CI35", folio_pfn(folio), "counters of a fresh folio of order %u",
				 order);
}

void cfolio_check_split(struct page *head, unsigned int order, const struct dev_pagemap *pgmap)
{
	if (!audited(head))
		return;
	for (unsigned long i = 0; i < BIT(order); i++) {
		const struct page *page = head + i;
		/* The words that keep a driver's or file system's contents are theirs again. */
		if (PageHead(page) || READ_ONCE(page->compound_head) != (unsigned long)pgmap ||
		    READ_ONCE(page->mapping) != 0 || READ_ONCE(page->share) != 0 ||
		    page_ref_count(page) != 0 || atomic_read(&page->_mapcount) != -1 ||
		    (i == 1 && (READ_ONCE(page->memcg_data) & 0xffffffffUL) != 0))
			cfolio_violation("CI34", page_to_pfn(page),
					 "words of a page after a split");
	}
}

/* Nothing outstanding on an idle page, and each drop to idle did what it owed (CI22, CI23). */
static bool ledger_settled(const struct cfolio_ledger *ledger, const struct dev_pagemap *pgmap,
			   unsigned long pfn)
{
	if (!ledger)
		return true;
	const struct cfolio_ledger_entry *entry = &ledger->entries[pfn - ledger->start];
	int zeroes = atomic_read(&entry->zeroes);
	if (atomic_read(&entry->references) != 0 || atomic_read(&entry->mappings) != 0 ||
	    (atomic_read(&entry->frozen) & 1) != 0 || atomic_read(&entry->frees) != zeroes)
		return false;
	if (pgmap->type != MEMORY_DEVICE_FS_DAX)
		return true;
	int owed = pgmap->rules == FOLIO_RULES_LEGACY ? atomic_read(&entry->ones) : zeroes;
	return atomic_read(&entry->wakes) == owed;
}

unsigned long cfolio_audit_next(const struct dev_pagemap *pgmap, unsigned long pfn,
				unsigned long end)
{
	const struct cfolio_ledger *ledger = (const struct cfolio_ledger *)READ_ONCE(pgmap->ledger);
	const int idle = pgmap_idle_count(pgmap);
	const unsigned long flags = (unsigned long)ZONE_DEVICE << ZONES_PGSHIFT | BIT(PG_reserved);
	for (; pfn < end; pfn++) {
		const struct page *page = pfn_to_page(pfn);
		if (READ_ONCE(page->flags) != flags ||
		    READ_ONCE(page->compound_head) != (unsigned long)pgmap ||
		    READ_ONCE(page->mapping) != 0 || READ_ONCE(page->share) != 0 ||
		    atomic_read(&page->_mapcount) != -1 || page_ref_count(page) != idle ||
		    READ_ONCE(page->memcg_data) != 0 || !ledger_settled(ledger, pgmap, pfn))
			return pfn;
	}
	return end;
}

struct cfolio_ledger_numbers cfolio_ledger_numbers(const struct page *page)
{
	struct cfolio_ledger_numbers numbers = {.kept = false};
	rcu_read_lock();
	const struct cfolio_ledger_entry *entry = cfolio_ledger_entry(page);
	if (entry) {
		numbers = (struct cfolio_ledger_numbers){
			.kept = true,
			.references = atomic_read(&entry->references),
			.mappings = atomic_read(&entry->mappings),
			.frozen = (atomic_read(&entry->frozen) & 1) != 0,
			.zeroes = atomic_read(&entry->zeroes),
			.frees = atomic_read(&entry->frees),
			.ones = atomic_read(&entry->ones),
			.wakes = atomic_read(&entry->wakes),
		};
	}
	rcu_read_unlock();
	return numbers;
}
