/* SPDX-License-Identifier: MIT */
/*
 * References and pins on pages by virtual address (spec: core.md section 12): the primitives that
 * count, the fast walk, and the ways back. The slow walk is in FolioCore/Memory. Mirrors the
 * kernel's gup.c.
 *
 * A reference is taken with FOLL_GET or FOLL_PIN and given back in kind (CI44). A pin of a small
 * folio weighs GUP_PIN_COUNTING_BIAS in R; a large folio counts pins beside R.
 */
#ifndef FOLIO_GUP_H
#define FOLIO_GUP_H

#include <folio/mmap.h>

FOLIO_ASSUME_NONNULL_BEGIN

/* Flags of v6.18 (12.1). What each asks for, and what of it Folio has: */
#define FOLL_WRITE (1u << 0)	 /**< pages that may be written through: copies made first */
#define FOLL_GET (1u << 1)	 /**< a plain reference per page */
#define FOLL_DUMP (1u << 2)	 /**< -EFAULT where only zeros are, instead of a page for them */
#define FOLL_FORCE (1u << 3)	 /**< private areas beyond their rights, as a debugger does */
#define FOLL_NOWAIT (1u << 4)	 /**< a handler that would wait says VM_FAULT_RETRY: 0 or partial */
#define FOLL_NOFAULT (1u << 5)	 /**< what is mapped only */
#define FOLL_HWPOISON (1u << 6)	 /**< -EHWPOISON of a poisoned page, not -EFAULT */
#define FOLL_ANON (1u << 7)	 /**< areas without an object only */
#define FOLL_LONGTERM (1u << 8)	 /**< a pin for good: pages that may stay where they are */
#define FOLL_SPLIT_PMD (1u << 9) /**< a leaf of the PMD level is split first */
#define FOLL_PCI_P2PDMA (1u << 10)    /**< peer-to-peer pages too */
#define FOLL_INTERRUPTIBLE (1u << 11) /**< any cancellation ends it, not only a fatal one */
/** PROT_NONE entries of areas with rights go through a fault. Folio makes none such itself. */
#define FOLL_HONOR_NUMA_FAULT (1u << 12)
/* Internal: refused from callers. */
#define FOLL_TOUCH (1u << 16) /**< accessed, for FOLL_WRITE dirty */
#define FOLL_TRIED (1u << 17) /**< FAULT_FLAG_TRIED: the lock was dropped for it once */
/** FAULT_FLAG_REMOTE. No architecture of Folio's has rights that depend on it. */
#define FOLL_REMOTE (1u << 18)
#define FOLL_PIN (1u << 19)	      /**< a pin per page */
#define FOLL_FAST_ONLY (1u << 20)     /**< no slow walk */
#define FOLL_UNLOCKABLE (1u << 21)    /**< mmap_lock may be dropped while a fault waits */
#define FOLL_MADV_POPULATE (1u << 22) /**< the errors of MADV_POPULATE */

/* ---- counting -------------------------------------------------------------------------------- */

/**
 * +refs on a folio that cannot go (12.4, row 94). 0; -ENOMEM when R <= 0 (warns); -EREMOTEIO for
 * peer-to-peer memory without FOLL_PCI_P2PDMA. A pin of the zero page counts nothing. Context: the
 * page-table lock of an entry that maps it. RLX.
 */
int try_grab_folio(struct folio *folio, int refs, unsigned int flags) __must_check;

/**
 * The same by a page that may go any moment: the folio, or NULL with nothing taken. Full barrier at
 * the end: what is read next tells whether the page was still mapped (T3, row 95). NULL and a
 * warning with neither FOLL_GET nor FOLL_PIN. Context: a read section (warns otherwise, NULL).
 */
struct folio *_Nullable try_grab_folio_fast(struct page *page, int refs, unsigned int flags)
	__must_check;

/**
 * Gives back refs that were taken with these flags (row 96); may free. FULL. Context: has them.
 * Pins of the zero page count nothing.
 */
void gup_put_folio(struct folio *folio, int refs, unsigned int flags);

/** One more pin on what the caller has pinned, or a warning (row 97). RLX. */
void folio_add_pin(struct folio *folio);
/**
 * refs more pins. 0; -EINVAL and a warning for more than a counter takes; or as try_grab_folio().
 * RLX. Context: has a pin (warns otherwise).
 */
