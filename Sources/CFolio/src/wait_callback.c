// SPDX-License-Identifier: MIT
/*
 * Waits that park no thread, and completions. See folio/wait.h.
 *
 * A callback entry obeys the same contract as a sleeping thread: it is enqueued, then a full
 * barrier, then its owner tests the condition. Whoever dequeues it, the wake or the cancel, both
 * under the bucket lock, owns the right to continue: exactly one does.
 */
#include <folio/events.h>
#include <folio/mutant.h>
#include <folio/sys.h>
#include <folio/wait.h>
#include "wait_internal.h"

static bool callback_wake_function(struct wait_queue_entry *entry, const void *key)
{
	if (!cfolio_key_matches(entry, key))
		return false;
	struct wait_bit_queue_entry *keyed =
		container_of(entry, struct wait_bit_queue_entry, wq_entry);
	struct wait_callback *callback = container_of(keyed, struct wait_callback, entry);
	if (!MUTANT(P41))
		cfolio_dequeue(entry);
	(void)atomic_sub_return(FOLIO_EVENT_WAITER, &cfolio_events);
	callback->resume(callback);
	return true;
}

void wait_callback_begin(struct wait_callback *callback, const void *var,
			 void (*resume)(struct wait_callback *callback), void *context)
{
	callback->resume = resume;
	callback->context = context;
	cfolio_init_keyed(&callback->entry, var, -1);
	init_wait_entry(&callback->entry.wq_entry, NULL, 0);
	callback->entry.wq_entry.func = callback_wake_function;
	struct wait_queue_head *queue = __var_waitqueue(var);
	spin_lock(&queue->lock);
	cfolio_enqueue(queue, &callback->entry.wq_entry);
	spin_unlock(&queue->lock);
	smp_mb();
}

bool wait_callback_cancel(struct wait_callback *callback)
{
	struct wait_queue_head *queue = __var_waitqueue(callback->entry.key.flags);
	spin_lock(&queue->lock);
	bool queued = cfolio_dequeue(&callback->entry.wq_entry);
	spin_unlock(&queue->lock);
	if (queued)
		(void)atomic_sub_return(FOLIO_EVENT_WAITER, &cfolio_events);
	return queued || MUTANT(P55);
}

static bool is_done(void *context)
{
	return completion_done(context);
}

void complete_all(struct completion *completion)
{
	store_release_wake_up(&completion->done, 1);
}

void wait_for_completion(struct completion *completion)
{
	const struct wait_options options = {.state = TASK_UNINTERRUPTIBLE};
	(void)wait_var_event_options(&completion->done, is_done, completion, &options);
}

bool wait_for_completion_timeout(struct completion *completion, int64_t timeout_ns)
{
	const struct wait_options options = {.state = TASK_UNINTERRUPTIBLE,
					     .timeout_ns = timeout_ns};
	return wait_var_event_options(&completion->done, is_done, completion, &options) != 0;
}
