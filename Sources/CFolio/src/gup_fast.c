// SPDX-License-Identifier: MIT
/*
 * The fast walk (spec: core.md 12.6). See folio/gup.h; mirrors the fast half of the kernel's gup.c.
 *
 * Why a page that it returns was mapped while its reference was held (CI41):
 *   1. The read section keeps every table that the walk enters (freed a grace period after it was
 *      taken out), so entries can be read, but not that they stay.
 *   2. The reference is taken by try_grab_folio_fast(), or its one step for small folios: the folio
 *      contains the page then (CI37), and a full barrier follows.
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
	unsigned long uncounted; /**< zero pages among them, whose pins count nowhere */
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

/* The page is marked, not the entry, which may be somebody else's by now. */
static inline void mark_referenced(struct folio *folio, shared_t *entry)
{
	if (!folio_test_flag(folio, PG_referenced))
		folio_set_flag(folio, PG_referenced);
	if (MUTANT(P76))
		set_bits(entry, _PAGE_ACCESSED);
}

/* nr pages from this one on, which the entry maps, are the caller's. */
static void record(struct walk *w, shared_t *entry, struct folio *folio, struct page *page,
		   unsigned long nr)
{
	if (unlikely(is_zero(folio)))
		w->uncounted += nr;
	mark_referenced(folio, entry);
	struct page **pages = w->pages + w->nr;
	for (unsigned long i = 0; i < nr; i++)
		pages[i] = page + i;
	w->nr += nr;
}

/* Gives back what was recorded behind the first nr pages. */
static void undo(struct walk *w, unsigned long nr)
{
	while (w->nr > nr) {
		struct folio *folio = page_folio(w->pages[--w->nr]);
		if (is_zero(folio))
			w->uncounted--;
		gup_put_folio(folio, 1, w->flags);
	}
}

/* The second look, behind the references, at the entry. early: there was one before (C13). */
static inline bool still_there(const shared_t *entry, pte_t pte, bool early)
{
	return MUTANT(C12) || early || pte_same(ptep_get(entry), pte);
}

/* And at the one that named its table. */
static inline bool table_still_there(const shared_t *above, pmd_t pmd)
{
	return MUTANT(C15) || pte_same(ptep_get(above), pmd);
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
	/* Of a leaf the first page says whether all of them are exclusive. */
	const struct page *exclusive = above ? page : &folio->page;
	if (!still_there(entry, pte, early) || (above && !table_still_there(above, pmd)) ||
	    !folio_allowed(folio, w->flags) || must_unshare(pte, w->flags, folio, exclusive)) {
		gup_put_folio(folio, (int)nr, w->flags);
		return false;
	}
	record(w, entry, folio, page, nr);
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
	if (MUTANT(C44))
		return true;
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
			record(w, entry, folio, page, 1);
	}
	cfolio_walk_put_pagemap(held);
	done = done && pte_same(ptep_get(entry), pmd);
	if (!done)
		undo(w, first);
	return done;
}

/* The entries of one PTE table. */
struct table_walk {
	const shared_t *above;	  /**< names the table, */
	pmd_t pmd;		  /**< by this */
	unsigned long first;	  /**< pages that were recorded before */
	struct dev_pagemap *held; /**< of legacy entries, see hold_map() */
	unsigned long ordinary;	  /**< a map that is_ordinary() said yes of, or NO_MAP */
};

/* A word that no page has: one that is caught empty has to be asked about (C29). */
#define NO_MAP 1UL

/*
 * The map of a device page: is it one whose pages may be pinned without FOLL_PCI_P2PDMA? Asked once
 * for each of a table's maps, which stay what they are: the walk has a reference on a page of it
 * from there on, or forgets it.
 */
static __attribute__((noinline)) bool is_ordinary(struct table_walk *t, unsigned long map)
{
	if (!map || (map & 1) || ((struct dev_pagemap *)map)->type == MEMORY_DEVICE_PCI_P2PDMA)
		return false;
	t->ordinary = map;
	return true;
}

/*
 * try_grab_folio_fast() of a page that is a folio of its own, in one step: `weight` references.
 * False: nothing is taken, and that function has to be asked itself.
 *   1. What is read in front of the add says only whether it is worth a try: not for a large folio,
 *      the zero page, peer-to-peer memory, or while somebody is told of every change.
 *   2. The add is FULL and succeeds while R > 0 only. So the page is no tail, whose R is 0 (CI7);
 *      and since R leaves 0 by releases only, PG_head as it is read behind the add is no older than
 *      the life that the page is in (T10).
 *   3. A folio with R > 0 keeps its shape (CI33). Small behind the add, it is small for as long as
 *      the references are ours; they are what 12.4 adds to it, a first one and the rest of the
 *      bias. Large by now, it has them back, and no pin was counted.
 */
