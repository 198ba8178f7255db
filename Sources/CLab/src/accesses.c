// SPDX-License-Identifier: MIT
/* The hooks of accesses to words: at once, or as a step. See words.h. */
#include "step.h"

#include <stdio.h>

/* A table: which operation comes next is what processors cannot predict. */
static const unsigned char kinds[16] = {
	[SEAM_OP_LOAD] = LAB_LOAD,	 [SEAM_OP_STORE] = LAB_STORE, [SEAM_OP_ADD] = LAB_CHANGE,
	[SEAM_OP_OR] = LAB_CHANGE,	 [SEAM_OP_AND] = LAB_CHANGE,  [SEAM_OP_XCHG] = LAB_CHANGE,
	[SEAM_OP_CMPXCHG] = LAB_CMPXCHG,
};

unsigned long perform(unsigned int change, unsigned int bytes, const volatile void *word,
		      unsigned long operand, unsigned long expected)
{
	unsigned long old = word_now(word, bytes);
	if (writes(change, old, expected))
		write_word(word, bytes, result_of(change, bytes, old, operand));
	return old;
}

static __cold void report_dead(const struct seam_site *site, const volatile void *word)
{
	char message[sizeof(lab.finding.message)], by[32];
	unsigned int freer = freer_of(word);
	if (freer < lab.program->threads)
		snprintf(by, sizeof(by), "thread %u", freer);
	else
		snprintf(by, sizeof(by), freer == HOST ? "the scenario" : "a deferred call");
	snprintf(message, sizeof(message), "%s%s%s touches memory that %s gave back",
		 site ? site->function : "an access", site ? ": " : "", site ? site->text : "", by);
	fail_at("USE-AFTER-FREE", UINT64_MAX, message);
}

void refuse_if_dead(const struct seam_site *site, const volatile void *word)
{
	if (likely(!arena_is_dead(word)) || lab.mode == MODE_OFF)
		return;
	report_dead(site, word);
	stop_execution();
}

/*
 * A thread that spins on a word which nobody else has touched yet takes no step, so nobody else
 * ever could. So many accesses without a step are no work that a scenario does: the word gets
 * steps.
 */
#define UNSTEPPED_MAX (1u << 20)

static bool spins_on(struct object *object)
{
	if (likely(++lab.unstepped < UNSTEPPED_MAX))
		return false;
	lab.unstepped = 0;
	object->shared = true;
	lab.restart = true;
	return true;
}

static inline void describe_access(struct operation *pending, const struct seam_site *site,
				   unsigned int access, const volatile void *word,
				   unsigned long operand, unsigned long expected, uint32_t object)
{
	unsigned int change = SEAM_ACCESS_OPERATION(access);
	pending->kind = kinds[change];
	pending->change = (unsigned char)change;
	pending->bytes = (unsigned char)SEAM_ACCESS_BYTES(access);
	pending->order = (unsigned char)SEAM_ACCESS_ORDER(access);
	pending->site = site;
	pending->address = word;
	pending->operand = operand;
	pending->expected = expected;
	pending->object = object;
}

/* SC: an access to a shared word, as a step. */
STEP_INLINE unsigned long step_as(bool walks, const struct seam_site *site, unsigned int access,
				  const volatile void *word, unsigned long operand,
				  unsigned long expected, uint32_t object)
{
	struct lab_lane *l = self();
	describe_access(&l->pending, site, access, word, operand, expected, object);
	bool recorded = take_turn_as(walks, l);
	/* What it is about to do is read again: nothing else has to be kept over the switch. */
	const struct operation *o = &l->pending;
	if (unlikely(!recorded))
		return perform(o->change, o->bytes, o->address, o->operand, o->expected);
	/* Freed while the thread was parked in front of it. */
	refuse_dead(o->site, o->address);
	unsigned int number = begin_step_as(walks, l);
	unsigned long old = word_now(o->address, o->bytes);
	unsigned long new = old;
	if (writes(o->change, old, o->expected)) {
		new = result_of(o->change, o->bytes, old, o->operand);
		if (walks)
			change_word(o->address, o->bytes, old, new);
		else
			write_word(o->address, o->bytes, new);
	} else if (o->change == SEAM_OP_CMPXCHG) {
		lab.events[number].kind = LAB_LOAD;
	}
	end_step_as(walks, l, number, old, new);
	return old;
}

