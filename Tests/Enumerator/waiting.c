// SPDX-License-Identifier: MIT
/*
 * What threads wait for: locks, futexes, grace periods, deferred calls. See run.h.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>

/* ---- who can go on --------------------------------------------------------------------------- */

#define CALLS 64

struct call {
	struct rcu_head *head;
	void (*func)(struct rcu_head *head);
	struct readers readers;
};

static struct call calls[CALLS];
static uint64_t calls_made, calls_ended;
static uint64_t tickets;

static void forget_waiting(void)
{
	calls_made = 0;
	calls_ended = 0;
	tickets = 0;
}

static struct readers readers_now(void)
{
	struct readers readers = {0};
	for (unsigned int i = 0; i < LANES; i++)
		if (threads[i].alive && threads[i].in_section) {
			readers.who |= 1u << i;
			readers.section[i] = threads[i].section;
		}
	return readers;
}

static bool have_left(const struct readers *readers)
{
	for (unsigned int i = 0; i < LANES; i++)
		if ((readers->who >> i & 1) && threads[i].in_section &&
		    threads[i].section == readers->section[i])
			return false;
	return true;
}

static bool can_go(const struct thread *t)
{
	switch (t->waiting) {
	case FOR_LOCK:
		return get(t->lock, 4) == 0;
	case FOR_BITS:
		return (get(t->lock, 8) & t->bits) == 0;
	case FOR_WAKE:
		/* Time may be up at any time. */
		return t->woken || t->deadline;
	case FOR_READERS:
		return have_left(&t->readers);
	case FOR_CALLS:
		return calls_ended >= t->calls;
	case FOR_WORK:
		return calls_ended < calls_made && have_left(&calls[calls_ended % CALLS].readers);
	default:
		return true;
	}
}

/* ---- locks ----------------------------------------------------------------------------------- */

static void take(const volatile void *place, unsigned int bytes, enum waiting waiting,
		 unsigned long bits)
{
	refuse_freed(place);
	if (running && is_shared((uintptr_t)place, true)) {
		self()->lock = place;
		self()->bits = bits;
		wait_for_turn(waiting);
		refuse_freed(place);
		write_down((uintptr_t)place, bytes, CHANGES);
	}
	put(place, bytes, waiting == FOR_BITS ? get(place, bytes) | bits : bits);
}

static void hook_lock(const struct seam_site *site, const volatile void *place)
{
	(void)site;
	take(place, 4, FOR_LOCK, 1);
}

static void hook_bit_lock(const struct seam_site *site, const volatile void *place,
			  unsigned long bits, int order)
{
	(void)site;
	(void)order;
	take(place, 8, FOR_BITS, bits);
}

static bool hook_trylock(const struct seam_site *site, const volatile void *place)
{
	return hook_access(site, SEAM_ACCESS(SEAM_OP_CMPXCHG, 4u, 0u), place, 1, 0) == 0;
}

static void hook_unlock(const struct seam_site *site, const volatile void *place, int order)
{
	(void)order;
	(void)hook_access(site, SEAM_ACCESS(SEAM_OP_STORE, 4u, 0u), place, 0, 0);
}

/* ---- futexes --------------------------------------------------------------------------------- */

static void hook_futex_wait(const volatile void *word, int value, int64_t deadline)
{
	struct thread *mine = self();
	if (!running)
		abort();
	refuse_freed(word);
	(void)is_shared((uintptr_t)word, false);
	wait_for_turn(NOTHING);
	refuse_freed(word);
	(void)is_shared((uintptr_t)word, false);
	write_down((uintptr_t)word, 4, READS);
	if (get(word, 4) != (unsigned long)(long)value)
		return;
	write_down_object(QUEUE_OBJECT(word), CHANGES);
	mine->queue = word;
	mine->ticket = ++tickets;
	mine->woken = false;
	mine->deadline = deadline;
	wait_for_turn(FOR_WAKE);
	mine->queue = NULL;
	/* Without a deadline the wake, which comes before, is all that there is to see. */
	if (deadline)
		write_down_object(QUEUE_OBJECT(word), mine->woken ? READS : CHANGES);
	if (!mine->woken && mine->now < deadline)
		mine->now = deadline;
}

static void hook_futex_wake(const volatile void *word, int n)
{
	bool found = false;
	if (!running)
		return;
	wait_for_turn(NOTHING);
	for (; n > 0; n--) {
		struct thread *first = NULL;
		for (unsigned int i = 0; i < program->threads; i++) {
			struct thread *t = &threads[i];
			if (t->queue == word && !t->woken && (!first || t->ticket < first->ticket))
				first = t;
		}
		if (!first)
			break;
		first->woken = true;
		found = true;
	}
	write_down_object(QUEUE_OBJECT(word), found ? CHANGES : READS);
}

static void hook_yield(void)
{
	if (running)
		wait_for_turn(NOTHING);
}

static int64_t hook_clock(void)
{
	return 1 + self()->now;
}

/* ---- RCU ------------------------------------------------------------------------------------- */

static void hook_rcu_read_lock(void)
{
	if (self()->nesting++ == 0)
		self()->section++;
}

static void hook_rcu_read_unlock(void)
{
	struct thread *mine = self();
	if (mine->nesting == 1 && mine->in_section) {
		wait_for_turn(NOTHING);
		mine->in_section = false;
	}
	mine->nesting--;
}

static bool hook_rcu_read_lock_held(void)
{
	return self()->nesting != 0;
}

static void hook_synchronize_rcu(void)
{
	if (!running)
		return;
	wait_for_turn(NOTHING);
	write_down_object(SECTIONS_OBJECT, BEGINS);
	self()->readers = readers_now();
	wait_for_turn(FOR_READERS);
}

static void hook_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	if (!running) {
		func(head);
		return;
	}
	wait_for_turn(NOTHING);
	write_down_object(SECTIONS_OBJECT, BEGINS);
	write_down_object(CALLS_OBJECT, CHANGES);
	if (calls_made - calls_ended == CALLS)
		abort();
	calls[calls_made++ % CALLS] = (struct call){head, func, readers_now()};
	start_reclaimer();
}

/* Waits for the calls that were made before it began. */
static void hook_rcu_barrier(void)
{
	if (!running)
		return;
	wait_for_turn(NOTHING);
	write_down_object(CALLS_OBJECT, READS);
	self()->calls = calls_made;
	wait_for_turn(FOR_CALLS);
}

/* The thread that makes the deferred calls, in their order; a step each. It begins with the first.
 */
static void run_deferred_calls(void)
{
	self()->steps++;
	for (;;) {
		const struct call call = calls[calls_ended % CALLS];
		call.func(call.head);
		calls_ended++;
		wait_for_turn(FOR_WORK);
	}
}
