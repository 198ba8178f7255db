// SPDX-License-Identifier: MIT
/* Accesses to words: what is shared, what an operation touches, undo. See engine.h. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- objects --------------------------------------------------------------------------------- */

static struct object objects[OBJECTS];
static unsigned int objects_used;

struct object *object_number(uint32_t index)
{
	return &objects[index];
}

/* Open addressing; slot 0 stays free, so that 0 can mean none. */
struct object *object_at(uintptr_t address, uint32_t *index)
{
	uint32_t slot = (uint32_t)((address * 0x9e3779b97f4a7c15u) >> (64 - OBJECTS_BITS));
	while (objects[slot].address != address || slot == 0) {
		if (!objects[slot].address && slot != 0) {
			if (objects_used++ > OBJECTS / 2)
				fail_at("LAB", UINT64_MAX, "more shared words than the lab keeps");
			objects[slot].address = address;
			break;
		}
		slot = (slot + 1) & (OBJECTS - 1);
	}
	*index = slot;
	return &objects[slot];
}

struct object *find_object(uintptr_t address, uint32_t *index)
{
	uint32_t slot = (uint32_t)((address * 0x9e3779b97f4a7c15u) >> (64 - OBJECTS_BITS));
	while (objects[slot].address != address) {
		if (!objects[slot].address && slot != 0)
			return NULL;
		slot = (slot + 1) & (OBJECTS - 1);
	}
	*index = slot;
	return &objects[slot];
}

void forget_objects(void)
{
	memset(objects, 0, sizeof(objects));
	objects_used = 0;
}

void forget_touches(void)
{
	for (unsigned int i = 0; i < OBJECTS; i++)
		objects[i].last = 0;
}

bool note_access(struct object *object, unsigned int number, bool write)
{
	unsigned short mine = (unsigned short)(1u << number);
	if (object->execution != lab.execution) {
		object->execution = lab.execution;
		object->readers = 0;
		object->writers = 0;
	}
	unsigned int others = object->writers;
	if (write) {
		others |= object->readers;
		object->writers |= mine;
	} else {
		object->readers |= mine;
	}
	if (likely(!(others & ~(unsigned int)mine)))
		return false;
	object->shared = true;
	lab.restart = true;
	return true;
}

/* ---- words ----------------------------------------------------------------------------------- */

struct undo {
	volatile void *address;
	unsigned long value;
	unsigned int bytes;
};

static struct undo *undo;
static size_t undo_used, undo_capacity;

static uint64_t contribution(const volatile void *address, unsigned long value)
{
	return mix((uintptr_t)address * 0x9e3779b97f4a7c15u + mix(value));
}

unsigned long word_now(const volatile void *address, unsigned int bytes)
{
	if (bytes == 4)
		return (unsigned long)(long)__atomic_load_n((const volatile int *)address,
							    __ATOMIC_RELAXED);
	return __atomic_load_n((const volatile unsigned long *)address, __ATOMIC_RELAXED);
}

static void set_word(volatile void *address, unsigned int bytes, unsigned long value)
{
	if (bytes == 4)
		__atomic_store_n((volatile int *)address, (int)value, __ATOMIC_RELAXED);
	else
		__atomic_store_n((volatile unsigned long *)address, value, __ATOMIC_RELAXED);
}

void write_word(const volatile void *place, unsigned int bytes, unsigned long value)
{
	volatile void *address = (volatile void *)(uintptr_t)place;
	unsigned long old = word_now(address, bytes);
	if (lab.inside) {
		if (unlikely(undo_used == undo_capacity)) {
			size_t capacity = undo_capacity ? 2 * undo_capacity : 4096;
			struct undo *more = realloc(undo, capacity * sizeof(*more));
			if (!more)
				abort();
			undo = more;
			undo_capacity = capacity;
		}
		undo[undo_used++] = (struct undo){address, old, bytes};
		if (lab.search.strategy == LAB_STATES)
			lab.state += contribution(address, value) - contribution(address, old);
	}
	set_word(address, bytes, value);
}

void undo_words(void)
{
	while (undo_used > 0) {
		const struct undo *u = &undo[--undo_used];
		set_word(u->address, u->bytes, u->value);
	}
}

unsigned long result_of(unsigned int change, unsigned int bytes, unsigned long old,
			unsigned long operand)
{
	unsigned long value = operand;
	if (change == SEAM_OP_ADD)
		value = old + operand;
	else if (change == SEAM_OP_OR)
		value = old | operand;
	else if (change == SEAM_OP_AND)
		value = old & operand;
	return bytes == 4 ? (unsigned long)(long)(int)value : value;
}

