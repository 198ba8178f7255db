/* SPDX-License-Identifier: MIT */
/*
 * percpu_ref: a reference count that costs no shared cache line until it is killed (spec: core.md
 * 6.1, rows 56-59). Mirrors the kernel's percpu-refcount.h and .c.
 *
 * Percpu mode: gets and puts change one of folio_nr_cpus() counters. kill() marks the ref dead and
 * starts the switch to one atomic count, which takes effect after a grace period; the sum of the
 * per-CPU counts is then added once. The zero can only be seen after that.
 */
#ifndef FOLIO_PERCPU_REFCOUNT_H
#define FOLIO_PERCPU_REFCOUNT_H

#include <folio/rcu.h>

FOLIO_ASSUME_NONNULL_BEGIN

struct percpu_ref;
typedef void (*percpu_ref_func_t)(struct percpu_ref *ref);

#define PERCPU_COUNT_BIAS ((long)(1UL << 63))
#define PERCPU_REF_ATOMIC 1UL /**< low bit of percpu_count_ptr: atomic mode */
#define PERCPU_REF_DEAD 2UL   /**< next bit: killed */

/** One CPU's share, on a cache line of its own. Any thread adds, RLX. */
struct percpu_slot {
	atomic_long_t count;
	char pad[FOLIO_CACHE_LINE - sizeof(atomic_long_t)];
};

struct percpu_ref {
	/**
	 * Slots pointer with the mode bits. Written under the switch lock of percpu_refcount.c;
	 * read in RCU.
	 */
	shared_t percpu_count_ptr;
	/** Atomic count; in percpu mode PERCPU_COUNT_BIAS + 1. */
	atomic_long_t count;
	/** Called once, when the count reaches 0; must not block. */
	percpu_ref_func_t _Null_unspecified release;
	/** Called after the switch to atomic mode, or NULL. Written by the switcher. */
	percpu_ref_func_t _Nullable confirm_switch;
	/** Switches in progress: waiters sleep on it. */
	atomic_t switching;
	struct rcu_head rcu;
} FOLIO_NONCOPYABLE;

/** Percpu mode, count 1. 0 or -ENOMEM. */
int percpu_ref_init(struct percpu_ref *ref, percpu_ref_func_t release) __must_check;
/** Frees the slots. Context: unused; waits for the end of a switch, so it may block. */
void percpu_ref_exit(struct percpu_ref *ref);

/** +nr. Context: holds a reference, or any time between init and exit by the owner's rules. RLX. */
void percpu_ref_get_many(struct percpu_ref *ref, unsigned long nr);
/** +nr unless the count is known to be 0. Succeeds on a dead ref that is not 0 yet. */
bool percpu_ref_tryget_many(struct percpu_ref *ref, unsigned long nr) __must_check;
/** +1 unless the ref was killed; may still succeed until a grace period after the kill. */
bool percpu_ref_tryget_live(struct percpu_ref *ref) __must_check;
/** As above; context: a read section (warns otherwise). */
bool percpu_ref_tryget_live_rcu(struct percpu_ref *ref) __must_check;
/** -nr; release() at 0. FULL in atomic mode. */
void percpu_ref_put_many(struct percpu_ref *ref, unsigned long nr);

static inline void percpu_ref_get(struct percpu_ref *ref)
{
	percpu_ref_get_many(ref, 1);
}

static inline bool percpu_ref_tryget(struct percpu_ref *ref)
{
	return percpu_ref_tryget_many(ref, 1);
}

static inline void percpu_ref_put(struct percpu_ref *ref)
{
	percpu_ref_put_many(ref, 1);
}

/** Marks dead, switches to atomic mode, drops the initial reference. Warns when called twice. */
void percpu_ref_kill(struct percpu_ref *ref);
/**
 * The same; confirm runs when no tryget_live can succeed any more - at once, and so perhaps too
 * early, when the ref was in atomic mode already, as in the kernel. May block for another switch.
 */
void percpu_ref_kill_and_confirm(struct percpu_ref *ref, percpu_ref_func_t _Nullable confirm);
/** Starts the switch to atomic mode without killing. confirm as above, or NULL. */
void percpu_ref_switch_to_atomic(struct percpu_ref *ref, percpu_ref_func_t _Nullable confirm);
/** The same, and waits for it. Context: may block. */
void percpu_ref_switch_to_atomic_sync(struct percpu_ref *ref);
/** Back to percpu mode, if the ref is alive. Context: may block. */
void percpu_ref_switch_to_percpu(struct percpu_ref *ref);
/** Live again with count 1, percpu mode. Warns when the count is not 0. */
void percpu_ref_reinit(struct percpu_ref *ref);
/** Live again with one more reference, whatever the count. Warns when not dead. */
void percpu_ref_resurrect(struct percpu_ref *ref);
/** True in atomic mode with count 0. */
bool percpu_ref_is_zero(const struct percpu_ref *ref);
/** True once killed. */
bool percpu_ref_is_dying(const struct percpu_ref *ref);
/** True while gets go to the per-CPU slots. */
bool percpu_ref_is_percpu(const struct percpu_ref *ref);
/** The value: exact when quiescent, in both modes. */
long percpu_ref_value(const struct percpu_ref *ref);

FOLIO_ASSUME_NONNULL_END

#endif
