// SPDX-License-Identifier: MIT
/*
 * Mapping counters. See folio/rmap.h.
 *
 * Orders. Adds reach a page from 0 by inc_and_test and removes leave it by add_negative, both FULL.
 * Removing lowers L before the per-page counts and adding raises it after them (PAGE_MAPCOUNT), so
 * a reader that finds L == 0 finds no page counted later than that L (C54).
 *
 * A new mapping can be what makes "references equal mappings" true: insertion and fork raise R
 * first and M second. So under strict rules an add looks for waiters, after a full barrier.
 */
#include <folio/ledger.h>
#include <folio/memremap.h>
#include <folio/mutant.h>

#include <errno.h>

struct folio_rmap_mode cfolio_ram_rmap_mode = {.page_mapcount = true, .mm_id = true};

const struct folio_rmap_mode *cfolio_rmap_mode(const struct folio *folio)
{
	if (!folio_is_zone_device(folio))
		return &cfolio_ram_rmap_mode;
	const struct dev_pagemap *pgmap = page_pgmap(&folio->page);
	FOLIO_BUG_ON(!pgmap, "CI11", &folio->page, "device page without a map");
	return &pgmap->rmap_mode;
}

static __cold void tell_of_added(struct folio *folio, int entries, int events)
{
	if (events & FOLIO_EVENT_LEDGER)
		cfolio_ledger_map(&folio->page, entries);
	if (events >= FOLIO_EVENT_WAITER && !MUTANT(P59))
		cfolio_folio_changed(folio);
}

/* Context: a read-modify-write of the counter, or smp_mb(), came right before. */
static inline void mapping_added(struct folio *folio, int entries)
{
	smp_mb__after_atomic();
	int events = atomic_read(&cfolio_events);
	if (unlikely(events))
		tell_of_added(folio, entries, events);
}

static inline void mapping_removed(struct folio *folio, int entries)
{
	if (unlikely(atomic_read(&cfolio_events) & FOLIO_EVENT_LEDGER))
		cfolio_ledger_map(&folio->page, -entries);
}

/* ---- L and the MM-id slots ------------------------------------------------------------------- */

/*
 * Under the bit lock: two slots say which mms map the folio and how often. Reads and writes of L
 * and the slots are plain read + store, which only the lock makes sound (C53).
 */
static unsigned long slot_id(const struct folio *folio, int slot)
{
	return (READ_ONCE(folio->_mm_ids) >> (slot * 32)) & MM_ID_MASK;
}

static void set_slot_id(struct folio *folio, int slot, unsigned long id)
{
	unsigned long ids = READ_ONCE(folio->_mm_ids) & ~(MM_ID_MASK << (slot * 32));
	WRITE_ONCE(folio->_mm_ids, ids | id << (slot * 32));
}

static void set_shared(struct folio *folio, bool shared)
{
	unsigned long ids = READ_ONCE(folio->_mm_ids) & ~BIT(FOLIO_MM_IDS_SHARED_BITNUM);
	WRITE_ONCE(folio->_mm_ids, shared ? ids | BIT(FOLIO_MM_IDS_SHARED_BITNUM) : ids);
}

static void slots_add(struct folio *folio, int diff, mm_id_t mm, int before)
{
	for (int slot = 0; slot < 2; slot++) {
		if (slot_id(folio, slot) != mm)
			continue;
		atomic_t *count = &folio->_mm_id_mapcount[slot];
		atomic_set(count, atomic_read(count) + diff);
		return;
	}
	for (int slot = 0; slot < 2; slot++) {
		if (slot_id(folio, slot) != MM_ID_DUMMY)
			continue;
		set_slot_id(folio, slot, mm);
		atomic_set(&folio->_mm_id_mapcount[slot], diff - 1);
		if (before > 0)
			set_shared(folio, true);
		return;
	}
}

static void slots_sub(struct folio *folio, int diff, mm_id_t mm, int after)
{
	for (int slot = 0; slot < 2; slot++) {
		if (slot_id(folio, slot) != mm)
			continue;
		int count = atomic_read(&folio->_mm_id_mapcount[slot]) - diff;
		atomic_set(&folio->_mm_id_mapcount[slot], count < 0 ? -1 : count);
		if (count < 0)
			set_slot_id(folio, slot, MM_ID_DUMMY);
		break;
	}
	if (atomic_read(&folio->_mm_id_mapcount[0]) + 1 == after ||
	    atomic_read(&folio->_mm_id_mapcount[1]) + 1 == after)
		set_shared(folio, false);
}

