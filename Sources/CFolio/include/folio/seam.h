/* SPDX-License-Identifier: MIT */
/*
 * The types of shared words and the SEAM_ macros, through which every access to one goes. Built
 * normally they are C11 atomics; the lab (FOLIO_LAB) replaces them by calls (seam_lab.c), and
 * nothing else in the project. Only folio/atomic.h uses them.
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

#if defined(FOLIO_LAB)

int cfolio_seam_load_int(const volatile _Atomic(int) *p, int order);
long cfolio_seam_load_long(const volatile _Atomic(long) *p, int order);
unsigned long cfolio_seam_load_word(const volatile _Atomic(unsigned long) *p, int order);
void cfolio_seam_store_int(volatile _Atomic(int) *p, int value, int order);
void cfolio_seam_store_long(volatile _Atomic(long) *p, long value, int order);
void cfolio_seam_store_word(volatile _Atomic(unsigned long) *p, unsigned long value, int order);
int cfolio_seam_add_int(volatile _Atomic(int) *p, int value, int order);
long cfolio_seam_add_long(volatile _Atomic(long) *p, long value, int order);
unsigned long cfolio_seam_add_word(volatile _Atomic(unsigned long) *p, unsigned long value,
				   int order);
unsigned long cfolio_seam_or_word(volatile _Atomic(unsigned long) *p, unsigned long bits,
				  int order);
unsigned long cfolio_seam_and_word(volatile _Atomic(unsigned long) *p, unsigned long bits,
				   int order);
int cfolio_seam_xchg_int(volatile _Atomic(int) *p, int value, int order);
unsigned long cfolio_seam_xchg_word(volatile _Atomic(unsigned long) *p, unsigned long value,
				    int order);
bool cfolio_seam_cmpxchg_int(volatile _Atomic(int) *p, int *expected, int desired, int order);
bool cfolio_seam_cmpxchg_long(volatile _Atomic(long) *p, long *expected, long desired, int order);
bool cfolio_seam_cmpxchg_word(volatile _Atomic(unsigned long) *p, unsigned long *expected,
			      unsigned long desired, int order);
void cfolio_seam_fence(int order);

#define SEAM_SELECT(p, name)                                                                       \
	_Generic((p),                                                                              \
		volatile _Atomic(int) *: cfolio_seam_##name##_int,                                 \
		_Atomic(int) *: cfolio_seam_##name##_int,                                          \
		const _Atomic(int) *: cfolio_seam_##name##_int,                                    \
		_Atomic(long) *: cfolio_seam_##name##_long,                                        \
		const _Atomic(long) *: cfolio_seam_##name##_long,                                  \
		_Atomic(unsigned long) *: cfolio_seam_##name##_word,                               \
		const _Atomic(unsigned long) *: cfolio_seam_##name##_word)
#define SEAM_LOAD(p, order) SEAM_SELECT(p, load)(p, order)
#define SEAM_STORE(p, v, order) SEAM_SELECT(p, store)(p, v, order)
#define SEAM_ADD_INT(p, v, order) cfolio_seam_add_int(p, v, order)
#define SEAM_ADD_LONG(p, v, order) cfolio_seam_add_long(p, v, order)
#define SEAM_ADD_WORD(p, v, order) cfolio_seam_add_word(p, v, order)
#define SEAM_OR(p, v, order) cfolio_seam_or_word(p, v, order)
#define SEAM_AND(p, v, order) cfolio_seam_and_word(p, v, order)
#define SEAM_XCHG_INT(p, v, order) cfolio_seam_xchg_int(p, v, order)
#define SEAM_XCHG_WORD(p, v, order) cfolio_seam_xchg_word(p, v, order)
#define SEAM_CMPXCHG(p, expected, desired, order)                                                  \
	SEAM_SELECT(p, cmpxchg)(p, expected, desired, order)
#define SEAM_FENCE(order) cfolio_seam_fence(order)

#else

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

#endif

FOLIO_ASSUME_NONNULL_END

#endif
