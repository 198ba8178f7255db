// SPDX-License-Identifier: MIT
/*
 * Registry and free path of device pages. See folio/memremap.h; initial counts are in mm_init.c,
 * the state machines of memremap and memunmap in FolioCore/Device.
 */
#include <folio/compound.h>
#include <folio/ledger.h>
#include <folio/mutant.h>
#include <folio/vmemmap.h>
#include <folio/xarray.h>

#include <errno.h>
#include <pthread.h>

/* ---- registry -------------------------------------------------------------------------------- */

static struct xarray pgmap_array;
static pthread_once_t pgmap_array_once = PTHREAD_ONCE_INIT;

static struct lock_class registry_class = LOCK_CLASS("pgmap registry");
/* Serialises registration: the test for a free range and the store are one step. */
static struct mutex registry_lock = {SPIN_LOCK_INIT(&registry_class)};

static void init_pgmap_array(void)
{
	xa_init(&pgmap_array);
}

struct dev_pagemap *cfolio_pgmap_lookup(unsigned long pfn)
{
	return xa_load(&pgmap_array, pfn);
}

struct dev_pagemap *cfolio_pgmap_lookup_rcu(unsigned long pfn)
{
	/* By numbers: a frame beyond all has an address that no pointer may be made of. */
	__builtin_prefetch((const void *)((unsigned long)vmemmap + pfn * sizeof(struct page)));
	return cfolio_xa_load_rcu(&pgmap_array, pfn);
}

struct dev_pagemap *cfolio_pgmap_lookup_live(unsigned long pfn)
{
	struct dev_pagemap *pgmap = cfolio_pgmap_lookup(pfn);
	return pgmap && likely(!percpu_ref_is_dying(&pgmap->ref)) ? pgmap : NULL;
}

/*
 * Safety (T11, T12). The map's memory and its pages live until a grace period after the erase, so
 * what the lookup returns inside the section may be looked at. Whether it may be used is decided by
 * tryget_live: it fails once DEAD is visible, at the latest a grace period after the kill.
 */
struct dev_pagemap *get_dev_pagemap(unsigned long pfn)
{
	if (!MUTANT(C64))
		rcu_read_lock();
	struct dev_pagemap *pgmap =
		MUTANT(C64) ? cfolio_pgmap_lookup(pfn) : cfolio_pgmap_lookup_rcu(pfn);
	/* Sampled before the attempt: a kill that completes during it is no violation. */
	bool dead = pgmap && unlikely(atomic_read_acquire(&pgmap->dead_visible));
	if (pgmap && !percpu_ref_tryget_live_rcu(&pgmap->ref))
		pgmap = NULL;
	if (unlikely(pgmap && dead))
		cfolio_violation("CI29", pfn,
				 "lookup succeeded after the kill was visible everywhere");
	if (!MUTANT(C64))
		rcu_read_unlock();
	return pgmap;
}

void put_dev_pagemap(struct dev_pagemap *pgmap)
{
	if (pgmap)
		percpu_ref_put(&pgmap->ref);
}

struct dev_pagemap *cfolio_walk_get_pagemap(unsigned long pfn, struct dev_pagemap *held)
{
	if (held && held->ranges[0].start <= pfn && pfn <= held->ranges[0].end)
		return held;
	put_dev_pagemap(held);
	return get_dev_pagemap(pfn);
}

void cfolio_walk_put_pagemap(struct dev_pagemap *held)
{
	put_dev_pagemap(held);
}

int cfolio_pgmap_register(struct dev_pagemap *pgmap, struct pfn_range range)
{
	pthread_once(&pgmap_array_once, init_pgmap_array);
	mutex_lock(&registry_lock);
	int result = -EBUSY;
	unsigned long index = range.start;
	bool taken = xa_find(&pgmap_array, &index, range.end, XA_PRESENT) != NULL;
	if (MUTANT(P73)) {
		mutex_unlock(&registry_lock);
		mutex_lock(&registry_lock);
	}
	if (!taken)
		result = xa_err(xa_store_range(&pgmap_array, range.start, range.end, pgmap));
	mutex_unlock(&registry_lock);
	return result;
}

bool cfolio_pgmap_next(unsigned long *pfn, unsigned long last)
{
	return xa_find(&pgmap_array, pfn, last, XA_PRESENT) != NULL;
}

void cfolio_pgmap_unregister(struct pfn_range range)
{
	/* Erasing needs no memory: every entry of the range lies inside it. */
	mutex_lock(&registry_lock);
	(void)xa_store_range(&pgmap_array, range.start, range.end, NULL);
	mutex_unlock(&registry_lock);
}

