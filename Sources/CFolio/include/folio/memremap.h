/* SPDX-License-Identifier: MIT */
/*
 * Device maps: the words of dev_pagemap, the registry from frame number to map, initial counts and
 * the free path of the five ZONE_DEVICE types (spec: core.md sections 5 and 6, rows 46-55).
 * memremap_pages() and memunmap_pages(), the state machines, are written in Swift
 * (FolioCore/Device) and exported under their kernel names. Mirrors memremap.h and memremap.c.
 */
#ifndef FOLIO_MEMREMAP_H
#define FOLIO_MEMREMAP_H

#include <folio/mm.h>
#include <folio/percpu_refcount.h>
#include <folio/rmap.h>
#include <folio/wait.h>

FOLIO_ASSUME_NONNULL_BEGIN

struct vm_fault;

/** ZONE_DEVICE types. 0 is reserved to catch a map that was never filled in. */
enum memory_type {
	MEMORY_DEVICE_PRIVATE = 1,
	MEMORY_DEVICE_COHERENT = 2,
	MEMORY_DEVICE_FS_DAX = 3,
	MEMORY_DEVICE_GENERIC = 4,
	MEMORY_DEVICE_PCI_P2PDMA = 5,
};

/** Which refcount rules a map follows (design: "rules are values"). */
enum folio_rules {
	FOLIO_RULES_STRICT = 0, /**< the merged rules of v6.15 and later, hazards fixed */
	FOLIO_RULES_KERNEL = 1, /**< v6.18 as merged, hazards included */
	FOLIO_RULES_LEGACY = 2, /**< v6.14 and before: idle at 1, the 2->1 hook */
};

/** Callbacks of the driver. They run in the putting thread and must not block. */
struct dev_pagemap_ops {
	/** The head page's folio is free; it may be handed out again at once. */
	void (*_Nullable page_free)(struct page *page);
	/** Brings a device-private page back to RAM on a CPU fault. vm_fault_t. */
	unsigned int (*_Nullable migrate_to_ram)(struct vm_fault *vmf);
	/** Poison in frames [pfn, pfn + nr_pages). 0 or -errno. */
	int (*_Nullable memory_failure)(struct dev_pagemap *pgmap, unsigned long pfn,
					unsigned long nr_pages, int flags);
};

/** Frames [start, end], both inclusive. */
struct pfn_range {
	unsigned long start;
	unsigned long end;
};

/** Memory of the device that holds the map's own struct pages. In pages. */
struct vmem_altmap {
	unsigned long base_pfn;
	unsigned long reserve;
	unsigned long free;
	unsigned long alloc;
};

#define PGMAP_ALTMAP_VALID 1u
#define FOLIO_PGMAP_RANGES_MAX 8

struct cfolio_ledger;

/**
 * One device map. Filled in by the driver, owned by it until memremap_pages() and again after
 * memunmap_pages(). ref counts as core.md 6.2 says.
 */
struct dev_pagemap {
	struct percpu_ref ref;
	struct completion done;	     /**< completed by ref's release */
	enum memory_type type;	     /**< fixed before memremap */
	unsigned int flags;	     /**< PGMAP_*, fixed before memremap */
	unsigned long vmemmap_shift; /**< order of the compound pages made at memremap; 0: none */
	const struct dev_pagemap_ops *_Nullable ops;
	void *_Nullable owner;
	struct vmem_altmap altmap;
	int nr_range; /**< ranges in use */
	struct pfn_range ranges[FOLIO_PGMAP_RANGES_MAX];

	enum folio_rules rules;		  /**< fixed before memremap */
	struct folio_rmap_mode rmap_mode; /**< fixed before memremap */
	bool strict_teardown;		  /**< CI32: memunmap demands idle pages */
	bool strict_generic;		  /**< CI25: a GENERIC page at 0 is a violation */
	shared_t ledger;		  /**< struct cfolio_ledger *, or 0; RCU */
	atomic_t releases;		  /**< runs of ref's release (CI30); RLX */
	atomic_t dead_visible; /**< 1 once a grace period has passed after the kill (CI29) */
	struct rcu_head rcu;
} FOLIO_NONCOPYABLE;

/** R that an idle page of the map has: 1 for GENERIC and for legacy pages, else 0. */
static inline int pgmap_idle_count(const struct dev_pagemap *pgmap)
{
	if (pgmap->type == MEMORY_DEVICE_GENERIC)
		return 1;
	return pgmap->rules == FOLIO_RULES_LEGACY &&
	       (pgmap->type == MEMORY_DEVICE_FS_DAX || pgmap->type == MEMORY_DEVICE_PCI_P2PDMA);
}

