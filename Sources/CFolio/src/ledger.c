// SPDX-License-Identifier: MIT
/* The ghost ledger. See folio/ledger.h. */
#include <folio/ledger.h>
#include <folio/mutant.h>
#include <folio/sys.h>

#include <errno.h>

int cfolio_ledger_start(struct dev_pagemap *pgmap)
{
	if (READ_ONCE(pgmap->ledger))
		return -EBUSY;
	unsigned long start = pgmap->ranges[0].start, end = pgmap->ranges[0].end;
	for (int i = 1; i < pgmap->nr_range; i++) {
		start = pgmap->ranges[i].start < start ? pgmap->ranges[i].start : start;
		end = pgmap->ranges[i].end > end ? pgmap->ranges[i].end : end;
	}
	unsigned long pages = end - start + 1;
	struct cfolio_ledger *ledger =
		cfolio_zalloc(sizeof(*ledger) + pages * sizeof(struct cfolio_ledger_entry));
	if (!ledger)
		return -ENOMEM;
	ledger->start = start;
	ledger->pages = pages;
	rcu_assign_pointer(pgmap->ledger, ledger);
	cfolio_events_enable(FOLIO_EVENT_LEDGER);
	return 0;
}

static void free_ledger(struct rcu_head *head)
{
	cfolio_free(container_of(head, struct cfolio_ledger, rcu));
}

void cfolio_ledger_stop(struct dev_pagemap *pgmap)
{
	struct cfolio_ledger *ledger = (struct cfolio_ledger *)shared_xchg(&pgmap->ledger, 0);
	if (!ledger)
		return;
	cfolio_events_disable(FOLIO_EVENT_LEDGER);
	if (MUTANT(P94)) {
		free_ledger(&ledger->rcu);
		return;
	}
	call_rcu(&ledger->rcu, free_ledger);
}

static struct cfolio_ledger_entry *entry_of(const struct dev_pagemap *pgmap,
					    const struct page *page)
{
	unsigned long pfn = page_to_pfn(page);
	struct cfolio_ledger *ledger = (struct cfolio_ledger *)rcu_dereference(pgmap->ledger);
	if (!ledger || pfn - ledger->start >= ledger->pages)
		return NULL;
	return &ledger->entries[pfn - ledger->start];
}

struct cfolio_ledger_entry *cfolio_ledger_entry(const struct page *page)
{
	const struct dev_pagemap *pgmap = cfolio_pgmap_lookup(page_to_pfn(page));
	return pgmap ? entry_of(pgmap, page) : NULL;
}

/* Runs body with `entry` set, inside a read section, when the page has a ledger. */
#define WITH_ENTRY(page, body)                                                                     \
	do {                                                                                       \
		rcu_read_lock();                                                                   \
		struct cfolio_ledger_entry *entry = cfolio_ledger_entry(page);                     \
		if (entry) {                                                                       \
			body;                                                                      \
		}                                                                                  \
		rcu_read_unlock();                                                                 \
	} while (0)

void cfolio_ledger_mod(const struct page *page, int delta)
{
	WITH_ENTRY(page, atomic_add(delta, &entry->references));
}

/*
 * Sets and freezes enter the ledger as differences too. An absolute value would wipe out the change
 * of a put whose decrement came before the set and whose ledger step comes after it.
 */
void cfolio_ledger_set(const struct page *page, int before, int value)
{
	WITH_ENTRY(page, atomic_add(value - before, &entry->references));
}

void cfolio_ledger_zero(const struct page *page)
{
	WITH_ENTRY(page, atomic_inc(&entry->zeroes));
}

void cfolio_ledger_free(const struct page *page)
{
	WITH_ENTRY(page, atomic_inc(&entry->frees));
}

void cfolio_ledger_one(const struct page *page)
{
	WITH_ENTRY(page, atomic_inc(&entry->ones));
}

void cfolio_ledger_wake(const struct page *page)
{
	WITH_ENTRY(page, atomic_inc(&entry->wakes));
}

void cfolio_ledger_freeze(const struct page *page, bool frozen, int value)
{
	WITH_ENTRY(page, {
		if (((atomic_add_return(1, &entry->frozen) & 1) != 0) != frozen)
			cfolio_violation("CI39", page_to_pfn(page), "%s twice",
					 frozen ? "frozen" : "unfrozen");
		atomic_add(frozen ? -value : value, &entry->references);
	});
}

int cfolio_ledger_frozen(const struct page *page)
{
	int frozen = -1;
	WITH_ENTRY(page, frozen = atomic_read_acquire(&entry->frozen));
	return frozen;
}

void cfolio_ledger_map(const struct page *page, int entries)
{
	rcu_read_lock();
	const struct dev_pagemap *pgmap = cfolio_pgmap_lookup(page_to_pfn(page));
	struct cfolio_ledger_entry *entry = pgmap ? entry_of(pgmap, page) : NULL;
	if (entry) {
		atomic_add(entries, &entry->mappings);
		/* The reference that the entry owns changes hands, in the ledger only. */
		if (pgmap_counts_mappings(pgmap))
			atomic_sub(entries, &entry->references);
	}
	rcu_read_unlock();
}
