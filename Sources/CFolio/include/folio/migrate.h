/* SPDX-License-Identifier: MIT */
/*
 * Moving pages between RAM and devices (spec: core.md 14.1, rows 117 and 118). Written in Swift
 * (FolioCore/Memory/Migrate*.swift). Mirrors the kernel's migrate.h, migrate_device.c and the
 * mapping half of migrate.c.
 *
 * A migration is migrate_vma_setup(), then the driver's own copying, migrate_vma_pages() and
 * migrate_vma_finalize(). For each page it needs a locked destination with one reference, named in
 * dst[] between the first two; a 0 there leaves the page where it is. Pages are single: parts of
 * large folios stay.
 */
#ifndef FOLIO_MIGRATE_H
#define FOLIO_MIGRATE_H

#include <folio/anon_vma.h>
#include <folio/memory.h>

FOLIO_ASSUME_NONNULL_BEGIN

/* Entries of src[] and dst[]: a frame above these bits. Values are v6.18's. */
#define MIGRATE_PFN_VALID (1UL << 0)   /**< there is a page */
#define MIGRATE_PFN_MIGRATE (1UL << 1) /**< it will be, or was, moved */
#define MIGRATE_PFN_WRITE (1UL << 3)   /**< its entry allowed stores */
#define MIGRATE_PFN_SHIFT 6

/** Which pages migrate_vma_setup() takes. */
enum migrate_vma_direction {
	MIGRATE_VMA_SELECT_SYSTEM = 1 << 0,
	MIGRATE_VMA_SELECT_DEVICE_PRIVATE = 1 << 1,
	MIGRATE_VMA_SELECT_DEVICE_COHERENT = 1 << 2,
};

/** One migration of a part of an area. Owned by its thread. */
struct migrate_vma {
	struct vm_area_struct *_Null_unspecified vma;
	/** Both: room for a word per page; src is written by setup, dst by the driver. */
	unsigned long *_Null_unspecified dst;
	unsigned long *_Null_unspecified src;
	unsigned long cpages; /**< by setup: pages that are locked and unmapped, or empty places */
	unsigned long npages; /**< by setup: words written */
	unsigned long start;  /**< bytes, page-aligned */
	unsigned long end;
	/** Device pages are taken only of maps with this owner. */
	void *_Nullable pgmap_owner;
	unsigned long flags; /**< MIGRATE_VMA_SELECT_* */
	/** The page that a fault is about: its thread holds its lock and a reference already. */
	struct page *_Nullable fault_page;
};

static inline struct page *_Nullable migrate_pfn_to_page(unsigned long mpfn)
{
	if (!(mpfn & MIGRATE_PFN_VALID))
		return NULL;
	return pfn_to_page(mpfn >> MIGRATE_PFN_SHIFT);
}

static inline unsigned long migrate_pfn(unsigned long pfn)
{
	return (pfn << MIGRATE_PFN_SHIFT) | MIGRATE_PFN_VALID;
}

/* Context of the three: mmap_lock (reading is enough), all the time; may block. */

/**
 * Takes the pages of the range: locked, their entries replaced by migration entries. 0, or -EINVAL:
 * no area of normal memory, an empty or misaligned range, one that is not in the area, no arrays,
 * or a fault page that is not a locked device-private one.
 */
int migrate_vma_setup(struct migrate_vma *args);
/** Moves what has a destination: counts, mapping, flags; clears MIGRATE where that fails. */
void migrate_vma_pages(struct migrate_vma *migrate);
/** New entries, to the new pages or the old ones; pages are unlocked and put. */
void migrate_vma_finalize(struct migrate_vma *migrate);

/* The same for device pages by frame, however mapped. Context: may block; no lock. */

/** src[i] for frame start + i: 0 where there is no page, or somebody else works on it. 0. */
int migrate_device_range(unsigned long *src_pfns, unsigned long start, unsigned long npages);
/** The same for frames that src_pfns[] names when it is called. 0. */
int migrate_device_pfns(unsigned long *src_pfns, unsigned long npages);
/** migrate_vma_pages() for what either of them took; empty places stay empty. */
void migrate_device_pages(unsigned long *src_pfns, unsigned long *dst_pfns, unsigned long npages);
/** migrate_vma_finalize() for them. */
void migrate_device_finalize(unsigned long *src_pfns, unsigned long *dst_pfns,
			     unsigned long npages);

/**
 * Moves a coherent page to RAM, for a long-term pin. 0, or -EBUSY: somebody else uses it. Takes the
 * caller's reference over. Context: may block; no lock.
 */
int migrate_device_coherent_folio(struct folio *folio);

/**
 * Gives the new folio the old one's place: index and mapping, and in a file's i_pages. 0, or
 * -EAGAIN with nothing changed: R is not what mappings, the file and 1 + extra_count explain.
 * Context: both locked; the old one has no entries.
 */
int folio_migrate_mapping(struct address_space *_Nullable mapping, struct folio *newfolio,
			  struct folio *folio, int extra_count);

FOLIO_ASSUME_NONNULL_END

#endif
