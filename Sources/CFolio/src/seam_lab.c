// SPDX-License-Identifier: MIT
/*
 * The lab's side of the seam: each primitive asks the explorer of the calling OS thread, if there
 * is one, and otherwise does what a normal build does. Empty unless the trait Lab is on.
 */
#include <folio/rcu.h>
#include <folio/seam_native.h>

#if defined(FOLIO_LAB)

#include <stdio.h>

#define _LGPL_SOURCE
#include <urcu/static/urcu-bp.h>
#undef _LGPL_SOURCE

int cfolio_mutant;
_Thread_local struct seam_context cfolio_seam_context;

#if defined(FOLIO_TSAN)
__attribute__((disable_sanitizer_instrumentation)) void cfolio_seam_set_site(
	const struct seam_site *site)
{
	cfolio_seam_context.site = site;
}

__attribute__((disable_sanitizer_instrumentation)) const struct seam_site *cfolio_seam_site(void)
{
	return cfolio_seam_context.site;
}
#endif

bool cfolio_seam_enter(const struct seam_hooks *hooks)
{
	cfolio_seam_context.hooks = hooks;
	cfolio_seam_context.site = NULL;
	return true;
}

void cfolio_seam_left(const struct seam_site *const *site)
{
	cfolio_seam_set_site(*site);
}

/* ---- words ----------------------------------------------------------------------------------- */

#define NATIVE(type, name)                                                                         \
	static unsigned long native_##name(unsigned int access, volatile _Atomic(type) *p,         \
					   type operand, type expected)                            \
	{                                                                                          \
		int order = (int)SEAM_ACCESS_ORDER(access);                                        \
		switch ((enum seam_operation)SEAM_ACCESS_OPERATION(access)) {                      \
		case SEAM_OP_LOAD:                                                                 \
			return (unsigned long)atomic_load_explicit(p, order);                      \
		case SEAM_OP_STORE:                                                                \
			atomic_store_explicit(p, operand, order);                                  \
			return 0;                                                                  \
		case SEAM_OP_ADD:                                                                  \
			return (unsigned long)atomic_fetch_add_explicit(p, operand, order);        \
		case SEAM_OP_OR:                                                                   \
			return (unsigned long)atomic_fetch_or_explicit(p, operand, order);         \
		case SEAM_OP_AND:                                                                  \
			return (unsigned long)atomic_fetch_and_explicit(p, operand, order);        \
		case SEAM_OP_XCHG:                                                                 \
			return (unsigned long)atomic_exchange_explicit(p, operand, order);         \
		case SEAM_OP_CMPXCHG:                                                              \
			atomic_compare_exchange_strong_explicit(p, &expected, operand, order,      \
								memory_order_relaxed);             \
			break;                                                                     \
		}                                                                                  \
		return (unsigned long)expected;                                                    \
	}
NATIVE(int, int)
NATIVE(unsigned long, word)

static unsigned long native_access(unsigned int access, const volatile void *word,
				   unsigned long operand, unsigned long expected)
{
	if (SEAM_ACCESS_BYTES(access) == sizeof(int))
		return native_int(access, (volatile _Atomic(int) *)(uintptr_t)word, (int)operand,
				  (int)expected);
	return native_word(access, (volatile _Atomic(unsigned long) *)(uintptr_t)word, operand,
			   expected);
}

unsigned long cfolio_seam_access(unsigned int access, const volatile void *word,
				 unsigned long operand, unsigned long expected)
{
	const struct seam_hooks *hooks = seam_hooks();
	if (likely(hooks))
		return hooks->access(cfolio_seam_site(), access, word, operand, expected);
	return native_access(access, word, operand, expected);
}

void cfolio_seam_fence_at(int order)
{
	const struct seam_hooks *hooks = seam_hooks();
	if (hooks)
		hooks->fence(cfolio_seam_site(), order);
	else
		atomic_thread_fence(order);
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
		return cfolio_native_call_rcu(head, func);
	seam_hooks()->call_rcu(head, func);
	return true;
}

bool seam_rcu_barrier(void)
{
	if (!seam_hooks())
		return cfolio_native_rcu_barrier();
	seam_hooks()->rcu_barrier();
	return true;
}

/* ---- locks and sleep ------------------------------------------------------------------------- */

bool seam_lock(const volatile void *word)
{
	if (!seam_hooks())
		return false;
	seam_hooks()->lock(cfolio_seam_site(), word);
	return true;
}

bool seam_trylock(const volatile void *word, bool *taken)
{
	if (!seam_hooks())
		return false;
	*taken = seam_hooks()->trylock(cfolio_seam_site(), word);
	return true;
}

bool seam_unlock(const volatile void *word, int order)
{
	if (!seam_hooks())
		return false;
	seam_hooks()->unlock(cfolio_seam_site(), word, order);
	return true;
}

bool seam_bit_lock(int bit, const volatile void *word, int order)
{
	if (!seam_hooks())
		return false;
	seam_hooks()->bit_lock(cfolio_seam_site(), word, BIT(bit), order);
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
		return cfolio_native_allocate(size, memory);
	*memory = seam_hooks()->allocate(size);
	return true;
}

bool seam_free(void *memory)
{
	if (!seam_hooks())
		return memory && cfolio_native_free(memory);
	return memory && seam_hooks()->free(memory);
}

bool seam_commit(void *start, size_t size)
{
	return seam_hooks() ? seam_hooks()->commit(start, size) : cfolio_native_commit(start, size);
}

bool seam_decommit(void *start, size_t size)
{
	return seam_hooks() ? seam_hooks()->decommit(start, size)
			    : cfolio_native_decommit(start, size);
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
	if (!seam_hooks()) {
		cfolio_native_bug(invariant, format, arguments);
		return false;
	}
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
