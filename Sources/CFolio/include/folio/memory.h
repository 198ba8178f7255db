/* SPDX-License-Identifier: MIT */
/*
 * Address spaces for C programs: areas, faults, insertion, removal (spec: core.md 9-11). Written in
 * Swift (FolioCore/Memory), exported under the kernel's names where the kernel has the operation in
 * this form, as cfolio_* where not. A program that uses these links libfolio. Mirrors the kernel's
 * mm.h, huge_mm.h and memory.c.
 */
#ifndef FOLIO_MEMORY_H
#define FOLIO_MEMORY_H

#include <folio/tlb.h>

FOLIO_ASSUME_NONNULL_BEGIN

/* ---- faults ---------------------------------------------------------------------------------- */

/** What came of a fault: bits below (9.1). Values are v6.18's. */
typedef unsigned int vm_fault_t;

#define VM_FAULT_OOM 0x1u
#define VM_FAULT_SIGBUS 0x2u
#define VM_FAULT_MAJOR 0x4u
#define VM_FAULT_HWPOISON 0x10u
#define VM_FAULT_HWPOISON_LARGE 0x20u
#define VM_FAULT_SIGSEGV 0x40u
#define VM_FAULT_NOPAGE 0x100u
#define VM_FAULT_LOCKED 0x200u
#define VM_FAULT_RETRY 0x400u
#define VM_FAULT_FALLBACK 0x800u
#define VM_FAULT_DONE_COW 0x1000u
#define VM_FAULT_NEEDDSYNC 0x2000u
#define VM_FAULT_COMPLETED 0x4000u
#define VM_FAULT_ERROR                                                                             \
	(VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV | VM_FAULT_HWPOISON |                   \
	 VM_FAULT_HWPOISON_LARGE | VM_FAULT_FALLBACK)

/* How a fault came about. Values are v6.18's. */
#define FAULT_FLAG_WRITE 0x1u
#define FAULT_FLAG_MKWRITE 0x2u
#define FAULT_FLAG_ALLOW_RETRY 0x4u
#define FAULT_FLAG_RETRY_NOWAIT 0x8u
#define FAULT_FLAG_KILLABLE 0x10u
#define FAULT_FLAG_TRIED 0x20u
#define FAULT_FLAG_USER 0x40u
#define FAULT_FLAG_REMOTE 0x80u
#define FAULT_FLAG_INSTRUCTION 0x100u
#define FAULT_FLAG_INTERRUPTIBLE 0x200u
#define FAULT_FLAG_UNSHARE 0x400u
#define FAULT_FLAG_VMA_LOCK 0x1000u /**< the area's lock is held, and not mmap_lock */

/** One fault. Owned by the faulting thread; handlers write `page`. */
struct vm_fault {
	struct vm_area_struct *_Null_unspecified vma;
	unsigned long address; /**< bytes, rounded down to its page */
	unsigned long pgoff;   /**< page of the mapping */
	unsigned int flags;    /**< FAULT_FLAG_* */
	pte_t orig_pte;	       /**< what the entry was when the fault looked at it */
	/**
	 * From the handler: the page to map, with a reference that the entry takes over. To
	 * page_mkwrite: the page that is mapped.
	 */
	struct page *_Nullable page;
	/** A store to a private mapping: a page of this map's own, to be filled by the handler. */
	struct page *_Nullable cow_page;
};

/**
 * Resolves a fault: 0 or VM_FAULT_NOPAGE when the access may be tried again, else an error, or
 * VM_FAULT_RETRY with FAULT_FLAG_VMA_LOCK: again under mmap_lock. Does not check the area's rights
 * beyond write. Context: mmap_lock for reading, or the area's lock (then with its flag); may block.
 */
vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags);

/* ---- insertion (section 9) ------------------------------------------------------------------- */

/*
 * Context of all: mmap_lock for reading or the area's lock; vm_insert_page(s) of an area without
 * VM_MIXEDMAP: for writing. The caller owns a reference on the page, or another right to it (9.6).
 */

/** Maps a page. 0; -EFAULT outside, -EINVAL for a page that may not be mapped, -EBUSY, -ENOMEM. */
int vm_insert_page(struct vm_area_struct *vma, unsigned long address, struct page *page);
/** Maps *num pages from there on; *num: those that are not mapped. Errors as vm_insert_page(). */
int vm_insert_pages(struct vm_area_struct *vma, unsigned long address,
		    struct page *_Nonnull *_Nonnull pages, unsigned long *num);
