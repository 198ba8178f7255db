// SPDX-License-Identifier: MIT
/*
 * Hooks around the engine's, which tell ThreadSanitizer of each operation of the seam behind it:
 * nobody else has run since it took place. RCU and sleep order what their tags say.
 */
#include "engine.h"
#include "sanitizer_thread.h"

/* Tags: of grace periods that began, sections that were left, calls that were deferred and that
 * ran. */
static char begun_tag, left_tag, deferred_tag, ran_tag;
static const struct seam_hooks *inner;

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
