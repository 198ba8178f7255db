// SPDX-License-Identifier: MIT
/* See peers/atomics.h. */
#include <peers/atomics.h>

#include <stdatomic.h>
#include <stdlib.h>

struct counter {
	atomic_int value;
	char pad[60];
};

struct c11_counters {
	struct counter *counter;
	size_t count;
	atomic_size_t reached_zero; /* ends of life; a put never reaches one in these loops */
};

struct c11_counters *c11_counters_create(size_t count, int value)
{
	struct c11_counters *counters = malloc(sizeof(*counters));
	if (!counters)
		return NULL;
	counters->counter = aligned_alloc(64, count * sizeof(struct counter));
	if (!counters->counter) {
		free(counters);
		return NULL;
	}
	counters->count = count;
	atomic_init(&counters->reached_zero, 0);
	for (size_t i = 0; i < count; i++)
		atomic_init(&counters->counter[i].value, value);
	return counters;
}

void c11_counters_destroy(struct c11_counters *counters)
{
	free(counters->counter);
	free(counters);
}

int c11_counter_value(const struct c11_counters *counters, size_t index)
{
	return atomic_load(&counters->counter[index].value);
}

static inline bool inc_not_zero(atomic_int *value)
{
	int old = atomic_load_explicit(value, memory_order_relaxed);
	do {
		if (__builtin_expect(old == 0, 0))
			return false;
	} while (!atomic_compare_exchange_strong_explicit(
		value, &old, old + 1, memory_order_acq_rel, memory_order_relaxed));
	return true;
}

static inline bool dec_and_test(atomic_int *value)
{
	return atomic_fetch_sub_explicit(value, 1, memory_order_acq_rel) == 1;
}

static __attribute__((cold, noinline)) void end_of_life(struct c11_counters *counters)
{
	atomic_fetch_add(&counters->reached_zero, 1);
}

/* One operation on one counter; true when it did what it should. */
typedef bool step_t(struct c11_counters *counters, atomic_int *value);

/* Inlined with its step: the loop is as if it were written out. */
static inline __attribute__((always_inline)) size_t walk(struct c11_counters *counters, size_t mask,
							 size_t start, size_t n, step_t *step)
{
	struct counter *counter = counters->counter;
	size_t done = 0;
	if (mask == 0) {
		for (size_t i = 0; i < n; i++)
			done += step(counters, &counter->value);
		return done;
	}
	for (size_t i = 0; i < n; i++)
		done += step(counters, &counter[walk_index(start + i, mask)].value);
	return done;
}

static inline bool try_get_put(struct c11_counters *counters, atomic_int *value)
{
	if (!inc_not_zero(value))
		return false;
	if (__builtin_expect(dec_and_test(value), 0))
		end_of_life(counters);
	return true;
}

size_t c11_try_get_put(struct c11_counters *counters, size_t mask, size_t start, size_t n)
{
	return walk(counters, mask, start, n, try_get_put);
}

static inline bool get_put(struct c11_counters *counters, atomic_int *value)
{
	atomic_fetch_add_explicit(value, 1, memory_order_relaxed);
	if (__builtin_expect(dec_and_test(value), 0))
		end_of_life(counters);
	return true;
}

size_t c11_get_put(struct c11_counters *counters, size_t mask, size_t start, size_t n)
{
	return walk(counters, mask, start, n, get_put);
}

static inline bool freeze_unfreeze(struct c11_counters *counters, atomic_int *value)
{
	(void)counters;
	int expected = 1;
	if (!atomic_compare_exchange_strong_explicit(value, &expected, 0, memory_order_acq_rel,
						     memory_order_relaxed))
		return false;
	atomic_store_explicit(value, 1, memory_order_release);
	return true;
}

size_t c11_freeze_unfreeze(struct c11_counters *counters, size_t mask, size_t start, size_t n)
{
	return walk(counters, mask, start, n, freeze_unfreeze);
}

static inline bool map_unmap(struct c11_counters *counters, atomic_int *value)
{
	if (atomic_fetch_add_explicit(value, 1, memory_order_acq_rel) != -1)
		end_of_life(counters);
	if (atomic_fetch_sub_explicit(value, 1, memory_order_acq_rel) != 0)
		end_of_life(counters);
	return true;
}

size_t c11_map_unmap(struct c11_counters *counters, size_t mask, size_t start, size_t n)
{
	return walk(counters, mask, start, n, map_unmap);
}

static inline bool arm_put(struct c11_counters *counters, atomic_int *value)
{
	(void)counters;
	atomic_store_explicit(value, 1, memory_order_relaxed);
	return dec_and_test(value);
}

size_t c11_arm_put(struct c11_counters *counters, size_t mask, size_t start, size_t n)
{
	return walk(counters, mask, start, n, arm_put);
}

static inline bool plain_up_down(struct c11_counters *counters, atomic_int *value)
{
	(void)counters;
	int now = atomic_load_explicit(value, memory_order_relaxed);
	atomic_store_explicit(value, now + 1, memory_order_relaxed);
	now = atomic_load_explicit(value, memory_order_relaxed);
	atomic_store_explicit(value, now - 1, memory_order_relaxed);
	return true;
}

size_t c11_plain_up_down(struct c11_counters *counters, size_t mask, size_t start, size_t n)
{
	return walk(counters, mask, start, n, plain_up_down);
}
