/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: struct mm_struct, its areas (struct vm_area_struct) found without a lock, the
 * lock of an area, and the way from an address to an entry (spec: core.md 9-12, 15). Mirrors the
 * kernel's mm_types.h, mmap_lock.h and pagewalk. What is done with them is in FolioCore/Memory.
 *
 * An area never changes once it can be found: whoever moves its ends or its rights puts new areas
 * in its place (FolioCore/Memory/Areas.swift). So whoever found one may go on with what it says for
 * as long as it holds the area's lock or the map's.
 *
 * Locks, outer to inner: mmap_lock, an area's lock, i_mmap lock of a mapping, page_table_lock, the
 * lock of a PMD table, of a PTE table, a folio's MM-id lock.
 */
#ifndef FOLIO_MMAP_H
#define FOLIO_MMAP_H

#include <folio/pgtable.h>
#include <folio/rmap.h>
#include <folio/rwsem.h>
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

/** What an area maps, as far as lock-free code asks. */
enum vm_area_kind {
	VM_AREA_ANONYMOUS,
	VM_AREA_FILE,
	VM_AREA_FSDAX,
	VM_AREA_DEVDAX,
	VM_AREA_P2PDMA,
};

struct mm_struct;

/** Immutable once it can be found, but for vm_refcnt. Freed a grace period after detaching. */
struct vm_area_struct {
	unsigned long vm_start; /**< bytes, a multiple of the page size */
	unsigned long vm_end;	/**< first byte behind it */
	unsigned long vm_pgoff; /**< page of the mapping at vm_start */
	unsigned long vm_flags;
	struct mm_struct *vm_mm;
	enum vm_area_kind kind;
	/** What FolioCore knows of it; retained until the area is freed. */
	void *_Nullable owner;
	/** Gives `owner` back. */
	void (*_Nullable release)(void *_Nullable owner);
	/**
	 * 0: not attached. 1 + readers while it is; VMA_LOCK_OFFSET more while a writer has it, or
	 * waits for it.
	 */
	atomic_t vm_refcnt;
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

struct mm_struct {
	struct rw_semaphore mmap_lock;
	spinlock_t page_table_lock; /**< entries of PUD and PGD tables */
	struct ptdesc *pgd;	    /**< fixed */
	unsigned int table_shift;   /**< a table has 2^shift entries; fixed */
	bool deposits;		    /**< huge leaves keep a table; fixed */
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

/** A map without areas, or NULL. shift: 1...9. */
struct mm_struct *_Nullable mm_alloc(unsigned int shift, bool deposits, mm_id_t id);
/** With all its tables. Context: no area, no leaf is left, and nobody else has the map. */
void mm_free(struct mm_struct *mm);

/** Bytes that one entry of a level maps. */
static inline unsigned long mm_entry_size(const struct mm_struct *mm, enum pgtable_level level)
{
	return PAGE_SIZE << (level * mm->table_shift);
}

/** First byte behind the address space. */
static inline unsigned long mm_task_size(const struct mm_struct *mm)
{
	return mm_entry_size(mm, PGTABLE_LEVELS);
}

static inline unsigned long mm_entry_index(const struct mm_struct *mm, enum pgtable_level level,
					   unsigned long address)
{
	return address / mm_entry_size(mm, level) & ((1UL << mm->table_shift) - 1);
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
 * Waits until nobody has the area's lock and keeps later readers out, for good: it has to be
 * detached. Context: mmap_lock for writing.
 */
void vma_start_write(struct vm_area_struct *vma);

/** An area that nobody can find yet, or NULL. */
struct vm_area_struct *_Nullable vm_area_alloc(struct mm_struct *mm);
/** At once: it was never in an index. */
void vm_area_free(struct vm_area_struct *vma);

/**
 * Puts `count` areas, in order, in the place of all that the map has: those that are new are
 * attached, those that are gone detached and freed a grace period later. False: no memory, the
 * map has the areas that it had; those that were locked to go stay locked, so faults in them take
 * mmap_lock. Context: mmap_lock for writing; vma_start_write() of those that go.
 */
bool vma_index_replace(struct mm_struct *mm, struct vm_area_struct *_Nonnull const *_Nullable areas,
		       unsigned long count) __must_check;

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
