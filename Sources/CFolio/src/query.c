// SPDX-License-Identifier: MIT
/*
 * Questions asked of the counters (spec: core.md section 4, rows 31-38). Snapshots: every answer
 * may be stale unless the caller holds what the header says.
 */
#include <folio/memremap.h>

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
 * R - M as it stood at one instant. Needed because a difference of two instants lies: with one pin,
 * R read, mapped, M read, unmapped, R read again shows R == M twice and nobody pinned (CI47).
 *
 * Small folio: both counters lie in one aligned 8-byte word; one load sees both.
 *
 * Large folio, L and R in different pages. Definitions: a mapping's reference is taken before L
 * rises and dropped after L fell; U counts the falls of L.
 *   1. We read U (ACQ), then L (ACQ), then R (ACQ), then U again, and keep the pair if U did not
 *      move.
 *   2. A rise of L that is in the L we read: its reference is in R. Every store of L is REL or
 *      hands on what was released into the one before, and our read is ACQ.
 *   3. A fall of L that U counted when we read it first: L has it too, as counts of falls are REL.
 *   4. Any other fall that is not in the L we read: had its reference left R before our read of R,
 *      then - the put is FULL and R was read ACQ - our second read of U would see it counted.
 *   5. So every mapping in our L has its reference in our R: R - L is never too small, and equals
 *      the references that belong to no mapping whenever nobody maps meanwhile.
 */
static int mapcount_and_refcount(const struct folio *folio, int *refcount)
{
	if (!folio_test_large(folio)) {
		unsigned long both = atomic_read_pair_acquire(&folio->_mapcount);
		*refcount = (int)(both >> 32);
		return folio_has_type(folio) ? 0 : (int)(unsigned int)both + 1;
	}
	int unmaps, mapcount;
	do {
		unmaps = atomic_read_acquire(&folio->_unmaps);
		mapcount = atomic_read_acquire(&folio->_large_mapcount) + 1;
		*refcount = atomic_read_acquire(&folio->_refcount);
		smp_rmb();
	} while (atomic_read(&folio->_unmaps) != unmaps);
	return mapcount;
}

int folio_extra_refs(const struct folio *folio)
{
	int refcount;
	int mapcount = mapcount_and_refcount(folio, &refcount);
	if (!folio_is_zone_device(folio))
		return refcount - mapcount;
	const struct dev_pagemap *pgmap = page_pgmap(&folio->page);
	FOLIO_BUG_ON(!pgmap, "CI11", &folio->page, "device page without a map");
	if (!pgmap_counts_mappings(pgmap))
		mapcount = 0;
	return refcount - mapcount - pgmap_idle_count(pgmap);
}
