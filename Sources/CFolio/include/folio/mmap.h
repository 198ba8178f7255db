/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: struct mm_struct, its areas (struct vm_area_struct) found without a lock, the
 * lock of an area, and the way from an address to an entry (spec: core.md 9-12, 15). Mirrors the
 * kernel's mm_types.h, mmap_lock.h and pagewalk. What is done with them is in FolioCore/Memory.
 *
 * An area never changes once it can be found: whoever moves its ends or its rights puts new areas
 * in its place (FolioCore/Memory/AreaChange.swift). So whoever found one may go on with what it
 * says for as long as it holds the area's lock or the map's.
 *
 * Locks, outer to inner: mmap_lock, an area's lock, a folio lock (14.1), i_mmap lock of a mapping,
 * anon_vma lock, page_table_lock, the lock of a PMD table, of a PTE table, a folio's MM-id lock.
 */
#ifndef FOLIO_MMAP_H
#define FOLIO_MMAP_H

#include <folio/fs.h>
#include <folio/memremap.h>
#include <folio/pgtable.h>
#include <folio/srcu.h>

FOLIO_ASSUME_NONNULL_BEGIN

/* Bits of vm_flags; values are v6.18's. */
#define VM_READ 0x1UL
#define VM_WRITE 0x2UL
#define VM_EXEC 0x4UL
#define VM_SHARED 0x8UL
#define VM_MAYREAD 0x10UL
#define VM_MAYWRITE 0x20UL
#define VM_MAYEXEC 0x40UL
#define VM_MAYSHARE 0x80UL
#define VM_PFNMAP 0x400UL
#define VM_IO 0x4000UL
#define VM_MIXEDMAP 0x10000000UL
#define VM_HUGEPAGE 0x20000000UL

#define VM_ACCESS_FLAGS 0x7UL /**< reading, writing, executing */

struct mm_struct;
struct vm_area_struct;
struct vm_fault;

/**
 * What the owner of mapped memory does for its areas. Written in C by drivers; Swift's FaultHandler
 * is one of them. Results are vm_fault_t bits (folio/memory.h).
 */
struct vm_operations_struct {
	/** One more area with these operations, a copy of another. Context: mmap_lock for writing.
	 */
	void (*_Nullable open)(struct vm_area_struct *area);
	/** An area goes; nothing can find it. Context: mmap_lock for writing. */
	void (*_Nullable close)(struct vm_area_struct *area);
	/** Whether the area may be cut at an address inside of it. 0 or -errno. */
	int (*_Nullable may_split)(struct vm_area_struct *area, unsigned long address);
	/** Puts an entry there, or hands a page over in vmf->page. Context: mmap_lock or area lock.
	 */
	unsigned int (*_Nullable fault)(struct vm_fault *vmf);
	/** The same for a leaf of 2^order pages; VM_FAULT_FALLBACK: smaller ones, please. */
	unsigned int (*_Nullable huge_fault)(struct vm_fault *vmf, unsigned int order);
	/** A store to a page that is mapped for reading. Context: as fault, and vmf->page is held.
	 */
	unsigned int (*_Nullable page_mkwrite)(struct vm_fault *vmf);
	/** The same for memory without pages to hold, and for file-system DAX. */
	unsigned int (*_Nullable pfn_mkwrite)(struct vm_fault *vmf);
};

/** No function at all: of areas whose object gave none, so that they are no anonymous memory. */
const struct vm_operations_struct *cfolio_no_operations(void);

/**
 * Immutable once it can be found, but for the words of the table. Freed a grace period after
 * detaching.
 *
 * | word             | written by                                  | protected by              |
 * |------------------|---------------------------------------------|---------------------------|
 * | vm_refcnt        | who locks it, who attaches and detaches it  | atomic                    |
 * | anon_vma         | faults; once                                | RLX, under the area lock  |
 * | anon_next/prev   | who links and unlinks areas of the pages    | anon_vma->rwsem           |
 * | i_mmap_next/prev | who links and unlinks areas of the mapping  | mapping->i_mmap_rwsem     |
 */
