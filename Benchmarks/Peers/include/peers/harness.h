/* SPDX-License-Identifier: MIT */
/*
 * What the harness asks of the system: clock, futex words to park workers on, CPU pinning, the
 * interrupt flag, memory figures. No peer and no folio in here.
 */
#ifndef PEERS_HARNESS_H
#define PEERS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Nanoseconds of the monotonic clock. */
int64_t harness_clock_ns(void);

/** A 32-bit word that threads park on; opaque to Swift. */
struct harness_word;
/** A zeroed word on a cache line of its own; NULL when memory is out. */
struct harness_word *harness_word_create(void);
void harness_word_destroy(struct harness_word *word);
/** Load acquire. */
int harness_word_load(const struct harness_word *word);
/** Store release, no wake. */
void harness_word_store(struct harness_word *word, int value);
/** Adds, acquire-release; returns the new value. */
int harness_word_add(struct harness_word *word, int value);
/** Sleeps until the word is no longer value. */
void harness_word_wait(struct harness_word *word, int value);
/** Wakes every sleeper of the word. */
void harness_word_wake(struct harness_word *word);
/** Spins until the word reaches value; yields the CPU when that takes long. */
void harness_word_spin(struct harness_word *word, int value);

/** CPUs that this process may use, in ascending order; returns how many there are. */
int harness_allowed_cpus(int *cpus, int capacity);
/** Binds the calling thread to one CPU. 0 or an errno. */
int harness_pin_to_cpu(int cpu);

/** From now on SIGINT and SIGTERM only raise the flag; one more, half a second later, kills. */
void harness_catch_interrupts(void);
/** True once a signal came. */
bool harness_interrupted(void);
/** Raises the flag as a signal would. */
void harness_interrupt(void);
/** Lowers it. */
void harness_clear_interrupt(void);

/** Bytes of [start, start + bytes) that are backed by memory now, or a negative errno. */
long harness_resident_bytes(const void *start, size_t bytes);
/** Bytes that malloc has handed out and not got back, in the main arena and in mappings. */
size_t harness_heap_bytes(void);
/** Bytes of the last-level cache; 0 when the system does not say. */
size_t harness_cache_bytes(void);

/** Makes the compiler believe that somebody looks at the pointer and what is behind it. No code. */
static inline void harness_observe(const void *pointer)
{
	__asm__ __volatile__("" : : "r"(pointer) : "memory");
}

/** Zeroed memory on a page boundary; NULL when out. */
void *harness_map(size_t bytes);
void harness_unmap(void *memory, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
