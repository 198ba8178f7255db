// SPDX-License-Identifier: MIT
/*
 * Runs one operation many times for run.sh, which counts instructions: driver OPERATION ITERATIONS.
 * What is done once - the map, the loader - cancels out of the difference of two runs. With
 * -DPLANTED each operation has one load more, which the thresholds must notice.
 */
#include <CFolio.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES = 1024 };

#if defined(PLANTED)
/* A load that no compiler may drop. */
#define PLANT(page) (void)READ_ONCE((page)->private)
#else
#define PLANT(page) (void)(page)
#endif

static void get_put(unsigned long first, long iterations)
{
	for (long i = 0; i < iterations; i++) {
		struct folio *folio = (struct folio *)pfn_to_page(first + (unsigned long)i % PAGES);
		PLANT(&folio->page);
		folio_get(folio);
		folio_put(folio);
	}
}

static void try_get(unsigned long first, long iterations)
{
	for (long i = 0; i < iterations; i++) {
		struct folio *folio = (struct folio *)pfn_to_page(first + (unsigned long)i % PAGES);
		PLANT(&folio->page);
		if (!folio_try_get(folio))
			abort();
		folio_put(folio);
	}
}

/* A page by its number, its folio, one reference more, and back. */
static void try_get_folio_put(unsigned long first, long iterations)
{
	for (long i = 0; i < iterations; i++) {
		struct page *page = pfn_to_page(first + (unsigned long)i % PAGES);
		PLANT(page);
		struct folio *folio = try_get_folio(page, 1);
		if (!folio)
			abort();
		folio_put(folio);
	}
}

/* Frame number to page to device map, as a walker does it. */
static void lookup(unsigned long first, long iterations)
{
	for (long i = 0; i < iterations; i++) {
		unsigned long pfn = first + (unsigned long)i % PAGES;
		rcu_read_lock();
		const struct dev_pagemap *map = cfolio_pgmap_lookup_rcu(pfn);
		const struct page *page = pfn_to_page(pfn);
		PLANT(page);
		if (!map || page_pgmap(page) != map)
			abort();
		rcu_read_unlock();
	}
}

static void rcu_section(unsigned long first, long iterations)
{
	const struct page *page = pfn_to_page(first);
	for (long i = 0; i < iterations; i++) {
		rcu_read_lock();
		PLANT(page);
		rcu_read_unlock();
	}
}

/* ---- pins by address ------------------------------------------------------------------------- */

enum { START = 1 << 30, RUN = 512 };

static unsigned long first_frame;

static int map_all(struct vm_area_struct *area)
{
	struct page *pages[PAGES];
	unsigned long left = PAGES;
	for (unsigned long i = 0; i < PAGES; i++)
		pages[i] = pfn_to_page(first_frame + i);
	return vm_insert_pages(area, START, pages, &left);
}

/* Fast pins of pages that PTEs map, in runs, and back; per page. */
static void pin_unpin(unsigned long first, long iterations)
{
	static struct address_space object;
	const struct mm_options options = {.table_shift = 9};
	struct page *pages[RUN];
	struct mm_struct *mm = cfolio_mm_create(&options);
	address_space_init(&object, ADDRESS_SPACE_DEVICE_DAX);
	first_frame = first;
	struct mmap_request request = {
		.address = START,
		.pages = PAGES,
		.vm_flags = VM_READ | VM_WRITE | VM_SHARED | VM_MIXEDMAP,
		.placement = MMAP_FIXED,
		.mapping = &object,
		.mmap = map_all,
	};
	if (!mm || cfolio_mmap(mm, &request) != START)
		abort();
	for (long i = 0; i < iterations; i += RUN) {
		unsigned long address = START + (unsigned long)i % PAGES * PAGE_SIZE;
		if (gup_fast(mm, address, address + RUN * PAGE_SIZE, FOLL_PIN | FOLL_WRITE,
			     pages) != RUN)
			abort();
		for (int page = 0; page < RUN; page++)
			PLANT(pages[page]);
		unpin_user_pages(pages, RUN);
	}
	cfolio_mm_destroy(mm);
	address_space_destroy(&object);
}

static const struct operation {
	const char *name;
	void (*run)(unsigned long first, long iterations);
} operations[] = {
	{"get_put", get_put},
	{"try_get_put", try_get},
	{"try_get_folio_put", try_get_folio_put},
	{"lookup", lookup},
	{"rcu_section", rcu_section},
	{"pin_unpin", pin_unpin},
};

int main(int count, char **arguments)
{
	static struct dev_pagemap map = {.type = MEMORY_DEVICE_GENERIC, .nr_range = 1};
	long iterations = count == 3 ? atol(arguments[2]) : 0;
	unsigned long first = cfolio_choose_frames(PAGES, 0);
	map.ranges[0] = (struct pfn_range){.start = first, .end = first + PAGES - 1};
	if (iterations <= 0 || memremap_pages(&map, -1)) {
		fprintf(stderr, "usage: driver OPERATION ITERATIONS\n");
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (strcmp(operations[i].name, arguments[1]))
			continue;
		operations[i].run(first, iterations);
		memunmap_pages(&map);
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "driver: no operation %s\n", arguments[1]);
	return EXIT_FAILURE;
}
