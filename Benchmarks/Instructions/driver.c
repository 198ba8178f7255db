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
		const struct dev_pagemap *map = cfolio_pgmap_lookup(pfn);
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

static const struct operation {
	const char *name;
	void (*run)(unsigned long first, long iterations);
} operations[] = {
	{"get_put", get_put},
	{"try_get_put", try_get},
	{"try_get_folio_put", try_get_folio_put},
	{"lookup", lookup},
	{"rcu_section", rcu_section},
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
