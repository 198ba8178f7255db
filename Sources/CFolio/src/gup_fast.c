// SPDX-License-Identifier: MIT
/*
 * The fast walk (spec: core.md 12.6). See folio/gup.h; mirrors the fast half of the kernel's gup.c.
 *
 * Why a page that it returns was mapped while its reference was held (CI41):
 *   1. The read section keeps every table that the walk enters (freed a grace period after it was
 *      taken out), so entries can be read, but not that they stay.
 *   2. The reference is taken by try_grab_folio_fast(): the folio contains the page then (CI37),
 * and a full barrier follows.
 *   3. The entry, and above a PTE table the entry that named the table, are read again behind it.
 *      The same values: the entry was in place at that instant, with the reference held. Others: it
 *      is given back.
 *   4. Who takes the entry away clears it by a FULL operation before looking at the counters, so of
 *      the two at least one sees the other (T3).
 * An entry that was cleared and set again to the same value in between maps the same page.
 */
#include <folio/gup.h>
#include <folio/memremap.h>

/* One call. */
struct walk {
	struct mm_struct *mm;
	unsigned int flags;
	struct page **pages;
	unsigned long nr;
	long pins; /**< pins that count; zero pages do not */
};

static bool allowed(pte_t pte, unsigned int flags)
{
	if (!(pte.pte & _PAGE_PRESENT) || (pte_special(pte) && !pte_devmap(pte)))
		return false;
	return !(flags & FOLL_WRITE) || pte_write(pte);
}

/*
 * A page that may be written later through another mapping must not be pinned for reading before it
 * is this one's alone. The acquire pairs with the barrier of folio_try_share_anon_rmap_pte():
 * behind the reference, which was in front of the second look at the entry (T6).
 */
static bool must_unshare(pte_t pte, unsigned int flags, const struct folio *folio,
			 const struct page *page)
{
	if (!(flags & FOLL_PIN) || pte_write(pte))
		return false;
	/* A private mapping of a file would replace the page; which area it is nobody knows here.
	 */
	if (!folio_test_anon(folio))
		return (flags & FOLL_LONGTERM) != 0;
	smp_rmb();
	return !(READ_ONCE(page->flags) & BIT(PG_anon_exclusive));
}

/*
 * Long-term pins for writing need pages that no file system has to track (12.6). Folio has no
 * secret memory, which is the other reason the kernel looks at the mapping for.
 */
static bool folio_allowed(const struct folio *folio, unsigned int flags)
{
	const unsigned int asked = FOLL_PIN | FOLL_LONGTERM | FOLL_WRITE;
	if ((flags & asked) != asked)
		return true;
	unsigned long mapping = READ_ONCE(folio->mapping);
	return mapping != 0 && (mapping & FOLIO_MAPPING_ANON);
}

static bool is_zero(const struct folio *folio)
{
	return is_zero_folio(folio) || is_huge_zero_folio(folio);
}

/* nr pages from this one on are the caller's. */
static void record(struct walk *w, struct folio *folio, struct page *page, unsigned long nr)
{
	if ((w->flags & FOLL_PIN) && !is_zero(folio))
		w->pins += (long)nr;
	/* The page is marked, not the entry, which may be somebody else's by now. */
	if (!folio_test_flag(folio, PG_referenced))
		folio_set_flag(folio, PG_referenced);
	for (unsigned long i = 0; i < nr; i++)
		w->pages[w->nr++] = page + i;
}

/* Gives back what was recorded behind the first nr pages. */
static void undo(struct walk *w, unsigned long nr)
{
	while (w->nr > nr) {
		struct folio *folio = page_folio(w->pages[--w->nr]);
		if ((w->flags & FOLL_PIN) && !is_zero(folio))
			w->pins--;
		gup_put_folio(folio, 1, w->flags);
	}
}

/* Takes nr references on the page and those behind it, which `entry` maps; false: stop. */
static bool grab(struct walk *w, shared_t *entry, pte_t pte, const shared_t *above, pmd_t pmd,
		 unsigned long pfn, unsigned long nr)
{
	struct page *page = pfn_to_page(pfn);
	bool early = MUTANT(C13) && pte_same(ptep_get(entry), pte);
	struct folio *folio = try_grab_folio_fast(page, (int)nr, w->flags);
	if (!folio)
		return false;
	bool same = (MUTANT(C12) || early || pte_same(ptep_get(entry), pte)) &&
		    (!above || MUTANT(C15) || pte_same(ptep_get(above), pmd));
	/* Of a leaf the first page says whether all of them are exclusive. */
	const struct page *exclusive = above ? page : &folio->page;
	if (!same || !folio_allowed(folio, w->flags) ||
	    must_unshare(pte, w->flags, folio, exclusive)) {
		gup_put_folio(folio, (int)nr, w->flags);
		return false;
	}
	record(w, folio, page, nr);
	if (MUTANT(P76))
		set_bits(entry, _PAGE_ACCESSED);
	return true;
}

/*
 * A legacy entry owns no reference, so its page may be one of a map that is going away: that is
 * held while a reference is taken. False: stop, and where there is no live map nothing that was
 * recorded behind the first `nr` pages stays.
 */
