// SPDX-License-Identifier: MIT
/* A step: who is chosen, what is recorded, how it fails. See engine.h. */
#include "sanitizer.h"
#include "step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lab lab;

/* ---- the choice ------------------------------------------------------------------------------ */

unsigned short enabled_lanes(void)
{
	unsigned short enabled = lab.alive & (unsigned short)~lab.blocking;
	for (unsigned int rest = lab.alive & lab.blocking; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		if (is_enabled(lane(number)))
			enabled |= bit(number);
	}
	return enabled;
}

static const char *const waits[] = {
	[LAB_LOCK] = "a lock",
	[LAB_BIT_LOCK] = "a bit lock",
	[LAB_FUTEX_RESUME] = "a wake",
	[LAB_GRACE_END] = "a grace period",
	[LAB_BARRIER] = "deferred calls",
	[LAB_RECLAIM] = "work",
};

static __cold void report_deadlock(void)
{
	char message[sizeof(lab.finding.message)];
	size_t used = 0;
	for (unsigned int rest = lab.alive & program_lanes(); rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		const struct operation *pending = &lane(number)->pending;
		const char *what = pending->kind < sizeof(waits) / sizeof(waits[0])
					   ? waits[pending->kind]
					   : NULL;
		used += (size_t)snprintf(message + used, sizeof(message) - used,
					 "%sthread %u waits for %s", used ? "; " : "", number,
					 what ? what : "something");
		if (used >= sizeof(message) - 1)
			break;
	}
	fail_at("DEADLOCK", UINT64_MAX, message);
	lab.abandoned = true;
}

static unsigned int lowest(unsigned short lanes)
{
	return (unsigned int)__builtin_ctz(lanes);
}

/* Who goes on; HOST when the execution is over. */
static unsigned int choose_lane(void)
{
	unsigned short enabled = enabled_lanes();
	if (!enabled) {
		if (lab.alive & program_lanes())
			report_deadlock();
		return HOST;
	}
	if (unlikely(lab.failed || lab.abandoned)) {
		lab.abandoned = true;
		return HOST;
	}
	if (lab.mode == MODE_DRAIN)
		return enabled & bit(lab.current) ? lab.current : lowest(enabled);
	if (unlikely(lab.depth >= lab.search.steps)) {
		report_no_end();
		lab.abandoned = true;
		return HOST;
	}
	unsigned int next;
	if (takes_turns(lab.depth))
		next = choose_fairly(enabled);
	else if (lab.recording)
		next = choose_searched(enabled);
	else if (!(enabled & (enabled - 1)))
		next = lowest(enabled);
	else
		next = choose_walk(enabled);
	if (unlikely(next == LAB_NONE)) {
		lab.mode = MODE_DRAIN;
		if (lab.model == LAB_TSO) {
			flush_all();
			enabled = enabled_lanes();
			if (!enabled)
				return HOST;
		}
		return enabled & bit(lab.current) ? lab.current : lowest(enabled);
	}
	lab.events[lab.depth].enabled = enabled;
	return next;
}

/* Flushes have no fiber: they take place here. */
static unsigned int choose(void)
{
	if (lab.mode == MODE_START) {
		if (lab.started < lab.program->threads)
			return lab.started++;
		lab.mode = MODE_RUN;
	}
	unsigned int next = choose_lane();
	while (next != HOST && is_flush_lane(next)) {
		flush_step(next);
		next = choose_lane();
	}
	return next;
}

static void go_to(unsigned int next)
{
	struct lab_lane *self = lane(lab.current);
	struct lab_fiber *to = next == HOST ? &lab.host : &lane(next)->fiber;
	lab.current = next;
	lab_fiber_switch(&self->fiber, to);
}

void choose_and_go(void)
{
	if (!lab.recording && lab.model == LAB_SC && is_plain_walk()) {
		go_on_in_walk(self());
		return;
	}
	unsigned int next = choose();
	if (next != lab.current)
		go_to(next);
}

bool take_turn(void)
{
	return take_turn_as(false, self());
}

bool step(void)
{
	struct lab_lane *self = lane(lab.current);
	unsigned short mine = bit(lab.current);
	if (may_block(self->pending.kind) ||
	    (lab.model == LAB_TSO && drains(self->pending.kind) && !buffer_is_empty(lab.current)))
		lab.blocking |= mine;
	bool recorded = take_turn();
	lab.blocking &= (unsigned short)~mine;
	return recorded;
}

