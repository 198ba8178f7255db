// SPDX-License-Identifier: MIT
/*
 * Queues, keyed waits and cancellation. See folio/wait.h for the contract.
 *
 * Lifetimes. An entry and its sleeper live on the waiting thread's stack. A waker touches them
 * only under the queue lock, a canceller only under the token's lock, and the waiter takes both
 * locks (one after the other, never nested) before it leaves. The futex call of a wake may come
 * after that; it uses the address only.
 */
#include <folio/bug.h>
#include <folio/events.h>
#include <folio/rcu.h>
#include <folio/sys.h>
#include "wait_internal.h"

#include <pthread.h>

static void list_init(struct list_head *node)
{
	node->next = node;
	node->prev = node;
}

static bool list_empty(const struct list_head *node)
{
	return node->next == node;
}

static void list_add_before(struct list_head *node, struct list_head *next)
{
	node->prev = next->prev;
	node->next = next;
	next->prev->next = node;
	next->prev = node;
}

static void list_del_init(struct list_head *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* ---- sleeping and cancellation ---------------------------------------------------------------- */

static struct lock_class cancellation_class = LOCK_CLASS("cancellation");

void cancellation_init(struct cancellation *token)
{
	spin_lock_init(&token->lock, &cancellation_class);
	atomic_set(&token->pending, 0);
	list_init(&token->watchers);
}

void cancellation_reset(struct cancellation *token)
{
	spin_lock(&token->lock);
	FOLIO_BUG_ON(!list_empty(&token->watchers), "CI47", NULL, "token reset while it is watched");
	atomic_set(&token->pending, 0);
	spin_unlock(&token->lock);
}

bool signal_pending_state(enum task_state state, const struct cancellation *token)
{
	if (!token || state == TASK_UNINTERRUPTIBLE)
		return false;
	int pending = atomic_read(&token->pending);
	return state == TASK_INTERRUPTIBLE ? pending != 0 : (pending & CANCELLATION_FATAL) != 0;
}

/*
 * Against a waiter that goes to sleep: it stores its state, MB, reads pending; we store pending,
 * MB, set its state RUNNING. One of the two sees the other, so it does not sleep on.
 */
void cancellation_fire(struct cancellation *token, bool fatal)
{
	spin_lock(&token->lock);
	atomic_set(&token->pending, atomic_read(&token->pending) | CANCELLATION_SIGNAL |
					    (fatal ? CANCELLATION_FATAL : 0));
	smp_mb();
	for (struct list_head *node = token->watchers.next; node != &token->watchers; node = node->next) {
		struct sleeper *sleeper = container_of(node, struct sleeper, watch);
		if (signal_pending_state(sleeper->mode, token))
			wake_up_sleeper(sleeper);
	}
	spin_unlock(&token->lock);
}

void init_sleeper(struct sleeper *sleeper, struct cancellation *token)
{
	atomic_set(&sleeper->state, TASK_RUNNING);
	sleeper->mode = TASK_UNINTERRUPTIBLE;
	sleeper->token = token;
	list_init(&sleeper->watch);
}

static void watch_token(struct sleeper *sleeper, enum task_state state)
{
	sleeper->mode = state;
	if (!sleeper->token || !list_empty(&sleeper->watch))
		return;
	spin_lock(&sleeper->token->lock);
	list_add_before(&sleeper->watch, &sleeper->token->watchers);
	spin_unlock(&sleeper->token->lock);
}

static void unwatch_token(struct sleeper *sleeper)
{
	if (!sleeper->token)
		return;
	spin_lock(&sleeper->token->lock);
	list_del_init(&sleeper->watch);
	spin_unlock(&sleeper->token->lock);
}

static bool set_running(struct sleeper *sleeper)
{
	if (atomic_xchg(&sleeper->state, TASK_RUNNING) == TASK_RUNNING)
		return false;
	cfolio_futex_wake(&sleeper->state, 1);
	return true;
}

void wake_up_sleeper(struct sleeper *sleeper)
{
	(void)set_running(sleeper);
}

bool schedule_timeout(struct sleeper *sleeper, int64_t deadline_ns)
{
	FOLIO_BUG_ON(rcu_read_lock_held(), "RCU", NULL, "sleep inside a read section");
	for (;;) {
		int state = atomic_read_acquire(&sleeper->state);
		if (state == TASK_RUNNING || signal_pending_state(sleeper->mode, sleeper->token))
			return true;
		if (deadline_ns && cfolio_clock_ns() >= deadline_ns)
			return false;
		cfolio_futex_wait(&sleeper->state, state, deadline_ns);
	}
}

/* ---- queues ----------------------------------------------------------------------------------- */

void init_waitqueue_head(struct wait_queue_head *queue, struct lock_class *lock_class)
{
	spin_lock_init(&queue->lock, lock_class);
	atomic_set(&queue->entries, 0);
	list_init(&queue->head);
}

bool waitqueue_active(const struct wait_queue_head *queue)
{
	return atomic_read(&queue->entries) != 0;
}

void cfolio_enqueue(struct wait_queue_head *queue, struct wait_queue_entry *entry)
{
	/* Non-exclusive entries come first, so that a wake reaches them before it stops. */
	struct list_head *next =
		entry->flags & WQ_FLAG_EXCLUSIVE ? &queue->head : queue->head.next;
	list_add_before(&entry->entry, next);
	entry->queue = queue;
	atomic_set(&queue->entries, atomic_read(&queue->entries) + 1);
}

bool cfolio_dequeue(struct wait_queue_entry *entry)
{
	if (list_empty(&entry->entry))
		return false;
	list_del_init(&entry->entry);
	atomic_set(&entry->queue->entries, atomic_read(&entry->queue->entries) - 1);
	return true;
}

void __wake_up(struct wait_queue_head *queue, int nr_exclusive, const void *key)
{
	spin_lock(&queue->lock);
	struct list_head *node = queue->head.next;
	while (node != &queue->head) {
		struct wait_queue_entry *entry = container_of(node, struct wait_queue_entry, entry);
		/* The callback may end the entry's life: read what we need first. */
		unsigned int flags = entry->flags;
		node = node->next;
		if (entry->func(entry, key) && (flags & WQ_FLAG_EXCLUSIVE) && --nr_exclusive == 0)
			break;
	}
	spin_unlock(&queue->lock);
}

static bool autoremove_wake_function(struct wait_queue_entry *entry, const void *key)
{
	/* A sleeper that is already running (timed out, cancelled) leaves the wake to the next. */
	if (!set_running(entry->private))
		return false;
	cfolio_dequeue(entry);
	return true;
}

void init_wait_entry(struct wait_queue_entry *entry, struct sleeper *sleeper, unsigned int flags)
{
	entry->flags = flags;
	entry->private = sleeper;
	entry->func = autoremove_wake_function;
	entry->queue = NULL;
	list_init(&entry->entry);
}

int prepare_to_wait_event(struct wait_queue_head *queue, struct wait_queue_entry *entry,
			  enum task_state state)
{
	struct sleeper *sleeper = entry->private;
	int result = 0;
	watch_token(sleeper, state);
	spin_lock(&queue->lock);
	if (signal_pending_state(state, sleeper->token)) {
		cfolio_dequeue(entry);
		result = -ERESTARTSYS;
	} else {
		if (list_empty(&entry->entry))
			cfolio_enqueue(queue, entry);
		atomic_set(&sleeper->state, state);
	}
	spin_unlock(&queue->lock);
	smp_mb();
	return result;
}

void finish_wait(struct wait_queue_head *queue, struct wait_queue_entry *entry)
{
	struct sleeper *sleeper = entry->private;
	spin_lock(&queue->lock);
	cfolio_dequeue(entry);
	atomic_set(&sleeper->state, TASK_RUNNING);
	spin_unlock(&queue->lock);
	unwatch_token(sleeper);
}

/* ---- keyed waits ------------------------------------------------------------------------------ */

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
	return cfolio_key_matches(entry, key) && autoremove_wake_function(entry, key);
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
	(void)atomic_sub_return(FOLIO_EVENT_WAITER, &cfolio_events);
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
	/* The lock of the condition orders the store before the test of the queue only with this. */
	smp_mb();
	wake_up_key(var, -1);
}