static __attribute__((noinline)) unsigned long step_of_walk(const struct seam_site *site,
							    unsigned int access,
							    const volatile void *word,
							    unsigned long operand,
							    unsigned long expected, uint32_t object)
{
	return step_as(true, site, access, word, operand, expected, object);
}

static __attribute__((noinline)) unsigned long step_of_search(
	const struct seam_site *site, unsigned int access, const volatile void *word,
	unsigned long operand, unsigned long expected, uint32_t object)
{
	return step_as(false, site, access, word, operand, expected, object);
}

static __attribute__((noinline)) unsigned long step_in_model(
	const struct seam_site *site, unsigned int access, const volatile void *word,
	unsigned long operand, unsigned long expected, uint32_t object)
{
	unsigned int change = SEAM_ACCESS_OPERATION(access), bytes = SEAM_ACCESS_BYTES(access);
	unsigned int order = SEAM_ACCESS_ORDER(access);
	enum lab_strength strength = strengthen(site, change, &order);
	if (!readies_access(site, change, order, word, bytes))
		return perform(change, bytes, word, operand, expected);
	if (lab.model == LAB_TSO && change == SEAM_OP_STORE) {
		buffer_store(site, order, word, bytes, operand, object);
		if (strength == LAB_FULL_BARRIERS || order == __ATOMIC_SEQ_CST)
			note_fence(site);
		return 0;
	}
	struct operation *pending = &self()->pending;
	describe_access(pending, site, SEAM_ACCESS(change, bytes, order), word, operand, expected,
			object);
	/* Only a store buffer makes a word wait. */
	if (!(lab.model == LAB_TSO ? step() : take_turn()))
		return perform(change, bytes, word, operand, expected);
	refuse_dead(site, word);
	return access_in_model(begin_step(), pending, strength);
}

/* All that can be: executions are over or cut, memory was given back, nobody came here yet. */
unsigned long lab_access(const struct seam_site *site, unsigned int access,
			 const volatile void *word, unsigned long operand, unsigned long expected)
{
	unsigned int change = SEAM_ACCESS_OPERATION(access), bytes = SEAM_ACCESS_BYTES(access);
	uint32_t index;
	refuse_dead(site, word);
	if (lab.mode == MODE_DRAIN)
		count_drained();
	if (lab.mode == MODE_OFF)
		count_concluded();
	if (!is_running())
		return perform(change, bytes, word, operand, expected);
	struct object *object = object_at(object_address(word), &index);
	if (!object->shared) {
		bool write = writes(change, word_now(word, bytes), expected);
		if (!note_access(object, lab.current, write) && !spins_on(object))
			return perform(change, bytes, word, operand, expected);
	}
	if (lab.model == LAB_SC)
		return step_of_search(site, access, word, operand, expected, index);
	return step_in_model(site, access, word, operand, expected, index);
}

/*
 * The same for walks, and for what nearly always is: a step, or a load of what nobody else writes.
 * What it calls it calls last, so that it needs no frame.
 */
unsigned long access_of_walk(const struct seam_site *site, unsigned int access,
			     const volatile void *word, unsigned long operand,
			     unsigned long expected)
{
	uintptr_t address = object_address(word);
	uint32_t index = first_slot(address);
	struct object *object = &objects[index];
	if (likely(is_running() && object->address == address && !may_be_dead(word))) {
		if (object->shared)
			return step_of_walk(site, access, word, operand, expected, index);
		if (SEAM_ACCESS_OPERATION(access) == SEAM_OP_LOAD &&
		    !note_access(object, lab.current, false) && !spins_on(object))
			return word_now(word, SEAM_ACCESS_BYTES(access));
	}
	return lab_access(site, access, word, operand, expected);
}
