/* SPDX-License-Identifier: MIT */
/* What locks tell the order checker of lock.c. Not for users: not in CFolio.h. */
#ifndef FOLIO_LOCK_ORDER_H
#define FOLIO_LOCK_ORDER_H

#include <folio/lock.h>

/** How a lock is taken: waited for, tried, or waited for under another one of its class. */
enum lock_order { LOCK_WAITED, LOCK_TRIED, LOCK_NESTED };

#if defined(DEBUG)

/** Called before the lock is waited for, and when a tried one was taken. */
void lock_order_acquire(struct lock_class *lock_class, enum lock_order how);
void lock_order_release(struct lock_class *lock_class);

#else

static inline void lock_order_acquire(struct lock_class *lock_class, enum lock_order how)
{
	(void)lock_class;
	(void)how;
}

static inline void lock_order_release(struct lock_class *lock_class)
{
	(void)lock_class;
}

#endif

#endif