void stop_execution(void)
{
	lab.abandoned = true;
	go_to(HOST);
	__builtin_unreachable();
}

void count_drained(void)
{
	if (++lab.drained > 4 * LAB_STEPS_MAX)
		stop_execution();
}

void stop_process(const char *invariant, const char *message)
{
	fprintf(stderr, "folio: BUG %s: %s (outside of the scenario's threads)\n", invariant,
		message);
	abort();
}

/* No other thread is left that could end it: far more than a scenario looks at. */
#define CONCLUDED_MAX (1u << 22)

void count_concluded(void)
{
	if (!lab.inside || ++lab.drained <= CONCLUDED_MAX)
		return;
	/* Unless something was found before, which is more likely the cause. */
	fail_at("LAB", UINT64_MAX, "what concludes the execution waits, and nobody else runs");
	stop_process(lab.finding.invariant, lab.finding.message);
}

void lane_main(void *argument)
{
	struct lab_lane *self = argument;
	unsigned int number = (unsigned int)(self - lab.lanes);
	lab_fiber_entered(&self->fiber);
	/* Not the last one of whoever ran before: a lock that begins the thread has none. */
	cfolio_seam_resume(NULL);
	lab.program->body(lab.program->context, number);
	tell_engine_begins();
	if (self->nesting)
		fail_at("RCU", UINT64_MAX, "the thread ended inside a read section");
	lab.alive &= (unsigned short)~bit(number);
	choose_and_go();
}

/* The reclaimer is parked in front of its first callback from the beginning. */
void start_reclaimer(void)
{
	unsigned int number = lab.program->threads;
	if (lab.alive & bit(number))
		return;
	lane(number)->pending = (struct operation){.kind = LAB_RECLAIM};
	lab.alive |= bit(number);
	lab.blocking |= bit(number);
	lab_fiber_arm(&lane(number)->fiber, reclaimer, lane(number));
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void check_repetition(unsigned int index, const struct operation *pending)
{
	const struct lab_event *event = &lab.events[index];
	if (event->site != pending->site || lab.steps[index].thread != lab.current)
		fail_at("NONDETERMINISM", UINT64_MAX,
			"a prefix that was repeated went another way: the program depends on "
			"something that the lab does not put back");
}

void record_step(unsigned int index)
{
	const struct lab_lane *l = self();
	struct step *s = &lab.steps[index];
	if (index < lab.replay) {
		check_repetition(index, &l->pending);
		return;
	}
	s->thread = (unsigned char)lab.current;
	s->previous_of_thread = l->last_step;
	s->kind = l->pending.kind;
	s->behind = -1;
	if (l->pending.kind == LAB_FLUSH)
		s->behind = step_behind_store(lab.current);
	(void)touches_of(&l->pending, l, s->touches);
}

unsigned int begin_step(void)
{
	return begin_step_as(false, self());
}

/* TSO: while stores wait, memory is not what any thread sees. */
static bool memory_is_settled(void)
{
	for (unsigned int i = 0; lab.model == LAB_TSO && i <= lab.program->threads; i++)
		if (!buffer_is_empty(i))
			return false;
	return true;
}

void look_between(void)
{
	if (lab.failed || !memory_is_settled())
		return;
	lab.mode = MODE_OFF;
	lab.program->between(lab.program->context);
	lab.mode = MODE_RUN;
}

void end_step(unsigned int index, unsigned long before, unsigned long after)
{
	end_step_as(false, self(), index, before, after);
}

/* ---- findings -------------------------------------------------------------------------------- */

__cold void fail_at(const char *invariant, unsigned long pfn, const char *message)
{
	if (lab.failed)
		return;
	/* What follows a cut is part of another execution that is visited, with all of its steps.
	 */
	if (lab.mode == MODE_DRAIN) {
		lab.abandoned = true;
		return;
	}
	lab.failed = true;
	snprintf(lab.finding.invariant, sizeof(lab.finding.invariant), "%s", invariant);
	snprintf(lab.finding.message, sizeof(lab.finding.message), "%s", message);
	lab.finding.pfn = pfn;
	/* HOST is LAB_LANES. */
	lab.finding.thread = owner_of(lab.current);
	lab.finding.step = lab.depth ? lab.depth - 1 : 0;
}

void lab_fail(const char *invariant, const char *message)
{
	fail_at(invariant, UINT64_MAX, message);
	if (lab.mode == MODE_RUN || lab.mode == MODE_START || lab.mode == MODE_DRAIN)
		stop_execution();
}