void store_release_wake_up(atomic_t *var, int value)
{
	atomic_set_release(var, value);
	smp_mb();
	wake_up_var(var);
}

bool atomic_dec_and_wake_up(atomic_t *var)
{
	if (!atomic_dec_and_test(var))
		return false;
	wake_up_var(var);
	return true;
}

void wake_up_bit(const shared_t *word, int bit)
{
	wake_up_key(word, bit);
}

/* ---- the wait loop ---------------------------------------------------------------------------- */

static atomic_t io_waiters;

int cfolio_io_waiters(void)
{
	return atomic_read(&io_waiters);
}

static bool sleep_unlocked(struct sleeper *sleeper, const struct wait_options *options, int64_t deadline)
{
	if (options->spinlock)
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
	if (options->mutex)
		mutex_lock(options->mutex);
	if (options->spinlock)
		spin_lock(options->spinlock);
	return in_time;
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
	int64_t deadline = options->timeout_ns ? cfolio_clock_ns() + options->timeout_ns : 0;
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
		int interrupted = prepare_to_wait_event(queue, &entry.wq_entry, state);
		met = condition(context);
		if (met) {
			result = time_left(deadline);
			break;
		}
		if (interrupted || !in_time) {
			result = interrupted;
			break;
		}
		in_time = sleep_unlocked(&sleeper, options, deadline);
	}
	finish_keyed(&entry);
	if (unlikely(result < 0 && state == TASK_UNINTERRUPTIBLE))
		cfolio_violation("CI48", FOLIO_NO_PFN, "uninterruptible wait returned %ld", (long)result);
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