bool pgmap_pfn_valid(const struct dev_pagemap *pgmap, unsigned long pfn)
{
	for (int i = 0; i < pgmap->nr_range; i++) {
		const struct pfn_range *range = &pgmap->ranges[i];
		unsigned long first = range->start;
		if (i == 0 && (pgmap->flags & PGMAP_ALTMAP_VALID))
			first += pgmap->altmap.reserve + pgmap->altmap.free;
		if (pfn >= first && pfn <= range->end)
			return true;
	}
	return false;
}

/* ---- which map, which type ------------------------------------------------------------------- */

struct dev_pagemap *cfolio_registered_pgmap(const struct folio *folio, unsigned long word)
{
	rcu_read_lock();
	struct dev_pagemap *pgmap = cfolio_pgmap_lookup_rcu(folio_pfn(folio));
	if (pgmap && pgmap->rules == FOLIO_RULES_KERNEL && READ_ONCE(pgmap->ledger))
		cfolio_violation("C29", folio_pfn(folio), "map read as %#lx without a reference",
				 word);
	rcu_read_unlock();
	return pgmap;
}

struct dev_pagemap *page_pgmap(const struct page *page)
{
	if (FOLIO_WARN_ON(!is_zone_device_page(page), page,
			  "page_pgmap of a page that is no device page"))
		return NULL;
	return folio_pgmap(page_folio(page));
}

static bool folio_is_type(const struct folio *folio, enum memory_type type)
{
	if (!folio_is_zone_device(folio))
		return false;
	const struct dev_pagemap *pgmap = folio_pgmap(folio);
	return pgmap && pgmap->type == type;
}

bool folio_is_fsdax(const struct folio *folio)
{
	return folio_is_type(folio, MEMORY_DEVICE_FS_DAX);
}

bool folio_is_device_private(const struct folio *folio)
{
	return folio_is_type(folio, MEMORY_DEVICE_PRIVATE);
}

bool folio_is_device_coherent(const struct folio *folio)
{
	return folio_is_type(folio, MEMORY_DEVICE_COHERENT);
}

bool folio_is_pci_p2pdma(const struct folio *folio)
{
	return folio_is_type(folio, MEMORY_DEVICE_PCI_P2PDMA);
}

/* ---- the free path --------------------------------------------------------------------------- */

const void *cfolio_idle_key(const struct folio *folio, enum folio_rules rules)
{
	return rules == FOLIO_RULES_LEGACY ? (const void *)&folio->page._refcount : &folio->page;
}

/* The caller's reference is gone: only the page's address is used, and the registry. */
void cfolio_folio_changed(const struct folio *folio)
{
	rcu_read_lock();
	const struct dev_pagemap *pgmap = cfolio_pgmap_lookup_rcu(folio_pfn(folio));
	/* Whose map is gone already: its waiters look again, whatever its rules were. */
	bool owed =
		!pgmap || pgmap->rules == FOLIO_RULES_STRICT || pgmap->type != MEMORY_DEVICE_FS_DAX;
	bool legacy = !pgmap || pgmap->rules == FOLIO_RULES_LEGACY;
	rcu_read_unlock();
	if (!owed)
		return;
	wake_up_var(&folio->page);
	if (legacy)
		wake_up_var(cfolio_idle_key(folio, FOLIO_RULES_LEGACY));
}

/*
 * Nobody waits: nothing to hash, nothing to look up. `events` was read after a full barrier behind
 * the put's decrement (T4). The kernel sends no wake for pages that a driver hands out, and has
 * nobody who waits for them.
 */
static void wake_idle_waiters(const struct dev_pagemap *pgmap, struct folio *folio, int events)
{
	if (likely(events == 0))
		return;
	if ((events & FOLIO_EVENT_LEDGER) && pgmap->type == MEMORY_DEVICE_FS_DAX)
		cfolio_ledger_wake(&folio->page);
	if (events >= FOLIO_EVENT_WAITER)
		wake_up_var(MUTANT(C38) ? &folio->page._refcount
					: cfolio_idle_key(folio, pgmap->rules));
}

/*
 * Takes back the note of folio_raise() or of a page that was handed out, FULL: the last touch of
 * the page. Before the wake, which only uses the address: who is woken may form a folio that has
 * another use for this word. Never below 0, also when lives were begun without a note.
 */
static void end_life(struct folio *folio)
{
	unsigned long notes = READ_ONCE(folio->memcg_data);
	if (MUTANT(P23))
		WRITE_ONCE(folio->memcg_data, notes = 0);
	while (notes && !shared_try_cmpxchg(&folio->memcg_data, &notes, notes - 1))
		continue;
}

