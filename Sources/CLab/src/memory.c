// SPDX-License-Identifier: MIT
/*
 * The arena that a program's memory comes from, and memory of others that executions change by
 * plain stores. Both are put back before the next execution; words of the seam are undone one by
 * one (words.c). Freed memory is poisoned and stays dead until the execution ends. See engine.h.
 */
#include "engine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static size_t used, kept; /* bytes; `kept` belongs to the snapshot */
static char *image;
static unsigned char *lines_image;

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
		if (!lab.lines)
			return false;
	}
	memset(lab.arena, 0, used);
	memset(lab.lines, 0, used / ARENA_LINE);
	used = 0;
	kept = 0;
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

void *arena_allocate(size_t size)
{
	size_t rounded = (size + ARENA_LINE - 1) & ~(size_t)(ARENA_LINE - 1);
	if (!lab.arena || rounded > ARENA_SIZE - used || rounded == 0)
		return NULL;
	char *memory = lab.arena + used;
	memset(memory, 0, rounded);
	memset(lab.lines + used / ARENA_LINE, LINE_LIVE, rounded / ARENA_LINE);
	lab.lines[used / ARENA_LINE] = LINE_FIRST;
	used += rounded;
	return memory;
}

bool arena_free(void *memory)
{
	if (!is_mine(memory))
		return false;
	size_t line = (size_t)((char *)memory - lab.arena) / ARENA_LINE;
	if (lab.lines[line] != LINE_FIRST) {
		fail_at("DOUBLE-FREE", UINT64_MAX, "memory is given back that nobody holds");
		return true;
	}
	do {
		lab.lines[line] = LINE_DEAD;
		memset(lab.arena + line * ARENA_LINE, 0xdb, ARENA_LINE);
		line++;
	} while (line * ARENA_LINE < used && lab.lines[line] == LINE_LIVE);
	return true;
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
 * Globals of CFolio: a Lab build gathers them in two sections (folio/compiler.h). Executions that
 * run to their end leave lists and tables as they were; one that stops in the middle does not.
 */
extern char __start_folio_data[] __attribute__((weak)), __stop_folio_data[] __attribute__((weak));
extern char __start_folio_bss[] __attribute__((weak)), __stop_folio_bss[] __attribute__((weak));
static char *globals_image;

static size_t size_between(const char *start, const char *end)
{
	return start ? (size_t)(end - start) : 0;
}

static void copy_globals(bool back)
{
	size_t data = size_between(__start_folio_data, __stop_folio_data);
	size_t bss = size_between(__start_folio_bss, __stop_folio_bss);
	if (back) {
		memcpy(__start_folio_data, globals_image, data);
		memcpy(__start_folio_bss, globals_image + data, bss);
	} else {
		memcpy(globals_image, __start_folio_data, data);
		memcpy(globals_image + data, __start_folio_bss, bss);
	}
}

bool snapshot_memory(void)
{
	size_t globals = size_between(__start_folio_data, __stop_folio_data) +
			 size_between(__start_folio_bss, __stop_folio_bss);
	if (!globals_image)
		globals_image = malloc(globals + 1);
	kept = used;
	image = malloc(kept + 1);
	lines_image = malloc(kept / ARENA_LINE + 1);
	if (!image || !lines_image || !globals_image)
		return false;
	for (unsigned int i = 0; i < tracked_count; i++)
		memcpy(tracked[i].image, tracked[i].start, tracked[i].size);
	memcpy(image, lab.arena, kept);
	memcpy(lines_image, lab.lines, kept / ARENA_LINE);
	copy_globals(false);
	return true;
}

void restore_memory(bool everything)
{
	undo_words();
	for (unsigned int i = 0; i < tracked_count; i++)
		memcpy(tracked[i].start, tracked[i].image, tracked[i].size);
	if (kept) {
		memcpy(lab.arena, image, kept);
		memcpy(lab.lines, lines_image, kept / ARENA_LINE);
	}
	if (used > kept) {
		memset(lab.lines + kept / ARENA_LINE, LINE_UNUSED, (used - kept) / ARENA_LINE);
		used = kept;
	}
	if (everything)
		copy_globals(true);
}
