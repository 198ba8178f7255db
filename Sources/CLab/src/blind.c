// SPDX-License-Identifier: MIT
/*
 * The alarm for blind spots. Code that was compiled for ThreadSanitizer calls these functions at
 * each plain load and store; here they are linked instead of its run-time library (LAB_PLAIN,
 * Tools/blind-spots.sh), and the C11 model judges the access (plain.c): one that another lane's
 * access to the same bytes conflicts with, plain or through the seam, and that nothing orders, is a
 * word that needs the seam and does not have it. Accesses of the seam come here as told_hooks()
 * tells them. What is ordered is what the model's views know, so construction before publication,
 * data under a lock and data behind a grace period are no findings.
 *
 * Seen is memory that the library shares: the arena, its globals, struct pages, tracked memory.
 */
#if defined(LAB_PLAIN)

#include "plain.h"
#include "sanitizer.h"

#include <folio/vmemmap.h>

#include <stdio.h>
#include <stdlib.h>

static bool is_judged(void)
{
	return lab.model == LAB_C11 && (lab.mode == MODE_RUN || lab.mode == MODE_START);
}

/* ---- fibers ---------------------------------------------------------------------------------- */

struct watched {
	unsigned int unseen; /* __tsan_ignore_thread_begin() without end */
};

static struct watched first = {0};
static struct watched *running = &first;

void *__tsan_create_fiber(unsigned int flags)
{
	(void)flags;
	struct watched *fiber = calloc(1, sizeof(*fiber));
	if (!fiber)
		abort();
	return fiber;
}

void __tsan_destroy_fiber(void *fiber)
{
	free(fiber);
}

void *__tsan_get_current_fiber(void)
{
	return running;
}

void __tsan_switch_to_fiber(void *fiber, unsigned int flags)
{
	(void)flags;
	running = fiber;
}

/* The beginning of each operation of the seam, see told_hooks(). */
void __tsan_ignore_thread_begin(void)
{
	if (is_judged())
		begin_hooked();
	running->unseen++;
}

void __tsan_ignore_thread_end(void)
{
	running->unseen--;
}

/* ---- accesses -------------------------------------------------------------------------------- */

static bool is_shared_memory(uintptr_t address)
{
	return address - (uintptr_t)lab.arena < ARENA_SIZE || is_tracked(address) ||
	       address - (uintptr_t)vmemmap < FOLIO_MAX_PFN * sizeof(struct page);
}

static bool looks(const volatile void *place)
{
	return is_judged() && !running->unseen && is_shared_memory((uintptr_t)place);
}

static void judge(const volatile void *place, size_t size, const struct plain_access *access)
{
	for (uintptr_t address = (uintptr_t)place; size > 0;) {
		size_t here = 8 - (address & 7);
		here = here < size ? here : size;
		judge_plain(address, (unsigned int)here, access);
		address += here;
		size -= here;
	}
}

static void see(const volatile void *place, size_t size, bool write, const void *caller)
{
	const struct plain_access access = {.write = write, .code = caller};
	if (!looks(place))
		return;
	if (unlikely(arena_is_dead(place))) {
		char message[sizeof(lab.finding.message)], text[64];
		snprintf(message, sizeof(message), "freed memory is %s at %s",
			 write ? "written" : "read", place_of(&access, text));
		fail_at(BLIND_SPOT, UINT64_MAX, message);
		return;
	}
	judge(place, size, &access);
}

/* The site is that of the operation which just took place. */
static void see_hooked(const volatile void *word, size_t size, bool write)
{
	const struct plain_access access = {
		.write = write, .hooked = true, .site = cfolio_seam_context.site};
	if (looks(word))
		judge(word, size, &access);
}

#define CALLER __builtin_return_address(0)

#define DEFINE_SEEN_BY(name, size, write)                                                          \
	void name(const volatile void *address);                                                   \
	void name(const volatile void *address)                                                    \
	{                                                                                          \
		see(address, size, write, CALLER);                                                 \
	}

#define DEFINE_SEEN(size)                                                                          \
	DEFINE_SEEN_BY(__tsan_read##size, size, false)                                             \
	DEFINE_SEEN_BY(__tsan_write##size, size, true)                                             \
	DEFINE_SEEN_BY(__tsan_unaligned_read##size, size, false)                                   \
	DEFINE_SEEN_BY(__tsan_unaligned_write##size, size, true)

DEFINE_SEEN(1)
DEFINE_SEEN(2)
DEFINE_SEEN(4)
DEFINE_SEEN(8)
DEFINE_SEEN(16)

/* The end of a block: whoever touches it without order races with that. */
void __tsan_write_range(const volatile void *address, unsigned long size)
{
	static const struct seam_site freed = {.function = "cfolio_free", .text = "cfolio_free()"};
	const struct plain_access access = {.write = true, .site = &freed};
	if (looks(address))
		judge(address, size, &access);
}

void *__tsan_memset(void *start, int value, unsigned long size);
void *__tsan_memset(void *start, int value, unsigned long size)
{
	see(start, size, true, CALLER);
	return memset(start, value, size);
}

void *__tsan_memcpy(void *to, const void *from, unsigned long size);
void *__tsan_memcpy(void *to, const void *from, unsigned long size)
{
	see(from, size, false, CALLER);
	see(to, size, true, CALLER);
	return memcpy(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, unsigned long size);
void *__tsan_memmove(void *to, const void *from, unsigned long size)
{
	see(from, size, false, CALLER);
	see(to, size, true, CALLER);
	return memmove(to, from, size);
}

/* ---- the seam, as it is told ----------------------------------------------------------------- */

#define DEFINE_TOLD(bits, type)                                                                    \
	type __tsan_atomic##bits##_load(const volatile type *word, int order)                      \
	{                                                                                          \
		(void)order;                                                                       \
		see_hooked(word, sizeof(type), false);                                             \
		return 0;                                                                          \
	}                                                                                          \
	void __tsan_atomic##bits##_store(volatile type *word, type value, int order)               \
	{                                                                                          \
		(void)value, (void)order;                                                          \
		see_hooked(word, sizeof(type), true);                                              \
	}                                                                                          \
	type __tsan_atomic##bits##_fetch_add(volatile type *word, type value, int order)           \
	{                                                                                          \
		(void)value, (void)order;                                                          \
		see_hooked(word, sizeof(type), true);                                              \
		return 0;                                                                          \
	}

DEFINE_TOLD(32, int)
DEFINE_TOLD(64, long)

/* What orders lanes, the model's views know by themselves. */
void __tsan_acquire(void *address)
{
	(void)address;
}

void __tsan_release(void *address)
{
	(void)address;
}

void __tsan_flush_memory(void)
{
}

/* ---- what the compiler calls besides --------------------------------------------------------- */

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

/* Swift: an inout access begins. Its loads and stores come by themselves. */
void __tsan_external_write(void *address, void *caller, void *tag);
void __tsan_external_write(void *address, void *caller, void *tag)
{
	(void)address, (void)caller, (void)tag;
}

#endif