/** Maps pages [vm_pgoff, vm_pgoff + length of the area) of num. -ENXIO: there are not as many. */
int vm_map_pages(struct vm_area_struct *vma, struct page *_Nonnull *_Nonnull pages,
		 unsigned long num);
/** The same from page 0 on. */
int vm_map_pages_zero(struct vm_area_struct *vma, struct page *_Nonnull *_Nonnull pages,
		      unsigned long num);

/*
 * For handlers of faults; 9.1, 9.4, 9.5. What they return is what the handler is to return:
 *
 * | result          | because                                                                    |
 * |-----------------|----------------------------------------------------------------------------|
 * | VM_FAULT_NOPAGE | the entry is in place, or another was there before                         |
 * | VM_FAULT_OOM    | no memory for a table                                                      |
 * | VM_FAULT_SIGBUS | not in the area (of a leaf: any part of it), or what is said below         |
 *
 * What is there stays, and no counter changes (CI54). write, mkwrite: it gets the right to stores
 * and is young, when it maps the same frame; another one warns, unless it is a zero page. A refusal
 * counts nothing (CI55). Ordering: reference, mapping, the map's counter, each RLX, then the entry
 * by REL-ST, all under the table's lock: who sees the entry finds R >= 1. May take memory for
 * tables; waits for locks of tables only. Context: that of all above.
 */

/**
 * Maps a counted page for the fault; write: for writing, also where it is mapped already (then
 * dirty as mm_options says; row 73). SIGBUS: R is 0, an anonymous or typed page, one whose entries
 * count nothing (legacy DAX), a zero page where the area may not have it, and, for writing, another
 * page that is there.
 */
vm_fault_t vmf_insert_page_mkwrite(struct vm_fault *vmf, struct page *page, bool write);
/**
 * Maps a frame by an entry that counts nothing (row 74). SIGBUS: an area without VM_MIXEDMAP,
 * unless the frame is the zero page's or of legacy DAX memory.
 */
vm_fault_t vmf_insert_mixed(struct vm_area_struct *vma, unsigned long address, unsigned long pfn);
/** The same for writing, also where it is mapped already: dirty then. SIGBUS: also the zero page.
 */
vm_fault_t vmf_insert_mixed_mkwrite(struct vm_area_struct *vma, unsigned long address,
				    unsigned long pfn);
/**
 * Maps a frame, which needs no struct page, by an entry that counts nothing (row 75). Stops the
 * process: neither or both of VM_PFNMAP and VM_MIXEDMAP; VM_PFNMAP in a private area that may be
 * written; VM_MIXEDMAP and a frame with a struct page.
 */
vm_fault_t vmf_insert_pfn(struct vm_area_struct *vma, unsigned long address, unsigned long pfn);
/** The same with other rights. prot: _PAGE_ bits. */
vm_fault_t vmf_insert_pfn_prot(struct vm_area_struct *vma, unsigned long address, unsigned long pfn,
			       unsigned long prot);
/**
 * Maps a folio by one leaf around the fault's address: one reference and one mapping of all of it;
 * the huge zero folio counts nothing (row 76). SIGBUS and a warning: its order is not the leaf's
 * (CI17). OOM: also where leaves keep a table (mm_options) and there is none.
 */
vm_fault_t vmf_insert_folio_pmd(struct vm_fault *vmf, struct folio *folio, bool write);
/** The same at the PUD level, where no tables are kept (row 77). */
vm_fault_t vmf_insert_folio_pud(struct vm_fault *vmf, struct folio *folio, bool write);
/**
 * Maps frames by one leaf that counts nothing (row 78). Stops the process as vmf_insert_pfn(),
 * unless the first frame is of legacy DAX memory.
 */
vm_fault_t vmf_insert_pfn_pmd(struct vm_fault *vmf, unsigned long pfn, bool write);
/** The same at the PUD level. */
vm_fault_t vmf_insert_pfn_pud(struct vm_fault *vmf, unsigned long pfn, bool write);

/* ---- removal (section 10) -------------------------------------------------------------------- */

/** Removes the entries of [address, address + size). Context: mmap_lock. */
void zap_page_range_single(struct vm_area_struct *vma, unsigned long address, unsigned long size);
/**
 * Removes the entries that map bytes [holebegin, holebegin + holelen) of the mapping, in every
 * area; holelen 0: to its end. even_cows: also pages that private mappings have of their own.
 * Context: takes i_mmap for reading; who wants no new ones keeps faults away.
 */