int folio_add_pins(struct folio *folio, unsigned int refs) __must_check;

/* ---- giving back ----------------------------------------------------------------------------- */

/**
 * Puts references that were taken with FOLL_GET, under legacy rules with the 2->1 hook. Runs of one
 * folio are one put.
 */
void cfolio_put_user_pages(struct page *_Nonnull const *_Nonnull pages, unsigned long npages);

/*
 * 12.4, rows 98 and 99. A pin is of one page; a large folio counts those of its pages together.
 * FULL: each may run the free path. FOLL_PIN_RELEASED goes up once per call, and pins of the zero
 * page count nowhere. A number that is none of pages, an errno above all, is a warning, and nothing
 * is unpinned. Context: has the pins; any, unless said otherwise.
 */

/** One pin of the folio that the page is in. FULL. */
void unpin_user_page(struct page *page);
/** One pin of the folio. FULL. */
void unpin_folio(struct folio *folio);
/** npages pins of one folio, by one put. FULL. */
void unpin_user_folio(struct folio *folio, unsigned long npages);
/**
 * One pin of each of npages pages, NULL apart, from the last to the first; one folio's in a row are
 * one put (CI57). FULL.
 */
void unpin_user_pages(struct page *_Nullable const *_Nonnull pages, unsigned long npages);
/** One pin of each of nfolios folios; equal ones in a row are one put (CI57). FULL. */
void unpin_folios(struct folio *_Nonnull const *_Nonnull folios, unsigned long nfolios);
/**
 * unpin_user_pages() without NULL. make_dirty: each folio is marked dirty first, under its lock, so
 * that whoever sees the pin gone sees the mark (T15). FULL. Context: may block, where make_dirty.
 */
void unpin_user_pages_dirty_lock(struct page *_Nonnull const *_Nonnull pages, unsigned long npages,
				 bool make_dirty);
/**
 * The same for npages consecutive frames. Their struct pages are in one array always, so that there
 * is nothing to warn of where the kernel warns of pages that are not contiguous (row 99).
 */
void unpin_user_page_range_dirty_lock(struct page *page, unsigned long npages, bool make_dirty);

/**
 * Warns of anonymous pages that are pinned and not exclusive to their address space: a store of the
 * other owner would go elsewhere than the pin's. Stops the process where the page is of a map with
 * legacy rules (row 107); pages of RAM have no rules and are warned of always. Debug and Lab builds
 * ask it where pins are taken and given back, as v6.18 does. RLX. Context: has the pins.
 */
void sanity_check_pinned_pages(struct page *_Nullable const *_Nonnull pages, unsigned long npages);

/**
 * FOLL_PIN_ACQUIRED and FOLL_PIN_RELEASED: pages, since the process began (CI45). Counted once per
 * call by gup_fast(), folio_add_pin(s) and all of unpin_*; try_grab_folio(), its fast form and
 * gup_put_folio() leave it to their callers.
 */
struct foll_pin_statistics {
	long acquired;
	long released;
};
/** Both since the process began; equal when no pin is open. RLX sums: exact when nobody pins. */
struct foll_pin_statistics foll_pin_statistics(void);
/** Adds pages to both; for walks of their own, once per call. RLX. */
void count_foll_pins(long acquired, long released);

/* ---- the fast walk --------------------------------------------------------------------------- */

/**
 * Takes references on the pages of [start, end), in order, as far as no lock is needed (12.6):
 * returns how many pages. flags: FOLL_GET or FOLL_PIN, and FOLL_WRITE, FOLL_LONGTERM,
 * FOLL_PCI_P2PDMA. Takes no lock and writes nothing but counters and PG_referenced; where a legacy
 * entry counts nothing, it holds the page's map meanwhile. 0 and a warning unless exactly one of
 * FOLL_GET and FOLL_PIN is asked for; 0 where end is beyond the address space. Each reference is
 * followed by a full barrier and a second look at the entry (T3); of pins, all are given back where
 * a fork came between (T5). Context: any but a translation of the caller; start and end are
 * page-aligned; pages has room for all of them.
 */
unsigned long gup_fast(struct mm_struct *mm, unsigned long start, unsigned long end,
		       unsigned int flags, struct page *_Nullable *_Nonnull pages);

FOLIO_ASSUME_NONNULL_END

#endif
