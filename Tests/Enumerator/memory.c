// SPDX-License-Identifier: MIT
/*
 * Memory: allocations, from a part of the arena for each thread, so that addresses do not depend on
 * the schedule; and all memory put back between schedules. See run.h.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LINE 64u
#define PART (4u << 20)	      /* of a thread */
#define HOST_PART (64u << 20) /* of whoever sets the world up */
#define MEMORY (HOST_PART + LANES * PART)

static char *memory;
static size_t used[LANES + 1];
static size_t kept;
static char *image;

/* By line of the arena: lines of the block that begins there; what was given back. */
static unsigned int block[MEMORY / LINE];
static bool freed[MEMORY / LINE];
static size_t freed_blocks[4096]; /* first lines, of this run */
static unsigned int freed_used;

/* ---- words ----------------------------------------------------------------------------------- */

static struct {
	void *address;
	unsigned long value;
	unsigned int bytes;
} undo[1 << 16];
static unsigned int undo_used;
/* From a schedule's first step to the end of what is asked behind its last. */
static bool undoing;

static unsigned long get(const volatile void *place, unsigned int bytes)
{
	return bytes == 4 ? (unsigned long)(long)*(const volatile int *)place
			  : *(const volatile unsigned long *)place;
}

static void set(void *place, unsigned int bytes, unsigned long value)
{
	if (bytes == 4)
		*(volatile int *)place = (int)value;
	else
		*(volatile unsigned long *)place = value;
}

static void put(const volatile void *place, unsigned int bytes, unsigned long value)
{
	if (undoing) {
		if (undo_used == sizeof(undo) / sizeof(undo[0]))
			abort();
		undo[undo_used].address = (void *)(uintptr_t)place;
		undo[undo_used].bytes = bytes;
		undo[undo_used++].value = get(place, bytes);
	}
	set((void *)(uintptr_t)place, bytes, value);
}

/* ---- allocations ----------------------------------------------------------------------------- */

static unsigned int part_now(void)
{
	return running ? current : LANES;
}

static void *hook_allocate(size_t size)
{
	unsigned int part = part_now();
	size_t rounded = (size + LINE - 1) / LINE * LINE;
	if (!memory) {
		memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (memory == MAP_FAILED)
			abort();
	}
	if (used[part] + rounded > (part == LANES ? HOST_PART : PART))
		abort();
	size_t offset = used[part] + (part == LANES ? 0 : HOST_PART + part * (size_t)PART);
	used[part] += rounded;
	block[offset / LINE] = (unsigned int)(rounded / LINE);
	memset(memory + offset, 0, rounded);
	return memory + offset;
}

static void refuse_freed(const volatile void *place)
{
	size_t offset = (size_t)((const volatile char *)place - memory);
	if (running && offset < MEMORY && freed[offset / LINE])
		stop_run("USE-AFTER-FREE");
}

static void give_back(size_t line)
{
	if (!running)
		return;
	if (freed_used == sizeof(freed_blocks) / sizeof(freed_blocks[0]))
		abort();
	freed_blocks[freed_used++] = line;
	memset(freed + line, true, block[line]);
}

/* A write of all its words that threads share, a step each; the memory is gone from the first. */
static bool hook_free(void *start)
{
	size_t offset = (size_t)((char *)start - memory), line = offset / LINE;
	if (offset >= MEMORY)
		return false;
	if (freed[line])
		stop_run("DOUBLE-FREE");
	bool given_back = false;
	for (size_t at = 0; running && at < block[line] * (size_t)LINE; at += 8) {
		uintptr_t word = (uintptr_t)start + at;
		if (!is_known(word) || !is_shared(word, true))
			continue;
		wait_for_turn(NOTHING);
		write_down(word, 8, CHANGES);
		if (!given_back && freed[line])
			stop_run("DOUBLE-FREE");
		if (!given_back)
			give_back(line);
		given_back = true;
	}
	if (!given_back)
		give_back(line);
	return true;
}

/* ---- pages ----------------------------------------------------------------------------------- */

static struct {
	char *start;
	size_t size;
} absent[16];
static unsigned int absent_used;

/* They stay where they are, or nobody could put their words back. */
static bool hook_decommit(void *start, size_t size)
{
	if (!running)
		return false;
	if (absent_used == sizeof(absent) / sizeof(absent[0]))
		abort();
	absent[absent_used].start = start;
	absent[absent_used++].size = size;
	return true;
}

/* Pages that come back are zero. */
static bool hook_commit(void *start, size_t size)
{
	for (unsigned int i = 0; running && i < absent_used; i++) {
		if (absent[i].start != start || absent[i].size != size)
			continue;
		for (char *word = start; word < (char *)start + size; word += 8)
			if (get(word, 8))
				put(word, 8, 0);
		absent[i] = absent[--absent_used];
		return true;
	}
	return false;
}

/* ---- back to the beginning ------------------------------------------------------------------- */

/* The library's globals, which the Lab build keeps together. */
extern char __start_folio_data[] __attribute__((weak)), __stop_folio_data[] __attribute__((weak));
extern char __start_folio_bss[] __attribute__((weak)), __stop_folio_bss[] __attribute__((weak));
static char *globals;

static void copy_globals(bool back)
{
	char *const starts[] = {__start_folio_data, __start_folio_bss};
	const size_t sizes[] = {(size_t)(__stop_folio_data - __start_folio_data),
				(size_t)(__stop_folio_bss - __start_folio_bss)};
	if (!globals)
		globals = malloc(sizes[0] + sizes[1] + 1);
	if (!globals)
		abort();
	for (size_t i = 0, at = 0; i < 2; at += sizes[i++]) {
		if (back)
			memcpy(starts[i], globals + at, sizes[i]);
		else
			memcpy(globals + at, starts[i], sizes[i]);
	}
}

static void forget_memory(void)
{
	if (memory)
		memset(block, 0, sizeof(block));
	memset(used, 0, sizeof(used));
}

static void keep_memory(void)
{
	kept = used[LANES];
	free(image);
	image = malloc(kept + 1);
	if (!image)
		abort();
	memcpy(image, memory, kept);
	copy_globals(false);
}

static void restore_memory(void)
{
	undoing = false;
	while (undo_used > 0) {
		undo_used--;
		set(undo[undo_used].address, undo[undo_used].bytes, undo[undo_used].value);
	}
	while (freed_used > 0) {
		size_t line = freed_blocks[--freed_used];
		memset(freed + line, false, block[line]);
	}
	absent_used = 0;
	memcpy(memory, image, kept);
	copy_globals(true);
	memset(used, 0, sizeof(used) - sizeof(used[0]));
	used[LANES] = kept;
}
