/* SPDX-License-Identifier: MIT */
/*
 * Page-table entries and the tables that hold them (spec: core.md 9-12). Mirrors the kernel's
 * pgtable.h and pgtable_types.h; who may change an entry is said in folio/mmap.h.
 *
 * Entries of all levels have one format, so pmd_t and pud_t are pte_t. The bits are those of x86-64
 * where x86-64 has them; the place of the others is our own.
 */
#ifndef FOLIO_PGTABLE_H
#define FOLIO_PGTABLE_H

#include <folio/lock.h>
#include <folio/mm.h>
#include <folio/rcu.h>

FOLIO_ASSUME_NONNULL_BEGIN

/* ---- entries as values ----------------------------------------------------------------------- */

/** The value of an entry; 0: none. */
typedef struct {
	unsigned long pte;
} pte_t;
typedef pte_t pmd_t;
typedef pte_t pud_t;

#define _PAGE_PRESENT 0x1UL
#define _PAGE_RW 0x2UL
#define _PAGE_TABLE 0x8UL /**< no leaf: the other bits are the address of the next table */
#define _PAGE_ACCESSED 0x20UL
#define _PAGE_DIRTY 0x40UL
#define _PAGE_PSE 0x80UL /**< a leaf at the PMD or PUD level */
#define _PAGE_PROTNONE 0x100UL
#define _PAGE_SPECIAL 0x200UL /**< no counted page behind it */
#define _PAGE_DEVMAP 0x400UL  /**< a device page that is not counted; legacy rules */

/** Levels: whose entries a table holds. */
enum pgtable_level {
	PGTABLE_LEVEL_PTE,
	PGTABLE_LEVEL_PMD,
	PGTABLE_LEVEL_PUD,
	PGTABLE_LEVEL_PGD,
	PGTABLE_LEVELS
};

/** What an entry that is neither none nor present stands for. */
enum softleaf_type {
	SOFTLEAF_NONE, /**< it is none, or present */
	SOFTLEAF_MIGRATION_READ,
	SOFTLEAF_MIGRATION_READ_EXCLUSIVE,
	SOFTLEAF_MIGRATION_WRITE,
	SOFTLEAF_DEVICE_PRIVATE_READ,
	SOFTLEAF_DEVICE_PRIVATE_WRITE,
	SOFTLEAF_HWPOISON,
};

#define SOFTLEAF_TYPE_SHIFT 1
#define SOFTLEAF_TYPE_MASK (7UL << SOFTLEAF_TYPE_SHIFT)

static inline bool pte_none(pte_t pte)
{
	return pte.pte == 0;
}

/** Maps a page, also one that may not be touched (PROT_NONE). */
static inline bool pte_present(pte_t pte)
{
	return (pte.pte & (_PAGE_PRESENT | _PAGE_PROTNONE)) != 0;
}

static inline bool pte_protnone(pte_t pte)
{
	return (pte.pte & (_PAGE_PRESENT | _PAGE_PROTNONE)) == _PAGE_PROTNONE;
}

static inline bool pte_write(pte_t pte)
{
	return (pte.pte & _PAGE_RW) != 0;
}

static inline bool pte_young(pte_t pte)
{
	return (pte.pte & _PAGE_ACCESSED) != 0;
}

static inline bool pte_dirty(pte_t pte)
{
	return (pte.pte & _PAGE_DIRTY) != 0;
}

static inline bool pte_special(pte_t pte)
{
	return (pte.pte & _PAGE_SPECIAL) != 0;
}

static inline bool pte_devmap(pte_t pte)
{
	return (pte.pte & _PAGE_DEVMAP) != 0;
}

/** At the PMD and PUD level: maps a page of that size. */
static inline bool pmd_leaf(pmd_t pmd)
{
	return pte_present(pmd) && (pmd.pte & (_PAGE_PSE | _PAGE_TABLE)) == _PAGE_PSE;
}

/** Names a table of the next level. */
static inline bool pmd_table(pmd_t pmd)
{
	return (pmd.pte & (_PAGE_PRESENT | _PAGE_TABLE)) == (_PAGE_PRESENT | _PAGE_TABLE);
}

