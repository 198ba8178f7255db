/* SPDX-License-Identifier: MIT */
/*
 * Waiting: queues, keyed waits on an address, cancellation (spec: core.md section 13, rows
 * 108-110). The one place where a thread of Folio sleeps for a condition. Mirrors the kernel's
 * wait.h, wait_bit.h and completion.h.
 *
 * The contract. A waiter enqueues itself and stores its sleeping state, then tests the condition
 * (full barrier between). A waker makes the condition true by a FULL operation, or puts smp_mb()
 * after the store, then tests the queue. By the store-buffer argument one of them sees the other:
 *   1. waiter: enqueue; state := sleeping; MB; read condition.
 *   2. waker:  condition := true; MB; read queue.
 *   3. If 1 read false, its read came before 2's write in coherence order, so its enqueue is
 *      visible to 2's read of the queue: 2 wakes it. Otherwise 1 read true and does not sleep.
 * A wake for one key never wakes another key, though they may share one of the 256 buckets.
 */
#ifndef FOLIO_WAIT_H
#define FOLIO_WAIT_H

#include <folio/lock.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** Kernel-internal result of an interrupted wait; never an errno of C. */
#define ERESTARTSYS 512

struct list_head {
	struct list_head *_Null_unspecified next;
	struct list_head *_Null_unspecified prev;
};

/** Sleeping states. */
enum task_state {
	TASK_RUNNING = 0,
	TASK_INTERRUPTIBLE = 1,	  /**< any cancellation ends the wait */
	TASK_UNINTERRUPTIBLE = 2, /**< nothing but the wake ends it */
	TASK_KILLABLE = 3,	  /**< only a fatal cancellation ends it */
};

/**
 * What stands for signals of a task: a token that any thread may fire and any number of waits may
 * watch. Firing is for ever (until reset while nobody watches).
 */
struct cancellation {
	spinlock_t lock;
	atomic_t pending; /**< CANCELLATION_* bits; written under lock */
	struct list_head watchers;
} FOLIO_NONCOPYABLE;

enum { CANCELLATION_SIGNAL = 1, CANCELLATION_FATAL = 2 };

void cancellation_init(struct cancellation *token);
/** Fires; interruptible waits (all waits but uninterruptible ones when fatal) end. Any thread. */
void cancellation_fire(struct cancellation *token, bool fatal);
/** Un-fires. Context: no wait watches the token. */
void cancellation_reset(struct cancellation *token);
/** True when a wait in this state would be ended by the token. RLX. */
bool signal_pending_state(enum task_state state, const struct cancellation *_Nullable token);

/** One sleeping thread; lives on its stack. */
struct sleeper {
	/** enum task_state; the futex word. Stored by the owner, set to RUNNING by wakers. */
	atomic_t state;
	enum task_state mode;
	struct cancellation *_Nullable token;
	struct list_head watch; /**< in token->watchers; token->lock */
};

struct wait_queue_head {
	spinlock_t lock;
	atomic_t entries;      /**< written under lock, read without */
	struct list_head head; /**< of struct wait_queue_entry; under lock */
} FOLIO_NONCOPYABLE;

struct wait_queue_entry;
/** Called under the queue lock. True: this entry was woken. */
typedef bool (*wait_queue_func_t)(struct wait_queue_entry *entry, const void *_Nullable key);

#define WQ_FLAG_EXCLUSIVE 1u

struct wait_queue_entry {
	unsigned int flags;
	void *_Nullable private; /**< the sleeper, or what func wants */
	wait_queue_func_t _Null_unspecified func;
	struct wait_queue_head *_Nullable queue; /**< where it is queued; queue lock */
	struct list_head entry;			 /**< queue lock */
};

void init_waitqueue_head(struct wait_queue_head *queue, struct lock_class *_Nullable lock_class);
/** Unlocked test; ordered only by the caller's barrier. */
bool waitqueue_active(const struct wait_queue_head *queue);
/**
 * Wakes every non-exclusive entry that key admits and up to nr_exclusive exclusive ones (0: all).
 */
void __wake_up(struct wait_queue_head *queue, int nr_exclusive, const void *_Nullable key);

/** Readies an entry for the calling thread: autoremove, wakes the sleeper. */
void init_wait_entry(struct wait_queue_entry *entry, struct sleeper *_Nullable sleeper,
		     unsigned int flags);
void init_sleeper(struct sleeper *sleeper, struct cancellation *_Nullable token);
/** Sets RUNNING and wakes the thread. Context: something that keeps the sleeper's wait open. */
void wake_up_sleeper(struct sleeper *sleeper);
/**
 * Enqueues (if absent) and stores the state, or, when a cancellation is pending for the state,
 * dequeues and returns -ERESTARTSYS. Full barrier at the end.
 */
int prepare_to_wait_event(struct wait_queue_head *queue, struct wait_queue_entry *entry,
			  enum task_state state);
