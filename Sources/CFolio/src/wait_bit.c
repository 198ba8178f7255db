// SPDX-License-Identifier: MIT
/*
 * Keyed waits: the hashed table, the wait loop, wakes by address and by bit. Queues and sleeping
 * are in wait.c. Mirrors the kernel's wait_bit.c.
 */
#include <folio/bug.h>
#include <folio/events.h>
#include <folio/mutant.h>
#include <folio/sys.h>
#include "wait_internal.h"

#include <pthread.h>

static struct lock_class table_class = LOCK_CLASS("wait table");
static struct wait_queue_head wait_table[1 << WAIT_TABLE_BITS];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void init_table(void)
{
	for (unsigned int i = 0; i < 1u << WAIT_TABLE_BITS; i++)
		init_waitqueue_head(&wait_table[i], &table_class);
}

static struct wait_queue_head *bucket(const void *address, int bit)
{
	unsigned long value = (unsigned long)address * 64 + (unsigned long)bit;
	return &wait_table[value * 0x61c8864680b583ebUL >> (64 - WAIT_TABLE_BITS)];
}

struct wait_queue_head *__var_waitqueue(const void *var)
{
	return bucket(var, -1);
}

bool cfolio_key_matches(struct wait_queue_entry *entry, const void *key)
{
	const struct wait_bit_queue_entry *keyed =
		container_of(entry, struct wait_bit_queue_entry, wq_entry);
	const struct wait_bit_key *wanted = key;
	return keyed->key.flags == wanted->flags && keyed->key.bit_nr == wanted->bit_nr;
}

static bool keyed_wake_function(struct wait_queue_entry *entry, const void *key)
{
	return cfolio_key_matches(entry, key) && cfolio_autoremove_wake_function(entry, key);
}

void cfolio_init_keyed(struct wait_bit_queue_entry *entry, const void *address, int bit)
{
	pthread_once(&table_once, init_table);
	entry->key.flags = address;
	entry->key.bit_nr = bit;
	/* From here on every put that may make a condition true looks for us (see events.h). */
	(void)atomic_add_return(FOLIO_EVENT_WAITER, &cfolio_events);
}

void init_wait_var_entry(struct wait_bit_queue_entry *entry, const void *var,
			 struct sleeper *sleeper, unsigned int flags)
{
	cfolio_init_keyed(entry, var, -1);
	init_wait_entry(&entry->wq_entry, sleeper, flags);
	entry->wq_entry.func = keyed_wake_function;
}

static void finish_keyed(struct wait_bit_queue_entry *entry)
{
	finish_wait(bucket(entry->key.flags, entry->key.bit_nr), &entry->wq_entry);
	(void)atomic_sub_return(MUTANT(P52) ? 0 : FOLIO_EVENT_WAITER, &cfolio_events);
}

void finish_wait_var(struct wait_bit_queue_entry *entry)
{
	finish_keyed(entry);
}

static void wake_up_key(const void *address, int bit)
{
	struct wait_queue_head *queue = bucket(address, bit);
	struct wait_bit_key key = {address, bit};
	if (waitqueue_active(queue))
		__wake_up(queue, 1, &key);
}

void wake_up_var(const void *var)
{
	wake_up_key(var, -1);
}

void wake_up_var_locked(const void *var)
{
	/*
	 * The lock of the condition orders the store before the test of the queue only with this.
	 */
	if (!MUTANT(O17))
		smp_mb();
	wake_up_key(var, -1);
}

void store_release_wake_up(atomic_t *var, int value)
{
	if (MUTANT(P53)) {
		wake_up_var(var);
		atomic_set_release(var, value);
		return;
	}
	if (MUTANT(O13))
		atomic_set(var, value);
	else
		atomic_set_release(var, value);
	if (!MUTANT(O15))
		smp_mb();
	wake_up_var(var);
}

bool atomic_dec_and_wake_up(atomic_t *var)
{
	if (MUTANT(C39) && !waitqueue_active(bucket(var, -1)))
		return atomic_dec_and_test(var);
	if (MUTANT(O18) ? weakened_add_return(-1, var, memory_order_relaxed) != 0
			: !atomic_dec_and_test(var))
		return false;
	wake_up_var(var);
	return true;
}

void wake_up_bit(const shared_t *word, int bit)
{
	wake_up_key(word, MUTANT(P45) ? -1 : bit);
}

/* ---- the wait loop --------------------------------------------------------------------------- */

static atomic_t io_waiters;

