/* SPDX-License-Identifier: MIT */
/*
 * The loop of every peer that works on struct pages: one page over and over, or a walk as in
 * peers/atomics.h. Private to this folder.
 */
#ifndef PEERS_WALK_H
#define PEERS_WALK_H

#include <peers/atomics.h>

#include <folio/mm.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** One operation on one page; true when it did what it should. */
typedef bool step_t(struct page *page);

/** n steps; returns the successes. Inlined with its step: as if the loop were written out. */
static inline __attribute__((always_inline)) size_t walk(struct page *pages, size_t mask,
							 size_t start, size_t n, step_t *step)
{
	size_t done = 0;
	if (mask == 0) {
		for (size_t i = 0; i < n; i++)
			done += step(pages);
		return done;
	}
	for (size_t i = 0; i < n; i++)
		done += step(pages + walk_index(start + i, mask));
	return done;
}

FOLIO_ASSUME_NONNULL_END

#endif
