/* SPDX-License-Identifier: MIT */
/*
 * The same reference counting written with <stdatomic.h> alone: what a C program would write
 * without a library. Counters stand 64 bytes apart, as struct pages do.
 *
 * Each loop runs n operations. Operation i works on counter walk_index(start + i, mask): counter 0
 * only when mask is 0, every counter once per mask + 1 operations otherwise, in an order that no
 * prefetcher follows.
 */
#ifndef PEERS_ATOMICS_H
#define PEERS_ATOMICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The i-th element of a walk over mask + 1 (a power of two) elements. A bijection per round. */
static inline size_t walk_index(size_t i, size_t mask)
{
	return (i * 0x9e3779b1u) & mask;
}

/** The next key of a random sequence; state must not be 0. */
static inline uint64_t next_key(uint64_t *state)
{
	uint64_t x = *state;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x;
}

/** A key scaled to [0, count), count below 2^32. */
static inline uint64_t scale_key(uint64_t key, uint64_t count)
{
	return ((key >> 32) * count) >> 32;
}

struct c11_counters;
/** count counters, a power of two, each set to value; NULL when memory is out. */
struct c11_counters *c11_counters_create(size_t count, int value);
void c11_counters_destroy(struct c11_counters *counters);
int c11_counter_value(const struct c11_counters *counters, size_t index);

/* Each returns how many operations did what they should. */
/** cmpxchg until the count is raised from not zero, then dec_and_test. */
size_t c11_try_get_put(struct c11_counters *counters, size_t mask, size_t start, size_t n);
/** Relaxed increment, then dec_and_test. */
size_t c11_get_put(struct c11_counters *counters, size_t mask, size_t start, size_t n);
/** cmpxchg 1 -> 0, then a store release of 1. */
size_t c11_freeze_unfreeze(struct c11_counters *counters, size_t mask, size_t start, size_t n);
/**
 * What two mapping counters cost: inc_and_test, then add_negative, on a counter that idles at -1.
 */
size_t c11_map_unmap(struct c11_counters *counters, size_t mask, size_t start, size_t n);
/** The 0 -> 1 store of an owner, then dec_and_test with its branch. */
size_t c11_arm_put(struct c11_counters *counters, size_t mask, size_t start, size_t n);
/** A relaxed load, plus one, relaxed store; then the same with minus one. */
size_t c11_plain_up_down(struct c11_counters *counters, size_t mask, size_t start, size_t n);

#ifdef __cplusplus
}
#endif

#endif
