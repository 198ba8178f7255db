/* SPDX-License-Identifier: MIT */
/*
 * The types of shared words and the SEAM_ macros, through which every access to one goes. Built
 * normally they are C11 atomics; the lab (FOLIO_LAB) replaces them by calls (folio/seam_lab.h), and
 * nothing else in the project. Only folio/atomic.h, rcu.h and lock.c use them.
 */
#ifndef FOLIO_SEAM_H
#define FOLIO_SEAM_H

#include <folio/compiler.h>
#include <stdatomic.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** A shared 32-bit counter. Swift sees an opaque value. */
typedef struct {
	_Atomic(int) counter;
} atomic_t;

/** A shared 64-bit counter. */
typedef struct {
	_Atomic(long) counter;
} atomic_long_t;

/** A shared machine word: flags, or a pointer with tag bits. */
typedef struct {
	_Atomic(unsigned long) word;
} shared_t;

#define ATOMIC_INIT(value) {(value)}

FOLIO_ASSUME_NONNULL_END

#include <folio/seam_hooks.h>
#include <folio/seam_lab.h>

#if !defined(FOLIO_LAB)

#define SEAM_LOAD(p, order) atomic_load_explicit(p, order)
#define SEAM_STORE(p, v, order) atomic_store_explicit(p, v, order)
#define SEAM_ADD_INT(p, v, order) atomic_fetch_add_explicit(p, v, order)
#define SEAM_ADD_LONG(p, v, order) atomic_fetch_add_explicit(p, v, order)
#define SEAM_ADD_WORD(p, v, order) atomic_fetch_add_explicit(p, v, order)
#define SEAM_OR(p, v, order) atomic_fetch_or_explicit(p, v, order)
#define SEAM_AND(p, v, order) atomic_fetch_and_explicit(p, v, order)
#define SEAM_XCHG_INT(p, v, order) atomic_exchange_explicit(p, v, order)
#define SEAM_XCHG_WORD(p, v, order) atomic_exchange_explicit(p, v, order)
#define SEAM_CMPXCHG(p, expected, desired, order)                                                  \
	atomic_compare_exchange_strong_explicit(p, expected, desired, order, memory_order_relaxed)
#define SEAM_FENCE(order) atomic_thread_fence(order)
/* A call with this place as its site, which only the lab asks for. */
#define SEAM_HERE(call, text) call
/*
 * Around a loop that reads: of what was read behind SEAM_SCOPE() only `value` matters from
 * SEAM_LIVE() on. It tells the lab which states are the same.
 */
#define SEAM_SCOPE(scope)
#define SEAM_LIVE(scope, value) ((void)0)

/* What only the lab does in another way: false, so the caller goes on by itself. */
#define seam_schedules() false
#define seam_lock(word) false
#define seam_trylock(word, taken) false
#define seam_unlock(word, order) false
#define seam_bit_lock(bit, word, order) false
#define seam_synchronize_rcu() false
#define seam_call_rcu(head, func) false
#define seam_rcu_barrier() false
#define seam_futex_wait(word, value, deadline_ns) false
#define seam_futex_wake(word, n) false
#define seam_yield() false
#define seam_clock(now) false
#define seam_allocate(size, memory) false
#define seam_free(memory) false
#define seam_reserve_at() NULL
#define seam_commit(start, size) false
#define seam_decommit(start, size) false
#define seam_this_thread(thread) false
#define seam_this_cpu(cpu) false
#define seam_bug(invariant, page, format, arguments) false
#define seam_violation(invariant, pfn, format, arguments) false

#endif

FOLIO_ASSUME_NONNULL_BEGIN

/**
 * Whether whoever includes this header was built with FOLIO_LAB. A package that depends on Folio
 * compiles inline functions itself, so its answer can differ from the library's.
 */
static inline bool cfolio_headers_are_lab(void)
{
#if defined(FOLIO_LAB)
	return true;
#else
	return false;
#endif
}

/** The calling thread's next access is at this site: for code that C's macros do not see. */
static inline void cfolio_at(const struct seam_site *site)
{
	cfolio_seam_resume(site);
}

/**
 * Of what the calling thread of a scenario has read so far, `value` is all that it still uses.
 * Tells the lab which states are the same; nothing elsewhere.
 */
static inline void cfolio_forget(unsigned long value)
{
	(void)value;
	SEAM_LIVE(0, value);
}

/** A plain read of a payload that the order of other accesses protects; the lab looks for races. */
static inline int cfolio_plain_read(const struct seam_site *_Nullable site, const int *word)
{
#if defined(FOLIO_LAB)
	if (seam_hooks())
		return cfolio_seam_plain(site, SEAM_OP_LOAD, word, 0);
#endif
	(void)site;
	return *word;
}

/** A plain write of such a payload. */
static inline void cfolio_plain_write(const struct seam_site *_Nullable site, int *word, int value)
{
#if defined(FOLIO_LAB)
	if (seam_hooks()) {
		(void)cfolio_seam_plain(site, SEAM_OP_STORE, word, value);
		return;
	}
#endif
	(void)site;
	*word = value;
}

/* C11 atomics wrap, plain signed additions must not overflow: results are formed unsigned. */
static inline int seam_wrapping_sum(int a, int b)
{
	return (int)((unsigned int)a + (unsigned int)b);
}

static inline long seam_wrapping_sum_long(long a, long b)
{
	return (long)((unsigned long)a + (unsigned long)b);
}

FOLIO_ASSUME_NONNULL_END

#endif
