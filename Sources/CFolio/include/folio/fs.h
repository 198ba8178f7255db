/* SPDX-License-Identifier: MIT */
/*
 * struct address_space: what areas of many address spaces map, a file or a device, and which areas
 * those are (spec: core.md 10.4). Mirrors the kernel's fs.h as far as memory is concerned.
 */
#ifndef FOLIO_FS_H
#define FOLIO_FS_H

#include <folio/mm.h>
#include <folio/rwsem.h>
#include <folio/xarray.h>

FOLIO_ASSUME_NONNULL_BEGIN

struct vm_area_struct;

/** What kind of memory it is, as far as the rules ask (12.3, 14). */
enum address_space_kind {
	ADDRESS_SPACE_FILE,	  /**< a file whose writes a file system has to track */
	ADDRESS_SPACE_SHMEM,	  /**< shared memory: nobody writes it back */
	ADDRESS_SPACE_FSDAX,	  /**< a file on a device with DAX */
	ADDRESS_SPACE_DEVICE_DAX, /**< a device-dax character device */
	ADDRESS_SPACE_P2PDMA,	  /**< peer-to-peer memory of a device */
};

/**
 * | word     | written by                                        | protected by         |
 * |----------|---------------------------------------------------|----------------------|
 * | i_mmap   | who links and unlinks areas                       | i_mmap_rwsem, writer |
 * | i_pages  | the owner of the memory                           | its xa_lock          |
 * | users    | who makes and closes areas                        | atomic               |
 */
struct address_space {
	struct rw_semaphore i_mmap_rwsem;
	struct vm_area_struct *_Nullable i_mmap; /**< an area that maps it; the rest behind it */
	enum address_space_kind kind;		 /**< fixed */
	/**
	 * Bytes, a power of two; 0: a page. Chosen addresses of areas agree with the object's in
	 * their place in so many, when an area is made and when it moves. Fixed before the first.
	 */
	unsigned long alignment;
	atomic_t users; /**< areas, and who made it; for owners that go with the last of them */
	struct xarray i_pages; /**< folios by page of the mapping, where the owner keeps them */
	void *_Nullable host;  /**< the owner's */
} FOLIO_NONCOPYABLE;

void address_space_init(struct address_space *mapping, enum address_space_kind kind);
/** Context: no area maps it (stops otherwise). Entries of i_pages are the owner's. */
void address_space_destroy(struct address_space *mapping);

/** The folio's page of its mapping, for folios that are associated with one. RLX. */
static inline unsigned long folio_index(const struct folio *folio)
{
	return READ_ONCE(folio->index);
}

/**
 * Associates the folio with a page of the mapping. RLX. Context: the owner of the folio; stores
 * that race have to write the same.
 */
static inline void folio_associate(struct folio *folio, const struct address_space *mapping,
				   unsigned long index)
{
	WRITE_ONCE(folio->index, index);
	WRITE_ONCE(folio->mapping, (unsigned long)mapping);
}

/** The new folio has what the old one had; its mapping word may be an anonymous page's. RLX. */
static inline void folio_copy_association(struct folio *newfolio, const struct folio *folio)
{
	WRITE_ONCE(newfolio->index, READ_ONCE(folio->index));
	WRITE_ONCE(newfolio->mapping, READ_ONCE(folio->mapping));
}

/** It is no page of a mapping any more. RLX. Context: its owner; nobody can find it. */
static inline void folio_forget_association(struct folio *folio)
{
	WRITE_ONCE(folio->mapping, 0);
}

/** File-system DAX or device-dax. */
static inline bool mapping_is_dax(const struct address_space *mapping)
{
	return mapping->kind == ADDRESS_SPACE_FSDAX || mapping->kind == ADDRESS_SPACE_DEVICE_DAX;
}

/** Links an area that maps it. Context: i_mmap_rwsem for writing; the area is not linked. */
void vma_interval_insert(struct address_space *mapping, struct vm_area_struct *vma);
/**
 * Links a copy that a fork makes, behind the area that it is a copy of: a walk that meets the fork
 * sees the parent's entries first, so none is copied behind its back. Context: as above; `parent`
 * is linked.
 */
void vma_interval_insert_after(struct vm_area_struct *vma, struct vm_area_struct *parent);
/** Unlinks it. Context: i_mmap_rwsem for writing. */
void vma_interval_remove(struct vm_area_struct *vma);
/**
 * The next area behind `vma`, or the first for NULL, that maps one of the pages [first, last].
 * NULL: there is none. Context: i_mmap_rwsem.
 */
struct vm_area_struct *_Nullable vma_interval_next(struct address_space *mapping,
						   struct vm_area_struct *_Nullable vma,
						   unsigned long first, unsigned long last);

FOLIO_ASSUME_NONNULL_END

#endif
