/* SPDX-License-Identifier: MIT */
/*
 * What the C++ standard library offers for the same jobs: shared_ptr, weak_ptr, and an
 * unordered_map under a shared_mutex. Threads must exist before these are timed: libstdc++ leaves
 * the atomics out of a process with one thread.
 */
#ifndef PEERS_STANDARD_H
#define PEERS_STANDARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct standard_pointer;
struct standard_pointer *standard_pointer_create(void);
void standard_pointer_destroy(struct standard_pointer *pointer);
/** Owners of the object now. */
long standard_pointer_owners(const struct standard_pointer *pointer);
/** n copies made and destroyed. */
void standard_pointer_copy(const struct standard_pointer *pointer, size_t n);

struct standard_map;
/**
 * count keys from first, stride apart, each to 64 bytes that name their owner. NULL when memory is
 * out.
 */
struct standard_map *standard_map_create(uint64_t first, uint64_t count, uint64_t stride);
void standard_map_destroy(struct standard_map *map);
/**
 * n lookups of random keys under the shared lock, from the key to the owner that its 64 bytes
 * name, or, when follow is false, only to their address. seed must not be 0. Returns the hits.
 */
size_t standard_map_random(struct standard_map *map, bool follow, uint64_t seed, size_t n);
/** The same over ascending keys from start, always followed. */
size_t standard_map_sequential(struct standard_map *map, uint64_t start, size_t n);
/** n lookups of one key, each copying a shared_ptr under the lock and dropping it after. */
size_t standard_map_acquire(struct standard_map *map, uint64_t key, size_t n);

#ifdef __cplusplus
}
#endif

#endif
