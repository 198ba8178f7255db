/* SPDX-License-Identifier: MIT */
/*
 * The ghost ledger: what the counters of each page should say, kept beside them by the event
 * paths while a map is audited (spec: core.md section 17). It starts on an idle map. Counters and
 * ledger change in two steps, so they are compared only when the page is quiescent.
 */
#ifndef FOLIO_LEDGER_H
#define FOLIO_LEDGER_H

#include <folio/memremap.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** One page (head pages speak for their folio). Any thread, RLX. */
struct cfolio_ledger_entry {
	atomic_t references; /**< g: references that are not the base and not a mapping's */
	atomic_t mappings;   /**< m: mapped entries */
	atomic_t frozen;     /**< z: freezes and unfreezes so far; odd while frozen */
	atomic_t zeroes;     /**< transitions of R to 0 by a put */
	atomic_t frees;	     /**< runs of the free path */
	atomic_t wakes;	     /**< idle wakes sent */
	atomic_t ones;	     /**< puts by the legacy hook that left R == 1 */
	atomic_t unused;
};

struct cfolio_ledger {
	unsigned long start; /**< first frame */
	unsigned long pages;
	struct rcu_head rcu;
	struct cfolio_ledger_entry entries[];
};

/** Starts the ledger of a map whose pages are idle. 0, -ENOMEM, -EBUSY when it has one. */
int cfolio_ledger_start(struct dev_pagemap *pgmap);
/** Ends it; memory goes after a grace period. */
void cfolio_ledger_stop(struct dev_pagemap *pgmap);
/** The entry of a page, or NULL. Context: a read section, or the map cannot stop its ledger. */
struct cfolio_ledger_entry *_Nullable cfolio_ledger_entry(const struct page *page);

/* Called by the event paths; do nothing for pages without a ledger. */
void cfolio_ledger_mod(const struct page *page, int delta);
void cfolio_ledger_set(const struct page *page, int before, int value);
void cfolio_ledger_zero(const struct page *page);
void cfolio_ledger_free(const struct page *page);
void cfolio_ledger_one(const struct page *page);
void cfolio_ledger_wake(const struct page *page);
void cfolio_ledger_freeze(const struct page *page, bool frozen, int value);
/** Freezes and unfreezes of the page so far; -1 without a ledger. */
int cfolio_ledger_frozen(const struct page *page);
void cfolio_ledger_map(const struct page *page, int entries);

/* Step checks of compound.c, made while the map is audited. */
/** CI35: what prep must leave behind. */
void cfolio_check_prepared(struct folio *folio, unsigned int order);
/** CI34: what a split to order 0 must leave behind. */
void cfolio_check_split(struct page *head, unsigned int order, const struct dev_pagemap *pgmap);

/**
 * The first frame in [pfn, end) that is not an idle order-0 page whose words are as after memremap
 * and whose ledger is settled, or end: what an audit need not look at more closely. Context:
 * quiescent.
 */
unsigned long cfolio_audit_next(const struct dev_pagemap *pgmap, unsigned long pfn,
				unsigned long end);

/** The ledger's numbers of a page, for audits. kept is false when it has none. */
struct cfolio_ledger_numbers {
	bool kept;
	int references;
	int mappings;
	bool frozen;
	int zeroes;
	int frees;
	int ones;
	int wakes;
};
struct cfolio_ledger_numbers cfolio_ledger_numbers(const struct page *page);

FOLIO_ASSUME_NONNULL_END

#endif
