// SPDX-License-Identifier: MIT
/*
 * ThreadSanitizer is told of each operation of the seam, behind it: nobody else has run since it
 * took place. An access to a word is made a second time, by the sanitizer's own functions and
 * without changing the word, so that it sees the C11 operation with its order; what fences, RCU and
 * sleep order is told as such. Where both cannot be exact, too much is ordered: a race may be
 * missed, none is invented.
 *
 * Fences: an acquire fence acquires from all words that its lane read relaxed. What a release fence
 * makes known is kept by a second thread of the sanitizer's per lane, which releases it to each
 * word that the lane stores to relaxed.
 *
 * Executions: what one did is ordered before all of the next, so no report spans two.
 */
#include "engine.h"
#include "model.h"
#include "sanitizer.h"

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
/* Tags: of grace periods that began, sections that were left, calls that were deferred and that
 * ran. */
static char begun_tag, left_tag, deferred_tag, ran_tag;
static const struct seam_hooks *inner;
static bool reported;

/* ---- around operations ----------------------------------------------------------------------- */

static struct told *mine(void)
{
	return &told[lab.current];
}

/* The engine may use memcpy() and its like, which the sanitizer looks at. */
static void begin_unseen(void)
{
	__tsan_ignore_thread_begin();
	mine()->unseen++;
	if (unlikely(reported) && lab.mode != MODE_OFF)
		fail_at("THREAD", UINT64_MAX, "ThreadSanitizer reports a race");
}

static void end_unseen(void)
{
	mine()->unseen--;
	__tsan_ignore_thread_end();
}

void tell_engine_begins(void)
{
	if (__tsan_ignore_thread_begin)
		begin_unseen();
}

static void tell_load(const volatile void *word, unsigned int bytes, int order)
{
	if (bytes == 4)
		(void)__tsan_atomic32_load(word, order);
	else
		(void)__tsan_atomic64_load(word, order);
	if (order != __ATOMIC_RELAXED)
		return;
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

static void tell_store(const volatile void *place, unsigned int bytes, int order)
{
	volatile void *word = (volatile void *)(uintptr_t)place;
	unsigned long value = word_now(word, bytes);
	if (bytes == 4)
		__tsan_atomic32_store(word, (int)value, order);
	else
		__tsan_atomic64_store(word, (long)value, order);
	tell_fence_before(word);
}

static void tell_change(const volatile void *place, unsigned int bytes, int order)
{
	volatile void *word = (volatile void *)(uintptr_t)place;
	if (bytes == 4)
		(void)__tsan_atomic32_fetch_add(word, 0, order);
	else
		(void)__tsan_atomic64_fetch_add(word, 0, order);
	tell_fence_before(word);
}

static void tell_fence(int order)
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

/* ---- hooks ----------------------------------------------------------------------------------- */

static unsigned long told_access(const struct seam_site *site, unsigned int access,
				 const volatile void *word, unsigned long operand,
				 unsigned long expected)
{
	unsigned int change = SEAM_ACCESS_OPERATION(access), bytes = SEAM_ACCESS_BYTES(access);
	int order = (int)SEAM_ACCESS_ORDER(access);
	begin_unseen();
	unsigned long old = inner->access(site, access, word, operand, expected);
	end_unseen();
	if (change == SEAM_OP_LOAD)
		tell_load(word, bytes, order);
	else if (change == SEAM_OP_STORE)
		tell_store(word, bytes, order);
	else if (change == SEAM_OP_CMPXCHG && old != expected)
		tell_load(word, bytes, __ATOMIC_RELAXED);
	else
		tell_change(word, bytes, order);
	return old;
}

static void told_fence(const struct seam_site *site, int order)
{
	begin_unseen();
	if (inner->fence)
		inner->fence(site, order);
	end_unseen();
	tell_fence(order);
}

#if !defined(LAB_PLAIN)
static unsigned long told_plain(const struct seam_site *site, unsigned int operation,
				const volatile void *word, unsigned long value)
{
	begin_unseen();
	unsigned long old =
		inner->plain ? inner->plain(site, operation, word, value)
			     : inner->access(site,
					     SEAM_ACCESS(operation, 4u, (unsigned)__ATOMIC_RELAXED),
					     word, value, 0);
	end_unseen();
	if (operation == SEAM_OP_LOAD)
		__tsan_read4(word);
	else
		__tsan_write4(word);
	return old;
}
#endif

static void told_read_lock(void)
{
	inner->rcu_read_lock();
	__tsan_acquire(&begun_tag);
}

static void told_read_unlock(void)
{
	begin_unseen();
	inner->rcu_read_unlock();
	end_unseen();
	__tsan_release(&left_tag);
}

static void told_synchronize(void)
{
	__tsan_release(&begun_tag);
	begin_unseen();
	inner->synchronize_rcu();
	end_unseen();
	__tsan_acquire(&left_tag);
}

static void told_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	__tsan_release(&begun_tag);
	__tsan_release(&deferred_tag);
	begin_unseen();
	inner->call_rcu(head, func);
	end_unseen();
}

