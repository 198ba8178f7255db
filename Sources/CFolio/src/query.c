// SPDX-License-Identifier: MIT
/*
 * Questions asked of the counters (spec: core.md section 4, rows 31-38). Snapshots: every answer
 * may be stale unless the caller holds what the header says.
 */
#include <folio/memremap.h>

int folio_mapcount(const struct folio *folio)
{
	if (folio_test_large(folio))
		return folio_large_mapcount(folio);
	if (folio_has_type(folio))
		return 0;
	return atomic_read(&folio->_mapcount) + 1;
}

int folio_entire_mapcount(const struct folio *folio)
{
	FOLIO_BUG_ON(!folio_test_large(folio), "CI8", &folio->page,
		     "entire mapcount of a small folio");
	return atomic_read(&folio->_entire_mapcount) + 1;
}

bool folio_mapped(const struct folio *folio)
{
	return folio_mapcount(folio) >= 1;
}

bool folio_needs_cow_for_dma(bool has_pinned, unsigned int sequence, const struct folio *folio)
{
	FOLIO_BUG_ON((sequence & 1) == 0, "CI42", &folio->page,
		     "write_protect_seq is even in a fork");
	return has_pinned && folio_maybe_dma_pinned(folio);
}

bool folio_is_longterm_pinnable(struct folio *folio)
{
	if (is_zero_folio(folio))
		return true;
	if (folio_is_zone_device(folio)) {
		if (folio_is_device_coherent(folio))
			return false;
		if (folio_is_fsdax(folio))
			return page_pgmap(&folio->page)->rules == FOLIO_RULES_LEGACY;
		return true;
	}
	return page_zonenum(&folio->page) != ZONE_MOVABLE;
}

int folio_expected_ref_count(const struct folio *folio)
{
	if (FOLIO_WARN_ON(folio_has_type(folio), &folio->page,
			  "expected references of a typed page"))
		return 0;
	int expected = folio_mapcount(folio);
	if (!folio_test_anon(folio)) {
		if (READ_ONCE(folio->mapping))
			expected += (int)folio_nr_pages(folio);
		if (READ_ONCE(folio->private))
			expected += 1;
	}
	return expected;
}

bool folio_maybe_mapped_shared(struct folio *folio)
{
	int mapcount = folio_mapcount(folio);
	if (!folio_test_large(folio))
		return mapcount > 1;
	if (!cfolio_rmap_mode(folio)->mm_id)
		return true;
	if (mapcount <= 1)
		return false;
	return (READ_ONCE(folio->_mm_ids) & BIT(FOLIO_MM_IDS_SHARED_BITNUM)) != 0;
}

/*
 * R and M are two words. Reading R, M, R until both Rs agree gives a pair that stood together at
 * some instant, unless R changed and came back while M was read; each mapping step changes R
 * before M, so the pair can then only be off by steps that were undone in between.
 */
int folio_extra_refs(const struct folio *folio)
{
	int refcount, mapcount;
	do {
		refcount = atomic_read_acquire(&folio->_refcount);
		mapcount = folio_mapcount(folio);
		smp_rmb();
	} while (folio_ref_count(folio) != refcount);
	if (!folio_is_zone_device(folio))
		return refcount - mapcount;
	const struct dev_pagemap *pgmap = page_pgmap(&folio->page);
	if (!pgmap_counts_mappings(pgmap))
		mapcount = 0;
	return refcount - mapcount - pgmap_idle_count(pgmap);
}
