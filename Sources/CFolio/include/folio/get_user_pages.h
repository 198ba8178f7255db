/* SPDX-License-Identifier: MIT */
/*
 * Pages by virtual address (spec: core.md section 12): the family of get_user_pages() and
 * pin_user_pages(). Written in Swift (FolioCore/Memory/GetUserPages*.swift); the primitives, the
 * fast walk, the flags and the ways back are in folio/gup.h. A program that uses these links
 * libfolio. Mirrors the declarations of the kernel's mm.h.
 *
 * Folio has no current task: functions that the kernel lets work on current->mm take the map as
 * their first argument. Nor has it signals; what ends a walk early is MemoryMap.pin(ending:), in
 * Swift.
 *
 * Each returns how many pages, from the start on, it has taken references on, and their pages in
 * that order; what was taken is kept when a later page is refused. When there is none: an errno.
 *
 * | -errno      | because                                                                        |
 * |-------------|--------------------------------------------------------------------------------|
 * | -EINVAL     | flags that do not go together (warns); the pin functions without _fast say 0   |
 * | -EOVERFLOW  | _fast: the range wraps                                                         |
 * | -EFAULT     | no area, no right, a fault's error; frames without pages (VM_IO, VM_PFNMAP)    |
 * | -EOPNOTSUPP | a long-term pin of a file on file-system DAX                                   |
 * | -EEXIST     | an entry without a page                                                        |
 * | -ENOMEM     | a fault's; a long-term pin of memory that cannot be moved away                 |
 * | -EBUSY      | a long-term pin of coherent device memory that cannot be moved away            |
 * | -EREMOTEIO  | peer-to-peer memory without FOLL_PCI_P2PDMA                                    |
 * | -EHWPOISON  | a poisoned page, with FOLL_HWPOISON                                            |
 * | -EINTR      | it was asked to stop                                                           |
 */
#ifndef FOLIO_GET_USER_PAGES_H
#define FOLIO_GET_USER_PAGES_H

#include <folio/gup.h>

FOLIO_ASSUME_NONNULL_BEGIN

/* ---- plain references ------------------------------------------------------------------------ */

/* Given back by put_page() each, or cfolio_put_user_pages(). pages NULL: pages are brought in only.
 */

/** Context: mmap_lock. */
long get_user_pages(struct mm_struct *mm, unsigned long start, unsigned long nr_pages,
		    unsigned int gup_flags, struct page *_Nullable *_Nullable pages);
/**
 * The same of somebody else's map. locked: NULL, or 1: mmap_lock may be dropped, then it is 0 and
 * stays so. Context: mmap_lock.
 */
long get_user_pages_remote(struct mm_struct *mm, unsigned long start, unsigned long nr_pages,
			   unsigned int gup_flags, struct page *_Nullable *_Nullable pages,
			   int *_Nullable locked);
/** Takes mmap_lock itself. May block. */
long get_user_pages_unlocked(struct mm_struct *mm, unsigned long start, unsigned long nr_pages,
			     struct page *_Nullable *_Nullable pages, unsigned int gup_flags);
/**
 * By the fast walk as far as it goes, then as get_user_pages_unlocked(). Flags: FOLL_WRITE,
 * LONGTERM, FORCE, PIN, GET, FAST_ONLY, NOFAULT, PCI_P2PDMA, HONOR_NUMA_FAULT, as far as callers
 * may give them.
 */
int get_user_pages_fast(struct mm_struct *mm, unsigned long start, int nr_pages,
			unsigned int gup_flags, struct page *_Nullable *_Nonnull pages);
/** By the fast walk alone: 0 where it does not begin. Takes no lock, never blocks. */
int get_user_pages_fast_only(struct mm_struct *mm, unsigned long start, int nr_pages,
			     unsigned int gup_flags, struct page *_Nullable *_Nonnull pages);

/* ---- pins ------------------------------------------------------------------------------------ */

/*
 * Given back by unpin_user_page() and its kin. FOLL_LONGTERM is for these: coherent
 * device pages are moved to RAM first (12.3, row 106). In front of the first pin the map notes that
 * it has pins, FULL the first time, so forks look for them. Flags that do not go together, and no
 * array: a warning and 0, but -EINVAL from the fast one. They may block, and call the objects'
 * handlers.
 */

/** Without FOLL_TOUCH, which the other slow functions add. Context: mmap_lock. */
long pin_user_pages(struct mm_struct *mm, unsigned long start, unsigned long nr_pages,
		    unsigned int gup_flags, struct page *_Nullable *_Nullable pages);
/** Of somebody else's map; locked as for get_user_pages_remote(). Context: mmap_lock. */
long pin_user_pages_remote(struct mm_struct *mm, unsigned long start, unsigned long nr_pages,
			   unsigned int gup_flags, struct page *_Nullable *_Nullable pages,
			   int *_Nullable locked);
/** Takes mmap_lock itself. */
long pin_user_pages_unlocked(struct mm_struct *mm, unsigned long start, unsigned long nr_pages,
			     struct page *_Nullable *_Nullable pages, unsigned int gup_flags);
/** By the fast walk as far as it goes, then as pin_user_pages_unlocked(). Flags: as the get form.
 */
int pin_user_pages_fast(struct mm_struct *mm, unsigned long start, int nr_pages,
			unsigned int gup_flags, struct page *_Nullable *_Nonnull pages);

/* ---- neither --------------------------------------------------------------------------------- */

/**
 * Brings the pages of [start, end) in, for stores where `write`: how many, or -ENOMEM where there
 * is no area, -EINVAL where it has not the right. *locked: 1, and 0 when mmap_lock was dropped.
 * Context: mmap_lock.
 */
long faultin_page_range(struct mm_struct *mm, unsigned long start, unsigned long end, bool write,
			int *locked);
/** MADV_POPULATE_READ and _WRITE: the same for all of it. 0 or -errno. Takes mmap_lock. */
int cfolio_madvise_populate(struct mm_struct *mm, unsigned long address, unsigned long size,
			    bool write);

/* ---- folios of a file ------------------------------------------------------------------------ */

/**
 * The folio that i_pages has there, with one more reference; NULL: none (values are no folios).
 * Lock-free: it takes a reference on what it read and looks again (row 119).
 */
struct folio *_Nullable filemap_get_entry(struct address_space *mapping, unsigned long index);

/**
 * Pins each folio that holds bytes start to end, both included, for good, once; in order, at most
 * max_folios. *offset: where the first byte is in the first folio. How many. -EINVAL: not shared
 * memory, an empty range, no room; -EFAULT: nothing is there (the kernel makes pages then; here the
 * owner of the memory does); -EBUSY, -ENOMEM: it cannot be moved to where it may stay.
 */
long memfd_pin_folios(struct address_space *memfd, long start, long end,
		      struct folio *_Nullable *_Nullable folios, unsigned int max_folios,
		      unsigned long *offset);

FOLIO_ASSUME_NONNULL_END

#endif