static bool writes(unsigned int change, unsigned long old, unsigned long expected)
{
	return change != SEAM_OP_LOAD && (change != SEAM_OP_CMPXCHG || old == expected);
}

/* ---- what an operation touches --------------------------------------------------------------- */

unsigned char halves(const volatile void *address, unsigned int bytes)
{
	return bytes == 8 ? 3 : ((uintptr_t)address & 4) ? 2 : 1;
}

static const uintptr_t rcu_address = 1, callbacks_address = 3, fences_address = 5;

static uint32_t special(uintptr_t address, struct object **object)
{
	uint32_t index;
	*object = object_at(address, &index);
	return index;
}

static struct touch touch_special(uintptr_t address, bool write, bool commutes)
{
	struct object *object;
	uint32_t index = special(address, &object);
	if (!object->shared) {
		object->shared = true;
		lab.restart = true;
	}
	return (struct touch){.object = index, .mask = 1, .write = write, .commutes = commutes};
}

/* C11: what takes a place in the order of fences. Full operations are acquire-release changes. */
static bool joins_fences(const struct operation *o)
{
	return lab.model == LAB_C11 &&
	       (o->order == __ATOMIC_SEQ_CST ||
		(o->order == __ATOMIC_ACQ_REL && o->kind != LAB_LOAD && o->kind != LAB_STORE));
}

/*
 * As for a compare-exchange the outcome counts, so that no two executions differ in nothing. On a
 * futex's queue a sleep that begins, one that times out and a wake that finds somebody are writes.
 * A wake that finds nobody is a read: two of them commute, and with a sleep that begins it does
 * not. Somebody who was woken reads that. A sleep that does not begin leaves the queue alone: what
 * could have made it begin is a write to the word, which it reads. In C11 all of them order what
 * their threads see, by the queue's lock.
 */
bool touches_of(const struct operation *o, const struct lab_lane *l,
		struct touch touches[LAB_TOUCHES])
{
	unsigned int n = 0;
	bool write = true;
	memset(touches, 0, LAB_TOUCHES * sizeof(*touches));
	switch ((enum lab_kind)o->kind) {
	case LAB_LOAD:
	case LAB_STORE:
	case LAB_CHANGE:
	case LAB_CMPXCHG:
		write = writes(o->change, word_now(o->address, o->bytes), o->expected);
		touches[n++] = (struct touch){
			.object = o->object, .write = write, .mask = halves(o->address, o->bytes)};
		if (lab.model == LAB_SC)
			break;
		if (lab.model == LAB_TSO && o->kind == LAB_LOAD) {
			unsigned int owner = (unsigned int)(l - lab.lanes);
			if (is_forwarded(owner, o->address, o->bytes))
				touches[0].only = (unsigned char)(flush_lane_of(owner) + 1);
		}
		if (joins_fences(o))
			touches[n++] = touch_special(fences_address, true, false);
		break;
	case LAB_FLUSH:
		touches[n++] = (struct touch){.object = o->object,
					      .write = true,
					      .mask = halves(o->address, o->bytes),
					      .by = (unsigned char)(l - lab.lanes + 1)};
		break;
	case LAB_FENCE:
		if (lab.model == LAB_C11)
			touches[n++] = touch_special(fences_address, true, false);
		break;
	case LAB_TRYLOCK:
		write = word_now(o->address, 4) == 0;
		touches[n++] = (struct touch){
			.object = o->object, .write = write, .mask = halves(o->address, o->bytes)};
		break;
	case LAB_LOCK:
	case LAB_UNLOCK:
	case LAB_BIT_LOCK:
		touches[n++] = (struct touch){
			.object = o->object, .write = true, .mask = halves(o->address, o->bytes)};
		break;
	case LAB_FUTEX_WAIT:
		touches[n++] =
			(struct touch){.object = o->object, .mask = halves(o->address, o->bytes)};
		write = word_now(o->address, 4) == o->expected;
		if (write || lab.model == LAB_C11)
			touches[n++] = (struct touch){
				.object = o->object_of_queue, .mask = 1, .write = write};
		break;
	case LAB_FUTEX_RESUME:
		/* Without a deadline only the wake lets it go on, and their order is fixed. */
		if (l->deadline)
			touches[n++] =
				(struct touch){.object = o->object_of_queue,
					       .mask = 1,
					       .write = lab.model == LAB_C11 || l->woken_by < 0};
		break;
	case LAB_FUTEX_WAKE:
		touches[n++] = (struct touch){.object = o->object_of_queue,
					      .mask = 1,
					      .write = lab.model == LAB_C11 ||
						       first_sleeper(o->object_of_queue)};
		break;
	case LAB_GRACE_BEGIN:
		touches[n++] = touch_special(rcu_address, true, true);
		if (lab.model == LAB_C11)
			touches[n++] = touch_special(fences_address, true, false);
		break;
	case LAB_CALL_RCU:
		touches[n++] = touch_special(rcu_address, true, true);
		touches[n++] = touch_special(callbacks_address, true, false);
		break;
	case LAB_BARRIER:
		if (o->operand != BARRIER_ENDS)
			touches[n++] = touch_special(callbacks_address, false, false);
		break;
	case LAB_GRACE_END:
		if (lab.model == LAB_C11)
			touches[n++] = touch_special(fences_address, true, false);
		break;
	case LAB_RCU_UNLOCK:
	case LAB_RECLAIM:
	case LAB_YIELD:
		break;
	}
	/* A read section begins with its first step: before it there was nothing to protect. */
	struct object *rcu;
	uint32_t index = special(rcu_address, &rcu);
	if (l->nesting && !l->section_begun && rcu->shared)
		touches[n++] = (struct touch){.object = index, .mask = 1};
	return n > 0;
}