void unmap_mapping_range(struct address_space *mapping, unsigned long holebegin,
			 unsigned long holelen, bool even_cows);
/** The same in pages. nr 0, or past the end of all: to the end. */
void unmap_mapping_pages(struct address_space *mapping, unsigned long start, unsigned long nr,
			 bool even_cows);
/** The entries of one folio. Context: the folio lock (stops otherwise). */
void unmap_mapping_folio(struct folio *folio);

/* ---- address spaces -------------------------------------------------------------------------- */

enum mmap_placement {
	MMAP_CHOOSE,	      /**< at the address if it is free there, else anywhere */
	MMAP_FIXED,	      /**< there, in the place of what there is */
	MMAP_FIXED_NOREPLACE, /**< there, or -EEXIST */
};

/** An area to be made. */
struct mmap_request {
	unsigned long address; /**< bytes */
	unsigned long pages;
	unsigned long pgoff;	/**< first page of the mapping */
	unsigned long vm_flags; /**< VM_READ ... VM_SHARED, and VM_PFNMAP, VM_IO, VM_MIXEDMAP */
	enum mmap_placement placement;
	/**
	 * Chosen places: bytes, a power of two (-EINVAL otherwise); 0 or less than the mapping's:
	 * that, and as leaves want it.
	 */
	unsigned long alignment;
	struct address_space *_Nullable mapping; /**< NULL: anonymous memory */
	/** NULL with a mapping: only what `mmap` inserts, faults are bus errors. */
	const struct vm_operations_struct *_Nullable vm_ops;
	void *_Nullable vm_private_data;
	/**
	 * The owner's last word: may insert pages; an error undoes all. Nobody can find the area
	 * yet.
	 */
	int (*_Nullable mmap)(struct vm_area_struct *area);
};

/** An address space without areas, or NULL. */
struct mm_struct *_Nullable cfolio_mm_create(const struct mm_options *options);
/** All areas go, then it. Context: nobody else has it. */
void cfolio_mm_destroy(struct mm_struct *mm);
/**
 * Gives an address space without areas copies of another one's: what fork does. 0, or -ENOMEM with
 * a part of them. Takes mmap_lock of the other for writing. Context: nobody else has the first.
 */
int dup_mmap(struct mm_struct *mm, struct mm_struct *oldmm);
/** What fork gives the child, or NULL (no memory). Takes mmap_lock for writing. */
struct mm_struct *_Nullable cfolio_mm_fork(struct mm_struct *mm);

/* These take mmap_lock themselves and may block. Addresses are bytes, multiples of the page size.
 */

/** Where the area begins, or -errno: -EINVAL, -ENOMEM, -EEXIST, or what `mmap` said. */
long cfolio_mmap(struct mm_struct *mm, const struct mmap_request *request);
/** 0, -EINVAL, -ENOMEM, or what may_split said. */
int cfolio_munmap(struct mm_struct *mm, unsigned long address, unsigned long size);
/** prot: VM_READ, VM_WRITE, VM_EXEC. 0, -EINVAL, -ENOMEM (a hole), -EACCES. */
int cfolio_mprotect(struct mm_struct *mm, unsigned long address, unsigned long size,
		    unsigned long prot);
/**
 * Moves or resizes one area's part. target: where to, ~0: it may stay or move anywhere. Where it
 * begins now; -EINVAL: no whole pages, outside of the address space, a target that overlaps it;
 * -EFAULT: no area or several, or more of one of bare frames; -ENOMEM; or what may_split said.
 */
long cfolio_mremap(struct mm_struct *mm, unsigned long address, unsigned long old_size,
		   unsigned long new_size, unsigned long target);
/** MADV_DONTNEED: removes the entries of the range. 0, -EINVAL, -ENOMEM (a hole). */
int cfolio_madvise_dontneed(struct mm_struct *mm, unsigned long address, unsigned long size);

/** A CPU's access: the word of the frame (folio/tlb.h). 0, or -EFAULT, -ENOMEM; may block. */
int cfolio_mm_load(struct mm_struct *mm, unsigned long address, unsigned long *value);
int cfolio_mm_store(struct mm_struct *mm, unsigned long address, unsigned long value);

FOLIO_ASSUME_NONNULL_END

#endif
