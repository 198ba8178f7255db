/* SPDX-License-Identifier: MIT */
/*
 * Operations of folio/atomic.h with a C11 order of choice, for the order mutants (folio/mutant.h):
 * nothing else may use them, and in a normal build nothing does. Included by folio/atomic.h only.
 */
#ifndef FOLIO_WEAKENED_H
#define FOLIO_WEAKENED_H

#include <folio/seam.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** Returns the new value; instead of atomic_add_return(), FULL. */
static inline int weakened_add_return(int i, atomic_t *v, int order)
{
	return seam_wrapping_sum(SEAM_ADD_INT(&v->counter, i, order), i);
}

/** Instead of atomic_try_cmpxchg(), FULL/f. */
static inline bool weakened_try_cmpxchg(atomic_t *v, int *expected, int desired, int order)
{
	return SEAM_CMPXCHG(&v->counter, expected, desired, order);
}

/** Instead of atomic_add_unless(), FULL/f. */
static inline bool weakened_add_unless(atomic_t *v, int i, int u, int order)
{
	int old = SEAM_LOAD(&v->counter, memory_order_relaxed);
	while (old != u)
		if (weakened_try_cmpxchg(v, &old, seam_wrapping_sum(old, i), order))
			return true;
	return false;
}

/** Returns the old value; instead of shared_xchg(), FULL. */
static inline unsigned long weakened_xchg(shared_t *p, unsigned long value, int order)
{
	return SEAM_XCHG_WORD(&p->word, value, order);
}

/** Past the seam; instead of READ_ONCE() and rcu_dereference() of a shared_t. */
#define PLAIN_READ(x) (*(const unsigned long *)(const void *)&(x).word)

FOLIO_ASSUME_NONNULL_END

#endif
