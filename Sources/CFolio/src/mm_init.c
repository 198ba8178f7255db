// SPDX-License-Identifier: MIT
/*
 * The first and the last look at struct pages: initial counts of device pages (spec: core.md 5.2)
 * and of RAM, handing device pages out, and what must hold before the array's memory goes. Mirrors
 * the kernel's mm_init.c.
 */
#include <folio/compound.h>
#include <folio/memremap.h>
#include <folio/mutant.h>
#include <folio/vmemmap.h>

/* R is 0 until everything else is there: a lookup may see the page before (get_dev_pagemap). */
static void init_page(struct page *page, unsigned long flags)
{
	WRITE_ONCE(page->flags, flags);
	WRITE_ONCE(page->lru_next, 0);
	WRITE_ONCE(page->lru_prev, 0);
	WRITE_ONCE(page->mapping, 0);
	WRITE_ONCE(page->__folio_index, 0);
	WRITE_ONCE(page->private, 0);
	atomic_set(&page->_mapcount, -1);
	atomic_set(&page->_refcount, 0);
	WRITE_ONCE(page->memcg_data, 0);
}

/* REL: whoever takes a reference from here on sees the whole page, and its tails. */
static void publish_idle_count(struct page *head, const struct dev_pagemap *pgmap)
{
	int idle = pgmap_idle_count(pgmap);
	if (idle)
		atomic_set_release(&head->_refcount, idle);
}

static void init_device_page(struct page *page, struct dev_pagemap *pgmap)
{
	init_page(page, (unsigned long)ZONE_DEVICE << ZONES_PGSHIFT | BIT(PG_reserved));
	if (MUTANT(P74))
		publish_idle_count(page, pgmap);
	WRITE_ONCE(page->compound_head, pgmap);
}

void __init_zone_device_page(struct page *page, struct dev_pagemap *pgmap)
{
	init_device_page(page, pgmap);
	publish_idle_count(page, pgmap);
}

static void memmap_init_compound(struct page *head, struct dev_pagemap *pgmap)
{
	set_bits(&head->flags, BIT(PG_head));
	for (unsigned long i = 1; i < pgmap_vmemmap_nr(pgmap); i++) {
		init_device_page(head + i, pgmap);
		prep_compound_tail(head, i);
	}
	/* Last: page 2's own initialisation would overwrite the head's list. */
	prep_compound_head(head, (unsigned int)pgmap->vmemmap_shift);
}

void memmap_init_zone_device(struct dev_pagemap *pgmap, unsigned long pfn, unsigned long nr_pages)
{
	unsigned long step = pgmap_vmemmap_nr(pgmap);
	for (unsigned long i = 0; i < nr_pages; i += step) {
		struct page *page = pfn_to_page(pfn + i);
		init_device_page(page, pgmap);
		if (step > 1)
			memmap_init_compound(page, pgmap);
		publish_idle_count(page, pgmap);
	}
}

void cfolio_hand_out_page(struct page *page)
{
	const struct dev_pagemap *pgmap = page_pgmap(page);
	FOLIO_BUG_ON(page_ref_count(page) != pgmap_idle_count(pgmap),
		     pgmap->type == MEMORY_DEVICE_PCI_P2PDMA ? "CI27" : "CI26", page,
		     "a page in use handed out again");
	set_page_count(page, 1);
}

void zone_device_page_init(struct page *page)
{
	struct dev_pagemap *pgmap = page_pgmap(page);
	FOLIO_WARN_ON(!MUTANT(P28) && !percpu_ref_tryget_live(&pgmap->ref), page,
		      "page handed out by a dying map");
	cfolio_hand_out_page(page);
	/* Waits: from R = 1 on whoever finds the page by its frame may lock it, as evictions do. */
	if (MUTANT(P120))
		(void)!folio_trylock(page_folio(page));
	else
		folio_lock(page_folio(page));
}

/* ---- before struct pages go ------------------------------------------------------------------ */

unsigned long cfolio_first_busy_frame(int idle, unsigned long start, unsigned long end)
{
	for (unsigned long pfn = start; pfn < end; pfn++) {
		const struct page *page = pfn_to_page(pfn);
		bool tail = PageTail(page);
		if (page_ref_count(page) != (tail ? 0 : idle))
			return pfn;
		if (!tail &&
		    (folio_mapped((const struct folio *)page) ||
		     (PageHead(page) && folio_maybe_dma_pinned((const struct folio *)page))))
			return pfn;
	}
	return FOLIO_NO_PFN;
}

bool cfolio_frees_in_progress(unsigned long start, unsigned long end)
{
	for (unsigned long pfn = start; pfn < end; pfn++) {
		const struct page *page = pfn_to_page(pfn);
		/* The word of page 1 of a folio belongs to the head's counters: prep waited. */
		if (compound_head(page) == page - 1)
			continue;
		if (smp_load_acquire(&page->memcg_data) != 0)
			return true;
	}
	return false;
}

/* ---- RAM ------------------------------------------------------------------------------------- */

static shared_t ram_free; /* cfolio_ram_free_t; set before RAM is used */

cfolio_ram_free_t cfolio_ram_set_free(cfolio_ram_free_t free_folio)
{
	return (cfolio_ram_free_t)shared_xchg(&ram_free, (unsigned long)free_folio);
}

void cfolio_ram_free_folio(struct folio *folio)
{
	cfolio_ram_free_t free_folio = (cfolio_ram_free_t)smp_load_acquire(&ram_free);
	FOLIO_BUG_ON(!free_folio, "CI22", &folio->page, "RAM page freed and nobody owns RAM");
	free_folio(folio);
}

static shared_t ram_alloc; /* cfolio_ram_alloc_t; set before RAM is used */

cfolio_ram_alloc_t cfolio_ram_set_alloc(cfolio_ram_alloc_t alloc_folio)
{
	return (cfolio_ram_alloc_t)shared_xchg(&ram_alloc, (unsigned long)alloc_folio);
}

struct folio *cfolio_ram_alloc_folio(unsigned int order)
{
	cfolio_ram_alloc_t alloc_folio = (cfolio_ram_alloc_t)smp_load_acquire(&ram_alloc);
	return alloc_folio ? alloc_folio(order) : NULL;
}

void cfolio_ram_init_page(struct page *page)
{
	init_page(page, (unsigned long)ZONE_NORMAL << ZONES_PGSHIFT);
}

void cfolio_ram_init_pages(unsigned long pfn, unsigned long nr_pages)
{
	for (unsigned long i = 0; i < nr_pages; i++)
		cfolio_ram_init_page(pfn_to_page(pfn + i));
}
