/* SPDX-License-Identifier: MIT */
/*
 * The same Folio operations called in a loop written in C: what Swift must cost no more than.
 * Walks as in peers/atomics.h, over an array of order-0 folios.
 */
#ifndef PEERS_TWINS_H
#define PEERS_TWINS_H

#include <folio/compound.h>
#include <folio/memremap.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** Returns the successes. */
size_t twin_try_get_put(struct page *pages, size_t mask, size_t start, size_t n);
void twin_get_put(struct page *pages, size_t mask, size_t start, size_t n);
void twin_get_page_put_page(struct page *page, size_t n);
/** Freezes at count. Returns the successes. */
size_t twin_freeze_unfreeze(struct folio *folio, int count, size_t n);
/** Returns the successes. */
size_t twin_try_get_folio_put(struct page *page, size_t n);
/** n references taken and given back in batches of PAGEVEC_SIZE; n is a multiple of it. */
void twin_batch_put(struct page *pages, size_t n);
/** The same references given back one by one. */
void twin_single_put(struct page *pages, size_t n);
void twin_rmap_pte(struct folio *folio, struct page *page, mm_id_t mm, size_t n);
void twin_rmap_pmd(struct folio *folio, mm_id_t mm, size_t n);
void twin_prep_split(struct page *head, unsigned int order, size_t n);
void twin_percpu_get_put(struct percpu_ref *ref, size_t n);
/** Returns the successes. */
size_t twin_pgmap_get_put(unsigned long pfn, size_t n);
/** 0 -> 1 by the owner, then the put that ends it. */
void twin_arm_put(struct folio *folio, size_t n);
void twin_share_up_down(struct folio *folio, size_t n);

FOLIO_ASSUME_NONNULL_END

#endif
