// SPDX-License-Identifier: MIT
/*
 * Steps that conflict: what orders them, and which of the races have to be tried the other way
 * round. See search.c.
 */
#include "model.h"

#include <string.h>

static bool conflict(const struct touch *a, const struct touch *b)
{
	return a->object && a->object == b->object && (a->mask & b->mask) &&
	       (a->write || b->write) && !(a->commutes && b->commutes) &&
	       (!a->only || a->only == b->by) && (!b->only || b->only == a->by);
}

static void join(lab_clock into, const lab_clock other)
{
	for (unsigned int i = 0; i < LAB_LANES; i++)
		into[i] = into[i] > other[i] ? into[i] : other[i];
}

/* Could step i, by a thread that may block, have stood where j is? */
static bool reversible(const struct step *j, const struct operation *now)
{
	if (now->kind == LAB_LOCK)
		return j->before == 0;
	if (now->kind == LAB_BIT_LOCK)
		return (j->before & now->operand) == 0;
	return true;
}

/*
 * Threads whose first step behind j does not depend on j nor on other such steps: each of them may
 * begin an execution in which i comes before j.
 */
static unsigned short initials(unsigned int j, unsigned int i, const lab_clock clock)
{
	unsigned int jt = lab.steps[j].thread;
	lab_clock first;
	unsigned short seen = 0, result = 0;
	for (unsigned int k = j + 1; k <= i; k++) {
		const struct step *s = &lab.steps[k];
		const int16_t *before = k == i ? clock : s->clock;
		if (k != i && before[jt] > (int)j)
			continue;
		unsigned int t = s->thread;
		if (seen >> t & 1)
			continue;
		bool minimal = true;
		for (unsigned int rest = seen; rest && minimal; rest &= rest - 1) {
			unsigned int other = (unsigned int)__builtin_ctz(rest);
			minimal = before[other] < first[other];
		}
		seen |= bit(t);
		first[t] = (int16_t)(k + 1);
		if (minimal)
			result |= bit(t);
	}
	return result;
}

static void add_race(unsigned int j, unsigned int i, const lab_clock clock)
{
	struct step *s = &lab.steps[j];
	/* Clocks hold what wakes a thread, so an initial is enabled; were it not, all are tried. */
	unsigned short candidates = initials(j, i, clock) & s->enabled;
	if (!candidates)
		s->backtrack |= s->enabled;
	if (!candidates || (s->backtrack & candidates))
		return;
	unsigned int wanted = lab.steps[i].thread;
	if (!(candidates >> wanted & 1))
		wanted = (unsigned int)__builtin_ctz(candidates);
	s->backtrack |= bit(wanted);
}

/* The steps that a grace period ends behind. */
static void join_unlocks(lab_clock clock, const struct grace *grace)
{
	for (unsigned int i = 0; i <= lab.program->threads; i++)
		if (grace->after[i] >= 0)
			join(clock, lab.steps[grace->after[i]].clock);
}

static void join_step(lab_clock clock, int index)
{
	if (index >= 0)
		join(clock, lab.steps[index].clock);
}

/* TSO: a flush comes behind its store, what drains the buffer behind the flushes. */
static void order_behind_stores(const struct step *s, lab_clock clock)
{
	if (s->kind == LAB_FLUSH)
		join_step(clock, s->behind);
	else if (drains(s->kind) && s->thread <= lab.program->threads)
		join_step(clock, lane(flush_lane_of(s->thread))->last_step);
	const struct grace *grace = NULL;
	if (s->kind == LAB_GRACE_END)
		grace = &lane(s->thread)->grace;
	else if (s->kind == LAB_RECLAIM)
		grace = &lab.callbacks[lab.callbacks_run % LAB_CALLBACKS_MAX].grace;
	else if (s->kind == LAB_BARRIER && lane(s->thread)->pending.operand == BARRIER_ENDS)
		join_step(clock, lane(flush_lane_of(lab.program->threads))->last_step);
	for (unsigned int i = 0; grace && i <= lab.program->threads; i++)
		if (grace->stores[i])
			join_step(clock, flush_step_of(i, grace->stores[i] - 1));
}

void order_step(unsigned int i)
{
	struct step *s = &lab.steps[i];
	const struct lab_lane *l = lane(s->thread);
	lab_clock clock, late;
	memset(late, 0, sizeof(late));
	if (s->previous_of_thread >= 0)
		memcpy(clock, lab.steps[s->previous_of_thread].clock, sizeof(clock));
	else
		memset(clock, 0, sizeof(clock));
	if (s->kind == LAB_GRACE_END) {
		join_unlocks(clock, &l->grace);
	} else if (s->kind == LAB_RECLAIM) {
		const struct callback *c = &lab.callbacks[lab.callbacks_run % LAB_CALLBACKS_MAX];
		join_unlocks(clock, &c->grace);
		if (c->queued_by >= 0)
			join(clock, lab.steps[c->queued_by].clock);
	} else if (s->kind == LAB_BARRIER && l->barrier > 0) {
		/* Behind the last call that it waits for; the slot is that call's, or a later
		 * one's. */
		const struct callback *c = &lab.callbacks[(l->barrier - 1) % LAB_CALLBACKS_MAX];
		if (c->done_behind >= 0)
			join(clock, lab.steps[c->done_behind].clock);
	} else if (s->kind == LAB_FUTEX_RESUME && l->woken_by >= 0) {
		join(late, lab.steps[l->woken_by].clock);
	}
	if (lab.model == LAB_TSO)
		order_behind_stores(s, clock);
	for (unsigned int n = 0; n < LAB_TOUCHES; n++) {
		struct touch *mine = &s->touches[n];
		if (!mine->object)
			continue;
		struct object *object = object_number(mine->object);
		mine->previous = object->last;
		object->last = i * LAB_TOUCHES + n + 1;
		for (uint32_t reference = mine->previous; reference;) {
			unsigned int j = (reference - 1) / LAB_TOUCHES;
			const struct touch *other =
				&lab.steps[j].touches[(reference - 1) % LAB_TOUCHES];
			reference = other->previous;
			if (j == i || !conflict(other, mine))
				continue;
			if (!reversible(&lab.steps[j], &l->pending)) {
				join(late, lab.steps[j].clock);
				continue;
			}
			if (clock[lab.steps[j].thread] <= (int)j &&
			    lab.search.strategy == LAB_CLASSES)
				add_race(j, i, clock);
			join(clock, lab.steps[j].clock);
			/* A flush also comes behind loads that it was forwarded to, wherever. */
			if (other->write && !other->commutes && !mine->by &&
			    (mine->mask & ~other->mask) == 0)
				break;
		}
	}
	join(clock, late);
	clock[s->thread] = (int16_t)(i + 1);
	memcpy(s->clock, clock, sizeof(clock));
}

unsigned short sleepers_behind(unsigned int i)
{
	const struct step *s = &lab.steps[i];
	unsigned int candidates = (unsigned int)(s->sleep | s->done) & ~(1u << s->thread);
	unsigned short asleep = 0;
	for (unsigned int rest = candidates; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		struct touch touches[LAB_TOUCHES];
		bool wakes = false;
		(void)touches_of(&lane(number)->pending, lane(number), touches);
		for (unsigned int a = 0; a < LAB_TOUCHES; a++)
			for (unsigned int b = 0; b < LAB_TOUCHES; b++)
				wakes |= conflict(&touches[a], &s->touches[b]);
		if (!wakes)
			asleep |= bit(number);
	}
	return asleep;
}
