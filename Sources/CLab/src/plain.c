// SPDX-License-Identifier: MIT
/*
 * Plain accesses under C11: one that is not known to the thread of another, of which one writes, is
 * a data race. See plain.h.
 *
 * Each lane has a clock in the views, which goes on between two accesses that a view was made of:
 * so a view that has the clock of an access knows it. Of a lane's accesses of one kind to the same
 * bytes the last is kept: who knows it knows those before.
 */
#include "plain.h"

#include <stdio.h>

struct noted {
	struct plain_access access;
	uint16_t clock;
	unsigned char lane;
	unsigned char mask; /* bytes of the granule */
};

#define NOTED (2u * LAB_LANES)
struct granule {
	uintptr_t address; /* a multiple of 8 */
	uint64_t execution;
	unsigned int count;
	struct noted noted[NOTED];
};

#if defined(LAB_PLAIN)
#define GRANULES_BITS 14u
#else
#define GRANULES_BITS 8u
#endif
#define GRANULES (1u << GRANULES_BITS)
static struct granule granules[GRANULES];

uint32_t views_made;
static uint32_t views_seen[LAB_LANES + 1];

static struct granule *granule_at(uintptr_t address)
{
	uint32_t slot = (uint32_t)((address * 0x9e3779b97f4a7c15u) >> (64 - GRANULES_BITS));
	for (unsigned int tries = 0; tries < GRANULES; tries++) {
		struct granule *g = &granules[(slot + tries) % GRANULES];
		if (g->execution == lab.execution && g->address != address)
			continue;
		if (g->execution != lab.execution) {
			g->address = address;
			g->execution = lab.execution;
			g->count = 0;
		}
		return g;
	}
	fail_at("LAB", UINT64_MAX, "more plain words than the memory model keeps");
	stop_execution();
}

/* The clock of an access that the current lane makes now. */
static uint16_t clock_now(void)
{
	struct view *view = &observing()->current;
	unsigned int me = lab.current;
	uint16_t now = known(view, me);
	if (now && views_seen[me] == views_made)
		return now;
	if (now == UINT16_MAX) {
		fail_at("LAB", UINT64_MAX, "more plain accesses than the memory model counts");
		stop_execution();
	}
	know(view, me, (uint16_t)(now + 1));
	views_seen[me] = views_made;
	return (uint16_t)(now + 1);
}

void begin_hooked(void)
{
	(void)clock_now();
}

extern const char __executable_start[] __attribute__((weak));

const char *place_of(const struct plain_access *access, char text[64])
{
	if (access->site)
		return access->site->text;
	if (!access->code)
		return access->hooked ? "a word of the seam" : "a plain word";
	/* The call is in front of where it returns to; as the file has it, not as it was loaded. */
	snprintf(text, 64, "code:0x%lx",
		 (unsigned long)((const char *)access->code - __executable_start - 1));
	return text;
}

static void report_race(const struct plain_access *mine, const struct noted *other)
{
	char message[sizeof(lab.finding.message)], here[64], there[64];
	bool blind = mine->code || other->access.code;
	snprintf(message, sizeof(message),
		 "thread %u %s %s and nothing orders it behind thread %u, which %s %s", lab.current,
		 mine->write ? "writes" : "reads", place_of(mine, here), other->lane,
		 other->access.write ? "wrote" : "read", place_of(&other->access, there));
	fail_at(blind ? BLIND_SPOT : "DATA-RACE", UINT64_MAX, message);
}

void judge_plain(uintptr_t address, unsigned int bytes, const struct plain_access *access)
{
	struct granule *g = granule_at(address & ~(uintptr_t)7);
	struct view *view = &observing()->current;
	unsigned char mask = (unsigned char)(((1u << bytes) - 1) << (address & 7));
	unsigned int me = lab.current;
	struct noted *mine = NULL;
	for (unsigned int i = 0; i < g->count; i++) {
		struct noted *n = &g->noted[i];
		if (n->lane == me) {
			if (n->mask == mask && n->access.write == access->write &&
			    n->access.hooked == access->hooked)
				mine = n;
		} else if ((n->mask & mask) && (n->access.write || access->write) &&
			   !(n->access.hooked && access->hooked) &&
			   known(view, n->lane) < n->clock) {
			report_race(access, n);
		}
	}
	if (!mine) {
		if (g->count == NOTED) {
			fail_at("LAB", UINT64_MAX, "more kinds of access to a word than are kept");
			stop_execution();
		}
		mine = &g->noted[g->count++];
	}
	*mine = (struct noted){.access = *access,
			       .clock = access->hooked ? known(view, me) : clock_now(),
			       .lane = (unsigned char)me,
			       .mask = mask};
}

unsigned long history_plain(const struct seam_site *site, bool write, const volatile void *word,
			    unsigned long value)
{
	const struct plain_access access = {.write = write, .site = site};
	judge_plain((uintptr_t)word, 4, &access);
	if (!write)
		return word_now(word, 4);
	write_word(word, 4, value);
	return 0;
}
