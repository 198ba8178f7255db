// SPDX-License-Identifier: MIT
/*
 * Words and other objects: who shares them, and the written-down form of what steps did to them.
 * See run.h.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>

#define OBJECTS 16384

/* Four bytes, or an object: what was done to it in this run. */
struct history {
	uint64_t before;	 /* everything but the last steps that commute, in order */
	uint64_t last;		 /* these: a sum */
	enum effect last_effect; /* what they do */
};

struct object {
	uintptr_t address; /* of eight bytes; odd: no word */
	bool shared;
	uint64_t run; /* that the following is of */
	unsigned int readers, writers;
	struct history halves[2];
};

static struct object objects[OBJECTS];
static unsigned int objects_used;
static struct object *touched[OBJECTS];
static unsigned int touched_used;
static uint64_t run_number;
static bool learned;

static uint64_t scramble(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdu;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53u;
	return x ^ (x >> 33);
}

static void forget_words(void)
{
	memset(objects, 0, sizeof(objects));
	objects_used = 0;
}

static void begin_run(void)
{
	run_number++;
	touched_used = 0;
}

/* Open addressing: its slot, or the free one where it belongs. */
static struct object *slot_of(uintptr_t address)
{
	unsigned int slot = (unsigned int)((address * 0x9e3779b97f4a7c15u) >> 48) % OBJECTS;
	while (objects[slot].address && objects[slot].address != address)
		slot = (slot + 1) % OBJECTS;
	return &objects[slot];
}

static bool is_known(uintptr_t address)
{
	return slot_of(address & ~(uintptr_t)7)->address != 0;
}

static struct object *object_at(uintptr_t address)
{
	struct object *object = slot_of(address);
	if (!object->address) {
		if (2 * ++objects_used > OBJECTS)
			abort();
		object->address = address;
	}
	if (object->run != run_number) {
		object->run = run_number;
		object->readers = object->writers = 0;
		memset(object->halves, 0, sizeof(object->halves));
		touched[touched_used++] = object;
	}
	return object;
}

/* ---- sharing --------------------------------------------------------------------------------- */

static bool is_shared(uintptr_t address, bool writes)
{
	struct object *object = object_at(address & ~(uintptr_t)7);
	if (writes)
		object->writers |= 1u << current;
	else
		object->readers |= 1u << current;
	unsigned int all = object->readers | object->writers;
	if (!object->shared && object->writers && (all & (all - 1))) {
		object->shared = true;
		learned = true;
	}
	return object->shared;
}

/* ---- the written-down form ------------------------------------------------------------------- */

static void append(struct history *history, enum effect effect)
{
	uint64_t step = scramble(((uint64_t)current << 32 | self()->steps) + 1);
	if (history->last && (effect == CHANGES || effect != history->last_effect)) {
		history->before = scramble(history->before * 5 + scramble(history->last) * 3 +
					   history->last_effect);
		history->last = 0;
	}
	history->last += step;
	history->last_effect = effect;
}

static void write_down(uintptr_t address, unsigned int bytes, enum effect effect)
{
	struct object *object = object_at(address & ~(uintptr_t)7);
	if (bytes == 8 || !(address & 4))
		append(&object->halves[0], effect);
	if (bytes == 8 || (address & 4))
		append(&object->halves[1], effect);
}

static void write_down_object(uintptr_t address, enum effect effect)
{
	append(&object_at(address)->halves[0], effect);
}

static uint64_t form(void)
{
	uint64_t sum = 0;
	for (unsigned int i = 0; i < touched_used; i++)
		for (unsigned int half = 0; half < 2; half++) {
			const struct history *h = &touched[i]->halves[half];
			if (h->last)
				sum += scramble(scramble(touched[i]->address + 2 * half) +
						h->before * 5 + scramble(h->last) * 3 +
						h->last_effect);
		}
	return sum ? sum : 1;
}

/* ---- accesses -------------------------------------------------------------------------------- */

static bool writes(unsigned int operation, const volatile void *place, unsigned int bytes,
		   unsigned long expected)
{
	if (operation == SEAM_OP_LOAD)
		return false;
	return operation != SEAM_OP_CMPXCHG || get(place, bytes) == expected;
}

static unsigned long hook_access(const struct seam_site *site, unsigned int access,
				 const volatile void *place, unsigned long operand,
				 unsigned long expected)
{
	unsigned int operation = SEAM_ACCESS_OPERATION(access), bytes = SEAM_ACCESS_BYTES(access);
	uintptr_t address = (uintptr_t)place;
	(void)site;
	refuse_freed(place);
	bool changes = writes(operation, place, bytes, expected);
	if (running && is_shared(address, changes)) {
		wait_for_turn(NOTHING);
		refuse_freed(place);
		/* Others may have gone before: it is now that counts. */
		changes = writes(operation, place, bytes, expected);
		(void)is_shared(address, changes);
		write_down(address, bytes, changes ? CHANGES : READS);
	}
	unsigned long old = get(place, bytes), new = operand;
	if (!changes)
		return old;
	if (operation == SEAM_OP_ADD)
		new = old + operand;
	else if (operation == SEAM_OP_OR)
		new = old | operand;
	else if (operation == SEAM_OP_AND)
		new = old &operand;
	put(place, bytes, new);
	return old;
}