struct vm_area_struct {
	unsigned long vm_start; /**< bytes, a multiple of the page size */
	unsigned long vm_end;	/**< first byte behind it */
	unsigned long vm_pgoff; /**< page of the mapping at vm_start */
	unsigned long vm_flags;
	unsigned long vm_page_prot; /**< _PAGE_ bits of a new entry for reading */
	struct mm_struct *vm_mm;
	const struct vm_operations_struct *_Nullable vm_ops;
	struct address_space *_Nullable mapping; /**< NULL: anonymous memory */
	void *_Nullable vm_private_data;	 /**< vm_ops'; it lives from open to close */
	/**
	 * 0: not attached. 1 + readers while it is; VMA_LOCK_OFFSET more while a writer has it, or
	 * waits for it.
	 */
	atomic_t vm_refcnt;
	/**
	 * struct anon_vma * once an anonymous page was mapped here: a fork copies entries. See
	 * folio/anon_vma.h.
	 */
	shared_t anon_vma;
	struct vm_area_struct *_Nullable anon_next;
	struct vm_area_struct *_Nullable anon_prev;
	struct vm_area_struct *_Nullable i_mmap_next;
	struct vm_area_struct *_Nullable *_Nullable i_mmap_prev; /**< what points to it */
	struct rcu_head rcu;
} FOLIO_NONCOPYABLE;

#define VMA_LOCK_OFFSET 0x40000000

/** All areas of a map in order of address. Immutable; replaced as a whole. */
struct vma_index {
	struct rcu_head rcu;
	unsigned long count;
	struct vm_area_struct *_Nonnull area[];
} FOLIO_NONCOPYABLE;

enum mm_counter { MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES, NR_MM_COUNTERS };

/** mm_struct.user: more than one thread. */
#define MM_USERS (~0UL)

/** Choices that are fixed for the life of a map. */
struct mm_options {
	unsigned int table_shift; /**< a table has 2^shift entries: 1...9; x86-64 and arm64: 9 */
	bool deposits;		  /**< a huge leaf of a file keeps a table for its end (9.5) */
	/** v6.15 and v6.16: huge leaves of counted folios are special all the same (C56). */
	bool special_leaves;
	/** A store's fault on an entry that is there marks it dirty; v6.18: young only (9.3). */
	bool upgrade_dirties;
	/** ... and leaves alone what is there but not present; v6.18 looks at the frame only. */
	bool upgrade_checks_present;
	/** v6.18's order in __split_huge_pmd(): the map's counter after the put (C50). */
	bool counts_after_put;
};

struct mm_struct {
	struct rw_semaphore mmap_lock;
	spinlock_t page_table_lock; /**< entries of PUD and PGD tables */
	struct ptdesc *pgd;	    /**< fixed */
	struct mm_options options;  /**< fixed */
	mm_id_t mm_id;		    /**< fixed */
	shared_t areas;		    /**< struct vma_index *; mmap_lock for writing, read in RCU */
	/** Odd while fork write-protects. Written under mmap_lock for writing. */
	atomic_t write_protect_seq;
	atomic_t has_pinned;	    /**< MMF_HAS_PINNED: set by the first pin, never cleared */
	atomic_t tlb_flush_pending; /**< gathers that are open */
	/** Who ever used a translation: 0 nobody, a thread's number, or MM_USERS. FULL. */
	shared_t user;
	struct srcu_struct translations; /**< sections in which one is used; see folio/tlb.h */
	atomic_long_t rss_stat[NR_MM_COUNTERS]; /**< pages, by whoever maps and unmaps, RLX */
	atomic_long_t pgtables;			/**< tables in use or deposited, RLX */
} FOLIO_NONCOPYABLE;

/* ---- a map ----------------------------------------------------------------------------------- */

/** A map without areas, or NULL. */
struct mm_struct *_Nullable mm_alloc(const struct mm_options *options, mm_id_t id);
/** With all its tables. Context: no area, no leaf is left, and nobody else has the map. */
void mm_free(struct mm_struct *mm);

/** Bytes that one entry of a level maps. */
static inline unsigned long mm_entry_size(const struct mm_struct *mm, enum pgtable_level level)
{
	return PAGE_SIZE << (level * mm->options.table_shift);
}

/** First byte behind the address space. */
static inline unsigned long mm_task_size(const struct mm_struct *mm)
{
	return mm_entry_size(mm, PGTABLE_LEVELS);
}

static inline unsigned long mm_entry_index(const struct mm_struct *mm, enum pgtable_level level,
					   unsigned long address)
{
	return address / mm_entry_size(mm, level) & ((1UL << mm->options.table_shift) - 1);
}

/** log2 of the pages that a leaf of the level maps. */
static inline unsigned int mm_leaf_order(const struct mm_struct *mm, enum pgtable_level level)
{
	return level * mm->options.table_shift;
}

static inline void add_mm_counter(struct mm_struct *mm, enum mm_counter member, long value)
{
	atomic_long_add(value, &mm->rss_stat[member]);
}

