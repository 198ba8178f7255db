/* SPDX-License-Identifier: MIT */
/*
 * Every system call that CFolio makes: futex, address space, clock, memory. Fault injection for
 * allocations lives here too, because this is where memory comes from.
 */
#ifndef FOLIO_SYS_H
#define FOLIO_SYS_H

#include <folio/atomic.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** Sleeps about that long. For polling where no event exists; never on a path the lab explores. */
void cfolio_sleep_ns(int64_t ns);

/** Gives the CPU to another runnable thread. */
void cfolio_yield(void);

/** Nanoseconds of the monotonic clock. */
int64_t cfolio_clock_ns(void);

/**
 * Sleeps while *word == value, at most until the absolute deadline (0: for ever). May return
 * early.
 */
void cfolio_futex_wait(atomic_t *word, int value, int64_t deadline_ns);
/** Wakes up to n sleepers of the word; the word's memory need not exist any more. */
void cfolio_futex_wake(atomic_t *word, int n);

/** Zeroed memory, or NULL (always possible: see cfolio_fault_injection). */
void *_Nullable cfolio_zalloc(size_t size);
void cfolio_free(void *_Nullable memory);

/** Runs entry(context) on a new detached thread. False: no thread could be made. */
bool cfolio_run_detached(void (*entry)(void *_Nullable context), void *_Nullable context);

/** Reserves address space without memory; NULL when refused. */
void *_Nullable cfolio_reserve(size_t size);
/** Reserves address space whose pages come, zeroed, when they are touched; NULL when refused. */
void *_Nullable cfolio_reserve_lazily(size_t size);
/**
 * Makes a page-aligned part of a reservation readable and writable, zeroed; in huge pages where the
 * system has them. False: no memory.
 */
bool cfolio_commit(void *start, size_t size);
/** Gives the memory back; later accesses fault. */
void cfolio_decommit(void *start, size_t size);

/**
 * Makes about one allocation in `period` fail (0: none), as a pure function of the seed and the
 * allocation's number. Any thread; takes effect at once.
 */
void cfolio_fault_injection(unsigned int period, uint64_t seed);
/** Allocations refused by fault injection so far. */
long cfolio_faults_injected(void);

FOLIO_ASSUME_NONNULL_END

#endif