struct folio_mm_slots folio_mm_slots(const struct folio *folio)
{
	unsigned long ids = READ_ONCE(folio->_mm_ids);
	return (struct folio_mm_slots){
		.id0 = (unsigned int)(ids & MM_ID_MASK),
		.id1 = (unsigned int)((ids >> 32) & MM_ID_MASK),
		.count0 = atomic_read(&folio->_mm_id_mapcount[0]),
		.count1 = atomic_read(&folio->_mm_id_mapcount[1]),
		.shared = (ids & BIT(FOLIO_MM_IDS_SHARED_BITNUM)) != 0,
		.locked = (ids & BIT(FOLIO_MM_IDS_LOCK_BITNUM)) != 0,
	};
}

static void check_mm_id(const struct folio *folio, mm_id_t mm)
{
	FOLIO_BUG_ON(mm == MM_ID_DUMMY || mm > MM_ID_MASK, "CI15", &folio->page, "%#x is no mm id",
		     mm);
}

/*
 * Duties towards folio_extra_refs():
 *   1. A rise of L is REL: whoever sees it sees the reference taken before.
 *   2. So is a store of L that is a fall: it replaces others' rises, and carries on what they
 *      released and the lock handed over. A fall by read-modify-write hands it on anyway.
 *   3. A fall is counted in _unmaps before the caller drops the reference, and counted with REL:
 *      whoever sees the new _unmaps sees the fall of L. Later counts, by read-modify-write or under
 *      the lock, hand that on.
 */
int folio_add_large_mapcount(struct folio *folio, int diff, mm_id_t mm)
{
	if (!cfolio_rmap_mode(folio)->mm_id) {
		smp_mb__before_atomic();
		return atomic_add_return_relaxed(diff, &folio->_large_mapcount) + 1;
	}
	check_mm_id(folio, mm);
	if (!MUTANT(C53))
		bit_spin_lock(FOLIO_MM_IDS_LOCK_BITNUM, &folio->_mm_ids);
	int before = folio_large_mapcount(folio);
	atomic_set_release(&folio->_large_mapcount, before + diff - 1);
	if (MUTANT(P80))
		bit_spin_unlock(FOLIO_MM_IDS_LOCK_BITNUM, &folio->_mm_ids);
	slots_add(folio, diff, mm, before);
	bit_spin_unlock(FOLIO_MM_IDS_LOCK_BITNUM, &folio->_mm_ids);
	return before + diff;
}

int folio_sub_large_mapcount(struct folio *folio, int diff, mm_id_t mm)
{
	if (!cfolio_rmap_mode(folio)->mm_id) {
		int left = atomic_add_return_relaxed(-diff, &folio->_large_mapcount) + 1;
		if (MUTANT(O20))
			return atomic_inc(&folio->_unmaps), left;
		(void)atomic_add_return_release(1, &folio->_unmaps);
		return left;
	}
	check_mm_id(folio, mm);
	bit_spin_lock(FOLIO_MM_IDS_LOCK_BITNUM, &folio->_mm_ids);
	int after = folio_large_mapcount(folio) - diff;
	int unmaps = (int)(1u + (unsigned int)atomic_read(&folio->_unmaps));
	if (MUTANT(O21))
		atomic_set(&folio->_large_mapcount, after - 1);
	else
		atomic_set_release(&folio->_large_mapcount, after - 1);
	if (MUTANT(O19))
		atomic_set(&folio->_unmaps, unmaps);
	else
		atomic_set_release(&folio->_unmaps, unmaps);
	slots_sub(folio, diff, mm, after);
	bit_spin_unlock(FOLIO_MM_IDS_LOCK_BITNUM, &folio->_mm_ids);
	return after;
}

/* ---- file mappings --------------------------------------------------------------------------- */

static inline bool refuse(struct folio *folio, const struct page *page, long nr, long needed)
{
	bool zero = is_zero_folio(folio) || is_huge_zero_folio(folio);
	if (FOLIO_WARN_ON(zero, page, "rmap of a zero folio"))
		return true;
	if (FOLIO_WARN_ON(folio_has_type(folio), page, "rmap of a typed page (CI65)"))
		return true;
	/* The first page alone is of every folio. */
	const bool is_first = page == &folio->page && nr == 1;
	if (FOLIO_WARN_ON(!is_first && (nr < 1 || page < &folio->page ||
					page + nr > &folio->page + folio_nr_pages(folio)),
			  page, "rmap beyond the folio"))
		return true;
	return FOLIO_WARN_ON(needed && folio_nr_pages(folio) != needed, page,
			     "rmap of a huge leaf of another order");
}

