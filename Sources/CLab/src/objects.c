// SPDX-License-Identifier: MIT
/* Objects: the table in which words find what is known of them. See words.h. */
#include "engine.h"

struct object objects[OBJECTS];
/* Slots that are not free, so that forgetting does not go through the whole table. */
static uint16_t taken[OBJECTS];
static unsigned int objects_used;

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