/* The same for a free path that goes on; what it knows then of who waits. */
static int end_noted_life(struct folio *folio, int events)
{
	if (!READ_ONCE(folio->memcg_data))
		return events;
	end_life(folio);
	/* Who waits for the note, to form a folio, is woken like the others. */
	return MUTANT(P26) ? 0 : atomic_read(&cfolio_events);
}

static bool has_page_free(const struct dev_pagemap *pgmap, const struct folio *folio)
{
	return !FOLIO_WARN_ON(!pgmap->ops || !pgmap->ops->page_free, &folio->page,
			      "no page_free operation");
}

static void free_generic(struct dev_pagemap *pgmap, struct folio *folio)
{
	FOLIO_BUG_ON(pgmap->strict_generic, "CI25", &folio->page,
		     "base reference of a device-dax page dropped");
	/* The kernel gives the base reference back and hides the extra put (C72). */
	if (READ_ONCE(pgmap->ledger))
		cfolio_violation("C72", folio_pfn(folio), "CI25: R reached 0 and was reset to 1");
	folio_set_count(folio, 1);
}

/* A page goes home with R at 0: nobody can have raised it since the last put (CI26, CI27). */
static void check_going_home(const struct dev_pagemap *pgmap, const struct folio *folio)
{
	FOLIO_BUG_ON(folio_ref_count(folio) != 0,
		     pgmap->type == MEMORY_DEVICE_PCI_P2PDMA ? "CI27" : "CI26", &folio->page,
		     "a page in use given back");
}

/*
 * A page that its driver handed out goes home: once page_free() has it, it may be out again, so
 * only the map is touched after, and only when the page held it.
 */
static void free_to_driver(struct dev_pagemap *pgmap, struct folio *folio, int events)
{
	bool holds_map = pgmap->type != MEMORY_DEVICE_PCI_P2PDMA || MUTANT(P30);
	check_going_home(pgmap, folio);
	WRITE_ONCE(folio->mapping, 0);
	events = end_noted_life(folio, events);
	wake_idle_waiters(pgmap, folio, events);
	if (!has_page_free(pgmap, folio))
		return;
	pgmap->ops->page_free(&folio->page);
	if (MUTANT(P29))
		WRITE_ONCE(folio->mapping, 0);
	if (holds_map && !MUTANT(P27))
		put_dev_pagemap(pgmap);
}

/*
 * v6.14 and before: FS_DAX pages come here only through a put that misses the 2->1 hook, and stay
 * at 0 because nobody takes them back (C42). The base count returns before page_free() has the page
 * and not after it, as there: it may be out again then.
 */
static void free_legacy(struct dev_pagemap *pgmap, struct folio *folio, int events)
{
	if (pgmap->type == MEMORY_DEVICE_PRIVATE || pgmap->type == MEMORY_DEVICE_COHERENT) {
		free_to_driver(pgmap, folio, events);
		return;
	}
	if (!has_page_free(pgmap, folio))
		return;
	check_going_home(pgmap, folio);
	WRITE_ONCE(folio->mapping, 0);
	folio_set_count(folio, 1);
	events = end_noted_life(folio, events);
	wake_idle_waiters(pgmap, folio, events);
	pgmap->ops->page_free(&folio->page);
}

void free_zone_device_folio(struct folio *folio)
{
	struct dev_pagemap *pgmap = folio_pgmap(folio);
	if (MUTANT(P22))
		end_life(folio);
	if (FOLIO_WARN_ON(!pgmap, &folio->page, "device folio without a map freed"))
		return;
	/* Once for all that hangs on it: the put before was FULL. */
	int events = atomic_read(&cfolio_events);
	if (unlikely(events))
		cfolio_ledger_free(&folio->page);
	if (folio_test_anon(folio)) {
		FOLIO_BUG_ON(folio_test_large(folio), "CI8", &folio->page,
			     "large anonymous device folio");
		folio_clear_flag(folio, PG_anon_exclusive);
	}
	if (unlikely(pgmap->rules == FOLIO_RULES_LEGACY)) {
		free_legacy(pgmap, folio, events);
		return;
	}
	if (likely(pgmap->type == MEMORY_DEVICE_FS_DAX)) {
		events = end_noted_life(folio, events);
		wake_idle_waiters(pgmap, folio, events);
		return;
	}
	switch (pgmap->type) {
	case MEMORY_DEVICE_FS_DAX:
		break;
	case MEMORY_DEVICE_GENERIC:
		free_generic(pgmap, folio);
		break;
	case MEMORY_DEVICE_PRIVATE:
	case MEMORY_DEVICE_COHERENT:
	case MEMORY_DEVICE_PCI_P2PDMA:
		free_to_driver(pgmap, folio, events);
		break;
	}
}