static inline bool pte_same(pte_t a, pte_t b)
{
	return a.pte == b.pte;
}

/** First frame of a present entry, or the frame that a soft leaf names. */
static inline unsigned long pte_pfn(pte_t pte)
{
	return pte.pte >> PAGE_SHIFT;
}

/** prot: _PAGE_ bits. */
static inline pte_t pfn_pte(unsigned long pfn, unsigned long prot)
{
	return (pte_t){pfn << PAGE_SHIFT | prot};
}

static inline pte_t pte_set(pte_t pte, unsigned long bits)
{
	return (pte_t){pte.pte | bits};
}

static inline pte_t pte_clear_bits(pte_t pte, unsigned long bits)
{
	return (pte_t){pte.pte & ~bits};
}

static inline enum softleaf_type softleaf_type(pte_t pte)
{
	if (pte_none(pte) || pte_present(pte))
		return SOFTLEAF_NONE;
	return (enum softleaf_type)((pte.pte & SOFTLEAF_TYPE_MASK) >> SOFTLEAF_TYPE_SHIFT);
}

static inline pte_t softleaf_pte(unsigned long pfn, enum softleaf_type type)
{
	return (pte_t){pfn << PAGE_SHIFT | (unsigned long)type << SOFTLEAF_TYPE_SHIFT};
}

static inline bool softleaf_is_migration(pte_t pte)
{
	enum softleaf_type type = softleaf_type(pte);
	return type >= SOFTLEAF_MIGRATION_READ && type <= SOFTLEAF_MIGRATION_WRITE;
}

