// SPDX-License-Identifier: MIT
/*
 * Queues, sleeping and cancellation. Keyed waits and the wait loop are in wait_bit.c, waits without
 * a thread in wait_callback.c. See folio/wait.h for the contract.
 *
 * Lifetimes. An entry and its sleeper live on the waiting thread's stack. A waker touches them
 * only under the queue lock, a canceller only under the token's lock, and the waiter takes both
 * locks (one after the other, never nested) before it leaves. The futex call of a wake may come
 * after that; it uses the address only.
 */
#include <folio/bug.h>
#include <folio/mutant.h>
#include <folio/rcu.h>
#include <folio/sys.h>
#include "wait_internal.h"

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

/* ---- sleeping and cancellation --------------------------------------------------------------- */

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
	FOLIO_BUG_ON(!list_empty(&token->watchers), "CI47", NULL,
		     "token reset while it is watched");
	atomic_set(&token->pending, 0);
	spin_unlock(&token->lock);
}

bool signal_pending_state(enum task_state state, const struct cancellation *token)
{
	if (!token || state == TASK_UNINTERRUPTIBLE)
		return false;
	int pending = atomic_read(&token->pending);
	return state == TASK_INTERRUPTIBLE || MUTANT(P47) ? pending != 0
							  : (pending & CANCELLATION_FATAL) != 0;
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
	for (struct list_head *node = token->watchers.next; node != &token->watchers;
	     node = node->next) {
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
	if (!sleeper->token) {
		sleeper->mode = state;
		return;
	}
	/* Mode and links are read by cancellation_fire() and by other watchers' additions. */
	spin_lock(&sleeper->token->lock);
	sleeper->mode = state;
	if (list_empty(&sleeper->watch))
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
	cfolio_futex_wake(&sleeper->state, MUTANT(P51) ? 0 : 1);
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
		if (state == TASK_RUNNING ||
		    (!MUTANT(P44) && signal_pending_state(sleeper->mode, sleeper->token)))
			return true;
		if (deadline_ns && cfolio_clock_ns() >= deadline_ns)
			return false;
		cfolio_futex_wait(&sleeper->state, state, deadline_ns);
	}
}

/* ---- queues ---------------------------------------------------------------------------------- */

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
	struct list_head *next = entry->flags & WQ_FLAG_EXCLUSIVE ? &queue->head : queue->head.next;
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
		if (entry->func(entry, key) && ((flags & WQ_FLAG_EXCLUSIVE) || MUTANT(P40)) &&
		    --nr_exclusive == 0)
			break;
	}
	spin_unlock(&queue->lock);
}

bool cfolio_autoremove_wake_function(struct wait_queue_entry *entry, const void *key)
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
	entry->func = cfolio_autoremove_wake_function;
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
	if (!MUTANT(P43) && signal_pending_state(state, sleeper->token)) {
		cfolio_dequeue(entry);
		result = -ERESTARTSYS;
	} else {
		if (list_empty(&entry->entry))
			cfolio_enqueue(queue, entry);
		atomic_set(&sleeper->state, state);
	}
	spin_unlock(&queue->lock);
	if (!MUTANT(O16))
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
