/* SPDX-License-Identifier: MIT */
/*
 * A C program outside SwiftPM: makes a device map, lets two threads take and drop references and
 * map lookups while the owner drops its own and waits for idle, counts what must have happened, and
 * takes the map down. It uses what `make install` installs, and nothing else of Folio.
 *
 * One round: every page goes from idle to one reference (the owner's). Both threads then take
 * references where they still can while the owner drops its own, so each page is freed exactly
 * once per round, by whoever is last. A page that is free is never revived.
 */
#include <folio.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAGES = 512, WORKERS = 2, ROUNDS = 300, STEPS = 4000 };

struct worker {
	unsigned long first;
	unsigned long taken;
	unsigned long lookups;
	unsigned long random;
	pthread_barrier_t *barrier;
	pthread_t thread;
};

static int failures;

#define CHECK(condition, format, ...)                                                              \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			failures++;                                                                \
			fprintf(stderr, "stress: line %d: " format "\n", __LINE__, __VA_ARGS__);   \
		}                                                                                  \
	} while (0)

static unsigned long next_random(unsigned long *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void take_and_drop(struct worker *worker, unsigned long pfn)
{
	struct folio *folio = page_folio(pfn_to_page(pfn));
	if (!folio_try_get(folio))
		return;
	worker->taken++;
	folio_get(folio);
	folio_put(folio);
	folio_put(folio);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(worker->barrier);
		for (int step = 0; step < STEPS; step++) {
			unsigned long pfn = worker->first + next_random(&worker->random) % PAGES;
			take_and_drop(worker, pfn);
			struct dev_pagemap *map = step % 16 ? NULL : get_dev_pagemap(pfn);
			worker->lookups += map != NULL;
			put_dev_pagemap(map);
		}
		pthread_barrier_wait(worker->barrier);
	}
	return NULL;
}

/* Hands an idle page out with one reference. */
static void raise(struct dev_pagemap *map, unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);
	if (map->type == MEMORY_DEVICE_FS_DAX) {
		folio_raise(page_folio(page));
		return;
	}
	zone_device_page_init(page);
	folio_unlock(page_folio(page));
}

/* The owner's half of the rounds. */
static void own(struct dev_pagemap *map, unsigned long first, pthread_barrier_t *barrier)
{
	for (int round = 0; round < ROUNDS; round++) {
		for (unsigned long pfn = first; pfn < first + PAGES; pfn++)
			raise(map, pfn);
		pthread_barrier_wait(barrier);
		for (unsigned long pfn = first; pfn < first + PAGES; pfn++) {
			struct folio *folio = page_folio(pfn_to_page(pfn));
			folio_put(folio);
			/* Only file-system DAX pages send a wake when they become idle. */
			if (map->type != MEMORY_DEVICE_FS_DAX)
				continue;
			const struct wait_options options = {0};
			int64_t result =
				folio_wait_idle(folio, pgmap_idle_condition(map), &options);
			CHECK(result == 0, "wait for idle of frame %lu gave %ld", pfn,
			      (long)result);
			CHECK(folio_ref_count(folio) == 0, "frame %lu revived", pfn);
		}
		pthread_barrier_wait(barrier);
		for (unsigned long pfn = first; pfn < first + PAGES; pfn++)
			CHECK(page_ref_count(pfn_to_page(pfn)) == 0, "frame %lu kept a reference",
			      pfn);
	}
}

static atomic_long_t frees;

static void page_free(struct page *page)
{
	struct dev_pagemap *map = page_pgmap(page);
	atomic_long_add(1, &frees);
	/* The free path drops the map reference of the other types, the driver this one's. */
	if (map->type == MEMORY_DEVICE_PCI_P2PDMA)
		put_dev_pagemap(map);
}

static unsigned int migrate_to_ram(struct vm_fault *fault)
{
	(void)fault;
	abort(); /* this program has no CPU faults */
}

static const struct dev_pagemap_ops operations = {.page_free = page_free,
						  .migrate_to_ram = migrate_to_ram};

/* One life of a map, memremap to memunmap. */
static void live(struct dev_pagemap *map, enum memory_type type)
{
	unsigned long first = cfolio_choose_frames(PAGES, 0);
	CHECK(first != FOLIO_NO_PFN, "no %d free frames", PAGES);
	*map = (struct dev_pagemap){.type = type, .nr_range = 1, .ops = &operations};
	map->owner = map;
	map->rules = FOLIO_RULES_STRICT;
	map->strict_teardown = true;
	map->ranges[0] = (struct pfn_range){.start = first, .end = first + PAGES - 1};
	int error = memremap_pages(map, -1);
	CHECK(error == 0, "memremap_pages gave %d", error);
	if (error)
		return;
	atomic_long_set(&frees, 0);
	long references = percpu_ref_value(&map->ref);

	pthread_barrier_t barrier;
	pthread_barrier_init(&barrier, NULL, WORKERS + 1);
	struct worker workers[WORKERS];
	for (int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){
			.first = first, .random = 88172645463325252UL + i, .barrier = &barrier};
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) {
			perror("pthread_create");
			exit(EXIT_FAILURE);
		}
	}
	own(map, first, &barrier);
	unsigned long taken = 0, lookups = 0;
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		taken += workers[i].taken;
		lookups += workers[i].lookups;
	}
	pthread_barrier_destroy(&barrier);

	CHECK(taken > 0, "the threads took %lu references", taken);
	CHECK(lookups == (unsigned long)WORKERS * ROUNDS * (STEPS / 16), "%lu lookups", lookups);
	if (type != MEMORY_DEVICE_FS_DAX)
		CHECK(atomic_long_read(&frees) == (long)ROUNDS * PAGES, "%ld frees of %d",
		      atomic_long_read(&frees), ROUNDS * PAGES);
	CHECK(percpu_ref_value(&map->ref) == references, "the map has %ld references, had %ld",
	      percpu_ref_value(&map->ref), references);
	if (failures)
		exit(EXIT_FAILURE); /* memunmap_pages() would wait for what was lost */
	memunmap_pages(map);
	CHECK(atomic_read(&map->releases) == 1, "released %d times", atomic_read(&map->releases));
	CHECK(get_dev_pagemap(first) == NULL, "frame %lu still has a map", first);
	printf("stress: type %d: %d pages freed %d times each, %lu references, %lu lookups\n", type,
	       PAGES, ROUNDS, taken, lookups);
}

int main(void)
{
	static const enum memory_type types[] = {MEMORY_DEVICE_FS_DAX, MEMORY_DEVICE_PRIVATE,
						 MEMORY_DEVICE_COHERENT, MEMORY_DEVICE_PCI_P2PDMA,
						 MEMORY_DEVICE_FS_DAX};
	static struct dev_pagemap map;
	int error = memremap_pages(&(struct dev_pagemap){.type = MEMORY_DEVICE_FS_DAX}, -1);
	CHECK(error == -22, "a map without a range gave %d", error);
	/* The same memory again and again: memunmap_pages() gives it back each time. */
	for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		live(&map, types[i]);
	rcu_barrier();
	CHECK(cfolio_rcu_pending() == 0, "%ld deferred calls are left", cfolio_rcu_pending());
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