int cfolio_io_waiters(void)
{
	return atomic_read(&io_waiters);
}

static bool sleep_unlocked(struct sleeper *sleeper, const struct wait_options *options,
			   int64_t deadline)
{
	if (options->spinlock && !MUTANT(P49))
		spin_unlock(options->spinlock);
	if (options->mutex)
		mutex_unlock(options->mutex);
	if (options->drop)
		options->drop(options->lock_context);
	if (options->io)
		atomic_inc(&io_waiters);
	bool in_time = schedule_timeout(sleeper, deadline);
	if (options->io)
		atomic_dec(&io_waiters);
	if (options->retake)
		options->retake(options->lock_context);
	if (options->mutex && !MUTANT(P50))
		mutex_lock(options->mutex);
	if (options->spinlock)
		spin_lock(options->spinlock);
	return in_time;
}

/*
 * Time is up. An exclusive waiter that looks at its condition for the last time while it is queued
 * may be chosen by a wake right after that look, and take the wake along. So it leaves first: a
 * wake that chose it before made the condition true before, a later one chooses somebody else.
 */
static int leave_queue(struct wait_queue_head *queue, struct wait_queue_entry *entry)
{
	finish_wait(queue, entry);
	return 0;
}

/* 0: none. Saturates: a timeout beyond the end of the clock is that end. */
static int64_t deadline_after(int64_t timeout_ns)
{
	if (!timeout_ns)
		return 0;
	int64_t now = cfolio_clock_ns();
	return timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

static int64_t time_left(int64_t deadline)
{
	if (!deadline)
		return 0;
	int64_t left = deadline - cfolio_clock_ns();
	return left > 0 ? left : 1;
}

static int64_t wait_keyed(const void *address, int bit, wait_condition_t condition, void *context,
			  const struct wait_options *options)
{
	enum task_state state =
		options->state == TASK_RUNNING ? TASK_UNINTERRUPTIBLE : options->state;
	int64_t deadline = deadline_after(options->timeout_ns);
	if (condition(context))
		return time_left(deadline);

	struct sleeper sleeper;
	struct wait_bit_queue_entry entry;
	init_sleeper(&sleeper, options->token);
	cfolio_init_keyed(&entry, address, bit);
	init_wait_entry(&entry.wq_entry, &sleeper, options->exclusive ? WQ_FLAG_EXCLUSIVE : 0);
	entry.wq_entry.func = keyed_wake_function;

	struct wait_queue_head *queue = bucket(address, bit);
	int64_t result;
	bool in_time = true, met = false;
	for (;;) {
		met = MUTANT(C40) && condition(context);
		int interrupted = in_time || MUTANT(P42)
					  ? prepare_to_wait_event(queue, &entry.wq_entry, state)
					  : leave_queue(queue, &entry.wq_entry);
		met = MUTANT(C40) ? met : condition(context);
		if (met) {
			result = time_left(deadline);
			break;
		}
		if (interrupted || !in_time) {
			result = interrupted;
			break;
		}
		/* A sleeper that was woken in time comes back true: ask the clock, or wakes without
		 * end would keep it. */
		in_time = sleep_unlocked(&sleeper, options, deadline) &&
			  (!deadline || cfolio_clock_ns() < deadline);
		if (MUTANT(P46)) {
			result = time_left(deadline);
			break;
		}
	}
	finish_keyed(&entry);
	if (unlikely(result < 0 && state == TASK_UNINTERRUPTIBLE))
		cfolio_violation("CI48", FOLIO_NO_PFN, "uninterruptible wait returned %ld",
				 (long)result);
	if (unlikely(result == 0 && !deadline && !met))
		cfolio_violation("CI47", FOLIO_NO_PFN, "wait returned with its condition false");
	return result;
}

int64_t wait_var_event_options(const void *var, wait_condition_t condition, void *context,
			       const struct wait_options *options)
{
	return wait_keyed(var, -1, condition, context, options);
}

struct bit_wait {
	const shared_t *word;
	int bit;
};

static bool bit_is_clear(void *context)
{
	const struct bit_wait *wait = context;
	return (smp_load_acquire(wait->word) & BIT(wait->bit)) == 0;
}

void wait_on_bit(const shared_t *word, int bit)
{
	struct bit_wait wait = {word, bit};
	const struct wait_options options = {.state = TASK_UNINTERRUPTIBLE};
	(void)wait_keyed(word, bit, bit_is_clear, &wait, &options);
}
