// SPDX-License-Identifier: MIT
/*
 * Translations, flush and gather. See folio/tlb.h; mirrors the kernel's mmu_gather.c.
 */
#include <folio/bug.h>
#include <folio/thread.h>
#include <folio/tlb.h>

/* ---- translations ---------------------------------------------------------------------------- */

/* The calling thread is the map's one user, or one of several. */
static void note_user(struct mm_struct *mm)
{
	unsigned long own = folio_this_thread()->id;
	unsigned long user = READ_ONCE(mm->user);
	while (user != own && user != MM_USERS)
		if (shared_try_cmpxchg(&mm->user, &user, user ? MM_USERS : own))
			return;
}

/* The entry as it allows the access, its accessed and dirty bits set; none: it does not. */
static pte_t walk(struct mm_struct *mm, unsigned long address, bool write, unsigned long *size)
{
	const unsigned long bits = _PAGE_ACCESSED | (write ? _PAGE_DIRTY : 0);
	struct ptdesc *table = mm->pgd;
	for (;;) {
		shared_t *entry = pgtable_entry(table, mm_entry_index(mm, table->level, address));
		pte_t pte = ptep_get_lockless(entry);
		if (table->level > PGTABLE_LEVEL_PTE && pmd_table(pte)) {
			table = pmd_page_table(pte);
			continue;
		}
		if (!(pte.pte & _PAGE_PRESENT) || (write && !pte_write(pte)))
			return (pte_t){0};
		*size = mm_entry_size(mm, table->level);
		/* Another value than the one judged is judged again. */
		unsigned long expected = pte.pte;
		if ((pte.pte & bits) == bits ||
		    shared_try_cmpxchg(entry, &expected, pte.pte | bits))
			return pte_set(pte, bits);
	}
}

bool mmu_begin(struct mm_struct *mm, unsigned long address, bool write,
	       struct translation *translation)
{
	if (address >= mm_task_size(mm))
		return false;
	note_user(mm);
	translation->section = srcu_read_lock(&mm->translations);
	rcu_read_lock();
	unsigned long size = 0;
	pte_t pte = walk(mm, address, write, &size);
	rcu_read_unlock();
	if (pte_none(pte)) {
		srcu_read_unlock(&mm->translations, translation->section);
		return false;
	}
	translation->pfn = pte_pfn(pte) + (address & (size - 1)) / PAGE_SIZE;
	return true;
}

void mmu_end(struct mm_struct *mm, const struct translation *translation)
{
	srcu_read_unlock(&mm->translations, translation->section);
}

void flush_tlb_mm(struct mm_struct *mm)
{
	smp_mb();
	unsigned long user = READ_ONCE(mm->user);
	if (user != 0 && user != folio_this_thread()->id)
		synchronize_srcu(&mm->translations);
}

/* ---- the gather ------------------------------------------------------------------------------ */

void tlb_gather_mmu(struct mmu_gather *tlb, struct mm_struct *mm)
{
	tlb->mm = mm;
	tlb->need_flush = false;
	tlb->delayed_rmap = false;
	tlb->nr = 0;
	tlb->tables = NULL;
	/* In front of the first cleared entry; see tlb_finish_mmu(). */
	(void)atomic_add_return(1, &mm->tlb_flush_pending);
}

bool tlb_remove_folio_pages(struct mmu_gather *tlb, struct page *page, unsigned int nr,
			    bool delay_rmap)
{
	unsigned long bits = (delay_rmap ? ENCODED_PAGE_BIT_DELAY_RMAP : 0) |
			     (nr > 1 ? ENCODED_PAGE_BIT_NR_PAGES_NEXT : 0);
	FOLIO_BUG_ON(tlb->nr + 2 > MMU_GATHER_BUNDLE, "CI51", page,
		     "a page for a batch that said it was full");
	tlb->need_flush = true;
	tlb->delayed_rmap |= delay_rmap;
	tlb->pages[tlb->nr++] = encode_page(page, bits);
	if (nr > 1)
		tlb->pages[tlb->nr++] = encode_nr_pages(nr);
	return tlb->nr + 2 > MMU_GATHER_BUNDLE;
}

void tlb_remove_page(struct mmu_gather *tlb, struct page *page)
{
	if (tlb_remove_folio_pages(tlb, page, 1, false))
		tlb_flush_mmu(tlb);
}

void tlb_remove_table(struct mmu_gather *tlb, struct ptdesc *table)
{
	tlb->need_flush = true;
	table->next = tlb->tables;
	tlb->tables = table;
}

void tlb_flush_mmu_tlbonly(struct mmu_gather *tlb)
{
	if (!tlb->need_flush)
		return;
	flush_tlb_mm(tlb->mm);
	tlb->need_flush = false;
}

void tlb_flush_rmaps(struct mmu_gather *tlb)
{
	if (!tlb->delayed_rmap)
		return;
	FOLIO_BUG_ON(tlb->need_flush, "CI51", NULL,
		     "delayed mapping counts are dropped in front of the flush");
	for (unsigned int i = 0; i < tlb->nr; i++) {
		unsigned long word = (unsigned long)tlb->pages[i];
		struct page *page = (struct page *)(word & ~3UL);
		/* Once. */
		tlb->pages[i] = (struct encoded_page *)(word & ~ENCODED_PAGE_BIT_DELAY_RMAP);
		int nr = 1;
		if (word & ENCODED_PAGE_BIT_NR_PAGES_NEXT)
			nr = (int)((unsigned long)tlb->pages[++i] >> 2);
		if (word & ENCODED_PAGE_BIT_DELAY_RMAP)
			folio_remove_rmap_ptes(page_folio(page), page, nr, tlb->mm->mm_id);
	}
	tlb->delayed_rmap = false;
}

void tlb_flush_mmu(struct mmu_gather *tlb)
{
	FOLIO_BUG_ON(tlb->delayed_rmap, "CI51", NULL,
		     "references go before the mapping counts that were delayed");
	if (!MUTANT(C48))
		tlb_flush_mmu_tlbonly(tlb);
	free_pages_and_swap_cache(tlb->pages, (int)tlb->nr);
	tlb->nr = 0;
	while (tlb->tables) {
		struct ptdesc *table = tlb->tables;
		tlb->tables = table->next;
		table->next = NULL;
		pgtable_free_rcu(table);
		atomic_long_add(-1, &tlb->mm->pgtables);
	}
}

void tlb_finish_mmu(struct mmu_gather *tlb)
{
	/*
	 * Another gather may have cleared entries that this one found empty, and not flushed yet:
	 * who asked for this removal may rely on its end all the same.
	 */
	if (atomic_read(&tlb->mm->tlb_flush_pending) > 1 && !MUTANT(P98))
		tlb->need_flush = true;
	tlb_flush_mmu(tlb);
	(void)atomic_sub_return(1, &tlb->mm->tlb_flush_pending);
}
