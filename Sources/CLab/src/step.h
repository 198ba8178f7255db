/* SPDX-License-Identifier: MIT */
/*
 * What every step goes through, inline: who is chosen, what is recorded. `walks` is a constant at
 * each use: true in code that only walks under SC run (see lab_walk_hooks), where everything that
 * recording searches and weak models need folds away; false where any search may.
 */
#ifndef LAB_STEP_H
#define LAB_STEP_H

#include "model.h"

#define STEP_INLINE static inline __attribute__((always_inline))

/* engine.c */
/** Whatever the search and the state, chooses who goes on; returns when it is the caller. */
void choose_and_go(void);
/** Systematic searches: what step `index` touches; a repeated one must be what it was. */
void record_step(unsigned int index);
/** What the program itself looks at behind each step. */
void look_between(void);

/* ---- the choice ------------------------------------------------------------------------------ */

static inline unsigned int below(unsigned int limit)
{
	return (unsigned int)(((next_random() >> 32) * limit) >> 32);
}

static inline unsigned int nth(unsigned short lanes, unsigned int n)
{
	return likely(lanes < 256) ? nth_of_byte[lanes][n] : nth_of_many(lanes, n);
}

/* Counts by a table: without one for sets of 16, and where no instruction does, it is a dozen. */
static inline unsigned int choose_at_random(unsigned short enabled)
{
	unsigned int count = likely(enabled < 256) ? bits_of_byte[enabled]
						   : (unsigned int)__builtin_popcount(enabled);
	return nth(enabled, below(count));
}

/* Of a walk only chance decides: all lanes that are left can go on, and nothing is special. */
static inline bool is_plain_walk(void)
{
	return likely(lab.mode == MODE_RUN && lab.alive && !(lab.alive & lab.blocking) &&
		      !lab.failed && !lab.abandoned && !takes_turns(lab.depth));
}

STEP_INLINE unsigned int choose_in_walk(void)
{
	unsigned short enabled = lab.alive;
	unsigned int next = (unsigned int)__builtin_ctz(enabled);
	if (enabled & (enabled - 1)) {
		if (likely(lab.search.strategy == LAB_RANDOM)) {
			lab.choices++;
			next = choose_at_random(enabled);
		} else {
			next = choose_walk(enabled);
		}
	}
	lab.events[lab.depth].enabled = enabled;
	return next;
}

/* To itself, too: whether it is somebody else is what processors cannot predict. */
STEP_INLINE void go_on_in_walk(struct lab_lane *self)
{
	struct lab_lane *next = lane(lab.current = choose_in_walk());
	lab_fiber_switch(&self->fiber, &next->fiber);
}

STEP_INLINE bool take_turn_as(bool walks, struct lab_lane *self)
{
	if (walks && is_plain_walk())
		go_on_in_walk(self);
	else
		choose_and_go();
	cfolio_seam_resume(self->pending.site);
	return lab.mode == MODE_RUN;
}

/* ---- the record ------------------------------------------------------------------------------ */

STEP_INLINE unsigned int begin_step_as(bool walks, struct lab_lane *self)
{
	unsigned int index = lab.depth++;
	const struct operation *pending = &self->pending;
	if (!walks && lab.recording && !takes_turns(index))
		record_step(index);
	struct lab_event *event = &lab.events[index];
	event->from = -1;
	event->missed = -1;
	event->choice = 0;
	event->choices = 0;
	event->owner = (unsigned char)lab.current;
	event->site = pending->site;
	event->address = pending->address;
	event->thread = (unsigned char)lab.current;
	event->kind = pending->kind;
	event->order = pending->order;
	event->bytes = pending->bytes;
	event->of_thread = (unsigned short)self->steps++;
	self->last_step = (int)index;
	event->in_section = self->nesting != 0;
	if (self->nesting) {
		if (!walks && !self->section_begun && lab.model == LAB_C11)
			history_section_begins();
		self->section_begun = true;
	}
	return index;
}

STEP_INLINE void end_step_as(bool walks, const struct lab_lane *self, unsigned int index,
			     unsigned long before, unsigned long after)
{
	struct lab_event *event = &lab.events[index];
	event->before = before;
	event->after = after;
	event->read = before;
	if (unlikely(lab.search.pairs) && self->pending.object)
		note_pairs(index, self->pending.object);
	if (walks || !lab.recording) {
		if (lab.search.strategy == LAB_POS)
			draw_again(index);
	} else if (!takes_turns(index)) {
		searched(index);
	}
	if (unlikely(lab.program->between != NULL))
		look_between();
}

#endif
