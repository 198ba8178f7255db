// SPDX-License-Identifier: MIT
/* Waiting for idleness. See folio/idle.h. */
#include <folio/idle.h>

static const struct dev_pagemap *waited_map(const struct folio *folio)
{
	const struct dev_pagemap *pgmap =
		folio_is_zone_device(folio) ? page_pgmap(&folio->page) : NULL;
	FOLIO_BUG_ON(!pgmap, "CI11", &folio->page, "idleness asked of a page of no device map");
	return pgmap;
}

static const void *idle_key(const struct folio *folio)
{
	return cfolio_idle_key(folio, waited_map(folio)->rules);
}

bool folio_is_idle(const struct folio *folio, enum folio_idle_condition condition)
{
	if (condition == FOLIO_UNPINNED)
		return folio_extra_refs(folio) == 0;
	return atomic_read_acquire(&folio->page._refcount) == pgmap_idle_count(waited_map(folio));
}

struct idle_wait {
	const struct folio *folio;
	enum folio_idle_condition condition;
};

static bool idle_condition(void *context)
{
	const struct idle_wait *wait = context;
	return folio_is_idle(wait->folio, wait->condition);
}

int64_t folio_wait_idle(struct folio *folio, enum folio_idle_condition condition,
			const struct wait_options *options)
{
	struct idle_wait wait = {folio, condition};
	return wait_var_event_options(idle_key(folio), idle_condition, &wait, options);
}

/*
 * Begin against cancel: begin enqueues, sets begun, MB, reads cancelled; cancel sets cancelled,
 * MB, reads begun. At least one of them sees the other and tries to dequeue; the bucket lock lets
 * one dequeuer win over the other and over a wake, and only the winner continues the waiter.
 */
bool folio_idle_callback_begin(struct folio_idle_callback *wait, struct folio *folio,
			       enum folio_idle_condition condition,
			       void (*resume)(struct wait_callback *callback), void *context)
{
	wait_callback_begin(&wait->callback, idle_key(folio), resume, context);
	atomic_set_release(&wait->begun, 1);
	smp_mb();
	if ((!MUTANT(P56) && folio_is_idle(folio, condition)) ||
	    folio_idle_callback_cancelled(wait))
		return wait_callback_cancel(&wait->callback);
	return false;
}

void folio_idle_callback_cancel(struct folio_idle_callback *wait)
{
	atomic_set(&wait->cancelled, 1);
	smp_mb();
	if (atomic_read_acquire(&wait->begun) &&
	    (wait_callback_cancel(&wait->callback) || MUTANT(P57)))
		wait->callback.resume(&wait->callback);
}

bool folio_idle_callback_cancelled(const struct folio_idle_callback *wait)
{
	return atomic_read_acquire(&wait->cancelled) != 0;
}
