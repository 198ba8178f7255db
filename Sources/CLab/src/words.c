// SPDX-License-Identifier: MIT
/* Words: values that change, and that go back between executions. See words.h. */
#include "engine.h"

#include <stdlib.h>

static struct undo *undo;
struct undo *undo_next, *undo_end;

static uint64_t contribution(const volatile void *address, unsigned long value)
{
	return mix((uintptr_t)address * 0x9e3779b97f4a7c15u + mix(value));
}

__attribute__((cold, noinline)) void grow_undo(void)
{
	size_t used = (size_t)(undo_next - undo), capacity = used ? 2 * used : 4096;
	struct undo *more = realloc(undo, capacity * sizeof(*more));
	if (!more)
		abort();
	undo = more;
	undo_next = more + used;
	undo_end = more + capacity;
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