static __cold bool hold_map(struct walk *w, unsigned long pfn, struct dev_pagemap **held,
			    unsigned long nr)
{
	if (w->flags & FOLL_LONGTERM)
		return false;
	*held = cfolio_walk_get_pagemap(pfn, *held);
	if (!*held)
		undo(w, nr);
	return *held != NULL;
}

/*
 * The pages of a legacy leaf, which may be folios of their own: one by one. The second look at the
 * leaf is behind the last of them; when it has changed none of them stays.
 */
static __cold bool grab_uncounted(struct walk *w, shared_t *entry, pmd_t pmd, unsigned long pfn,
				  unsigned long nr)
{
	const unsigned long first = w->nr;
	struct dev_pagemap *held = NULL;
	bool done = true;
	for (unsigned long i = 0; i < nr && done; i++) {
		struct page *page = pfn_to_page(pfn + i);
		struct folio *folio = NULL;
		done = hold_map(w, pfn + i, &held, first) &&
		       (folio = try_grab_folio_fast(page, 1, w->flags));
		if (done)
			record(w, folio, page, 1);
	}
	cfolio_walk_put_pagemap(held);
	done = done && pte_same(ptep_get(entry), pmd);
	if (!done)
		undo(w, first);
	return done;
}

/* The entries of a PTE table, as far as they go. */
static bool walk_ptes(struct walk *w, shared_t *pmdp, pmd_t pmd, unsigned long address,
		      unsigned long end)
{
	struct ptdesc *table = pmd_page_table(pmd);
	unsigned long index = mm_entry_index(w->mm, PGTABLE_LEVEL_PTE, address);
	const unsigned long first = w->nr;
	struct dev_pagemap *held = NULL;
	for (; address < end; address += PAGE_SIZE, index++) {
		shared_t *ptep = pgtable_entry(table, index);
		pte_t pte = ptep_get_lockless(ptep);
		if (!allowed(pte, w->flags))
			break;
		if (unlikely(pte_devmap(pte)) && !hold_map(w, pte_pfn(pte), &held, first))
			break;
		if (!grab(w, ptep, pte, pmdp, pmd, pte_pfn(pte), 1))
			break;
	}
	cfolio_walk_put_pagemap(held);
	return address >= end;
}

/* The entries of one level from address to end, which lie in one table of it. */
static bool walk_level(struct walk *w, struct ptdesc *table, unsigned long address,
		       unsigned long end)
{
	const unsigned long size = mm_entry_size(w->mm, table->level);
	unsigned long next;
	for (; address < end; address = next) {
		shared_t *entry =
			pgtable_entry(table, mm_entry_index(w->mm, table->level, address));
		pmd_t pmd = ptep_get_lockless(entry);
		next = (address & ~(size - 1)) + size;
		if (next > end)
			next = end;
		bool done = false;
		if (pmd_leaf(pmd)) {
			unsigned long pfn = pte_pfn(pmd) + ((address & (size - 1)) >> PAGE_SHIFT);
			unsigned long nr = (next - address) >> PAGE_SHIFT;
			if (!allowed(pmd, w->flags))
				return false;
			done = unlikely(pte_devmap(pmd))
				       ? grab_uncounted(w, entry, pmd, pfn, nr)
				       : grab(w, entry, pmd, NULL, (pmd_t){0}, pfn, nr);
		} else if (pmd_table(pmd)) {
			done = table->level == PGTABLE_LEVEL_PMD
				       ? walk_ptes(w, entry, pmd, address, next)
				       : walk_level(w, pmd_page_table(pmd), address, next);
		}
		if (!done)
			return false;
	}
	return true;
}

unsigned long gup_fast(struct mm_struct *mm, unsigned long start, unsigned long end,
		       unsigned int flags, struct page **pages)
{
	struct walk w = {.mm = mm, .flags = flags, .pages = pages, .nr = 0, .pins = 0};
	int sequence = 0;
	if (FOLIO_WARN_ON(!(flags & FOLL_GET) == !(flags & FOLL_PIN), NULL,
			  "gup_fast with both or neither of FOLL_GET and FOLL_PIN") ||
	    end > mm_task_size(mm))
		return 0;
	if (flags & FOLL_PIN) {
		/* In front of the first pin: a fork that sees none need not look (MMF_HAS_PINNED).
		 */
		if (!atomic_read(&mm->has_pinned))
			(void)atomic_xchg(&mm->has_pinned, 1);
		sequence = atomic_read_acquire(&mm->write_protect_seq);
		if ((sequence & 1) && !MUTANT(C18))
			return 0;
	}
	if (!MUTANT(C16))
		rcu_read_lock();
	(void)walk_level(&w, mm->pgd, start, end);
	if (!MUTANT(C16))
		rcu_read_unlock();
	/* Each pin was followed by a full barrier, so a fork that missed one has changed this. */
	if ((flags & FOLL_PIN) && !MUTANT(C17) && atomic_read(&mm->write_protect_seq) != sequence) {
		undo(&w, 0);
		return 0;
	}
	if (w.pins)
		count_foll_pins(w.pins, 0);
	return w.nr;
}
