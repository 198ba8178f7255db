// SPDX-License-Identifier: MIT
/*
 * The lab side of the seam: the primitives of folio/atomic.h and folio/rcu.h, out of line. Empty
 * unless the trait Lab is on. The hook of the schedule explorer belongs here and nowhere else.
 */
#include <folio/rcu.h>

#if defined(FOLIO_LAB)

#define _LGPL_SOURCE
#include <urcu/static/urcu-bp.h>
#undef _LGPL_SOURCE

#define DEFINE_ACCESS(type, name)                                                                  \
	type cfolio_seam_load_##name(const volatile _Atomic(type) *p, int order)                   \
	{                                                                                          \
		return atomic_load_explicit(p, order);                                             \
	}                                                                                          \
	void cfolio_seam_store_##name(volatile _Atomic(type) *p, type value, int order)            \
	{                                                                                          \
		atomic_store_explicit(p, value, order);                                            \
	}                                                                                          \
	bool cfolio_seam_cmpxchg_##name(volatile _Atomic(type) *p, type *expected, type desired,   \
					int order)                                                 \
	{                                                                                          \
		return atomic_compare_exchange_strong_explicit(p, expected, desired, order,        \
							       memory_order_relaxed);              \
	}

typedef unsigned long word_type;
DEFINE_ACCESS(int, int)
DEFINE_ACCESS(long, long)
DEFINE_ACCESS(word_type, word)

int cfolio_seam_add_int(volatile _Atomic(int) *p, int value, int order)
{
	return atomic_fetch_add_explicit(p, value, order);
}

long cfolio_seam_add_long(volatile _Atomic(long) *p, long value, int order)
{
	return atomic_fetch_add_explicit(p, value, order);
}

unsigned long cfolio_seam_add_word(volatile _Atomic(unsigned long) *p, unsigned long value,
				   int order)
{
	return atomic_fetch_add_explicit(p, value, order);
}

unsigned long cfolio_seam_or_word(volatile _Atomic(unsigned long) *p, unsigned long bits, int order)
{
	return atomic_fetch_or_explicit(p, bits, order);
}

unsigned long cfolio_seam_and_word(volatile _Atomic(unsigned long) *p, unsigned long bits,
				   int order)
{
	return atomic_fetch_and_explicit(p, bits, order);
}

int cfolio_seam_xchg_int(volatile _Atomic(int) *p, int value, int order)
{
	return atomic_exchange_explicit(p, value, order);
}

unsigned long cfolio_seam_xchg_word(volatile _Atomic(unsigned long) *p, unsigned long value,
				    int order)
{
	return atomic_exchange_explicit(p, value, order);
}

void cfolio_seam_fence(int order)
{
	atomic_thread_fence(order);
}

void rcu_read_lock(void)
{
	_urcu_bp_read_lock();
}

void rcu_read_unlock(void)
{
	_urcu_bp_read_unlock();
}

bool rcu_read_lock_held(void)
{
	return _urcu_bp_read_ongoing() != 0;
}

#endif
