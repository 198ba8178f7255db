/* SPDX-License-Identifier: MIT */
/*
 * The one door to shared words: kernel names, kernel ordering classes (spec: core.md section 2).
 * Every word that two threads may touch is an atomic_t, atomic_long_t or shared_t; a plain access
 * to one does not compile in C without going through .counter/.word, and not at all in Swift.
 *
 * Ordering classes, as the doc comments below use them:
 *   RLX     no order.
 *   REL-ST  store release.          ACQ-LD  load acquire.      REL-RMW  release, returns or not.
 *   FULL    everything before is ordered before, everything after is ordered after.
 *   FULL/f  FULL when it succeeds, RLX when it fails.
 *
 * A C11 seq_cst read-modify-write is not FULL on arm64: relaxed accesses around it may pass it. So
 * FULL is spelled as fence, acquire-release operation, fence. On x86-64 a locked instruction is
 * already a full fence and only the compiler must be held (smp_mb__before_atomic() costs nothing).
 */
#ifndef FOLIO_ATOMIC_H
#define FOLIO_ATOMIC_H

#include <folio/mutant.h>
#include <folio/seam.h>

FOLIO_ASSUME_NONNULL_BEGIN

/* Fences. ------------------------------------------------------------------------------------ */

/** MBA: a full fence. x86-64: a locked instruction, which is seven times cheaper than mfence. */
static inline void smp_mb(void)
{
#if defined(__x86_64__) && !defined(FOLIO_LAB)
	__asm__ __volatile__("lock; addl $0,-132(%%rsp)" ::: "memory", "cc");
#else
	SEAM_FENCE(memory_order_seq_cst);
#endif
}

/** Orders a following value-returning-free RMW after everything before it. */
static inline void smp_mb__before_atomic(void)
{
#if defined(__x86_64__) && !defined(FOLIO_LAB)
	atomic_signal_fence(memory_order_seq_cst);
#else
	SEAM_FENCE(memory_order_seq_cst);
#endif
}

/** Orders everything after a preceding RMW behind it. */
static inline void smp_mb__after_atomic(void)
{
	smp_mb__before_atomic();
}

/** RMB: loads before are ordered before loads after. */
static inline void smp_rmb(void)
{
	SEAM_FENCE(memory_order_acquire);
}

/** WMB: stores before are ordered before stores after. */
static inline void smp_wmb(void)
{
	SEAM_FENCE(memory_order_release);
}

/* Words. ------------------------------------------------------------------------------------- */

