// SPDX-License-Identifier: MIT
/*
 * Visited states: the words, and for each thread what it is in front of and what it has read. The
 * hash is a sum over threads of one group, so threads that do the same are merged. See search.c.
 */
#include "model.h"

#include <stdlib.h>

static uint64_t *visited;
static size_t visited_used, visited_capacity;

static bool insert(uint64_t *table, size_t capacity, uint64_t hash)
{
	size_t slot = hash & (capacity - 1);
	while (table[slot]) {
		if (table[slot] == hash)
			return false;
		slot = (slot + 1) & (capacity - 1);
	}
	table[slot] = hash;
	return true;
}

/* True: new, and it is kept. */
static bool visit(uint64_t hash)
{
	hash |= hash == 0;
	if (2 * (visited_used + 1) > visited_capacity) {
		size_t capacity = visited_capacity ? 2 * visited_capacity : 1 << 16;
		uint64_t *table = calloc(capacity, sizeof(*table));
		if (!table) {
			fail_at("LAB", UINT64_MAX, "no memory for the states that were seen");
			return false;
		}
		for (size_t i = 0; i < visited_capacity; i++)
			if (visited[i])
				(void)insert(table, capacity, visited[i]);
		free(visited);
		visited = table;
		visited_capacity = capacity;
	}
	bool new = insert(visited, visited_capacity, hash);
	visited_used += new;
	return new;
}

static uint64_t local_hash(unsigned int number)
{
	const struct lab_lane *l = lane(number);
	const struct operation *o = &l->pending;
	/* What a thread has read that has ended is used by nobody. */
	uint64_t hash = 0;
	if (lab.alive >> number & 1) {
		hash = mix(l->history ^ (uintptr_t)o->site);
		hash = mix(hash ^ (uintptr_t)o->address ^ (uint64_t)o->kind << 56);
		hash = mix(hash ^ o->operand);
		hash = mix(hash ^ o->expected);
		hash = mix(hash ^ (l->section_begun | (uint64_t)(l->woken_by >= 0) << 1 |
				   (uint64_t)l->sleeping_on << 2));
		for (unsigned int rest = l->grace.captured; rest; rest &= rest - 1)
			hash = mix(hash ^ (unsigned int)__builtin_ctz(rest));
	}
	unsigned int group = number < lab.program->threads ? lab.program->group[number] : 255;
	return mix(hash + mix(group + 1u));
}

static uint64_t state_hash(void)
{
	uint64_t hash = lab.state;
	for (unsigned int i = 0; i < lab.program->threads; i++)
		hash += local_hash(i);
	if (lab.callbacks_queued)
		hash += local_hash(lab.program->threads) + mix(lab.callbacks_queued) +
			mix(lab.callbacks_run << 32);
	return mix(hash);
}

bool is_new_state(void)
{
	return visit(state_hash());
}

size_t states_seen(void)
{
	return visited_used;
}

void forget_states(void)
{
	free(visited);
	visited = NULL;
	visited_used = 0;
	visited_capacity = 0;
}

unsigned long hook_scope(void)
{
	return lane(lab.current)->history;
}

void hook_live(unsigned long scope, unsigned long value)
{
	lane(lab.current)->history = mix(scope ^ (value + 1) * 0x9e3779b97f4a7c15u);
}