/** State RUNNING, dequeued, no longer watched. */
void finish_wait(struct wait_queue_head *queue, struct wait_queue_entry *entry);
/**
 * Sleeps until the state is RUNNING or the absolute deadline (0: none) has passed. False: passed.
 */
bool schedule_timeout(struct sleeper *sleeper, int64_t deadline_ns);

/* ---- keyed waits ----------------------------------------------------------------------------- */

#define WAIT_TABLE_BITS 8

struct wait_bit_key {
	const void *flags; /**< the address waited on */
	int bit_nr;	   /**< -1 for a variable */
};

struct wait_bit_queue_entry {
	struct wait_bit_key key;
	struct wait_queue_entry wq_entry;
};

/** Bucket of an address, one of 2^WAIT_TABLE_BITS. */
struct wait_queue_head *__var_waitqueue(const void *var);
/** Entry for var, for the calling thread. Counts one waiter in the event word until finish. */
void init_wait_var_entry(struct wait_bit_queue_entry *entry, const void *var,
			 struct sleeper *sleeper, unsigned int flags);
void finish_wait_var(struct wait_bit_queue_entry *entry);

/**
 * Wakes waiters on var: all non-exclusive, at most 1 exclusive. Context: FULL before; any thread.
 */
void wake_up_var(const void *var);
/**
 * wake_up_var() for a caller who changed the condition under a lock that the waiters test it under
 * (not the bucket's): same effect, no barrier needed before.
 */
void wake_up_var_locked(const void *var);
/** REL-ST of the value, full barrier, wake. */
void store_release_wake_up(atomic_t *var, int value);
/** R -= 1 (FULL); wakes when 0. True when 0. */
bool atomic_dec_and_wake_up(atomic_t *var);
/** Wakes waiters on one bit of a word. Context: FULL before. */
void wake_up_bit(const shared_t *word, int bit);

/** How a wait goes about it. Zero is uninterruptible, without timeout, not exclusive. */
struct wait_options {
	enum task_state state; /**< TASK_RUNNING counts as TASK_UNINTERRUPTIBLE */
	bool exclusive;
	bool io;	    /**< counted as waiting for a device, nothing else */
	int64_t timeout_ns; /**< 0: none */
	struct cancellation *_Nullable token;
	spinlock_t *_Nullable spinlock; /**< dropped while asleep */
	struct mutex *_Nullable mutex;	/**< dropped while asleep */
	/** Dropped while asleep by functions of the caller; both or none. */
	void (*_Nullable drop)(void *_Nullable context);
	void (*_Nullable retake)(void *_Nullable context);
	void *_Nullable lock_context;
};

/** The condition of a wait; an acquire-style read. Called with the caller's locks held. */
typedef bool (*wait_condition_t)(void *_Nullable context);

/**
 * Waits on var until condition(context). Returns 0; -ERESTARTSYS when a cancellation ended it
 * (a true condition beats the cancellation); with a timeout: the nanoseconds left, at least 1, or
 * 0 when time ran out with the condition false. Context: may block; not in a read section.
 */
int64_t wait_var_event_options(const void *var, wait_condition_t condition, void *_Nullable context,
			       const struct wait_options *options);

/** Waits without interruption until the bit of the word is clear. */
void wait_on_bit(const shared_t *word, int bit);

/** Threads inside an io wait now. */
int cfolio_io_waiters(void);

/** A wait that parks no thread: resume(context) is called once, under the bucket lock. */
struct wait_callback {
	struct wait_bit_queue_entry entry;
	void (*_Null_unspecified resume)(struct wait_callback *callback);
	void *_Nullable context;
} FOLIO_NONCOPYABLE;

/** Enqueues on var. Full barrier at the end: test the condition after it. */
void wait_callback_begin(struct wait_callback *callback, const void *var,
			 void (*resume)(struct wait_callback *callback), void *_Nullable context);
/** Dequeues. True: it was still queued, resume was not and will not be called. */
bool wait_callback_cancel(struct wait_callback *callback);

/* ---- completion ------------------------------------------------------------------------------ */

struct completion {
	atomic_t done;
} FOLIO_NONCOPYABLE;

static inline void init_completion(struct completion *completion)
{
	atomic_set(&completion->done, 0);
}

/** Lets every present and future waiter go. */
void complete_all(struct completion *completion);
/** Sleeps, uninterruptibly, until complete_all(). */
void wait_for_completion(struct completion *completion);
/** The same with a limit; false when time ran out. */
bool wait_for_completion_timeout(struct completion *completion, int64_t timeout_ns);
static inline bool completion_done(const struct completion *completion)
{
	if (MUTANT(O14))
		return atomic_read(&completion->done) != 0;
	return atomic_read_acquire(&completion->done) != 0;
}

FOLIO_ASSUME_NONNULL_END

#endif