/**
 * Whether a mapped entry owns a reference. Under legacy rules the entries of FS_DAX and device-dax
 * pages do not; other pages were always mapped like ordinary memory.
 */
static inline bool pgmap_counts_mappings(const struct dev_pagemap *pgmap)
{
	return pgmap->rules != FOLIO_RULES_LEGACY ||
	       (pgmap->type != MEMORY_DEVICE_FS_DAX && pgmap->type != MEMORY_DEVICE_GENERIC);
}

/** The map that a reference count is part of. */
static inline struct dev_pagemap *pgmap_of_ref(struct percpu_ref *ref)
{
	return container_of(ref, struct dev_pagemap, ref);
}

/** Frames of range i. */
static inline unsigned long pgmap_range_pages(const struct dev_pagemap *pgmap, int i)
{
	return pgmap->ranges[i].end - pgmap->ranges[i].start + 1;
}

/** True when the frame lies in one of the ranges (and behind the altmap's reserve). */
bool pgmap_pfn_valid(const struct dev_pagemap *pgmap, unsigned long pfn);

/** Pages of a compound page of the map: 2^vmemmap_shift. */
static inline unsigned long pgmap_vmemmap_nr(const struct dev_pagemap *pgmap)
{
	return 1UL << pgmap->vmemmap_shift;
}

/** The altmap when the flag says there is one, else NULL. */
static inline struct vmem_altmap *_Nullable pgmap_altmap(struct dev_pagemap *pgmap)
{
	return pgmap->flags & PGMAP_ALTMAP_VALID ? &pgmap->altmap : NULL;
}

/* ---- registry -------------------------------------------------------------------------------- */

/**
 * The live map of a frame with one more reference, or NULL. Lock-free; may succeed until a grace
 * period after the kill, never later (CI29). Trust no page contents of a map that is being made.
 */
struct dev_pagemap *_Nullable get_dev_pagemap(unsigned long pfn);
/** Drops it; NULL is allowed. */
void put_dev_pagemap(struct dev_pagemap *_Nullable pgmap);
/**
 * get_dev_pagemap() for a walk over many frames (the two-argument form of v6.17 and before): `held`
 * is what the last call returned; kept when the frame is in its first range, else put. NULL: the
 * frame has no live map, nothing is held. The walk ends by cfolio_walk_put_pagemap().
 */
struct dev_pagemap *_Nullable cfolio_walk_get_pagemap(unsigned long pfn,
						      struct dev_pagemap *_Nullable held);
/** Drops what the last call returned; NULL is allowed. */
void cfolio_walk_put_pagemap(struct dev_pagemap *_Nullable held);
/** The map of a frame without a reference. Context: a read section, or a reference elsewhere. */
struct dev_pagemap *_Nullable cfolio_pgmap_lookup(unsigned long pfn);
/**
 * The same, or NULL, and the struct page is fetched into the cache meanwhile, for who looks at it
 * next; the frame need not have one. ACQ-LD, as xa_load(). Context: a read section, which keeps the
 * map and its pages (T11).
 */
struct dev_pagemap *_Nullable cfolio_pgmap_lookup_rcu(unsigned long pfn);
/** cfolio_pgmap_lookup(), unless the map was killed: who wants new references asks this. */
struct dev_pagemap *_Nullable cfolio_pgmap_lookup_live(unsigned long pfn);
/**
 * Registers the range. 0, -EBUSY when it meets a registered range, -ENOMEM. One writer at a time.
 */
int cfolio_pgmap_register(struct dev_pagemap *pgmap, struct pfn_range range);
/**
 * Moves *pfn to the first registered frame in [*pfn, last]; false when there is none. Lock-free.
 */
bool cfolio_pgmap_next(unsigned long *pfn, unsigned long last);
/** Erases the range. The caller waits for a grace period before it reuses the map. */
void cfolio_pgmap_unregister(struct pfn_range range);

/* ---- pages ----------------------------------------------------------------------------------- */

/** The map of a folio whose own word does not tell; see folio_pgmap(). */
struct dev_pagemap *_Nullable cfolio_registered_pgmap(const struct folio *folio, unsigned long word)
	__cold;

/**
 * The map of a device folio, by its head's word. Without a reference the word may be caught in a
 * re-shaping: odd (the page became a tail after its head was computed) or, under kernel rules,
 * empty. The kernel would follow it blindly; here the registry answers, and an audited map reports
 * it (C29). Context: folio_is_zone_device(). RLX.
 */
