/* SPDX-License-Identifier: MIT */
/*
 * The one door to RCU: read sections, grace periods, deferred calls. Native builds stand on
 * liburcu-bp (readers register themselves); only its three small inline functions are compiled in
 * (see NOTICE). Mirrors the kernel's rcupdate.h.
 *
 * Blocking rule: synchronize_rcu() and rcu_barrier() stop the process when they are called inside
 * a read section, where they would wait for themselves.
 */
#ifndef FOLIO_RCU_H
#define FOLIO_RCU_H

#include <folio/atomic.h>

#if defined(FOLIO_LAB)

void rcu_read_lock(void);
void rcu_read_unlock(void);
bool rcu_read_lock_held(void);

#else

#define _LGPL_SOURCE
#include <urcu/static/urcu-bp.h>
#undef _LGPL_SOURCE

#if defined(FOLIO_TSAN)
void cfolio_rcu_tsan_release(void);
#endif

/** Begins a read section of the calling thread. Nests. Never blocks. */
static inline void rcu_read_lock(void)
{
	_urcu_bp_read_lock();
}

/**
 * Ends the innermost read section. Everything in the section is done before a grace period ends.
 */
static inline void rcu_read_unlock(void)
{
#if defined(FOLIO_TSAN)
	cfolio_rcu_tsan_release();
#endif
	_urcu_bp_read_unlock();
}

/** True inside a read section of the calling thread. */
static inline bool rcu_read_lock_held(void)
{
	return _urcu_bp_read_ongoing() != 0;
}

#endif

FOLIO_ASSUME_NONNULL_BEGIN
/** ACQ-LD of an RCU-protected pointer in a shared_t. Context: a read section or the update lock. */
#define rcu_dereference(x)                                                                         \
	SEAM_HERE(SEAM_LOAD(&(x).word, MUTANT(O08) ? memory_order_relaxed : memory_order_acquire), \
		  "rcu_dereference(" #x ")")
/** REL-ST: publishes an initialised object. Context: the update lock of the structure. */
#define rcu_assign_pointer(x, value)                                                               \
	SEAM_HERE(SEAM_STORE(&(x).word, (unsigned long)(value),                                    \
			     MUTANT(O07) ? memory_order_relaxed : memory_order_release),           \
		  "rcu_assign_pointer(" #x ", " #value ")")

/** One deferred call. Lives inside the object that it frees. */
struct rcu_head {
	struct rcu_head *_Nullable next;
	void (*_Null_unspecified func)(struct rcu_head *head);
};

/** Waits until every read section that began before the call has ended. FULL on both sides. */
void synchronize_rcu(void);

/**
 * Runs func(head) on Folio's reclaim thread after a grace period. Any context, read sections
 * included; func must not wait for a grace period or call rcu_barrier().
 */
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));

/** Waits until every call_rcu() made before has run. Helps to run them on the calling thread. */
void rcu_barrier(void);

/** Number of deferred calls that have not run yet, a snapshot. */
long cfolio_rcu_pending(void);

FOLIO_ASSUME_NONNULL_END

#endif
