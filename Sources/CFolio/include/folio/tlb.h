/* SPDX-License-Identifier: MIT */
/*
 * Translations in use, and the gather that keeps what they lead to until they are gone (spec:
 * core.md 10.1, 10.5). Mirrors the kernel's asm-generic/tlb.h and mmu_gather.c.
 *
 * What hardware does here is done by a thread that touches memory: it walks the tables, sets the
 * accessed and dirty bits, and then uses the translation without looking again, as a CPU uses its
 * TLB. It does so in a section of the map's SRCU object. So the flush is real: it waits until every
 * section that may have walked before has ended.
 *
 * A map that only the calling thread ever touched has nobody to wait for. Why that may be asked
 * without a lock: the map names its user before that thread's first section, which begins by a full
 * barrier, and then entries are read; who unmaps clears the entry by a FULL operation and then
 * reads the user. One of them sees the other (store buffering; a third thread may have stored the
 * name, the barrier is behind the read of it then).
 */
#ifndef FOLIO_TLB_H
#define FOLIO_TLB_H

#include <folio/mmap.h>

FOLIO_ASSUME_NONNULL_BEGIN

/* ---- translations ---------------------------------------------------------------------------- */

/** A translation in use by one thread. */
struct translation {
	unsigned long pfn; /**< the frame that the address leads to */
	int section;
};

/**
 * Looks the address up as a load, or a store, would: present, with the right, accessed (and dirty)
 * from now on. True: the translation may be used until mmu_end(). False: a fault is needed. Never
 * blocks; no lock may be taken in between.
 */
bool mmu_begin(struct mm_struct *mm, unsigned long address, bool write,
	       struct translation *translation) __must_check;
/** The end of its use: flushes stop waiting for it. FULL. */
void mmu_end(struct mm_struct *mm, const struct translation *translation);

/**
 * Waits until no translation is in use that was looked up before. FULL. Context: any lock but the
 * caller's own translation.
 */
void flush_tlb_mm(struct mm_struct *mm);

/**
 * What a frame holds, as far as Folio keeps contents: one word, zero at first, enough to tell
 * writes apart (ours; the kernel's pages are bytes). NULL: no such frame, or
 * no address space for the words. Written
 * by whoever has a translation for writing, or owns the page.
 */
shared_t *_Nullable cfolio_frame_word(unsigned long pfn);

/* ---- the gather ------------------------------------------------------------------------------ */

/** Words of a batch: pages, and counts behind those that stand for several. */
#define MMU_GATHER_BUNDLE 64

/** One thread's removal of entries: nothing it removed is given back before the flush. */
struct mmu_gather {
	struct mm_struct *_Null_unspecified mm;
	bool need_flush;   /**< an entry was cleared */
	bool delayed_rmap; /**< mapping counts are still to be dropped */
	unsigned int nr;
	struct encoded_page *_Null_unspecified pages[MMU_GATHER_BUNDLE];
	struct ptdesc *_Nullable tables;
} FOLIO_NONCOPYABLE;

/**
 * Begins a gather, which others see from now on: FULL, in front of the first cleared entry. Ends by
 * tlb_finish_mmu(). Context: mmap_lock, or i_mmap of the mapping whose entries go.
 */
void tlb_gather_mmu(struct mmu_gather *tlb, struct mm_struct *mm);
/** An entry was cleared. Context: its lock. */
static inline void tlb_remove_tlb_entry(struct mmu_gather *tlb)
{
	tlb->need_flush = true;
}

/**
 * Keeps nr references of consecutive pages of one folio for the flush. delay_rmap: their mapping
 * counts too. True: the batch is full and has to be flushed before the next. Context: the entry's
 * lock.
 */
bool tlb_remove_folio_pages(struct mmu_gather *tlb, struct page *page, unsigned int nr,
			    bool delay_rmap) __must_check;
/** One reference; for a huge leaf. Flushes by itself when it is full. Context: no page-table lock.
 */
void tlb_remove_page(struct mmu_gather *tlb, struct page *page);
/** A table that was taken out of the one above. */
void tlb_remove_table(struct mmu_gather *tlb, struct ptdesc *table);

/** The flush alone. Context: any. */
void tlb_flush_mmu_tlbonly(struct mmu_gather *tlb);
/** Drops the mapping counts that were delayed. Context: the entries' lock; flushed. */
void tlb_flush_rmaps(struct mmu_gather *tlb);
/** The flush, then references and tables go. Context: no page-table lock. */
void tlb_flush_mmu(struct mmu_gather *tlb);
/** The same, and the end; also flushes what a gather beside this one may have cleared. */
void tlb_finish_mmu(struct mmu_gather *tlb);

FOLIO_ASSUME_NONNULL_END

#endif
