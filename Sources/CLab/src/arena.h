/* SPDX-License-Identifier: MIT */
/*
 * Memory of the program under test: the arena, pages that come and go, what is put back between
 * executions (memory.c), and who touches what was given back.
 */
#ifndef LAB_ARENA_H
#define LAB_ARENA_H

#include "state.h"

#pragma GCC visibility push(hidden)

void *arena_allocate(size_t size);
bool arena_free(void *memory);
/** Bytes of a block that is alive; 0: there is none that begins there. */
size_t arena_size(const void *memory);

enum line { LINE_UNUSED, LINE_LIVE, LINE_FIRST, LINE_DEAD };
#define ARENA_SIZE (64u << 20)
/* Half is the host's; each lane has a part of its own, so that addresses depend on it alone. */
#define ARENA_LANE (ARENA_SIZE / 2 / LAB_LANES)
#define ARENA_LINE 64u

bool is_decommitted(const volatile void *address);

/* accesses.c */
void refuse_if_dead(const struct seam_site *site, const volatile void *address);

/** Who touches a word of freed memory, at `site`, does not go on. */
static inline void refuse_dead(const struct seam_site *site, const volatile void *address)
{
	if (unlikely(lab.given_back))
		refuse_if_dead(site, address);
}

/** The lane that gave this memory back. */
unsigned int freer_of(const volatile void *address);

/** The words of freed memory are nobody's. */
static inline bool arena_is_dead(const volatile void *address)
{
	size_t offset = (size_t)((const volatile char *)address - lab.arena);
	if (offset < ARENA_SIZE)
		return lab.lines[offset / ARENA_LINE] == LINE_DEAD;
	return unlikely(lab.decommitted) && is_decommitted(address);
}

/** The same at a glance: false where it surely is not. */
static inline bool may_be_dead(const volatile void *address)
{
	size_t offset = (size_t)((const volatile char *)address - lab.arena);
	if (!lab.given_back)
		return false;
	return offset < ARENA_SIZE ? lab.lines[offset / ARENA_LINE] == LINE_DEAD
				   : lab.decommitted != 0;
}

/* Pages that a program gives back or takes: they stay readable until executions end. */
bool arena_commit(void *start, size_t size);
bool arena_decommit(void *start, size_t size);
void restore_memory(bool everything);
bool memory_open(void);
bool snapshot_memory(void);
/** A global of CFolio, or memory of lab_track(). */
bool is_tracked(uintptr_t address);
void forget_snapshot(void);

#pragma GCC visibility pop

#endif
