// SPDX-License-Identifier: MIT
/*
 * Racing-pair coverage: which place in the source came directly before which other, in conflict, by
 * different threads, on one word. For a write the places before it are the last write and the reads
 * since; for a read, the last write. That does not depend on the order of independent steps, so a
 * search of classes sees all pairs that there are.
 */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 65536u

struct recent {
	uint64_t execution;
	uint16_t write; /* step + 1 */
	uint16_t reads[LAB_LANES];
};

static struct recent *recent; /* by object */
static struct lab_pair *pairs;
static unsigned int pairs_used;

void begin_pairs(void)
{
	pairs_used = 0;
	if (!lab.search.pairs)
		return;
	if (!recent)
		recent = calloc(OBJECTS, sizeof(*recent));
	if (!pairs)
		pairs = calloc(PAIRS_MAX, sizeof(*pairs));
	if (!recent || !pairs)
		abort();
	memset(pairs, 0, PAIRS_MAX * sizeof(*pairs));
}

static void add_pair(unsigned int first, unsigned int second)
{
	const struct lab_event *a = &lab.events[first], *b = &lab.events[second];
	if (a->thread == b->thread)
		return;
	uint64_t hash = mix((uintptr_t)a->site * 3 + (uintptr_t)b->site);
	for (unsigned int n = 0; n < PAIRS_MAX; n++) {
		struct lab_pair *pair = &pairs[(hash + n) & (PAIRS_MAX - 1)];
		if (pair->count && (pair->first != a->site || pair->second != b->site))
			continue;
		pair->first = a->site;
		pair->second = b->site;
		pairs_used += pair->count++ == 0;
		return;
	}
}

void note_pairs(unsigned int index, uint32_t object)
{
	struct recent *r = &recent[object];
	const struct lab_event *event = &lab.events[index];
	if (r->execution != lab.execution) {
		memset(r, 0, sizeof(*r));
		r->execution = lab.execution;
	}
	if (r->write)
		add_pair(r->write - 1u, index);
	if (event->kind == LAB_LOAD) {
		r->reads[event->thread] = (uint16_t)(index + 1);
		return;
	}
	for (unsigned int i = 0; i < LAB_LANES; i++) {
		if (r->reads[i])
			add_pair(r->reads[i] - 1u, index);
		r->reads[i] = 0;
	}
	r->write = (uint16_t)(index + 1);
}

const struct lab_pair *lab_pairs(unsigned int *capacity)
{
	*capacity = pairs ? PAIRS_MAX : 0;
	return pairs;
}
