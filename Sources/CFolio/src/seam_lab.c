// SPDX-License-Identifier: MIT
/*
 * The lab's side of the seam: each primitive asks the explorer of the calling OS thread, if there
 * is one, and otherwise does what a normal build does. Empty unless the trait Lab is on.
 */
#include <folio/rcu.h>

#if defined(FOLIO_LAB)

#include <stdio.h>

#define _LGPL_SOURCE
#include <urcu/static/urcu-bp.h>
#undef _LGPL_SOURCE

int cfolio_mutant;
_Thread_local struct seam_context cfolio_seam_context;

bool cfolio_seam_enter(const struct seam_hooks *hooks)
{
	cfolio_seam_context.hooks = hooks;
	cfolio_seam_context.site = NULL;
	return true;
}

void cfolio_seam_left(const struct seam_site *const *site)
{
	cfolio_seam_context.site = *site;
}

/* ---- words ----------------------------------------------------------------------------------- */

#define HOOKED(type, operation, order, operand, expected)                                          \
	((type)cfolio_seam_context.hooks->access(                                                  \
		cfolio_seam_context.site,                                                          \
		SEAM_ACCESS(operation, (unsigned)sizeof(type), (unsigned)(order)), p,              \
		(unsigned long)(operand), (unsigned long)(expected)))

#define DEFINE_ACCESS(type, name)                                                                  \
	type cfolio_seam_load_##name(const volatile _Atomic(type) *p, int order)                   \
	{                                                                                          \
		if (seam_hooks())                                                                  \
			return HOOKED(type, SEAM_OP_LOAD, order, 0, 0);                            \
		return atomic_load_explicit(p, order);                                             \
	}                                                                                          \
	void cfolio_seam_store_##name(volatile _Atomic(type) *p, type value, int order)            \
	{                                                                                          \
		if (seam_hooks())                                                                  \
			(void)HOOKED(type, SEAM_OP_STORE, order, value, 0);                        \
		else                                                                               \
			atomic_store_explicit(p, value, order);                                    \
	}                                                                                          \
	bool cfolio_seam_cmpxchg_##name(volatile _Atomic(type) *p, type *expected, type desired,   \
					int order)                                                 \
	{                                                                                          \
		if (seam_hooks()) {                                                                \
			type seen = HOOKED(type, SEAM_OP_CMPXCHG, order, desired, *expected);      \
			bool done = seen == *expected;                                             \
			*expected = seen;                                                          \
			return done;                                                               \
		}                                                                                  \
		return atomic_compare_exchange_strong_explicit(p, expected, desired, order,        \
							       memory_order_relaxed);              \
	}

#define DEFINE_CHANGE(type, name, change, operation, native)                                       \
	type cfolio_seam_##change##_##name(volatile _Atomic(type) *p, type value, int order)       \
	{                                                                                          \
		if (seam_hooks())                                                                  \
			return HOOKED(type, operation, order, value, 0);                           \
		return native(p, value, order);                                                    \
	}

typedef unsigned long word_type;
DEFINE_ACCESS(int, int)
DEFINE_ACCESS(long, long)
DEFINE_ACCESS(word_type, word)
DEFINE_CHANGE(int, int, add, SEAM_OP_ADD, atomic_fetch_add_explicit)
DEFINE_CHANGE(long, long, add, SEAM_OP_ADD, atomic_fetch_add_explicit)
DEFINE_CHANGE(word_type, word, add, SEAM_OP_ADD, atomic_fetch_add_explicit)
DEFINE_CHANGE(word_type, word, or, SEAM_OP_OR, atomic_fetch_or_explicit)
DEFINE_CHANGE(word_type, word, and, SEAM_OP_AND, atomic_fetch_and_explicit)
DEFINE_CHANGE(int, int, xchg, SEAM_OP_XCHG, atomic_exchange_explicit)
DEFINE_CHANGE(word_type, word, xchg, SEAM_OP_XCHG, atomic_exchange_explicit)

void cfolio_seam_fence(int order)
{
	const struct seam_hooks *hooks = seam_hooks();
	if (!hooks)
		atomic_thread_fence(order);
	else if (hooks->fence)
		hooks->fence(cfolio_seam_context.site, order);
}

int cfolio_seam_plain(const struct seam_site *site, unsigned int operation,
		      const volatile int *word, int value)
{
	const struct seam_hooks *hooks = seam_hooks();
	unsigned long operand = (unsigned long)(long)value;
	if (hooks->plain)
		return (int)hooks->plain(site, operation, word, operand);
	return (int)hooks->access(site, SEAM_ACCESS(operation, 4u, (unsigned)memory_order_relaxed),
				  word, operand, 0);
}

