// SPDX-License-Identifier: MIT
/*
 * The arena that a program's memory comes from, and memory of others that executions change by
 * plain stores. Both are put back before the next execution; words of the seam are undone one by
 * one (words.c). Freed memory is poisoned and stays dead until the execution ends. Under
 * AddressSanitizer so is all memory that nobody holds, and a line behind each block. See engine.h.
 */
#include "engine.h"
#include "sanitizer.h"

#include <folio/globals.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Bytes, by part: who allocates when must not move what another lane gets. */
static size_t used[LAB_LANES + 1];
static unsigned int parts_used; /* those that may have grown since memory was put back */
static size_t kept;		/* of the host's part: belongs to the snapshot */
static char *image;
static unsigned char *lines_image;
static unsigned char *freers; /* by line: the lane that gave it back */
/* AddressSanitizer only: bytes of each line that are its block's. */
static unsigned char *lengths;

#define TRACKED_MAX 64u
struct tracked {
	char *start;
	size_t size;
	char *image;
};
static struct tracked tracked[TRACKED_MAX];
static unsigned int tracked_count;

bool memory_open(void)
{
	if (!lab.arena) {
		lab.arena = mmap((void *)0x600000000000, ARENA_SIZE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (lab.arena == MAP_FAILED) {
			lab.arena = NULL;
			return false;
		}
		lab.lines = calloc(ARENA_SIZE / ARENA_LINE, 1);
		freers = calloc(ARENA_SIZE / ARENA_LINE, 1);
		lengths = watches_addresses() ? calloc(ARENA_SIZE / ARENA_LINE, 1) : NULL;
		if (!lab.lines || !freers || (watches_addresses() && !lengths))
			return false;
		poison(lab.arena, ARENA_SIZE);
	}
	memset(lab.lines, LINE_UNUSED, used[LAB_LANES] / ARENA_LINE);
	poison(lab.arena, used[LAB_LANES]);
	used[LAB_LANES] = 0;
	kept = 0;
	lab.given_back = false;
	return true;
}

void forget_snapshot(void)
{
	for (unsigned int i = 0; i < tracked_count; i++)
		free(tracked[i].image);
	tracked_count = 0;
	free(image);
	free(lines_image);
	image = NULL;
	lines_image = NULL;
	kept = 0;
}

static bool is_mine(const volatile void *address)
{
	return (size_t)((const volatile char *)address - lab.arena) < ARENA_SIZE;
}

static size_t part_start(unsigned int part)
{
	return part < LAB_LANES ? ARENA_SIZE / 2 + (size_t)part * ARENA_LANE : 0;
}

/* The line is somebody's again: as many bytes of it as its block had. */
static void open_line(size_t line)
{
	if (lengths)
		unpoison(lab.arena + line * ARENA_LINE, lengths[line]);
}

void *arena_allocate(size_t size)
{
	size_t rounded = (size + ARENA_LINE - 1) & ~(size_t)(ARENA_LINE - 1);
	unsigned int part = lab.current;
	size_t capacity = part < LAB_LANES ? ARENA_LANE : ARENA_SIZE / 2;
	size_t taken = watches_addresses() ? rounded + ARENA_LINE : rounded;
	if (!lab.arena || taken > capacity - used[part] || rounded == 0)
		return NULL;
	size_t offset = part_start(part) + used[part];
	char *memory = lab.arena + offset;
	fill_bytes(memory, 0, rounded);
	for (size_t at = 0; lengths && at < rounded; at += ARENA_LINE) {
		size_t left = size - at;
		lengths[(offset + at) / ARENA_LINE] = left < ARENA_LINE ? left : ARENA_LINE;
		open_line((offset + at) / ARENA_LINE);
	}
	memset(lab.lines + offset / ARENA_LINE, LINE_LIVE, rounded / ARENA_LINE);
	lab.lines[offset / ARENA_LINE] = LINE_FIRST;
	used[part] += taken;
	parts_used |= 1u << part;
	return memory;
}

size_t arena_size(const void *memory)
{
	if (!is_mine(memory))
		return 0;
	size_t first = (size_t)((const char *)memory - lab.arena) / ARENA_LINE, line = first;
	if (lab.lines[line] != LINE_FIRST)
		return 0;
	do
		line++;
	while (line < ARENA_SIZE / ARENA_LINE && lab.lines[line] == LINE_LIVE);
	return (line - first) * ARENA_LINE;
}

bool arena_free(void *memory)
{
	if (!is_mine(memory))
		return false;
	size_t line = (size_t)((char *)memory - lab.arena) / ARENA_LINE;
	lab.given_back = true;
	if (lab.lines[line] != LINE_FIRST) {
		fail_at("DOUBLE-FREE", UINT64_MAX, "memory is given back that nobody holds");
		return true;
	}
	do {
		lab.lines[line] = LINE_DEAD;
		freers[line] = (unsigned char)lab.current;
		fill_bytes(lab.arena + line * ARENA_LINE, 0xdb, ARENA_LINE);
		poison(lab.arena + line * ARENA_LINE, ARENA_LINE);
		line++;
	} while (line < ARENA_SIZE / ARENA_LINE && lab.lines[line] == LINE_LIVE);
	return true;
}

#define DECOMMITTED_MAX 8u
static struct {
	char *start;
	size_t size;
	unsigned int by;
} decommitted[DECOMMITTED_MAX];

/* LAB_NONE: it is in none. */
static unsigned int decommitted_at(const volatile void *address)
{
	for (unsigned int i = 0; i < lab.decommitted; i++)
		if ((size_t)((const volatile char *)address - decommitted[i].start) <
		    decommitted[i].size)
			return i;
	return LAB_NONE;
}

bool is_decommitted(const volatile void *address)
{
	return decommitted_at(address) != LAB_NONE;
}

unsigned int freer_of(const volatile void *address)
{
	if (is_mine(address))
		return freers[(size_t)((const volatile char *)address - lab.arena) / ARENA_LINE];
	return decommitted[decommitted_at(address)].by;
}

/* Really unmapped, words could not be put back. */
bool arena_decommit(void *start, size_t size)
{
	if (!lab.inside)
		return false;
	if (lab.decommitted == DECOMMITTED_MAX) {
		fail_at("LAB", UINT64_MAX, "more pages given back than the lab keeps");
		return true;
	}
	lab.given_back = true;
	decommitted[lab.decommitted].by = lab.current;
	decommitted[lab.decommitted].start = start;
	decommitted[lab.decommitted++].size = size;
	poison(start, size);
	return true;
}

/* Pages that come back are zero. False: they may have to be mapped, too. */
bool arena_commit(void *start, size_t size)
{
	if (!lab.inside)
		return false;
	for (unsigned int i = 0; i < lab.decommitted; i++) {
		if (decommitted[i].start != start || decommitted[i].size != size)
			continue;
		unpoison(start, size);
		for (size_t at = 0; at < size; at += 8)
			if (word_now((char *)start + at, 8))
				write_word((char *)start + at, 8, 0);
		decommitted[i] = decommitted[--lab.decommitted];
		return true;
	}
	return false;
}

bool lab_track(void *start, size_t size)
{
	if (tracked_count == TRACKED_MAX)
		return false;
	char *copy = malloc(size);
	if (!copy)
		return false;
	tracked[tracked_count++] = (struct tracked){start, size, copy};
	return true;
}

/*
 * Globals of CFolio. Executions that run to their end leave lists and tables as they were; one that
 * stops in the middle does not.
 */
static char *globals_image;

bool is_tracked(uintptr_t address)
{
	if (address - (uintptr_t)__start_folio_data <
		    globals_between(__start_folio_data, __stop_folio_data) ||
	    address - (uintptr_t)__start_folio_bss <
		    globals_between(__start_folio_bss, __stop_folio_bss))
		return true;
	for (unsigned int i = 0; i < tracked_count; i++)
		if (address - (uintptr_t)tracked[i].start < tracked[i].size)
			return true;
	return false;
}

bool snapshot_memory(void)
{
	if (!globals_image)
		globals_image = malloc(folio_globals_size() + 1);
	kept = used[LAB_LANES];
	image = malloc(kept + 1);
	lines_image = malloc(kept / ARENA_LINE + 1);
	if (!image || !lines_image || !globals_image)
		return false;
	for (unsigned int i = 0; i < tracked_count; i++)
		copy_bytes(tracked[i].image, tracked[i].start, tracked[i].size);
	copy_bytes(image, lab.arena, kept);
	memcpy(lines_image, lab.lines, kept / ARENA_LINE);
	folio_globals_copy(globals_image, false);
	return true;
}

void restore_memory(bool everything)
{
	undo_words();
	while (lab.decommitted > 0) {
		lab.decommitted--;
		unpoison(decommitted[lab.decommitted].start, decommitted[lab.decommitted].size);
	}
	for (unsigned int i = 0; i < tracked_count; i++)
		copy_bytes(tracked[i].start, tracked[i].image, tracked[i].size);
	if (kept) {
		copy_bytes(lab.arena, image, kept);
		for (size_t line = 0; lengths && line < kept / ARENA_LINE; line++)
			if (lab.lines[line] == LINE_DEAD && lines_image[line] != LINE_DEAD)
				open_line(line);
		memcpy(lab.lines, lines_image, kept / ARENA_LINE);
	}
	for (; parts_used; parts_used &= parts_used - 1) {
		unsigned int part = (unsigned int)__builtin_ctz(parts_used);
		size_t stays = part == LAB_LANES ? kept : 0, gone = used[part] - stays;
		if (gone)
			memset(lab.lines + (part_start(part) + stays) / ARENA_LINE, LINE_UNUSED,
			       gone / ARENA_LINE);
		poison(lab.arena + part_start(part) + stays, gone);
		used[part] = stays;
	}
	if (everything)
		folio_globals_copy(globals_image, true);
}
