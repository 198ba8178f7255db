// SPDX-License-Identifier: MIT
/* Accesses to words: what is shared, what an operation touches, undo. See engine.h. */
#include "step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- objects --------------------------------------------------------------------------------- */

static struct object objects[OBJECTS];
/* Slots that are not free, so that forgetting does not go through the whole table. */
static uint16_t taken[OBJECTS];
static unsigned int objects_used;

struct object *object_number(uint32_t index)
{
	return &objects[index];
}

static inline uintptr_t object_address(const volatile void *word)
{
	return (uintptr_t)word & ~(uintptr_t)7;
}

static inline uint32_t first_slot(uintptr_t address)
{
	return (uint32_t)((address * 0x9e3779b97f4a7c15u) >> (64 - OBJECTS_BITS));
}

/* Open addressing; slot 0 stays free, so that 0 can mean none. */
static __attribute__((noinline)) uint32_t probe(uintptr_t address)
{
	uint32_t slot = first_slot(address);
	while (objects[slot].address != address || slot == 0) {
		if (!objects[slot].address && slot != 0) {
			if (objects_used > OBJECTS / 2)
				fail_at("LAB", UINT64_MAX, "more shared words than the lab keeps");
			taken[objects_used++] = (uint16_t)slot;
			objects[slot].address = address;
			break;
		}
		slot = (slot + 1) & (OBJECTS - 1);
	}
	return slot;
}

struct object *object_at(uintptr_t address, uint32_t *index)
{
	uint32_t slot = first_slot(address);
	if (unlikely(objects[slot].address != address))
		slot = probe(address);
	*index = slot;
	return &objects[slot];
}

struct object *find_object(uintptr_t address, uint32_t *index)
{
	uint32_t slot = first_slot(address);
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
	while (objects_used > 0)
		objects[taken[--objects_used]] = (struct object){0};
}

void forget_touches(void)
{
	for (unsigned int i = 0; i < objects_used; i++)
		objects[taken[i]].last = 0;
}

/* ---- words ----------------------------------------------------------------------------------- */

struct undo {
	volatile void *address;
	unsigned long value;
	unsigned int bytes;
};

static struct undo *undo, *undo_next, *undo_end;

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

static __attribute__((cold, noinline)) void grow_undo(void)
{
	size_t used = (size_t)(undo_next - undo), capacity = used ? 2 * used : 4096;
	struct undo *more = realloc(undo, capacity * sizeof(*more));
	if (!more)
		abort();
	undo = more;
	undo_next = more + used;
	undo_end = more + capacity;
}

/* While executions run; from `old`, which is there. */
static inline void change_word(const volatile void *place, unsigned int bytes, unsigned long old,
			       unsigned long value)
{
	volatile void *address = (volatile void *)(uintptr_t)place;
	if (unlikely(undo_next == undo_end))
		grow_undo();
	undo_next->address = address;
	undo_next->value = old;
	undo_next->bytes = bytes;
	undo_next++;
	set_word(address, bytes, value);
}

void write_word(const volatile void *place, unsigned int bytes, unsigned long value)
{
	unsigned long old = word_now(place, bytes);
	if (!lab.inside) {
		set_word((volatile void *)(uintptr_t)place, bytes, value);
		return;
	}
	if (lab.search.strategy == LAB_STATES)
		lab.state += contribution(place, value) - contribution(place, old);
	change_word(place, bytes, old, value);
}

void undo_words(void)
{
	while (undo_next > undo) {
		undo_next--;
		set_word(undo_next->address, undo_next->bytes, undo_next->value);
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
