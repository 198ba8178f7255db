// SPDX-License-Identifier: MIT
/* The event word and its switches. See folio/events.h. */
#include <folio/events.h>
#include <folio/lock.h>

atomic_t cfolio_events;

static struct lock_class switches_class = LOCK_CLASS("event switches");
/* Protects users[] and the four low bits of the word. Waiters add to the word without it. */
static spinlock_t switches_lock = SPIN_LOCK_INIT(&switches_class);
static int users[4];

void cfolio_events_enable(int event)
{
	spin_lock(&switches_lock);
	if (users[__builtin_ctz((unsigned int)event)]++ == 0)
		(void)atomic_add_return(event, &cfolio_events);
	spin_unlock(&switches_lock);
}

void cfolio_events_disable(int event)
{
	spin_lock(&switches_lock);
	if (--users[__builtin_ctz((unsigned int)event)] == 0)
		(void)atomic_sub_return(event, &cfolio_events);
	spin_unlock(&switches_lock);
}