/* ---- the hook -------------------------------------------------------------------------------- */

static unsigned char kind_of(unsigned int change)
{
	if (change == SEAM_OP_LOAD)
		return LAB_LOAD;
	if (change == SEAM_OP_STORE)
		return LAB_STORE;
	return change == SEAM_OP_CMPXCHG ? LAB_CMPXCHG : LAB_CHANGE;
}

unsigned long perform(unsigned int change, unsigned int bytes, const volatile void *word,
		      unsigned long operand, unsigned long expected)
{
	unsigned long old = word_now(word, bytes);
	if (writes(change, old, expected))
		write_word(word, bytes, result_of(change, bytes, old, operand));
	return old;
}

static __attribute__((cold)) void report_dead(const struct seam_site *site,
					      const volatile void *word)
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

void refuse_dead(const struct seam_site *site, const volatile void *word)
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

unsigned long lab_access(const struct seam_site *site, unsigned int access,
			 const volatile void *word, unsigned long operand, unsigned long expected)
{
	unsigned int change = SEAM_ACCESS_OPERATION(access);
	unsigned int bytes = SEAM_ACCESS_BYTES(access);
	refuse_dead(site, word);
	if (lab.mode == MODE_DRAIN)
		count_drained();
	if (lab.mode == MODE_OFF || lab.mode == MODE_DRAIN)
		return perform(change, bytes, word, operand, expected);
	uint32_t index;
	struct object *object = object_at((uintptr_t)word & ~(uintptr_t)7, &index);
	if (!object->shared) {
		bool write = writes(change, word_now(word, bytes), expected);
		if (!note_access(object, lab.current, write) && !spins_on(object))
			return perform(change, bytes, word, operand, expected);
	}
	unsigned int order = SEAM_ACCESS_ORDER(access);
	enum lab_strength strength = LAB_AS_WRITTEN;
	if (lab.model != LAB_SC) {
		strength = strengthen(site, change, &order);
		if (!readies_access(site, change, order, word, bytes))
			return perform(change, bytes, word, operand, expected);
		if (lab.model == LAB_TSO && change == SEAM_OP_STORE) {
			buffer_store(site, order, word, bytes, operand, index);
			if (strength == LAB_FULL_BARRIERS || order == __ATOMIC_SEQ_CST)
				note_fence(site);
			return 0;
		}
	}
	struct operation *pending = &lane(lab.current)->pending;
	pending->kind = kind_of(change);
	pending->change = (unsigned char)change;
	pending->bytes = (unsigned char)bytes;
	pending->order = (unsigned char)order;
	pending->site = site;
	pending->address = word;
	pending->operand = operand;
	pending->expected = expected;
	pending->object = index;
	/* Only a store buffer makes a word wait. */
	if (!(lab.model == LAB_TSO ? step() : take_turn()))
		return perform(change, bytes, word, operand, expected);
	/* Freed while the thread was parked in front of it. */
	refuse_dead(site, word);
	unsigned int number = begin_step();
	if (lab.model != LAB_SC)
		return access_in_model(number, pending, strength);
	unsigned long old = perform(change, bytes, word, operand, expected);
	if (change == SEAM_OP_CMPXCHG && old != expected)
		lab.events[number].kind = LAB_LOAD;
	end_step(number, old, word_now(word, bytes));
	return old;
}