static void add_pages(struct folio *folio, struct page *page, int nr)
{
	int first = 0;
	for (int i = 0; i < nr; i++)
		first += atomic_inc_and_test(&page[i]._mapcount);
	if (first)
		(void)atomic_add_return_relaxed(first, &folio->_nr_pages_mapped);
}

static void remove_pages(struct folio *folio, struct page *page, int nr)
{
	int last = 0;
	for (int i = 0; i < nr; i++)
		last += atomic_add_negative(-1, &page[i]._mapcount);
	if (last)
		(void)atomic_add_return_relaxed(-last, &folio->_nr_pages_mapped);
}

/* Of large folios, out of line: small ones need no stack. */
static __attribute__((noinline)) void add_large(struct folio *folio, struct page *page, int nr,
						mm_id_t mm)
{
	if (cfolio_rmap_mode(folio)->page_mapcount)
		add_pages(folio, page, nr);
	(void)folio_add_large_mapcount(folio, nr, mm);
	mapping_added(folio, nr);
}

static __attribute__((noinline)) void remove_large(struct folio *folio, struct page *page, int nr,
						   mm_id_t mm)
{
	if (MUTANT(C54))
		remove_pages(folio, page, nr);
	(void)folio_sub_large_mapcount(folio, nr, mm);
	if (cfolio_rmap_mode(folio)->page_mapcount && !MUTANT(C54))
		remove_pages(folio, page, nr);
	mapping_removed(folio, nr);
}

void folio_add_file_rmap_ptes(struct folio *folio, struct page *page, int nr, mm_id_t mm)
{
	if (refuse(folio, page, nr, 0))
		return;
	if (folio_test_large(folio)) {
		add_large(folio, page, nr, mm);
		return;
	}
	(void)atomic_inc_and_test(&folio->_mapcount);
	mapping_added(folio, nr);
}

void folio_remove_rmap_ptes(struct folio *folio, struct page *page, int nr, mm_id_t mm)
{
	if (refuse(folio, page, nr, 0))
		return;
	if (folio_test_large(folio)) {
		remove_large(folio, page, nr, mm);
		return;
	}
	(void)atomic_add_negative(-1, &folio->_mapcount);
	mapping_removed(folio, nr);
}

static void add_entire(struct folio *folio, long pages, mm_id_t mm)
{
	if (refuse(folio, &folio->page, pages, pages))
		return;
	bool first = atomic_inc_and_test(&folio->_entire_mapcount);
	if ((first || MUTANT(C55)) && cfolio_rmap_mode(folio)->page_mapcount)
		(void)atomic_add_return_relaxed(ENTIRELY_MAPPED, &folio->_nr_pages_mapped);
	(void)folio_add_large_mapcount(folio, 1, mm);
	mapping_added(folio, 1);
}

static void remove_entire(struct folio *folio, long pages, mm_id_t mm)
{
	if (refuse(folio, &folio->page, pages, pages))
		return;
	bool counted = cfolio_rmap_mode(folio)->page_mapcount;
	/* With per-page counts L falls first, without them EM does. */
	if (counted)
		(void)folio_sub_large_mapcount(folio, 1, mm);
	bool last = atomic_add_negative(-1, &folio->_entire_mapcount);
	if (!counted)
		(void)folio_sub_large_mapcount(folio, 1, mm);
	else if (last)
		(void)atomic_add_return_relaxed(-ENTIRELY_MAPPED, &folio->_nr_pages_mapped);
	mapping_removed(folio, 1);
}

void folio_add_file_rmap_leaf(struct folio *folio, unsigned int order, mm_id_t mm)
{
	add_entire(folio, 1 << order, mm);
}

void folio_remove_rmap_leaf(struct folio *folio, unsigned int order, mm_id_t mm)
{
	remove_entire(folio, 1 << order, mm);
}

void folio_add_file_rmap_pmd(struct folio *folio, mm_id_t mm)
{
	folio_add_file_rmap_leaf(folio, PMD_ORDER, mm);
}

void folio_add_file_rmap_pud(struct folio *folio, mm_id_t mm)
{
	folio_add_file_rmap_leaf(folio, PUD_ORDER, mm);
}

void folio_remove_rmap_pmd(struct folio *folio, mm_id_t mm)
{
	folio_remove_rmap_leaf(folio, PMD_ORDER, mm);
}

void folio_remove_rmap_pud(struct folio *folio, mm_id_t mm)
{
	folio_remove_rmap_leaf(folio, PUD_ORDER, mm);
}

