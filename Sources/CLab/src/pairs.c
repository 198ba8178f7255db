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
static uint32_t *pair_counters; /* of each entry of `pairs` */
static unsigned int pairs_used;
#define COUNTERS_NEAR 64u
static uint64_t claims[PAIRS_MAX]; /* of each counter: whose it is, by its hash; 0: nobody's */
static unsigned int names_used;

void begin_pairs(void)
{
	pairs_used = 0;
	if (!lab.search.pairs)
		return;
	if (!recent)
		recent = calloc(OBJECTS, sizeof(*recent));
	if (!pairs)
		pairs = calloc(PAIRS_MAX, sizeof(*pairs));
	if (!pair_counters)
		pair_counters = calloc(PAIRS_MAX, sizeof(*pair_counters));
	if (!recent || !pairs || !pair_counters)
		abort();
	memset(pairs, 0, PAIRS_MAX * sizeof(*pairs));
	memset(claims, 0, sizeof(claims));
	names_used = 0;
}

/* Names are the same in every process, addresses are not. */
static uint64_t hash_of_name(uint64_t hash, const struct seam_site *site)
{
	const char *const parts[] = {site ? site->function : "", site ? site->text : ""};
	for (unsigned int i = 0; i < 2; i++)
		for (const char *c = parts[i]; *c; c++)
			hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
	return mix(hash + 1);
}

/*
 * The next one that no other pair has, near where the hash says; far from there they share. Sites
 * of an inline function are as many as its calls: pairs of equal names have one counter.
 */
static uint32_t counter_of(const struct seam_site *first, const struct seam_site *second)
{
	const uint32_t mask = lab.search.counters_count - 1;
	uint64_t hash = hash_of_name(hash_of_name(0xcbf29ce484222325u, first), second) | 1;
	for (uint32_t n = 0; n < COUNTERS_NEAR; n++) {
		uint64_t *claim = &claims[((uint32_t)hash + n) & mask & (PAIRS_MAX - 1)];
		if (*claim && *claim != hash)
			continue;
		names_used += !*claim;
		*claim = hash;
		return ((uint32_t)hash + n) & mask;
	}
	names_used++;
	return (uint32_t)hash & mask;
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
		if (pair->count++ == 0) {
			pair->first = a->site;
			pair->second = b->site;
			pairs_used++;
			if (lab.search.counters)
				pair_counters[(hash + n) & (PAIRS_MAX - 1)] =
					counter_of(a->site, b->site);
		}
		if (lab.search.counters) {
			unsigned char *counter =
				&lab.search.counters[pair_counters[(hash + n) & (PAIRS_MAX - 1)]];
			*counter = (unsigned char)(*counter + (*counter != UINT8_MAX));
		}
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

unsigned int lab_pairs_count(void)
{
	return lab.search.counters ? names_used : pairs_used;
}
