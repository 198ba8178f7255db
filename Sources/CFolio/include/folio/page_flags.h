/* SPDX-License-Identifier: MIT */
/*
 * Page flags, the zone field, page types, and shape questions that only read flags or the head
 * word. All reads are RLX snapshots that may be stale; nothing here needs a reference or a lock.
 * Mirrors the kernel's page-flags.h. Bit numbers other than 7 (PG_waiters) are an assumption: the
 * spec names the flags, not their places, and nothing depends on them.
 */
#ifndef FOLIO_PAGE_FLAGS_H
#define FOLIO_PAGE_FLAGS_H

#include <folio/events.h>
#include <folio/mm_types.h>

FOLIO_ASSUME_NONNULL_BEGIN

enum pageflags {
	PG_locked = 0,
	PG_writeback = 1,
	PG_referenced = 2,
	PG_uptodate = 3,
	PG_dirty = 4,
	PG_lru = 5,
	PG_head = 6,
	PG_waiters = 7,
	PG_active = 8,
	PG_reserved = 13,
	PG_swapbacked = 17,
	PG_anon_exclusive = 18,
	PG_hwpoison = 21,
};

/** Page flags that a split hands down to the new folios. */
#define FOLIO_SPLIT_FLAGS                                                                          \
	(BIT(PG_referenced) | BIT(PG_uptodate) | BIT(PG_dirty) | BIT(PG_active) |                  \
	 BIT(PG_swapbacked))

/* The zone lives in the top bits of flags. */
#define ZONES_PGSHIFT 60
enum zone_type { ZONE_NORMAL = 2, ZONE_MOVABLE = 3, ZONE_DEVICE = 4 };

/** A page_type at or above this (as unsigned) is a mapcount. */
#define PAGE_TYPE_LIMIT 0xff000000u
#define PGTY_slab 0xf5u
#define PGTY_large_kmalloc 0xf8u
/** The typed value of a page: the type in the top byte. */
#define PAGE_TYPE_VALUE(type) ((int)((unsigned)(type) << 24))

/** Bit of PAGE_MAPPING_ANON in the mapping word. */
#define FOLIO_MAPPING_ANON 1UL

static inline bool folio_test_flag(const struct folio *folio, int bit)
{
	return (READ_ONCE(folio->flags) & BIT(bit)) != 0;
}

static inline void folio_set_flag(struct folio *folio, int bit)
{
	set_bits(&folio->flags, BIT(bit));
}

static inline void folio_clear_flag(struct folio *folio, int bit)
{
	clear_bits(&folio->flags, BIT(bit));
}

/** True for the head page of a large folio. */
static inline bool PageHead(const struct page *page)
{
	return (READ_ONCE(page->flags) & BIT(PG_head)) != 0;
}

/** True while the page is a tail of a large folio. */
static inline bool PageTail(const struct page *page)
{
	return (READ_ONCE(page->compound_head) & 1) != 0;
}

/* Raw words, for audits and models. RLX. */
static inline unsigned long page_head_word(const struct page *page)
{
	return READ_ONCE(page->compound_head);
}

static inline unsigned long page_mapping_word(const struct page *page)
{
	return READ_ONCE(page->mapping);
}

static inline unsigned long page_private_word(const struct page *page)
{
	return READ_ONCE(page->private);
}

/** The word is its owner's. RLX. */
static inline void folio_set_private_word(struct folio *folio, unsigned long word)
{
	WRITE_ONCE(folio->private, word);
}

static inline unsigned long page_memcg_word(const struct page *page)
{
	return READ_ONCE(page->memcg_data);
}

static inline unsigned long page_driver_word(const struct page *page)
{
	return READ_ONCE(page->zone_device_data);
}

/** The driver's own word of a device page. RLX. */
static inline void page_set_driver_word(struct page *page, unsigned long word)
{
	WRITE_ONCE(page->zone_device_data, word);
}

static inline unsigned long folio_pgmap_word(const struct folio *folio)
{
	return READ_ONCE(folio->pgmap);
}

/** The mark of a tail's mapping word. */
static inline unsigned long cfolio_tail_mapping(void)
{
	return TAIL_MAPPING;
}

/** True when the struct page was never initialised. */
static inline bool PagePoisoned(const struct page *page)
{
	return READ_ONCE(page->flags) == PAGE_POISON_PATTERN;
}

static inline enum zone_type page_zonenum(const struct page *page)
{
	return (enum zone_type)(READ_ONCE(page->flags) >> ZONES_PGSHIFT);
}

static inline bool is_zone_device_page(const struct page *page)
{
	return page_zonenum(page) == ZONE_DEVICE;
}

static inline bool folio_is_zone_device(const struct folio *folio)
{
	return is_zone_device_page(&folio->page);
}

/** True when the folio has more than one page. */
static inline bool folio_test_large(const struct folio *folio)
{
	return folio_test_flag(folio, PG_head);
}

/** True when the mapcount word holds a page type (slab and others). */
static inline bool page_has_type(const struct page *page)
{
	unsigned int value = (unsigned int)atomic_read(&page->page_type);
	return value >= 0x80000000u && value < PAGE_TYPE_LIMIT;
}

static inline bool folio_has_type(const struct folio *folio)
{
	return page_has_type(&folio->page);
}

static inline bool folio_test_slab(const struct folio *folio)
{
	return ((unsigned int)atomic_read(&folio->page.page_type) >> 24) == PGTY_slab;
}

static inline bool folio_test_large_kmalloc(const struct folio *folio)
{
	return ((unsigned int)atomic_read(&folio->page.page_type) >> 24) == PGTY_large_kmalloc;
}

static inline bool folio_test_anon(const struct folio *folio)
{
	return (READ_ONCE(folio->mapping) & FOLIO_MAPPING_ANON) != 0;
}

/** ACQ read-modify-write: takes PG_locked; false when somebody has it. */
static inline bool folio_trylock(struct folio *folio)
{
	return test_and_set_bits_lock(&folio->flags, BIT(PG_locked));
}

/** Takes PG_locked; sleeps, uninterruptibly, while somebody has it. ACQUIRE. */
void folio_lock(struct folio *folio);
/** Sleeps, uninterruptibly, until nobody has it at some instant. ACQ-LD. Needs no reference. */
void folio_wait_locked(const struct folio *folio);
/** Wakes who sleeps for PG_locked. Context: it was dropped, then a full barrier. */
void __folio_unlock_wake(struct folio *folio);

/**
 * REL: drops PG_locked. Whoever sleeps for it is counted in the event word (T4: the drop, then the
 * look, and on the other side the count, then the try).
 */
static inline void folio_unlock(struct folio *folio)
{
	clear_bits_unlock(&folio->flags, BIT(PG_locked));
	smp_mb__after_atomic();
	if (folio_events_pending())
		__folio_unlock_wake(folio);
}

FOLIO_ASSUME_NONNULL_END

#endif
