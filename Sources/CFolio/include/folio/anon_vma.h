/* SPDX-License-Identifier: MIT */
/*
 * From an anonymous page to the entries that may map it: the areas that its first area became by
 * forks, cuts and moves. Mirrors the kernel's struct anon_vma, with one object for all of them
 * where the kernel has a tree of objects.
 *
 * A page names the object in its mapping word, and in its index the page of the area, counted as
 * areas count theirs (vm_pgoff): forks, cuts and moves keep that number.
 */
#ifndef FOLIO_ANON_VMA_H
#define FOLIO_ANON_VMA_H

#include <folio/mmap.h>

FOLIO_ASSUME_NONNULL_BEGIN

/**
 * | word        | written by                            | protected by       |
 * |-------------|---------------------------------------|--------------------|
 * | first, last | who links and unlinks areas           | rwsem, writer      |
 * | refcount    | areas that name it, walks, migrations | atomic             |
 *
 * Freed a grace period after the last reference.
 */
struct anon_vma {
	struct rw_semaphore rwsem;
	atomic_t refcount;
	struct vm_area_struct *_Nullable first;
	struct vm_area_struct *_Nullable last;
	struct rcu_head rcu;
} FOLIO_NONCOPYABLE;

/** The area's object, or NULL: no anonymous page was ever mapped there. RLX. */
static inline struct anon_vma *_Nullable vma_anon(const struct vm_area_struct *vma)
{
	return (struct anon_vma *)READ_ONCE(vma->anon_vma);
}

/**
 * The area is to have anonymous pages: it gets an object unless it has one. False: no memory.
 * Context: mmap_lock or the area's lock, so that no copy of the area is being made.
 */
bool anon_vma_prepare(struct vm_area_struct *vma) __must_check;
/** A copy of an area names what that one names. Context: nobody can find the copy. */
void anon_vma_clone(struct vm_area_struct *copy, const struct vm_area_struct *vma);
/**
 * The copy is found by its pages from now on; behind all that are found already, so that a walk
 * that meets a fork sees the parent's entry first. Nothing for areas without an object, or found
 * already.
 */
void anon_vma_link(struct vm_area_struct *vma);
/** The area is not found any more, and no walk is in it. */
void anon_vma_unlink(struct vm_area_struct *vma);
/** Drops a reference. Any context. */
void anon_vma_put(struct anon_vma *_Nullable anon);

/**
 * The object of a mapped anonymous folio, with a reference; NULL: it is not mapped, or not by
 * areas. Context: the folio lock, so that the answer stays true.
 */
struct anon_vma *_Nullable folio_get_anon_vma(const struct folio *folio);

/** A fresh page becomes one of the area's (`__folio_set_anon`). RLX. Context: nobody knows it. */
static inline void folio_set_anon_area(struct folio *folio, const struct vm_area_struct *vma,
				       unsigned long address)
{
	WRITE_ONCE(folio->index, vma->vm_pgoff + (address - vma->vm_start) / PAGE_SIZE);
	WRITE_ONCE(folio->mapping, READ_ONCE(vma->anon_vma) | FOLIO_MAPPING_ANON);
}

FOLIO_ASSUME_NONNULL_END

#endif
