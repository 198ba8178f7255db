// SPDX-License-Identifier: MIT
/*
 * RCU: read sections, grace periods, deferred calls. See engine.h.
 *
 * A read section begins with its first step (before it there was nothing to protect) and ends
 * with its unlock. A grace period captures the sections that are open when it begins and ends when
 * they have ended: at any time after that, so that callbacks run as early and as late as can be.
 * A section that begins and a grace period that begins do not commute; an unlock commutes with the
 * beginning and comes before the end.
 */
#include "model.h"
#include "sanitizer.h"

#include <string.h>

bool is_over(const struct grace *grace)
{
	for (unsigned int rest = grace->captured; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		const struct lab_lane *reader = lane(number);
		if (reader->section_begun && reader->section == grace->section[number])
			return false;
	}
	if (lab.model == LAB_TSO)
		for (unsigned int i = 0; i <= lab.program->threads; i++)
			if (stores_flushed(i) < grace->stores[i])
				return false;
	return true;
}

void hook_rcu_read_lock(void)
{
	struct lab_lane *l = self();
	if (l->nesting++ == 0) {
		l->section++;
		l->section_begun = false;
	}
}

/* What a grace period that waits for this section has to wait for beyond its unlock. */
static void leave_for(struct grace *grace, unsigned int who)
{
	if (lab.model == LAB_TSO)
		grace->stores[lab.current] = stores_made(lab.current);
	else if (lab.model == LAB_C11)
		history_reader_left(who, lab.current);
}

static void leave_section(struct lab_lane *l, int unlock_step)
{
	if (unlock_step >= 0) {
		l->unlock_step = unlock_step;
		if (lab.model == LAB_TSO)
			l->unlock_stores = stores_made(lab.current);
		else if (lab.model == LAB_C11)
			history_section_ends(lab.current);
		/* Those who wait for this section come behind its unlock. */
		for (unsigned int i = 0; i <= lab.program->threads; i++)
			if ((lane(i)->grace.captured >> lab.current & 1) &&
			    lane(i)->grace.section[lab.current] == l->section) {
				lane(i)->grace.after[lab.current] = unlock_step;
				leave_for(&lane(i)->grace, i);
			}
		for (uint64_t n = lab.callbacks_run; n < lab.callbacks_queued; n++)
			if ((callback(n)->grace.captured >> lab.current & 1) &&
			    callback(n)->grace.section[lab.current] == l->section) {
				callback(n)->grace.after[lab.current] = unlock_step;
				leave_for(&callback(n)->grace,
					  LAB_LANES + (unsigned int)(n % LAB_CALLBACKS_MAX));
			}
	}
	l->section_begun = false;
	l->nesting = 0;
}

void hook_rcu_read_unlock(void)
{
	struct lab_lane *l = self();
	if (l->nesting == 0) {
		fail_at("RCU", UINT64_MAX, "unlock outside a read section");
		return;
	}
	if (l->nesting > 1) {
		l->nesting--;
		return;
	}
	unsigned int number;
	int unlock = -1;
	if (lab.mode == MODE_RUN && l->section_begun &&
	    plain_step(LAB_RCU_UNLOCK, NULL, 0, 0, &number)) {
		unlock = (int)number;
		end_step(number, 0, 0);
	}
	leave_section(l, unlock);
}

bool hook_rcu_read_lock_held(void)
{
	return self()->nesting != 0;
}

static void capture(struct grace *grace)
{
	memset(grace, 0, sizeof(*grace));
	for (unsigned int i = 0; i < LAB_LANES; i++)
		grace->after[i] = -1;
	for (unsigned int i = 0; i <= lab.program->threads; i++) {
		const struct lab_lane *reader = lane(i);
		grace->after[i] = reader->unlock_step;
		grace->stores[i] = reader->unlock_stores;
		if (reader->section_begun) {
			grace->captured |= (unsigned short)(1u << i);
			grace->section[i] = reader->section;
		}
	}
}

void hook_synchronize_rcu(void)
{
	struct lab_lane *l = self();
	unsigned int number = 0;
	if (lab.mode == MODE_OFF)
		return;
	bool recorded = plain_step(LAB_GRACE_BEGIN, NULL, 0, 0, &number);
	capture(&l->grace);
	if (lab.model == LAB_C11)
		history_grace_begins(lab.current);
	if (recorded)
		end_step(number, 0, l->grace.captured);
	if (plain_step(LAB_GRACE_END, NULL, 0, 0, &number)) {
		if (lab.model == LAB_C11)
			history_grace_ends(lab.current);
		end_step(number, 0, 0);
	}
	l->grace.captured = 0;
}

void hook_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	unsigned int number = 0;
	if (lab.mode == MODE_OFF) {
		func(head);
		return;
	}
	bool recorded = plain_step(LAB_CALL_RCU, head, 0, 0, &number);
	if (lab.callbacks_queued - lab.callbacks_run == LAB_CALLBACKS_MAX) {
		fail_at("LAB", UINT64_MAX, "more deferred calls than the lab keeps");
		stop_execution();
	}
	unsigned int slot = (unsigned int)(lab.callbacks_queued % LAB_CALLBACKS_MAX);
	struct callback *c = callback(lab.callbacks_queued++);
	c->head = head;
	c->func = func;
	c->queued_by = recorded ? (int)number : -1;
	c->done_behind = -1;
	capture(&c->grace);
	if (lab.model == LAB_C11)
		history_deferred(slot);
	start_reclaimer();
	if (recorded)
		end_step(number, 0, c->grace.captured);
}

/*
 * Two steps: which calls it waits for is decided where it begins, and another thread's call_rcu()
 * comes before or behind that; it ends behind the last of them. Were they one step, a call between
 * the thread's step before and this one would count or not without being ordered with either.
 */
void hook_rcu_barrier(void)
{
	unsigned int number;
	if (lab.mode == MODE_OFF)
		return;
	self()->barrier = 0;
	bool recorded = plain_step(LAB_BARRIER, NULL, 0, 0, &number);
	uint64_t queued = lab.callbacks_queued;
	if (recorded)
		end_step(number, 0, 0);
	self()->barrier = queued;
	describe(LAB_BARRIER, NULL, NULL, 4, 0)->operand = BARRIER_ENDS;
	if (step()) {
		number = begin_step();
		if (lab.model == LAB_C11)
			history_barrier();
		end_step(number, 0, 0);
	}
}

/* The lane that runs deferred calls, in the order in which they were made. */
void reclaimer(void *argument)
{
	struct lab_lane *l = argument;
	lab_fiber_entered(&l->fiber);
	cfolio_seam_resume(NULL);
	tell_engine_begins();
	for (;;) {
		struct callback c = *callback(lab.callbacks_run);
		if (lab.mode == MODE_RUN) {
			unsigned int number = begin_step();
			if (lab.model == LAB_C11)
				history_runs_deferred(
					(unsigned int)(lab.callbacks_run % LAB_CALLBACKS_MAX));
			end_step(number, 0, 0);
		}
		tell_deferred_begins();
		c.func(c.head);
		tell_deferred_ends();
		if (lab.model == LAB_C11)
			history_ran_deferred();
		callback(lab.callbacks_run)->done_behind = l->last_step;
		lab.callbacks_run++;
		l->pending = (struct operation){.kind = LAB_RECLAIM};
		(void)step();
	}
}
