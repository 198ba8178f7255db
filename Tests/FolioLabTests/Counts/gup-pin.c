// SPDX-License-Identifier: MIT
/*
 * The protocol of the scenario gup-pin as a C11 program, for model checkers of such programs
 * (GenMC, Nidhugg): N pinners and one unmapper race for a page with one reference, its mapping's.
 * A compare-exchange that fails goes on with the value that it found. Everything is as strong as
 * the library's: additions and exchanges are acquire-release, looks are relaxed. Runs natively,
 * too: cc -pthread gup-pin.c && ./a.out
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#ifndef N
#define N 2
#endif

static atomic_int entry = 1; /* the page table: the page is mapped */
static atomic_int count = 1; /* references */
static atomic_int freed;

static void put(void)
{
	if (atomic_fetch_sub_explicit(&count, 1, memory_order_acq_rel) == 1)
		atomic_store_explicit(&freed, 1, memory_order_relaxed);
}

static int try_get(void)
{
	int seen = atomic_load_explicit(&count, memory_order_relaxed);
	do {
		if (seen == 0)
			return 0;
	} while (!atomic_compare_exchange_strong_explicit(
		&count, &seen, seen + 1, memory_order_acq_rel, memory_order_relaxed));
	return 1;
}

static void *pinner(void *unused)
{
	(void)unused;
	if (atomic_load_explicit(&entry, memory_order_relaxed) == 0)
		return NULL;
	if (!try_get())
		return NULL;
	/* Still mapped? Otherwise the reference goes back. */
	if (atomic_load_explicit(&entry, memory_order_relaxed) != 0)
		assert(atomic_load_explicit(&freed, memory_order_relaxed) == 0);
	put();
	return NULL;
}

static void *unmapper(void *unused)
{
	(void)unused;
	if (atomic_exchange_explicit(&entry, 0, memory_order_acq_rel) != 0)
		put();
	return NULL;
}

int main(void)
{
	pthread_t threads[N + 1];
	for (int i = 0; i < N; i++)
		pthread_create(&threads[i], NULL, pinner, NULL);
	pthread_create(&threads[N], NULL, unmapper, NULL);
	return 0;
}
