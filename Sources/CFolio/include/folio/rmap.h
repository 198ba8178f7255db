/* SPDX-License-Identifier: MIT */
/*
 * Mapping counters (spec: core.md section 8, rows 60-69). Mirrors the kernel's rmap.h and rmap.c.
 *
 * Context for all: the page-table lock of the entry, and a reference that the entry owns; different
 * mms hold different locks, so these run concurrently on one folio. Not for zero folios (warns,
 * does nothing). PMD forms need an order-9 folio, PUD forms an order-18 one (warns, does nothing).
 *
 * Counting is a choice per map, written before its first mapping: with per-page counts
 * (PAGE_MAPCOUNT) or without; with MM-id slots (and then L changes under their bit lock) or
 * atomically. RAM uses the process-wide default.
 */
#ifndef FOLIO_RMAP_H
#define FOLIO_RMAP_H

#include <folio/mm.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** Identity of an mm in the slots: 1 to 2^31 - 1, anything else stops with CI15; 0 is none. */
typedef unsigned int mm_id_t;
#define MM_ID_DUMMY 0u

/* Layout of _mm_ids: two 31-bit ids with a flag above each. Bit places are an assumption. */
#define FOLIO_MM_IDS_LOCK_BITNUM 31
#define FOLIO_MM_IDS_SHARED_BITNUM 63
#define MM_ID_MASK 0x7fffffffUL

/** How mappings are counted. */
struct folio_rmap_mode {
	bool page_mapcount; /**< per-page counts are kept */
	bool mm_id;	    /**< MM-id slots are kept */
};

/** The mode for folios that belong to no device map. Set before RAM is mapped. */
extern struct folio_rmap_mode cfolio_ram_rmap_mode;

void folio_add_file_rmap_ptes(struct folio *folio, struct page *page, int nr, mm_id_t mm);
void folio_add_file_rmap_pmd(struct folio *folio, mm_id_t mm);
void folio_add_file_rmap_pud(struct folio *folio, mm_id_t mm);
void folio_remove_rmap_ptes(struct folio *folio, struct page *page, int nr, mm_id_t mm);
void folio_remove_rmap_pmd(struct folio *folio, mm_id_t mm);
void folio_remove_rmap_pud(struct folio *folio, mm_id_t mm);
/** One entry that maps 2^order pages: PMD and PUD forms of maps with smaller tables. */
void folio_add_file_rmap_leaf(struct folio *folio, unsigned int order, mm_id_t mm);
void folio_remove_rmap_leaf(struct folio *folio, unsigned int order, mm_id_t mm);

static inline void folio_add_file_rmap_pte(struct folio *folio, struct page *page, mm_id_t mm)
{
	folio_add_file_rmap_ptes(folio, page, 1, mm);
}

static inline void folio_remove_rmap_pte(struct folio *folio, struct page *page, mm_id_t mm)
{
	folio_remove_rmap_ptes(folio, page, 1, mm);
}

/** Fork of a file mapping: M += nr for the child's mm. RLX. Context: both page-table locks. */
void folio_dup_file_rmap_ptes(struct folio *folio, struct page *page, int nr, mm_id_t child);
void folio_dup_file_rmap_pmd(struct folio *folio, mm_id_t child);

static inline void folio_dup_file_rmap_pte(struct folio *folio, struct page *page, mm_id_t child)
{
	folio_dup_file_rmap_ptes(folio, page, 1, child);
}

/**
 * Fork of an anonymous mapping. maybe_pinned: folio_needs_cow_for_dma(). 0, or -EBUSY with nothing
 * changed when a page is exclusive and may be pinned; clears exclusivity otherwise. 0 with nothing
 * changed, and a warning, when the folio cannot be mapped like that.
 */
int folio_try_dup_anon_rmap_ptes(struct folio *folio, struct page *page, int nr, mm_id_t child,
				 bool maybe_pinned) __must_check;

static inline __must_check int folio_try_dup_anon_rmap_pte(struct folio *folio, struct page *page,
							   mm_id_t child, bool maybe_pinned)
{
	return folio_try_dup_anon_rmap_ptes(folio, page, 1, child, maybe_pinned);
}

/** The same for an entry that maps the whole folio; exclusivity is the first page's. */
int folio_try_dup_anon_rmap_pmd(struct folio *folio, mm_id_t child, bool maybe_pinned) __must_check;

/**
 * Gives up exclusivity of an anonymous page whose entry the caller cleared. Full barrier before
 * the pinned test and after clearing. -EBUSY when it may be pinned.
 */
int folio_try_share_anon_rmap_pte(struct folio *folio, struct page *page) __must_check;
/** The same for an entry that maps the whole folio. */
int folio_try_share_anon_rmap_pmd(struct folio *folio) __must_check;

/**
 * First mapping of a fresh anonymous folio: by one entry per page, or by one huge entry from order
 * 9 on. Context: nobody else knows it.
 */
void folio_add_new_anon_rmap(struct folio *folio, mm_id_t mm, bool exclusive);
/**
 * One more mapping of an anonymous page, by a PTE; exclusive: the page is this address space's
 * alone from now on. FULL. Context: the entry's lock and a reference.
 */
static inline void folio_add_anon_rmap_pte(struct folio *folio, struct page *page, mm_id_t mm,
					   bool exclusive)
{
	folio_add_file_rmap_ptes(folio, page, 1, mm);
	if (exclusive)
		set_bits(&page->flags, BIT(PG_anon_exclusive));
}
/** Makes a fresh folio anonymous; of which area is not kept. Context: nobody else knows it. */
static inline void folio_set_anon(struct folio *folio)
{
	WRITE_ONCE(folio->mapping, FOLIO_MAPPING_ANON);
}

/** The page of an anonymous folio is one address space's alone. RLX. */
static inline bool folio_page_is_exclusive(const struct page *page)
{
	return (READ_ONCE(page->flags) & BIT(PG_anon_exclusive)) != 0;
}

/** Moves an exclusive anonymous folio to another owner: only marks it. Context: folio lock. */
void folio_move_anon_rmap(struct folio *folio, unsigned long anon_mapping);

/** L += diff under the mode's rule, for mm; returns the new L. */
int folio_add_large_mapcount(struct folio *folio, int diff, mm_id_t mm);
int folio_sub_large_mapcount(struct folio *folio, int diff, mm_id_t mm);

/** The MM-id slots of a large folio. RLX. */
struct folio_mm_slots {
	unsigned int id0, id1;
	int count0, count1; /**< mappings - 1 */
	bool shared;
	bool locked;
};
struct folio_mm_slots folio_mm_slots(const struct folio *folio);

/** The mode that counts for the folio: its map's, or RAM's. */
const struct folio_rmap_mode *cfolio_rmap_mode(const struct folio *folio);

FOLIO_ASSUME_NONNULL_END

#endif
