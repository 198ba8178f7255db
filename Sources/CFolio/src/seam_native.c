// SPDX-License-Identifier: MIT
/*
 * Memory, deferred calls and findings of scenarios on native threads. See folio/seam_native.h.
 *
 * Nothing here is a word of the seam: what the rounds' own machinery changes must not be put back
 * with the rest.
 */
#define _GNU_SOURCE
#include <folio/bug.h>
#include <folio/globals.h>
#include <folio/rcu.h>
#include <folio/seam_native.h>
#include <folio/sys.h>

#if defined(FOLIO_LAB)

#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Ours are not the guest's. */
#if defined(__clang__)
#pragma clang section bss = "" data = ""
#endif

static struct native_report *report;
static int64_t begun;

/* ---- the arena ------------------------------------------------------------------------------- */

#define ARENA_SIZE ((size_t)64 << 20)

/* In front of each piece, in a line of its own so that pieces keep their alignment. */
struct piece {
	_Atomic(unsigned long) live;
	size_t size;
	char rest[FOLIO_CACHE_LINE - 16];
};

static char *arena;
static _Atomic(size_t) used;
static size_t kept;
static char *arena_image, *globals_image;

bool cfolio_native_allocate(size_t size, void **memory)
{
	if (!report)
		return false;
	size_t rounded = (size + FOLIO_CACHE_LINE - 1) & ~(size_t)(FOLIO_CACHE_LINE - 1);
	size_t all = rounded + sizeof(struct piece);
	*memory = NULL;
	if (size > ARENA_SIZE)
		return true;
	size_t start = atomic_fetch_add_explicit(&used, all, memory_order_relaxed);
	if (start + all > ARENA_SIZE)
		return true;
	struct piece *piece = (struct piece *)(arena + start);
	atomic_store_explicit(&piece->live, 1, memory_order_relaxed);
	piece->size = rounded;
	memset(piece + 1, 0, rounded);
	*memory = piece + 1;
	return true;
}

/* Poisoned, and never used again in this round: who comes late reads nonsense. */
bool cfolio_native_free(void *memory)
{
	if ((size_t)((char *)memory - arena) >= ARENA_SIZE || !report)
		return false;
	struct piece *piece = (struct piece *)memory - 1;
	if (atomic_exchange_explicit(&piece->live, 0, memory_order_acq_rel))
		memset(memory, 0xdb, piece->size);
	else
		cfolio_violation("FREE", FOLIO_NO_PFN, "memory is given back that nobody holds");
	return true;
}

/* ---- struct pages ---------------------------------------------------------------------------- */

#define RANGES_MAX 64u
static struct range {
	char *start;
	size_t size;
	bool live;
	bool was_live; /* in the image */
	char *image;   /* NULL: came later, begins as zeroes */
} ranges[RANGES_MAX];
static unsigned int range_count;
static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER;

static struct range *find_range(const void *start, size_t size)
{
	for (unsigned int i = 0; i < range_count; i++)
		if (ranges[i].start == start && ranges[i].size == size)
			return &ranges[i];
	return NULL;
}

/* Pages that come back are zero. False: they have to be mapped first. */
bool cfolio_native_commit(void *start, size_t size)
{
	if (!report)
		return false;
	pthread_mutex_lock(&ranges_lock);
	struct range *range = find_range(start, size);
	bool known = range;
	if (known && !range->live)
		memset(start, 0, size);
	if (!known && range_count < RANGES_MAX) {
		range = &ranges[range_count++];
		*range = (struct range){.start = start, .size = size};
	}
	if (!range)
		cfolio_bug("LAB", NULL, "more ranges of struct pages than rounds can put back");
	range->live = true;
	pthread_mutex_unlock(&ranges_lock);
	return known;
}

/* They stay mapped: their words could not be put back otherwise. */
bool cfolio_native_decommit(void *start, size_t size)
{
	if (!report)
		return false;
	pthread_mutex_lock(&ranges_lock);
	struct range *range = find_range(start, size);
	if (range)
		range->live = false;
	pthread_mutex_unlock(&ranges_lock);
	return range != NULL;
}

/* ---- deferred calls -------------------------------------------------------------------------- */

/*
 * Their thread must not hold a lock or a list of the library's when globals are put back, so it is
 * not the library's. Pushed by anybody, taken whole by the reclaimer.
 */
static struct rcu_head *_Atomic stack;
static _Atomic(int) pending; /* pushed and not yet run; who waits for 0 sleeps here */
static _Atomic(int) calls;   /* changes with each push; the reclaimer sleeps here */

