// SPDX-License-Identifier: MIT
/*
 * What ThreadSanitizer is told of accesses, fences and executions. See sanitizer_thread.h; the
 * hooks that tell it are in sanitizer_hooks.c.
 *
 * Fences: an acquire fence acquires from all words that its lane read relaxed. What a release fence
 * makes known is kept by a second thread of the sanitizer's per lane, which releases it to each
 * word that the lane stores to relaxed.
 *
 * Executions: what one did is ordered before all of the next, so no report spans two.
 */
#include "engine.h"
#include "model.h"
#include "sanitizer_thread.h"

#define READS_KEPT 128u

struct told {
	void *behind_fence; /* the sanitizer's thread that knows what the last release fence does */
	bool has_fence;	    /* of this execution */
	char fence;	    /* the tag of the way there */
	unsigned int unseen; /* begin_unseen() without end_unseen() */
	unsigned int reads;
	const volatile void *read[READS_KEPT]; /* words that were read relaxed */
};

static struct told told[LAB_LANES + 1];
static bool reported;

/* ---- around operations ----------------------------------------------------------------------- */

static struct told *mine(void)
{
	return &told[lab.current];
}

void begin_unseen(void)
{
	__tsan_ignore_thread_begin();
	mine()->unseen++;
	if (unlikely(reported) && lab.mode != MODE_OFF)
		fail_at("THREAD", UINT64_MAX, "ThreadSanitizer reports a race");
}

void end_unseen(void)
{
	mine()->unseen--;
	__tsan_ignore_thread_end();
}

void tell_engine_begins(void)
{
	if (__tsan_ignore_thread_begin)
		begin_unseen();
}

void tell_load(const volatile void *word, unsigned int bytes, int order)
{
	if (bytes == 4)
		(void)__tsan_atomic32_load(word, order);
	else
		(void)__tsan_atomic64_load(word, order);
	if (order != __ATOMIC_RELAXED) {
		/* It may be of two counters: what the second released it has by that address. */
		if (bytes == 8)
			__tsan_acquire((void *)((uintptr_t)word + 4));
		return;
	}
	struct told *t = mine();
	if (t->reads == READS_KEPT)
		__tsan_acquire((void *)(uintptr_t)word);
	else
		t->read[t->reads++] = word;
}

/* What a release fence before it made known, a store carries. */
static void tell_fence_before(const volatile void *word)
{
	struct told *t = mine();
	if (!t->has_fence)
		return;
	void *self = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(t->behind_fence, TSAN_NO_SYNCHRONISATION);
	__tsan_release((void *)(uintptr_t)word);
	__tsan_switch_to_fiber(self, TSAN_NO_SYNCHRONISATION);
}

void tell_store(const volatile void *place, unsigned int bytes, int order)
{
	volatile void *word = (volatile void *)(uintptr_t)place;
	unsigned long value = word_now(word, bytes);
	if (bytes == 4)
		__tsan_atomic32_store(word, (int)value, order);
	else
		__tsan_atomic64_store(word, (long)value, order);
	tell_fence_before(word);
}

void tell_change(const volatile void *place, unsigned int bytes, int order)
{
	volatile void *word = (volatile void *)(uintptr_t)place;
	if (bytes == 4)
		(void)__tsan_atomic32_fetch_add(word, 0, order);
	else
		(void)__tsan_atomic64_fetch_add(word, 0, order);
	tell_fence_before(word);
}

void tell_fence(int order)
{
	struct told *t = mine();
	if (order != __ATOMIC_RELEASE) {
		for (unsigned int i = 0; i < t->reads; i++)
			__tsan_acquire((void *)(uintptr_t)t->read[i]);
		t->reads = 0;
	}
	if (order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME)
		return;
	if (!t->behind_fence)
		t->behind_fence = __tsan_create_fiber(0);
	void *self = __tsan_get_current_fiber();
	__tsan_release(&t->fence);
	__tsan_switch_to_fiber(t->behind_fence, TSAN_NO_SYNCHRONISATION);
	__tsan_acquire(&t->fence);
	__tsan_switch_to_fiber(self, TSAN_NO_SYNCHRONISATION);
	t->has_fence = true;
}

/* ---- executions ------------------------------------------------------------------------------ */

void tell_execution_begins(void)
{
	if (!__tsan_switch_to_fiber)
		return;
	void *host = lab.host.tsan;
	reported = false;
	for (unsigned int i = 0; i <= LAB_LANES; i++) {
		told[i].has_fence = false;
		told[i].reads = 0;
		if (i == LAB_LANES || !lane(i)->fiber.tsan)
			continue;
		__tsan_switch_to_fiber(lane(i)->fiber.tsan, 0);
		__tsan_switch_to_fiber(host, TSAN_NO_SYNCHRONISATION);
	}
}

void tell_execution_ends(void)
{
	if (!__tsan_switch_to_fiber)
		return;
	void *host = lab.host.tsan;
	for (unsigned int i = 0; i < LAB_LANES; i++) {
		if (!lane(i)->fiber.tsan)
			continue;
		__tsan_switch_to_fiber(lane(i)->fiber.tsan, TSAN_NO_SYNCHRONISATION);
		for (; told[i].unseen > 0; told[i].unseen--)
			__tsan_ignore_thread_end();
		__tsan_switch_to_fiber(host, 0);
	}
	if (!reported)
		return;
	fail_at("THREAD", UINT64_MAX, "ThreadSanitizer reports a race");
	/* It looks no more at an address with a race, and the same race has to come when replayed.
	 */
	__tsan_flush_memory();
}

/*
 * It calls this for each report, with its locks held. The execution ends as one that failed, in
 * front of the next operation, and has a trace and a token.
 */
void __tsan_on_report(void *report);
void __tsan_on_report(void *report)
{
	(void)report;
	reported = lab.mode != MODE_OFF;
}
