// SPDX-License-Identifier: MIT
/*
 * What differs between memory models: fences, the value that an access has, plain payload, sites
 * that are strengthened to see what silences an alarm. See model.h.
 */
#include "model.h"

#include <string.h>

bool model_suits(const struct lab_search *search, const struct lab_program *program)
{
	if (!program)
		return false;
	if (search->model == LAB_SC)
		return true;
	if (search->strategy == LAB_STATES)
		return false;
	return search->model == LAB_C11 || 2 * (program->threads + 1) <= LAB_LANES;
}

void begin_model(void)
{
	if (lab.model == LAB_TSO)
		begin_buffers();
	else
		begin_history();
}

/* ---- strengthening --------------------------------------------------------------------------- */

/* A site of an inline function stands in the code as often as the function does. */
static bool is_same_site(const struct seam_site *a, const struct seam_site *b)
{
	return a == b || (a && b && !strcmp(a->function, b->function) && !strcmp(a->text, b->text));
}

enum lab_strength strengthen(const struct seam_site *site, unsigned int change, unsigned int *order)
{
	enum lab_strength strength = LAB_AS_WRITTEN;
	for (unsigned int i = 0; i < lab.search.strengthened_count; i++)
		if (is_same_site(lab.search.strengthened[i].site, site))
			strength = lab.search.strengthened[i].strength;
	if (strength == LAB_AS_WRITTEN || *order == __ATOMIC_SEQ_CST)
		return strength;
	if (change == SEAM_OP_LOAD)
		*order = __ATOMIC_ACQUIRE;
	else if (change == SEAM_OP_STORE)
		*order = __ATOMIC_RELEASE;
	else
		*order = __ATOMIC_ACQ_REL;
	if (strength == LAB_FULL_BARRIERS)
		note_fence(site);
	return strength;
}

/* ---- fences ---------------------------------------------------------------------------------- */

void note_fence(const struct seam_site *site)
{
	struct lab_lane *self = lane(lab.current);
	self->fence_due = true;
	self->fence_site = site;
}

/* The fence behind a full operation belongs to its step: no other thread was there since. */
static bool is_behind_full_step(const struct lab_lane *self)
{
	if (self->last_step < 0 || self->last_step != (int)lab.depth - 1)
		return false;
	const struct lab_event *event = &lab.events[self->last_step];
	return (event->kind == LAB_CHANGE || event->kind == LAB_CMPXCHG) &&
	       event->order == __ATOMIC_ACQ_REL;
}

void hook_fence(const struct seam_site *site, int order)
{
	if (lab.mode == MODE_OFF || lab.mode == MODE_DRAIN)
		return;
	if (lab.model == LAB_TSO) {
		if (order == __ATOMIC_SEQ_CST)
			note_fence(site);
		return;
	}
	if (order != __ATOMIC_SEQ_CST || is_behind_full_step(lane(lab.current)))
		history_fence(order);
	else
		note_fence(site);
}

void settle_fence(const struct seam_site *site)
{
	unsigned int number = lab.current;
	struct lab_lane *self = lane(number);
	if (!self->fence_due)
		return;
	self->fence_due = false;
	if (lab.mode == MODE_OFF || lab.mode == MODE_DRAIN ||
	    (lab.model == LAB_TSO && buffer_is_empty(number)))
		return;
	self->pending = (struct operation){
		.kind = LAB_FENCE, .order = __ATOMIC_SEQ_CST, .site = self->fence_site};
	if (step()) {
		unsigned int index = begin_step();
		if (lab.model == LAB_C11)
			history_fence(__ATOMIC_SEQ_CST);
		end_step(index, 0, 0);
	}
	cfolio_seam_resume(site);
}

bool readies_access(const struct seam_site *site, unsigned int change, unsigned int order,
		    const volatile void *word, unsigned int bytes)
{
	struct lab_lane *self = lane(lab.current);
	bool read_modify_write = change != SEAM_OP_LOAD && change != SEAM_OP_STORE;
	if (lab.model == LAB_TSO) {
		/* A locked instruction is a fence. A load that the buffer has a part of waits. */
		if (read_modify_write)
			self->fence_due = false;
		else if (change == SEAM_OP_LOAD && !can_forward(lab.current, word, bytes))
			note_fence(site);
		settle_fence(site);
	} else if (!read_modify_write || order != __ATOMIC_ACQ_REL) {
		settle_fence(site);
	}
	return lab.mode != MODE_DRAIN;
}

/* ---- accesses -------------------------------------------------------------------------------- */

unsigned long access_in_model(unsigned int index, const struct operation *o,
			      enum lab_strength strength)
{
	struct lab_event *event = &lab.events[index];
	unsigned long before = word_now(o->address, o->bytes), value;
	if (lab.model == LAB_C11) {
		value = history_access(index, o);
	} else if (o->change == SEAM_OP_LOAD) {
		value = buffered_load(o, lab.current);
	} else {
		value = perform(o->change, o->bytes, o->address, o->operand, o->expected);
	}
	if (o->change == SEAM_OP_CMPXCHG && value != o->expected)
		event->kind = LAB_LOAD;
	const struct seam_site *site = o->site;
	end_step(index, before, word_now(o->address, o->bytes));
	event->read = value;
	if (strength == LAB_FULL_BARRIERS)
		hook_fence(site, __ATOMIC_SEQ_CST);
	return value;
}

/* ---- plain payload --------------------------------------------------------------------------- */

unsigned long plain_in_model(const struct seam_site *site, unsigned int operation,
			     const volatile void *word, unsigned long value)
{
	bool runs = is_running();
	if (runs)
		refuse_dead(site, word);
	if (!runs || lab.model != LAB_C11)
		return lab_access(site, SEAM_ACCESS(operation, 4u, (unsigned)__ATOMIC_RELAXED),
				  word, value, 0);
	return history_plain(site, operation == SEAM_OP_STORE, word, value);
}

int lab_plain_read(const struct seam_site *site, const volatile void *word)
{
	return (int)plain_in_model(site, SEAM_OP_LOAD, word, 0);
}

void lab_plain_write(const struct seam_site *site, const volatile void *word, int value)
{
	(void)plain_in_model(site, SEAM_OP_STORE, word, (unsigned long)(long)value);
}