static void sleep_while(_Atomic(int) *word, int value)
{
	syscall(SYS_futex, word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void wake_all(_Atomic(int) *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT32_MAX, NULL, NULL, 0);
}

static void *reclaim(void *unused)
{
	for (;;) {
		int seen = atomic_load(&calls);
		struct rcu_head *list = NULL, *taken = atomic_exchange(&stack, NULL);
		if (!taken) {
			sleep_while(&calls, seen);
			continue;
		}
		while (taken) { /* oldest first */
			struct rcu_head *next = taken->next;
			taken->next = list;
			list = taken;
			taken = next;
		}
		synchronize_rcu();
		while (list) {
			struct rcu_head *next = list->next;
			list->func(list);
			list = next;
			if (atomic_fetch_sub(&pending, 1) == 1)
				wake_all(&pending);
		}
	}
	return unused;
}

bool cfolio_native_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	if (!report)
		return false;
	head->func = func;
	atomic_fetch_add(&pending, 1);
	struct rcu_head *top = atomic_load(&stack);
	do {
		head->next = top;
	} while (!atomic_compare_exchange_weak(&stack, &top, head));
	atomic_fetch_add(&calls, 1);
	wake_all(&calls);
	return true;
}

/* Waits for more than it must: calls that are made meanwhile, too. */
bool cfolio_native_rcu_barrier(void)
{
	if (!report)
		return false;
	for (int left; (left = atomic_load(&pending)) != 0;)
		sleep_while(&pending, left);
	return true;
}

/* ---- findings -------------------------------------------------------------------------------- */

static void note_failure(const char *invariant, const char *message, long rounds)
{
	if (atomic_long_read(&report->first))
		return;
	snprintf(report->invariant, sizeof(report->invariant), "%s", invariant);
	snprintf(report->message, sizeof(report->message), "%s", message);
	atomic_long_set(&report->first_ns, cfolio_clock_ns() - begun);
	atomic_long_set_release(&report->first, rounds);
}

/** Ends the process: a BUG leaves nothing to go on with. The first to come is told. */
void cfolio_native_bug(const char *invariant, const char *format, va_list arguments)
{
	char message[256];
	if (!report)
		return;
	vsnprintf(message, sizeof(message), format, arguments);
	if (atomic_xchg(&report->stopped, 1) == 0) {
		note_failure(invariant, message, atomic_long_read(&report->rounds) + 1);
		_exit(0);
	}
	for (;;)
		pause();
}

/* ---- rounds ---------------------------------------------------------------------------------- */

bool cfolio_native_begin(struct native_report *where)
{
	pthread_t reclaimer;
	arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena == MAP_FAILED)
		return false;
	begun = cfolio_clock_ns();
	report = where;
	/* What a mutant breaks may warn besides, in each of a million rounds. */
	cfolio_warnings_quiet(true);
	return pthread_create(&reclaimer, NULL, reclaim, NULL) == 0;
}

bool cfolio_native_keep(void)
{
	cfolio_native_settle();
	kept = atomic_load(&used);
	arena_image = malloc(kept + 1);
	globals_image = malloc(folio_globals_size() + 1);
	if (!arena_image || !globals_image)
		return false;
	memcpy(arena_image, arena, kept);
	folio_globals_copy(globals_image, false);
	for (unsigned int i = 0; i < range_count; i++) {
		ranges[i].was_live = ranges[i].live;
		ranges[i].image = malloc(ranges[i].size);
		if (!ranges[i].image)
			return false;
		memcpy(ranges[i].image, ranges[i].start, ranges[i].size);
	}
	atomic_set(&report->open, 1);
	return true;
}

void cfolio_native_settle(void)
{
	(void)cfolio_native_rcu_barrier();
}

static void put_back(void)
{
	memcpy(arena, arena_image, kept);
	atomic_store(&used, kept);
	folio_globals_copy(globals_image, true);
	for (unsigned int i = 0; i < range_count; i++) {
		if (!ranges[i].image)
			memset(ranges[i].start, 0, ranges[i].size);
		ranges[i].live = ranges[i].was_live;
	}
	for (unsigned int i = 0; i < range_count; i++)
		if (ranges[i].image)
			memcpy(ranges[i].start, ranges[i].image, ranges[i].size);
}

void cfolio_native_end_round(void)
{
	struct folio_violation violation;
	long rounds = atomic_long_read(&report->rounds) + 1;
	cfolio_native_settle();
	if (cfolio_take_violations(&violation, 1, 0, ~0UL) != 0) {
		atomic_long_add(1, &report->failed);
		note_failure(violation.invariant, violation.message, rounds);
	}
	put_back();
	atomic_long_set(&report->rounds, rounds);
}

#endif
