/* SPDX-License-Identifier: MIT */
/*
 * Device-page paths with something left out or written plainly: what the wake test of a put, the
 * checks of prep and split and the registration of a map cost. Walks as in peers/atomics.h.
 */
#ifndef PEERS_DEVICE_H
#define PEERS_DEVICE_H

#include <folio/memremap.h>

FOLIO_ASSUME_NONNULL_BEGIN

/**
 * 0 -> 1 by the owner, then the 1 -> 0 put of an FS_DAX folio down the same road as folio_put(),
 * without the test for waiters at its end. Returns n, like the next two.
 */
size_t device_arm_put_no_wake_test(struct page *pages, size_t mask, size_t start, size_t n);
/** A get, then a put that leaves references, without the look at the event word after it. */
size_t device_unpin_no_event_test(struct page *pages, size_t mask, size_t start, size_t n);
/**
 * Makes a compound page's words by plain stores and puts order-0 words back; no checks. A walk over
 * mask + 1 runs of 2^order pages.
 */
size_t device_plain_prep_split(struct page *pages, unsigned int order, size_t mask, size_t start,
			       size_t n);
/** Maps, initialises and unmaps `pages` descriptors of 64 bytes, n times. Returns failures. */
size_t device_plain_map_unmap(size_t pages, size_t n);

FOLIO_ASSUME_NONNULL_END

#endif