static inline bool try_grab_small(struct table_walk *t, struct page *page, int weight,
				  const struct page *zero)
{
	struct folio *folio = (struct folio *)page;
	const unsigned long flags = READ_ONCE(page->flags);
	if (unlikely(folio_events_pending() || (flags & BIT(PG_head)) || page == zero ||
		     page_ref_count(page) <= 0))
		return false;
	if (likely(flags >> ZONES_PGSHIFT == ZONE_DEVICE)) {
		unsigned long map = folio_pgmap_word(folio);
		if (unlikely(map != t->ordinary) && !is_ordinary(t, map))
			return false;
	}
	if (likely(page_ref_add_unless_quiet(page, weight, 0))) {
		if (likely(!folio_test_large(folio)) || MUTANT(C22))
			return true;
		gup_put_folio(folio, weight, FOLL_GET);
	}
	t->ordinary = NO_MAP;
	return false;
}

/*
 * What an entry maps in the long way: legacy device pages, parts of large folios, pins of long
 * term, and whatever try_grab_small() leaves alone. False: stop.
 */
static __attribute__((noinline)) bool grab_other(struct walk *w, struct table_walk *t,
						 shared_t *ptep, pte_t pte)
{
	if (!allowed(pte, w->flags))
		return false;
	if (unlikely(pte_devmap(pte)) && !hold_map(w, pte_pfn(pte), &t->held, t->first))
		return false;
	return grab(w, ptep, pte, t->above, t->pmd, pte_pfn(pte), 1);
}

/*
 * The entries of a PTE table, as far as they go. What they all have in common is worked out once,
 * and small folios meet no call: the two atomic operations of a pin and its unpin are most of what
 * it costs.
 */
static __attribute__((noinline)) bool walk_ptes(struct walk *w, shared_t *pmdp, pmd_t pmd,
						unsigned long address, unsigned long end)
{
	const unsigned int flags = w->flags;
	const int weight = flags & FOLL_PIN ? GUP_PIN_COUNTING_BIAS + MUTANT(C20) : 1;
	/* Named before anything is mapped (cfolio_set_zero_folios()). */
	const struct page *const zero = cfolio_zero_page_now();
	/*
	 * Those of these bits that a plain entry has. Pins by one that forbids stores have more to
	 * ask of a folio (must_unshare()), and so have pins of long term (folio_allowed(),
	 * try_grab_folio_fast()): for them no entry is plain, as FOLL_LONGTERM is none of the bits.
	 */
	const unsigned long wanted =
		_PAGE_PRESENT | (flags & (FOLL_PIN | FOLL_WRITE) ? _PAGE_RW : 0);
	const unsigned long bits = wanted | _PAGE_SPECIAL | _PAGE_DEVMAP;
	const unsigned long plain = wanted | (flags & FOLL_LONGTERM);
	_Static_assert(!((_PAGE_PRESENT | _PAGE_RW | _PAGE_SPECIAL | _PAGE_DEVMAP) & FOLL_LONGTERM),
		       "an entry would look like one of a long-term pin");
	struct table_walk t = {
		.above = pmdp, .pmd = pmd, .first = w->nr, .ordinary = MUTANT(P121) ? 0 : NO_MAP};
	struct page **const pages = w->pages;
	const unsigned long last = w->nr + ((end - address + PAGE_SIZE - 1) >> PAGE_SHIFT);
	unsigned long nr = w->nr;
	shared_t *ptep = pgtable_entry(pmd_page_table(pmd),
				       mm_entry_index(w->mm, PGTABLE_LEVEL_PTE, address));
	for (; nr < last; ptep++) {
		pte_t pte = ptep_get_lockless(ptep);
		struct page *page = pfn_to_page(pte_pfn(pte));
		bool early = MUTANT(C13) && pte_same(ptep_get(ptep), pte);
		if (likely((pte.pte & bits) == plain) && try_grab_small(&t, page, weight, zero)) {
			struct folio *folio = (struct folio *)page;
			if (unlikely(!still_there(ptep, pte, early) ||
				     !table_still_there(pmdp, pmd))) {
				gup_put_folio(folio, 1, flags);
				break;
			}
			mark_referenced(folio, ptep);
			pages[nr++] = page;
			continue;
		}
		w->nr = nr;
		bool goes_on = grab_other(w, &t, ptep, pte);
		nr = w->nr;
		if (!goes_on)
			break;
	}
	w->nr = nr;
	cfolio_walk_put_pagemap(t.held);
	return nr >= last;
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
	struct walk w = {.mm = mm, .flags = flags, .pages = pages, .nr = 0, .uncounted = 0};
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
	if ((flags & FOLL_PIN) && w.nr > w.uncounted)
		count_foll_pins((long)(w.nr - w.uncounted), 0);
	return w.nr;
}
