/* SPDX-License-Identifier: MIT */
/*
 * Words and the objects that they lie in: what the engine's files know of accesses to them. Objects
 * are in objects.c, changes and their undoing in words.c, what an operation conflicts with in
 * touches.c, the hooks in accesses.c.
 */
#ifndef LAB_WORDS_H
#define LAB_WORDS_H

#include "arena.h"

#pragma GCC visibility push(hidden)

/* ---- objects --------------------------------------------------------------------------------- */

/** Open addressing; slot 0 stays free, so that 0 can mean none. */
extern struct object objects[OBJECTS];

static inline struct object *object_number(uint32_t index)
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

struct object *object_at(uintptr_t address, uint32_t *index);
/** NULL: nobody has touched it. */
struct object *find_object(uintptr_t address, uint32_t *index);
void forget_objects(void);
void forget_touches(void);

/** Notes an access that is no step; true: it conflicts, so the object is shared from now on. */
static inline bool note_access(struct object *object, unsigned int number, bool write)
{
	unsigned short mine = bit(number);
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

/* ---- values ---------------------------------------------------------------------------------- */

struct undo {
	volatile void *address;
	unsigned long value;
	unsigned int bytes;
};

/** What is to be put back: where the next goes, and the end of the room. */
extern struct undo *undo_next, *undo_end;
void grow_undo(void);

static inline unsigned long word_now(const volatile void *address, unsigned int bytes)
{
	if (bytes == 4)
		return (unsigned long)(long)__atomic_load_n((const volatile int *)address,
							    __ATOMIC_RELAXED);
	return __atomic_load_n((const volatile unsigned long *)address, __ATOMIC_RELAXED);
}

static inline void set_word(volatile void *address, unsigned int bytes, unsigned long value)
{
	if (bytes == 4)
		__atomic_store_n((volatile int *)address, (int)value, __ATOMIC_RELAXED);
	else
		__atomic_store_n((volatile unsigned long *)address, value, __ATOMIC_RELAXED);
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

void write_word(const volatile void *place, unsigned int bytes, unsigned long value);
void undo_words(void);

static inline unsigned long result_of(unsigned int change, unsigned int bytes, unsigned long old,
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

/** Whether an operation changes a word that has the value `old`. */
static inline bool writes(unsigned int change, unsigned long old, unsigned long expected)
{
	return change != SEAM_OP_LOAD && (change != SEAM_OP_CMPXCHG || old == expected);
}

/** Which 4-byte halves of its object an access of a word touches. */
static inline unsigned char halves(const volatile void *address, unsigned int bytes)
{
	return bytes == 8 ? 3 : ((uintptr_t)address & 4) ? 2 : 1;
}

/** What does operations at once, without a step. */
unsigned long perform(unsigned int change, unsigned int bytes, const volatile void *word,
		      unsigned long operand, unsigned long expected);

/* ---- conflicts ------------------------------------------------------------------------------- */

bool touches_of(const struct operation *operation, const struct lab_lane *lane,
		struct touch touches[LAB_TOUCHES]);

/* ---- hooks ----------------------------------------------------------------------------------- */

unsigned long lab_access(const struct seam_site *site, unsigned int access,
			 const volatile void *word, unsigned long operand, unsigned long expected);
/** The same for walks under SC. */
unsigned long access_of_walk(const struct seam_site *site, unsigned int access,
			     const volatile void *word, unsigned long operand,
			     unsigned long expected);

#pragma GCC visibility pop

#endif