static inline bool softleaf_is_device_private(pte_t pte)
{
	enum softleaf_type type = softleaf_type(pte);
	return type == SOFTLEAF_DEVICE_PRIVATE_READ || type == SOFTLEAF_DEVICE_PRIVATE_WRITE;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/**
 * A table of 2^shift entries. Freed a grace period after it was taken out of the table above, under
 * both locks, when all tables below it are out: so a walk has to look twice at one level only. Who
 * takes tables out keeps pgtable_walk_alloc() away by mmap_lock for writing and the areas' locks.
 *
 * | word      | written by                                  | protected by                       |
 * |-----------|---------------------------------------------|------------------------------------|
 * | entry[]   | mappers; hardware: accessed and dirty bits   | ptl; PUD and above: the mm's lock  |
 * | deposited | who maps or takes away a leaf of this table | ptl                                |
 * | next      | who took the table out                       | nobody else has it                 |
 */
struct ptdesc {
	spinlock_t ptl;
	struct rcu_head rcu;
	/** Tables kept for the leaves of a PMD table, oldest first. */
	struct ptdesc *_Nullable deposited;
	struct ptdesc *_Nullable next;
	unsigned int shift;
	enum pgtable_level level;
	shared_t entry[];
} FOLIO_NONCOPYABLE;

/** A table without entries, or NULL. */
struct ptdesc *_Nullable pgtable_alloc(enum pgtable_level level, unsigned int shift);
/** At once: nobody else ever saw it. */
void pgtable_free(struct ptdesc *table);
/** After a grace period. Context: taken out of the table above. */
void pgtable_free_rcu(struct ptdesc *table);

static inline unsigned int pgtable_entries(const struct ptdesc *table)
{
	return 1u << table->shift;
}

/** The entry at an index below pgtable_entries(). */
static inline shared_t *pgtable_entry(struct ptdesc *table, unsigned long index)
{
	return &table->entry[index];
}

/** The table that the entry names. Context: pmd_table(). */
static inline struct ptdesc *pmd_page_table(pmd_t pmd)
{
	return (struct ptdesc *)(pmd.pte & ~(_PAGE_PRESENT | _PAGE_TABLE));
}

/* ---- entries in place ------------------------------------------------------------------------ */

/* In brackets: in a Lab build the site is that of the caller, see the end of this file. */

/** RLX. Context: the entry's lock, or the value is compared again under it. */
static inline pte_t ptep_get(const shared_t *ptep)
{
	return (pte_t){(shared_read)(ptep)};
}

/**
 * ACQ-LD: what was written before the entry was stored is seen: the references behind a leaf, the
 * entries of a table. Context: a read section, or a lock that keeps the tables.
 */
static inline pte_t ptep_get_lockless(const shared_t *ptep)
{
	return (pte_t){(shared_read_acquire)(ptep)};
}

/**
 * REL-ST (assumption: the kernel's plain store is ordered by barriers in front of it, which differ
 * by caller). Context: the entry's lock; the entry was none, or nothing in it may change by itself.
 */
static inline void set_pte_at(shared_t *ptep, pte_t pte)
{
	(shared_set_release)(ptep, pte.pte);
}

/** FULL: the old value, with the accessed and dirty bits as they are at that instant. */
static inline pte_t ptep_get_and_clear(shared_t *ptep)
{
	if (MUTANT(C59))
		return (pte_t){weakened_xchg(ptep, 0, memory_order_relaxed)};
	return (pte_t){(shared_xchg)(ptep, 0)};
}

/** FULL: another value for the old one, which is returned. */
static inline pte_t ptep_exchange(shared_t *ptep, pte_t pte)
{
	return (pte_t){(shared_xchg)(ptep, pte.pte)};
}

/** RLX read-modify-write: what the hardware sets meanwhile stays. Context: the entry's lock. */
static inline void ptep_clear_bits(shared_t *ptep, unsigned long bits)
{
	(clear_bits)(ptep, bits);
}

/** RLX read-modify-write: no store through the entry from the flush on. Context: as above. */
static inline void ptep_set_wrprotect(shared_t *ptep)
{
	(clear_bits)(ptep, _PAGE_RW);
}

/** RLX read-modify-write: more rights, accessed, dirty. Context: the entry's lock. */
static inline void ptep_set_access_flags(shared_t *ptep, unsigned long bits)
{
	(set_bits)(ptep, bits);
}

/** REL-ST: the table is complete. Context: the entry's lock; the entry is none. */
static inline void pmd_populate(shared_t *pmdp, struct ptdesc *table)
{
	(shared_set_release)(pmdp, (unsigned long)table | _PAGE_PRESENT | _PAGE_TABLE);
}

/** Keeps a table for a leaf of the PMD table; oldest goes first. Context: the PMD table's ptl. */
void pgtable_trans_huge_deposit(struct ptdesc *pmd_table, struct ptdesc *table);
/** The oldest one kept. Context: the PMD table's ptl; one was deposited for each such leaf. */
struct ptdesc *pgtable_trans_huge_withdraw(struct ptdesc *pmd_table);

FOLIO_ASSUME_NONNULL_END

#if defined(FOLIO_LAB)
#define ptep_get(...) SEAM_CALL(ptep_get, #__VA_ARGS__, __VA_ARGS__)
#define ptep_get_lockless(...) SEAM_CALL(ptep_get_lockless, #__VA_ARGS__, __VA_ARGS__)
#define set_pte_at(...) SEAM_CALL(set_pte_at, #__VA_ARGS__, __VA_ARGS__)
#define ptep_get_and_clear(...) SEAM_CALL(ptep_get_and_clear, #__VA_ARGS__, __VA_ARGS__)
#define ptep_exchange(...) SEAM_CALL(ptep_exchange, #__VA_ARGS__, __VA_ARGS__)
#define ptep_clear_bits(...) SEAM_CALL(ptep_clear_bits, #__VA_ARGS__, __VA_ARGS__)
#define ptep_set_wrprotect(...) SEAM_CALL(ptep_set_wrprotect, #__VA_ARGS__, __VA_ARGS__)
#define ptep_set_access_flags(...) SEAM_CALL(ptep_set_access_flags, #__VA_ARGS__, __VA_ARGS__)
#define pmd_populate(...) SEAM_CALL(pmd_populate, #__VA_ARGS__, __VA_ARGS__)
#endif

#endif