unsigned long cfolio_seam_scope(void)
{
	return seam_hooks() ? seam_hooks()->scope() : 0;
}

void cfolio_seam_live(unsigned long scope, unsigned long value)
{
	if (seam_hooks())
		seam_hooks()->live(scope, value);
}

/* ---- RCU ------------------------------------------------------------------------------------- */

void rcu_read_lock(void)
{
	if (seam_hooks())
		seam_hooks()->rcu_read_lock();
	else
		_urcu_bp_read_lock();
}

void rcu_read_unlock(void)
{
	if (seam_hooks())
		seam_hooks()->rcu_read_unlock();
	else
		_urcu_bp_read_unlock();
}

bool rcu_read_lock_held(void)
{
	if (seam_hooks())
		return seam_hooks()->rcu_read_lock_held();
	return _urcu_bp_read_ongoing() != 0;
}

bool seam_synchronize_rcu(void)
{
	if (!seam_hooks())
		return false;
	seam_hooks()->synchronize_rcu();
	return true;
}

bool seam_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	if (!seam_hooks())
		return false;
	seam_hooks()->call_rcu(head, func);
	return true;
}

bool seam_rcu_barrier(void)
{
	if (!seam_hooks())
		return false;
	seam_hooks()->rcu_barrier();
	return true;
}

/* ---- locks and sleep ------------------------------------------------------------------------- */

bool seam_lock(const volatile void *word)
{
	if (!seam_hooks())
		return false;
	seam_hooks()->lock(cfolio_seam_context.site, word);
	return true;
}

bool seam_trylock(const volatile void *word, bool *taken)
{
	if (!seam_hooks())
		return false;
	*taken = seam_hooks()->trylock(cfolio_seam_context.site, word);
	return true;
}

bool seam_unlock(const volatile void *word, int order)
{
	if (!seam_hooks())
		return false;
	seam_hooks()->unlock(cfolio_seam_context.site, word, order);
	return true;
}

bool seam_bit_lock(int bit, const volatile void *word, int order)
{
	if (!seam_hooks())
		return false;
	seam_hooks()->bit_lock(cfolio_seam_context.site, word, BIT(bit), order);
	return true;
}

bool seam_futex_wait(const volatile void *word, int value, int64_t deadline_ns)
{
	if (!seam_hooks())
		return false;
	seam_hooks()->futex_wait(word, value, deadline_ns);
	return true;
}

bool seam_futex_wake(const volatile void *word, int n)
{
	if (!seam_hooks())
		return false;
	seam_hooks()->futex_wake(word, n);
	return true;
}

bool seam_yield(void)
{
	if (!seam_hooks())
		return false;
	seam_hooks()->yield();
	return true;
}

/* ---- what fibers would share ----------------------------------------------------------------- */

bool seam_clock(int64_t *now)
{
	if (!seam_hooks())
		return false;
	*now = seam_hooks()->clock_ns();
	return true;
}

bool seam_allocate(size_t size, void **memory)
{
	if (!seam_hooks())
		return false;
	*memory = seam_hooks()->allocate(size);
	return true;
}

bool seam_free(void *memory)
{
	return seam_hooks() && memory && seam_hooks()->free(memory);
}

bool seam_commit(void *start, size_t size)
{
	return seam_hooks() && seam_hooks()->commit(start, size);
}

bool seam_decommit(void *start, size_t size)
{
	return seam_hooks() && seam_hooks()->decommit(start, size);
}

bool seam_this_thread(struct folio_thread **thread)
{
	if (!seam_hooks())
		return false;
	*thread = seam_hooks()->this_thread();
	return true;
}

bool seam_this_cpu(unsigned int *cpu)
{
	if (!seam_hooks())
		return false;
	*cpu = seam_hooks()->this_cpu();
	return true;
}

/* ---- findings -------------------------------------------------------------------------------- */

bool seam_bug(const char *invariant, const struct page *page, const char *format, va_list arguments)
{
	if (!seam_hooks())
		return false;
	char message[256];
	vsnprintf(message, sizeof(message), format, arguments);
	seam_hooks()->bug(invariant, page, message);
}

bool seam_violation(const char *invariant, unsigned long pfn, const char *format, va_list arguments)
{
	if (!seam_hooks())
		return false;
	char message[256];
	vsnprintf(message, sizeof(message), format, arguments);
	seam_hooks()->violation(invariant, pfn, message);
	return true;
}

#endif
