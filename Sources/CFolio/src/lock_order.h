/* SPDX-License-Identifier: MIT */
/* What locks tell the order checker of lock.c. Not for users: not in CFolio.h. */
#ifndef FOLIO_LOCK_ORDER_H
#define FOLIO_LOCK_ORDER_H

#include <folio/lock.h>

#if defined(DEBUG)

/** Called before the lock is taken. tried: a lock that was taken without waiting. */
void lock_order_acquire(struct lock_class *lock_class, bool tried);
void lock_order_release(struct lock_class *lock_class);

#else

static inline void lock_order_acquire(struct lock_class *lock_class, bool tried)
{
	(void)lock_class;
	(void)tried;
}

static inline void lock_order_release(struct lock_class *lock_class)
{
	(void)lock_class;
}

#endif

#endif
