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

/* Each returns how many operations did what they should. */
size_t twin_try_get_put(struct page *pages, size_t mask, size_t start, size_t n);
size_t twin_get_put(struct page *pages, size_t mask, size_t start, size_t n);
size_t twin_get_page_put_page(struct page *pages, size_t mask, size_t start, size_t n);
/** Freezes at 1. */
size_t twin_freeze_unfreeze(struct page *pages, size_t mask, size_t start, size_t n);
size_t twin_try_get_folio_put(struct page *pages, size_t mask, size_t start, size_t n);
/**
 * References taken and given back in batches of PAGEVEC_SIZE, of which n is a multiple and which
 * the mask is not below.
 */
size_t twin_batch_put(struct page *pages, size_t mask, size_t start, size_t n);
/** The same references given back one by one. */
size_t twin_single_put(struct page *pages, size_t mask, size_t start, size_t n);
/** The pages may belong to large folios. */
size_t twin_rmap_pte(struct page *pages, size_t mask, size_t start, size_t n, mm_id_t mm);
size_t twin_rmap_pmd(struct folio *folio, mm_id_t mm, size_t n);
/** A walk over mask + 1 runs of 2^order pages. */
size_t twin_prep_split(struct page *pages, unsigned int order, size_t mask, size_t start, size_t n);
size_t twin_percpu_get_put(struct percpu_ref *ref, size_t n);
size_t twin_pgmap_get_put(unsigned long pfn, size_t n);
/** 0 -> 1 by the owner, then the put that ends it. */
size_t twin_arm_put(struct page *pages, size_t mask, size_t start, size_t n);
size_t twin_share_up_down(struct page *pages, size_t mask, size_t start, size_t n);

FOLIO_ASSUME_NONNULL_END

#endif