/** RLX load of a shared_t. */
#define READ_ONCE(x) SEAM_HERE(SEAM_LOAD(&(x).word, memory_order_relaxed), "READ_ONCE(" #x ")")
/** RLX store to a shared_t. */
#define WRITE_ONCE(x, value)                                                                       \
	SEAM_HERE(SEAM_STORE(&(x).word, (unsigned long)(value), memory_order_relaxed),             \
		  "WRITE_ONCE(" #x ", " #value ")")
/** ACQ-LD of a shared_t. */
#define smp_load_acquire(p)                                                                        \
	SEAM_HERE(SEAM_LOAD(&(p)->word, memory_order_acquire), "smp_load_acquire(" #p ")")
/** REL-ST to a shared_t. */
#define smp_store_release(p, value)                                                                \
	SEAM_HERE(SEAM_STORE(&(p)->word, (unsigned long)(value), memory_order_release),            \
		  "smp_store_release(" #p ", " #value ")")

/** RLX; READ_ONCE() for functions that have a site of their own. */
static inline unsigned long shared_read(const shared_t *p)
{
	return SEAM_LOAD(&p->word, memory_order_relaxed);
}

/** ACQ-LD. */
static inline unsigned long shared_read_acquire(const shared_t *p)
{
	return SEAM_LOAD(&p->word, memory_order_acquire);
}

/** RLX; WRITE_ONCE() for callers that have no macros. */
static inline void shared_set(shared_t *p, unsigned long value)
{
	SEAM_STORE(&p->word, value, memory_order_relaxed);
}

/** REL-ST. */
static inline void shared_set_release(shared_t *p, unsigned long value)
{
	SEAM_STORE(&p->word, value, memory_order_release);
}

/** FULL: swaps in value, returns the old word. */
static inline unsigned long shared_xchg(shared_t *p, unsigned long value)
{
	smp_mb__before_atomic();
	unsigned long old = SEAM_XCHG_WORD(&p->word, value, memory_order_acq_rel);
	smp_mb__after_atomic();
	return old;
}

/** FULL/f: *expected receives the value seen when it fails. */
static inline bool shared_try_cmpxchg(shared_t *p, unsigned long *expected, unsigned long desired)
{
	smp_mb__before_atomic();
	bool done = SEAM_CMPXCHG(&p->word, expected, desired, memory_order_acq_rel);
	if (done)
		smp_mb__after_atomic();
	return done;
}

/** RLX read-modify-write: adds to the word; wraps. */
static inline void shared_add(shared_t *p, unsigned long value)
{
	(void)SEAM_ADD_WORD(&p->word, value, memory_order_relaxed);
}

/** RLX read-modify-write: sets bits. */
static inline void set_bits(shared_t *p, unsigned long bits)
{
	(void)SEAM_OR(&p->word, bits, memory_order_relaxed);
}

/** RLX read-modify-write: clears bits. */
static inline void clear_bits(shared_t *p, unsigned long bits)
{
	(void)SEAM_AND(&p->word, ~bits, memory_order_relaxed);
}

/** Release read-modify-write: clears bits; a bit lock's unlock. On x86-64 also FULL (locked). */
static inline void clear_bits_unlock(shared_t *p, unsigned long bits)
{
	(void)SEAM_AND(&p->word, ~bits, memory_order_release);
}

/** ACQ read-modify-write: true when none of the bits was set before; a bit lock's trylock. */
static inline bool test_and_set_bits_lock(shared_t *p, unsigned long bits)
{
	return (SEAM_OR(&p->word, bits, memory_order_acquire) & bits) == 0;
}

/* atomic_t. ---------------------------------------------------------------------------------- */

/** RLX. */
static inline int atomic_read(const atomic_t *v)
{
	return SEAM_LOAD(&v->counter, memory_order_relaxed);
}

/** ACQ-LD. */
static inline int atomic_read_acquire(const atomic_t *v)
{
	return SEAM_LOAD(&v->counter, memory_order_acquire);
}

/**
 * ACQ-LD of this counter (low half) and the one behind it (high half), together 8-byte aligned:
 * both as they stood at one instant.
 */
static inline unsigned long atomic_read_pair_acquire(const atomic_t *v)
{
	typedef struct {
		_Atomic(unsigned long) word;
	} __attribute__((may_alias)) pair_t;
	return SEAM_LOAD(&((const pair_t *)(const void *)v)->word, memory_order_acquire);
}

/** RLX store: not a read-modify-write, a concurrent change is lost. */
static inline void atomic_set(atomic_t *v, int i)
{
	SEAM_STORE(&v->counter, i, memory_order_relaxed);
}

/** REL-ST. */
static inline void atomic_set_release(atomic_t *v, int i)
{
	SEAM_STORE(&v->counter, i, memory_order_release);
}

/** RLX. */
static inline void atomic_add(int i, atomic_t *v)
{
	(void)SEAM_ADD_INT(&v->counter, i, memory_order_relaxed);
}

/** RLX. */
static inline void atomic_sub(int i, atomic_t *v)
{
	(void)SEAM_ADD_INT(&v->counter, -i, memory_order_relaxed);
}

/** RLX. */
static inline void atomic_inc(atomic_t *v)
{
	atomic_add(1, v);
}

/** RLX. */
static inline void atomic_dec(atomic_t *v)
{
	atomic_sub(1, v);
}

/** RELRMW: relaxed, returns the new value. */
static inline int atomic_add_return_relaxed(int i, atomic_t *v)
{
	return seam_wrapping_sum(SEAM_ADD_INT(&v->counter, i, memory_order_relaxed), i);
}

/** REL-RMW: returns the new value. */
static inline int atomic_add_return_release(int i, atomic_t *v)
{
	return seam_wrapping_sum(SEAM_ADD_INT(&v->counter, i, memory_order_release), i);
}

/** FULL: returns the new value. */
static inline int atomic_add_return(int i, atomic_t *v)
{
	smp_mb__before_atomic();
	int result = seam_wrapping_sum(SEAM_ADD_INT(&v->counter, i, memory_order_acq_rel), i);
	smp_mb__after_atomic();
	return result;
}

/** FULL: returns the new value. */
static inline int atomic_sub_return(int i, atomic_t *v)
{
	return atomic_add_return(-i, v);
}

/**
 * FULL: true when the new value is 0 or less. Asks the old value, so that on x86 the flags of the
 * locked subtraction answer and no register has to bring the value back.
 */
static inline bool atomic_sub_and_test_low(int i, atomic_t *v)
{
	smp_mb__before_atomic();
	bool low = SEAM_ADD_INT(&v->counter, -i, memory_order_acq_rel) <= i;
	smp_mb__after_atomic();
	return low;
}

/** FULL: true when the new value is 0. */
static inline bool atomic_sub_and_test(int i, atomic_t *v)
{
	return atomic_add_return(-i, v) == 0;
}

/** FULL: true when the new value is 0. */
static inline bool atomic_dec_and_test(atomic_t *v)
{
	return atomic_add_return(-1, v) == 0;
}

/** FULL: true when the new value is 0. */
static inline bool atomic_inc_and_test(atomic_t *v)
{
	return atomic_add_return(1, v) == 0;
}

/** FULL: true when the new value is negative. */
static inline bool atomic_add_negative(int i, atomic_t *v)
{
	return atomic_add_return(i, v) < 0;
}

/** FULL: swaps in i, returns the old value. */
static inline int atomic_xchg(atomic_t *v, int i)
{
	smp_mb__before_atomic();
	int old = SEAM_XCHG_INT(&v->counter, i, memory_order_acq_rel);
	smp_mb__after_atomic();
	return old;
}

/** FULL/f: *expected receives the value seen when it fails. */
static inline bool atomic_try_cmpxchg(atomic_t *v, int *expected, int desired)
{
	smp_mb__before_atomic();
	bool done = SEAM_CMPXCHG(&v->counter, expected, desired, memory_order_acq_rel);
	if (done)
		smp_mb__after_atomic();
	return done;
}

/** FULL/f: returns the value seen; equal to expected when it swapped. */
static inline int atomic_cmpxchg(atomic_t *v, int expected, int desired)
{
	(void)atomic_try_cmpxchg(v, &expected, desired);
	return expected;
}

/**
 * FULL/f: adds i unless the value is u; false when it was u. A failed exchange goes on with the
 * value it saw.
 * No branch hint: where "false" is the function's exit, clang 21 takes a hinted exit for a cold one
 * and compiles the whole caller for size, in the section of cold code.
 */
static inline bool atomic_add_unless(atomic_t *v, int i, int u)
{
	SEAM_SCOPE(before);
	int old = atomic_read(v);
	do {
		SEAM_LIVE(before, old);
		if (old == u)
			return false;
	} while (!atomic_try_cmpxchg(v, &old, seam_wrapping_sum(old, i)));
	SEAM_LIVE(before, true);
	return true;
}

/** FULL/f: adds 1 unless the value is 0. */
static inline bool atomic_inc_not_zero(atomic_t *v)
{
	return atomic_add_unless(v, 1, 0);
}

/* atomic_long_t. ----------------------------------------------------------------------------- */

/** ACQ-LD. */
static inline long atomic_long_read_acquire(const atomic_long_t *v)
{
	return SEAM_LOAD(&v->counter, memory_order_acquire);
}

/** REL-ST. */
static inline void atomic_long_set_release(atomic_long_t *v, long i)
{
	SEAM_STORE(&v->counter, i, memory_order_release);
}

/** RLX. */
static inline long atomic_long_read(const atomic_long_t *v)
{
	return SEAM_LOAD(&v->counter, memory_order_relaxed);
}

/** RLX store. */
static inline void atomic_long_set(atomic_long_t *v, long i)
{
	SEAM_STORE(&v->counter, i, memory_order_relaxed);
}

/** RLX. */
static inline void atomic_long_add(long i, atomic_long_t *v)
{
	(void)SEAM_ADD_LONG(&v->counter, i, memory_order_relaxed);
}

/** FULL: returns the new value. */
static inline long atomic_long_add_return(long i, atomic_long_t *v)
{
	smp_mb__before_atomic();
	long result =
		seam_wrapping_sum_long(SEAM_ADD_LONG(&v->counter, i, memory_order_acq_rel), i);
	smp_mb__after_atomic();
	return result;
}

/** FULL: true when the new value is 0. */
static inline bool atomic_long_sub_and_test(long i, atomic_long_t *v)
{
	return atomic_long_add_return(-i, v) == 0;
}

/** FULL/f: adds i unless the value is u. */
static inline bool atomic_long_add_unless(atomic_long_t *v, long i, long u)
{
	SEAM_SCOPE(before);
	long old = atomic_long_read(v);
	do {
		SEAM_LIVE(before, old);
		if (old == u)
			return false;
		smp_mb__before_atomic();
	} while (!SEAM_CMPXCHG(&v->counter, &old, seam_wrapping_sum_long(old, i),
			       memory_order_acq_rel));
	smp_mb__after_atomic();
	SEAM_LIVE(before, true);
	return true;
}

/** A hint for a spinning CPU. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield" ::: "memory");
#endif
}

FOLIO_ASSUME_NONNULL_END

#include <folio/weakened.h>

#include <folio/sites.h>

#endif