void folio_dup_file_rmap_ptes(struct folio *folio, struct page *page, int nr, mm_id_t child)
{
	if (refuse(folio, page, nr, 0))
		return;
	if (!folio_test_large(folio)) {
		/* The child's reference came first, for folio_extra_refs(). */
		smp_mb__before_atomic();
		atomic_inc(&folio->_mapcount);
	} else {
		/* The parent maps each page, so none goes 0 -> 1 and NM stays. */
		if (cfolio_rmap_mode(folio)->page_mapcount) {
			for (int i = 0; i < nr; i++)
				atomic_inc(&page[i]._mapcount);
		}
		(void)folio_add_large_mapcount(folio, nr, child);
	}
	mapping_added(folio, nr);
}

void folio_dup_file_rmap_pmd(struct folio *folio, mm_id_t child)
{
	if (refuse(folio, &folio->page, HPAGE_PMD_NR, HPAGE_PMD_NR))
		return;
	atomic_inc(&folio->_entire_mapcount);
	(void)folio_add_large_mapcount(folio, 1, child);
	mapping_added(folio, 1);
}

/* ---- anonymous mappings ---------------------------------------------------------------------- */

int folio_try_dup_anon_rmap_ptes(struct folio *folio, struct page *page, int nr, mm_id_t child,
				 bool maybe_pinned)
{
	if (refuse(folio, page, nr, 0))
		return 0;
	for (int i = 0; i < nr && maybe_pinned; i++) {
		if (folio_page_is_exclusive(page + i))
			return -EBUSY;
	}
	for (int i = 0; i < nr; i++)
		clear_bits(&page[i].flags, BIT(PG_anon_exclusive));
	folio_dup_file_rmap_ptes(folio, page, nr, child);
	return 0;
}

int folio_try_dup_anon_rmap_pmd(struct folio *folio, mm_id_t child, bool maybe_pinned)
{
	if (refuse(folio, &folio->page, HPAGE_PMD_NR, HPAGE_PMD_NR))
		return 0;
	if (maybe_pinned && folio_page_is_exclusive(&folio->page))
		return -EBUSY;
	folio_clear_flag(folio, PG_anon_exclusive);
	folio_dup_file_rmap_pmd(folio, child);
	return 0;
}

/*
 * Against a fast pin (T6): the caller cleared the entry; MB; we read the pin count. The pinner
 * raises the count; MB; re-reads the entry, then the exclusive bit. One of us sees the other.
 */
int folio_try_share_anon_rmap_pte(struct folio *folio, struct page *page)
{
	if (!MUTANT(C59))
		smp_mb();
	if (folio_maybe_dma_pinned(folio))
		return -EBUSY;
	clear_bits(&page->flags, BIT(PG_anon_exclusive));
	smp_mb__after_atomic();
	return 0;
}

int folio_try_share_anon_rmap_pmd(struct folio *folio)
{
	return folio_try_share_anon_rmap_pte(folio, &folio->page);
}

void folio_add_new_anon_rmap(struct folio *folio, mm_id_t mm, bool exclusive)
{
	bool counted = cfolio_rmap_mode(folio)->page_mapcount;
	folio_set_flag(folio, PG_swapbacked);
	if (folio_nr_pages(folio) >= HPAGE_PMD_NR) {
		/* Mapped by one huge entry. */
		atomic_set(&folio->_entire_mapcount, 0);
		if (counted)
			atomic_set(&folio->_nr_pages_mapped, ENTIRELY_MAPPED);
		if (exclusive)
			folio_set_flag(folio, PG_anon_exclusive);
		(void)folio_add_large_mapcount(folio, 1, mm);
		mapping_added(folio, 1);
		return;
	}
	if (folio_test_large(folio)) {
		long pages = folio_nr_pages(folio);
		for (long i = 0; i < pages; i++) {
			if (counted)
				atomic_set(&folio_page(folio, i)->_mapcount, 0);
			if (exclusive)
				set_bits(&folio_page(folio, i)->flags, BIT(PG_anon_exclusive));
		}
		if (counted)
			atomic_set(&folio->_nr_pages_mapped, (int)pages);
		(void)folio_add_large_mapcount(folio, (int)pages, mm);
		mapping_added(folio, (int)pages);
		return;
	}
	atomic_set(&folio->_mapcount, 0);
	if (exclusive)
		folio_set_flag(folio, PG_anon_exclusive);
	smp_mb();
	mapping_added(folio, 1);
}

void folio_move_anon_rmap(struct folio *folio, unsigned long anon_mapping)
{
	FOLIO_BUG_ON(!folio_test_flag(folio, PG_locked), "CI39", &folio->page,
		     "move without the lock");
	WRITE_ONCE(folio->mapping, anon_mapping | FOLIO_MAPPING_ANON);
}
