/* SPDX-License-Identifier: MIT */
/*
 * Compound pages: building a large folio from order-0 pages and every way back (spec: core.md
 * section 7, rows 40-45). These are the word-level steps. Who may take them, and when, is decided
 * in Swift (FolioCore/Folio) or by the owner of the pages.
 *
 * All need exclusive ownership of the pages with R == 0 known (device pages) or R known (RAM).
 * Speculative readers may look at any time; they never write except by page_ref_add_unless().
 * A broken precondition stops the process with CI33 in every build. Mirrors the kernel's
 * mm/internal.h, page_alloc.c and huge_memory.c.
 */
#ifndef FOLIO_COMPOUND_H
#define FOLIO_COMPOUND_H

#include <folio/mm.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** Makes tail i of the head. RLX. */
void prep_compound_tail(struct page *head, unsigned long i);
/** Fills in the head's counters; after every tail, whose words alias them. RLX. */
void prep_compound_head(struct page *head, unsigned int order);
/**
 * Makes 2^order pages, order 1...MAX_FOLIO_ORDER, one folio. Does not touch R. Stops (CI33) when a
 * page is mapped, pinned or already compound, or the start is not aligned to the order.
 */
void prep_compound_page(struct page *head, unsigned int order);

/** Writes the order words. Warns when order is 0 or the folio is small. */
void folio_set_order(struct folio *folio, unsigned int order);
/** Clears the order words before a split. Warns when the folio is small. */
void folio_reset_order(struct folio *folio);

/**
 * Back to order 0 for a device folio: every page gets its pgmap back, no mapping, share 0. Stops
 * (CI33) when R, M or PC is not 0. The kernel clears each head word and then stores the pgmap, so
 * a reader that holds no reference can read NULL in between (C29); strict maps store it once.
 */
void folio_split_to_order_0(struct folio *folio);

/** RAM: R of each later page of a non-compound run := 1. Stops when compound or R == 0. */
void split_page(struct page *page, unsigned int order);

/** What replaces the folio's slots in its cache; runs while the folio is frozen. */
typedef void (*folio_split_slots_t)(void *_Nullable context, struct folio *folio,
				    struct page *new_head);

/**
 * Splits a frozen-able RAM folio into folios of new_order (0 or 2...order-1). extra: references
 * that page cache and caller hold beyond the one of the caller. Freezes at 1 + extra, moves flags,
 * re-preps, unfreezes the new folios in frame order and the original last.
 * Context: the folio lock, no mappings. Returns 0, or -EAGAIN when the count was not as expected.
 * Ordering: freeze FULL/f, WMB before each head is cleared, unfreeze REL-ST.
 */
int folio_split(struct folio *folio, unsigned int new_order, int extra,
		folio_split_slots_t _Nullable replace_slot, void *_Nullable context);

/** Checks and dissolves tail i when RAM is freed. Returns 0, or the number of bad words found. */
int free_tail_page_prepare(struct page *head, unsigned long i);

FOLIO_ASSUME_NONNULL_END

#endif