static inline long get_mm_counter(const struct mm_struct *mm, enum mm_counter member)
{
	return atomic_long_read(&mm->rss_stat[member]);
}

/**
 * Begins and ends the part of a fork in which entries are write-protected and pins looked for.
 * FULL: a fast pin that this does not see sees the change of the sequence (T5). Context: mmap_lock
 * for writing.
 */
static inline void write_protect_seq_begin(struct mm_struct *mm)
{
	(void)atomic_add_return(1, &mm->write_protect_seq);
}

static inline void write_protect_seq_end(struct mm_struct *mm)
{
	(void)atomic_add_return(1, &mm->write_protect_seq);
}

/* ---- areas ----------------------------------------------------------------------------------- */

/** The area that contains the address, or NULL. Context: a read section, or mmap_lock. */
struct vm_area_struct *_Nullable vma_lookup(const struct mm_struct *mm, unsigned long address);
/** The first area that ends behind the address, or NULL. Context: as above. */
struct vm_area_struct *_Nullable find_vma(const struct mm_struct *mm, unsigned long address);

/**
 * The area that contains the address, its lock held for reading; NULL: there is none, or a writer
 * has it - take mmap_lock then. Never waits, takes no word that faults in other areas write.
 */
struct vm_area_struct *_Nullable lock_vma_under_rcu(struct mm_struct *mm, unsigned long address);
/** Lets go what lock_vma_under_rcu() found. */
void vma_end_read(struct vm_area_struct *vma);

/**
 * Waits until nobody has the area's lock and keeps later readers out: it is to be detached.
 * Context: mmap_lock for writing.
 */
void vma_start_write(struct vm_area_struct *vma);
/** Lets readers in again: it stays after all. Nothing when it is not locked. Context: as above. */
void vma_end_write(struct vm_area_struct *vma);

/** An area that nobody can find yet, or NULL. */
struct vm_area_struct *_Nullable vm_area_alloc(struct mm_struct *mm);
/** At once: it was never in an index. */
void vm_area_free(struct vm_area_struct *vma);

/** An empty index with room for so many areas, to be filled in by the caller; NULL: no memory. */
struct vma_index *_Nullable vma_index_alloc(unsigned long room) __must_check;

/** All areas of the map. Context: a read section, or mmap_lock. */
static inline struct vma_index *mm_areas(const struct mm_struct *mm)
{
	return (struct vma_index *)rcu_dereference(mm->areas);
}

static inline struct vm_area_struct *vma_index_area(const struct vma_index *index,
						    unsigned long number)
{
	return index->area[number];
}

/** Context: the index is in no map; number is below count. */
static inline void vma_index_set(struct vma_index *index, unsigned long number,
				 struct vm_area_struct *area)
{
	index->area[number] = area;
}

/** Gives back what was never put in place. */
void vma_index_free(struct vma_index *_Nullable index);

/**
 * Puts the index, whose areas are in order of address, in the place of the map's; NULL: no areas.
 * Areas that are new are attached, those that are gone detached and freed a grace period later.
 * Cannot fail.
 * Context: mmap_lock for writing; vma_start_write() of those that go.
 */
void vma_index_replace(struct mm_struct *mm, struct vma_index *_Nullable index);

/* ---- from an address to an entry ------------------------------------------------------------- */

/** An entry's place, and the lock that its change needs. entry NULL: no table leads there. */
struct pgtable_place {
	shared_t *_Nullable entry;
	spinlock_t *_Nullable lock;
	struct ptdesc *_Nullable table;
};

/**
 * The entry of that level, or entry NULL where a table is missing or a leaf of a higher level is in
 * the way. Context: a read section, mmap_lock or the area's lock.
 */
struct pgtable_place pgtable_walk(struct mm_struct *mm, unsigned long address,
				  enum pgtable_level level);

/**
 * The same, making tables that are missing. entry NULL: a leaf is in the way, or there is no memory
 * (*failed). Context: mmap_lock or the area's lock.
 */
struct pgtable_place pgtable_walk_alloc(struct mm_struct *mm, unsigned long address,
					enum pgtable_level level, bool *failed);

/**
 * pgtable_walk() and the lock, which is held when the entry is not NULL: the table was still in its
 * place then and stays so. Context: as pgtable_walk().
 */
struct pgtable_place pgtable_walk_lock(struct mm_struct *mm, unsigned long address,
				       enum pgtable_level level);

FOLIO_ASSUME_NONNULL_END

#endif
