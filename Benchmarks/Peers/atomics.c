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

static size_t try_get_put_one(struct c11_counters *counters, atomic_int *value, size_t n)
{
	size_t got = 0;
	for (size_t i = 0; i < n; i++) {
		if (!inc_not_zero(value))
			continue;
		got++;
		if (__builtin_expect(dec_and_test(value), 0))
			end_of_life(counters);
	}
	return got;
}

static void get_put_one(struct c11_counters *counters, atomic_int *value, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		atomic_fetch_add_explicit(value, 1, memory_order_relaxed);
		if (__builtin_expect(dec_and_test(value), 0))
			end_of_life(counters);
	}
}

size_t c11_try_get_put(struct c11_counters *counters, size_t mask, size_t start, size_t n)
{
	struct counter *counter = counters->counter;
	size_t got = 0;
	if (mask == 0)
		return try_get_put_one(counters, &counter->value, n);
	for (size_t i = 0; i < n; i++) {
		atomic_int *value = &counter[walk_index(start + i, mask)].value;
		if (!inc_not_zero(value))
			continue;
		got++;
		if (__builtin_expect(dec_and_test(value), 0))
			end_of_life(counters);
	}
	return got;
}

void c11_get_put(struct c11_counters *counters, size_t mask, size_t start, size_t n)
{
	struct counter *counter = counters->counter;
	if (mask == 0) {
		get_put_one(counters, &counter->value, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		atomic_int *value = &counter[walk_index(start + i, mask)].value;
		atomic_fetch_add_explicit(value, 1, memory_order_relaxed);
		if (__builtin_expect(dec_and_test(value), 0))
			end_of_life(counters);
	}
}

size_t c11_freeze_unfreeze(struct c11_counters *counters, size_t n)
{
	atomic_int *value = &counters->counter[0].value;
	size_t frozen = 0;
	for (size_t i = 0; i < n; i++) {
		int expected = 1;
		if (!atomic_compare_exchange_strong_explicit(
			    value, &expected, 0, memory_order_acq_rel, memory_order_relaxed))
			continue;
		frozen++;
		atomic_store_explicit(value, 1, memory_order_release);
	}
	return frozen;
}

void c11_map_unmap(struct c11_counters *counters, size_t n)
{
	atomic_int *value = &counters->counter[0].value;
	for (size_t i = 0; i < n; i++) {
		if (atomic_fetch_add_explicit(value, 1, memory_order_acq_rel) != -1)
			end_of_life(counters);
		if (atomic_fetch_sub_explicit(value, 1, memory_order_acq_rel) != 0)
			end_of_life(counters);
	}
}

size_t c11_arm_put(struct c11_counters *counters, size_t n)
{
	atomic_int *value = &counters->counter[0].value;
	size_t zeroes = 0;
	for (size_t i = 0; i < n; i++) {
		atomic_store_explicit(value, 1, memory_order_relaxed);
		zeroes += dec_and_test(value);
	}
	return zeroes;
}

void c11_plain_up_down(struct c11_counters *counters, size_t n)
{
	atomic_int *value = &counters->counter[0].value;
	for (size_t i = 0; i < n; i++) {
		int now = atomic_load_explicit(value, memory_order_relaxed);
		atomic_store_explicit(value, now + 1, memory_order_relaxed);
		now = atomic_load_explicit(value, memory_order_relaxed);
		atomic_store_explicit(value, now - 1, memory_order_relaxed);
	}
}