static inline struct dev_pagemap *_Nullable folio_pgmap(const struct folio *folio)
{
	unsigned long word = READ_ONCE(folio->pgmap);
	if (likely(word && !(word & 1)))
		return (struct dev_pagemap *)word;
	return cfolio_registered_pgmap(folio, word);
}

/** The map of a device page or tail, by the page's own words. Context: see C29 in the spec. */
struct dev_pagemap *_Nullable page_pgmap(const struct page *page);

bool folio_is_fsdax(const struct folio *folio);
bool folio_is_device_private(const struct folio *folio);
bool folio_is_device_coherent(const struct folio *folio);
bool folio_is_pci_p2pdma(const struct folio *folio);

/** Initialises one page of the map: core.md 5.2. Context: nobody may look at it yet. */
void __init_zone_device_page(struct page *page, struct dev_pagemap *pgmap);
/** Initialises the frames [pfn, pfn + nr_pages), compound when vmemmap_shift says so. */
void memmap_init_zone_device(struct dev_pagemap *pgmap, unsigned long pfn, unsigned long nr_pages);

/**
 * R += 1 on an FS_DAX folio for a holder that may see its map dropped: notes, in the memcg_data
 * word of the head (device pages are never charged), a life whose free path has yet to end. The
 * struct page is not given back while one is noted, so the last put may finish in peace although R
 * is 0. Context: the owner's lock; not for legacy maps, whose pages have no free path.
 * folio_ref_inc() alone leaves that to the caller, as in the kernel. A page's lives are begun all
 * by the one or all by the other: the free path cannot tell which note is whose.
 */
static inline void folio_raise(struct folio *folio)
{
	/* Before R, whose increment is FULL: whoever sees this life end sees its note. */
	if (!MUTANT(P21))
		shared_add(&folio->memcg_data, 1);
	/* Not from 0: the life that goes on has its note already. */
	if (folio_ref_inc_return(folio) != 1 && !MUTANT(P24))
		shared_add(&folio->memcg_data, -1UL);
}

/** Runs once per transition of R to 0, in the zero winner: core.md 5.3. */
void free_zone_device_folio(struct folio *folio);

/**
 * Hands a free PRIVATE, COHERENT or P2PDMA page out: takes a reference on its map (warns when it is
 * dying), R := 1, locks it. Waits for the lock: between the two steps a getter by frame may take
 * it. Context: the driver's allocator owns the page; may sleep, and what the lock's holder may wait
 * for is not held. Source: core.md row 49.
 */
void zone_device_page_init(struct page *page);

/**
 * The step R := 1 alone, for a caller that took the reference on the map itself, under the lock of
 * its pages at home. Does not sleep. RLX, as the kernel's: a getter by frame that is faster than
 * whoever it is handed to may not see what the driver wrote to the page before. Stops with CI26 or
 * CI27 when the page is in use. Source: core.md row 49.
 */
void cfolio_hand_out_page(struct page *page);

/**
 * Notes the life that cfolio_hand_out_page() begins next, as folio_raise() does, until its free
 * path has done with the page: for callers that have no list of pages at home and ask
 * cfolio_page_is_home(). Context: as there, and the page is home. RLX: whoever brings R to 0 has
 * acquired the put of the life's first reference, and with it the note.
 */
static inline void cfolio_note_life(struct page *page)
{
	WRITE_ONCE(page->memcg_data, 1);
}

/**
 * Whether such a page is home: R is `idle`, the idle count of its map, and the free path of its
 * last life has done with its words. R alone says so too early, between the last put and its free
 * path. ACQ-LD.
 */
static inline bool cfolio_page_is_home(const struct page *page, int idle)
{
	return page_ref_count(page) == idle &&
	       (MUTANT(P36) || smp_load_acquire(&page->memcg_data) == 0);
}

/** True when a free path noted by folio_raise() has not ended in [start, end). ACQ-LD. */
bool cfolio_frees_in_progress(unsigned long start, unsigned long end);

/**
 * The first frame in [start, end) whose page is not idle - R other than `idle` (0 for a
 * tail), mapped, or pinned - or FOLIO_NO_PFN. Context: the struct pages are committed.
 */
unsigned long cfolio_first_busy_frame(int idle, unsigned long start, unsigned long end);

/**
 * Address that waiters for idleness of the folio sleep on: the head page, or under legacy rules
 * its refcount word.
 */
const void *cfolio_idle_key(const struct folio *folio, enum folio_rules rules);

/**
 * Sends the wake that a change of R or M owes to waiters: always but under kernel and legacy rules
 * for FS_DAX pages, whose waits have the kernel's hazards. Cold.
 */
void cfolio_folio_changed(const struct folio *folio) __cold;

FOLIO_ASSUME_NONNULL_END

#endif