void tell_deferred_begins(void)
{
	if (!__tsan_acquire)
		return;
	end_unseen();
	__tsan_acquire(&deferred_tag);
	__tsan_acquire(&left_tag);
}

void tell_deferred_ends(void)
{
	if (!__tsan_release)
		return;
	__tsan_release(&ran_tag);
	begin_unseen();
}

static void told_barrier(void)
{
	begin_unseen();
	inner->rcu_barrier();
	end_unseen();
	__tsan_acquire(&ran_tag);
}

static void told_lock(const struct seam_site *site, const volatile void *word)
{
	begin_unseen();
	inner->lock(site, word);
	end_unseen();
	tell_change(word, 4, __ATOMIC_ACQUIRE);
}

static bool told_trylock(const struct seam_site *site, const volatile void *word)
{
	begin_unseen();
	bool taken = inner->trylock(site, word);
	end_unseen();
	if (taken)
		tell_change(word, 4, __ATOMIC_ACQUIRE);
	else
		tell_load(word, 4, __ATOMIC_RELAXED);
	return taken;
}

static void told_unlock(const struct seam_site *site, const volatile void *word, int order)
{
	begin_unseen();
	inner->unlock(site, word, order);
	end_unseen();
	tell_store(word, 4, order);
}

static void told_bit_lock(const struct seam_site *site, const volatile void *word,
			  unsigned long bits, int order)
{
	begin_unseen();
	inner->bit_lock(site, word, bits, order);
	end_unseen();
	tell_change(word, 8, order);
}

/* Sleepers and wakers of a word. */
static void *queue_tag(const volatile void *word)
{
	return (void *)((uintptr_t)word | 2);
}

static void told_futex_wait(const volatile void *word, int value, int64_t deadline)
{
	begin_unseen();
	inner->futex_wait(word, value, deadline);
	end_unseen();
	tell_load(word, 4, __ATOMIC_RELAXED);
	__tsan_acquire(queue_tag(word));
}

static void told_futex_wake(const volatile void *word, int n)
{
	__tsan_release(queue_tag(word));
	begin_unseen();
	inner->futex_wake(word, n);
	end_unseen();
}

static void told_yield(void)
{
	begin_unseen();
	inner->yield();
	end_unseen();
}

static void *told_allocate(size_t size)
{
	begin_unseen();
	void *memory = inner->allocate(size);
	end_unseen();
	return memory;
}

/* Whoever touches it without order behind what comes before races with the end of its life. */
static bool told_free(void *memory)
{
	size_t size = arena_size(memory);
	if (size)
		__tsan_write_range(memory, size);
	begin_unseen();
	bool done = inner->free(memory);
	end_unseen();
	return done;
}

static bool told_commit(void *start, size_t size)
{
	begin_unseen();
	bool done = inner->commit(start, size);
	end_unseen();
	return done;
}

static bool told_decommit(void *start, size_t size)
{
	begin_unseen();
	bool done = inner->decommit(start, size);
	end_unseen();
	return done;
}

static __noreturn void told_bug(const char *invariant, const struct page *page, const char *message)
{
	begin_unseen();
	inner->bug(invariant, page, message);
}

static void told_violation(const char *invariant, unsigned long pfn, const char *message)
{
	begin_unseen();
	inner->violation(invariant, pfn, message);
	end_unseen();
}

const struct seam_hooks *told_hooks(const struct seam_hooks *hooks)
{
	static struct seam_hooks outer;
	if (!__tsan_switch_to_fiber)
		return hooks;
	inner = hooks;
	outer = *hooks;
	outer.access = told_access;
	outer.fence = told_fence;
#if !defined(LAB_PLAIN)
	outer.plain = told_plain;
#endif
	outer.rcu_read_lock = told_read_lock;
	outer.rcu_read_unlock = told_read_unlock;
	outer.synchronize_rcu = told_synchronize;
	outer.call_rcu = told_call_rcu;
	outer.rcu_barrier = told_barrier;
	outer.lock = told_lock;
	outer.trylock = told_trylock;
	outer.unlock = told_unlock;
	outer.bit_lock = told_bit_lock;
	outer.futex_wait = told_futex_wait;
	outer.futex_wake = told_futex_wake;
	outer.yield = told_yield;
	outer.allocate = told_allocate;
	outer.free = told_free;
	outer.commit = told_commit;
	outer.decommit = told_decommit;
	outer.bug = told_bug;
	outer.violation = told_violation;
	return &outer;
}
