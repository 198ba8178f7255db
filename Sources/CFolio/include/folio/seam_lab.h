/* SPDX-License-Identifier: MIT */
/*
 * The lab's side of the seam (FOLIO_LAB): what replaces the C11 atomics of folio/seam.h, and how
 * the other primitives (RCU, locks, futexes, memory, threads) ask the explorer. Included by
 * folio/seam.h only. The table of the explorer's functions, and sites, are in folio/seam_hooks.h.
 */
#ifndef FOLIO_SEAM_LAB_H
#define FOLIO_SEAM_LAB_H

#if defined(FOLIO_LAB)

#include <folio/seam_hooks.h>
#include <stdarg.h>
#include <stdatomic.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** What the calling OS thread knows about its explorer. */
struct seam_context {
	const struct seam_hooks *_Nullable hooks;
	const struct seam_site *_Nullable site; /**< of the operation that begins */
};

extern _Thread_local struct seam_context cfolio_seam_context;

/** The explorer's functions, or NULL on a native thread. */
static inline const struct seam_hooks *_Nullable seam_hooks(void)
{
	return cfolio_seam_context.hooks;
}

/**
 * One access as SEAM_ACCESS() packs it; the old value. What wraps it is inline: a fiber that goes
 * on returns through fewer frames that another fiber has called, which processors predict badly.
 */
unsigned long cfolio_seam_access(unsigned int access, const volatile void *word,
				 unsigned long operand, unsigned long expected);

#define SEAM_FUNCTION(type, name, change, operation)                                               \
	static inline type cfolio_seam_##change##_##name(volatile _Atomic(type) *p, type value,    \
							 int order)                                \
	{                                                                                          \
		return (type)cfolio_seam_access(                                                   \
			SEAM_ACCESS(operation, (unsigned)sizeof(type), (unsigned)order), p,        \
			(unsigned long)value, 0);                                                  \
	}

#define SEAM_FUNCTIONS(type, name)                                                                 \
	static inline type cfolio_seam_load_##name(const volatile _Atomic(type) *p, int order)     \
	{                                                                                          \
		return (type)cfolio_seam_access(                                                   \
			SEAM_ACCESS(SEAM_OP_LOAD, (unsigned)sizeof(type), (unsigned)order), p, 0,  \
			0);                                                                        \
	}                                                                                          \
	static inline void cfolio_seam_store_##name(volatile _Atomic(type) *p, type value,         \
						    int order)                                     \
	{                                                                                          \
		(void)cfolio_seam_access(                                                          \
			SEAM_ACCESS(SEAM_OP_STORE, (unsigned)sizeof(type), (unsigned)order), p,    \
			(unsigned long)value, 0);                                                  \
	}                                                                                          \
	SEAM_FUNCTION(type, name, add, SEAM_OP_ADD)                                                \
	SEAM_FUNCTION(type, name, or, SEAM_OP_OR)                                                  \
	SEAM_FUNCTION(type, name, and, SEAM_OP_AND)                                                \
	SEAM_FUNCTION(type, name, xchg, SEAM_OP_XCHG)                                              \
	static inline bool cfolio_seam_cmpxchg_##name(volatile _Atomic(type) *p, type *expected,   \
						      type desired, int order)                     \
	{                                                                                          \
		type seen = (type)cfolio_seam_access(                                              \
			SEAM_ACCESS(SEAM_OP_CMPXCHG, (unsigned)sizeof(type), (unsigned)order), p,  \
			(unsigned long)desired, (unsigned long)*expected);                         \
		bool done = seen == *expected;                                                     \
		*expected = seen;                                                                  \
		return done;                                                                       \
	}

typedef unsigned long seam_word_t;
SEAM_FUNCTIONS(int, int)
SEAM_FUNCTIONS(long, long)
SEAM_FUNCTIONS(seam_word_t, word)

void cfolio_seam_fence_at(int order);

static inline void cfolio_seam_fence(int order)
{
	const struct seam_hooks *hooks = seam_hooks();
	if (!hooks || hooks->fence)
		cfolio_seam_fence_at(order);
}

int cfolio_seam_plain(const struct seam_site *_Nullable site, unsigned int operation,
		      const volatile int *word, int value);

#define SEAM_SELECT(p, name)                                                                       \
	_Generic((p),                                                                              \
		volatile _Atomic(int) *: cfolio_seam_##name##_int,                                 \
		_Atomic(int) *: cfolio_seam_##name##_int,                                          \
		const _Atomic(int) *: cfolio_seam_##name##_int,                                    \
		_Atomic(long) *: cfolio_seam_##name##_long,                                        \
		const _Atomic(long) *: cfolio_seam_##name##_long,                                  \
		_Atomic(unsigned long) *: cfolio_seam_##name##_word,                               \
		const _Atomic(unsigned long) *: cfolio_seam_##name##_word)
#define SEAM_LOAD(p, order) SEAM_SELECT(p, load)(p, order)
#define SEAM_STORE(p, v, order) SEAM_SELECT(p, store)(p, v, order)
#define SEAM_ADD_INT(p, v, order) cfolio_seam_add_int(p, v, order)
#define SEAM_ADD_LONG(p, v, order) cfolio_seam_add_long(p, v, order)
#define SEAM_ADD_WORD(p, v, order) cfolio_seam_add_word(p, v, order)
#define SEAM_OR(p, v, order) cfolio_seam_or_word(p, v, order)
#define SEAM_AND(p, v, order) cfolio_seam_and_word(p, v, order)
#define SEAM_XCHG_INT(p, v, order) cfolio_seam_xchg_int(p, v, order)
#define SEAM_XCHG_WORD(p, v, order) cfolio_seam_xchg_word(p, v, order)
#define SEAM_CMPXCHG(p, expected, desired, order)                                                  \
	SEAM_SELECT(p, cmpxchg)(p, expected, desired, order)
#define SEAM_FENCE(order) cfolio_seam_fence(order)

static inline unsigned long cfolio_seam_scope(void)
{
	const struct seam_hooks *hooks = seam_hooks();
	return hooks && hooks->scope ? hooks->scope() : 0;
}

static inline void cfolio_seam_live(unsigned long scope, unsigned long value)
{
	const struct seam_hooks *hooks = seam_hooks();
	if (hooks && hooks->live)
		hooks->live(scope, value);
}

/**
 * Adds to a word of who checks executions: it is no part of them, fibers share it without
 * order, and ThreadSanitizer does not look.
 */
__attribute__((no_sanitize("thread"))) static inline void cfolio_seam_note(int *word, int by)
{
	*word += by;
}

#define SEAM_SCOPE(scope) const unsigned long scope = cfolio_seam_scope()
#define SEAM_LIVE(scope, value) cfolio_seam_live(scope, (unsigned long)(value))

/* Fibers share the context: ThreadSanitizer must not look at what code that it sees does there. */
#if defined(FOLIO_TSAN)
void cfolio_seam_set_site(const struct seam_site *_Nullable site);
const struct seam_site *_Nullable cfolio_seam_site(void);
#else
static inline const struct seam_site *_Nullable cfolio_seam_site(void)
{
	return cfolio_seam_context.site;
}

static inline void cfolio_seam_set_site(const struct seam_site *_Nullable site)
{
	cfolio_seam_context.site = site;
}
#endif

/** The site of the operation that the calling fiber is in, after others ran. */
static inline void cfolio_seam_resume(const struct seam_site *_Nullable site)
{
	cfolio_seam_set_site(site);
}

/* Puts the site of the operation outside back. Swift's importer emits no inline function for it. */
void cfolio_seam_left(const struct seam_site *_Nullable const *_Nonnull site);
#if defined(__swift__)
#define SEAM_LEAVE cfolio_seam_left
#else
#define SEAM_LEAVE cfolio_seam_leave
static inline void cfolio_seam_leave(const struct seam_site *_Nullable const *_Nonnull site)
{
	cfolio_seam_set_site(*site);
}
#endif

/**
 * Evaluates the call with this place as the site of the accesses in it. Inside atomic.h a function
 * made of others names none, so it reports where it was called.
 */
#define SEAM_HERE(call, text_)                                                                     \
	({                                                                                         \
		static const struct seam_site cfolio_here                                          \
			__attribute__((section("folio_sites"), used, aligned(8))) = {              \
				__func__, text_, __FILE__, __LINE__, 0};                           \
		const struct seam_site *cfolio_outer __attribute__((cleanup(SEAM_LEAVE))) =        \
			cfolio_seam_site();                                                        \
		cfolio_seam_set_site(&cfolio_here);                                                \
		call;                                                                              \
	})

/** The lab decides who runs: it finds deadlocks by itself. */
static inline bool seam_schedules(void)
{
	return seam_hooks() != NULL;
}

/*
 * What follows is true when the lab has done it; native threads of a Lab build go on by themselves.
 */
bool seam_lock(const volatile void *word);
bool seam_trylock(const volatile void *word, bool *taken);
bool seam_unlock(const volatile void *word, int order);
bool seam_bit_lock(int bit, const volatile void *word, int order);
bool seam_synchronize_rcu(void);
bool seam_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
bool seam_rcu_barrier(void);
bool seam_futex_wait(const volatile void *word, int value, int64_t deadline_ns);
bool seam_futex_wake(const volatile void *word, int n);
bool seam_yield(void);
bool seam_clock(int64_t *now);
bool seam_allocate(size_t size, void *_Nullable *_Nonnull memory);
bool seam_free(void *_Nullable memory);
/**
 * Where struct pages are to be, if the system agrees. Keys of waits share buckets by their
 * addresses (wait_bit.c): a scenario has as many interleavings in every process only if those are
 * the same.
 */
#define seam_reserve_at() ((void *)0x610000000000)
bool seam_commit(void *start, size_t size);
bool seam_decommit(void *start, size_t size);
bool seam_this_thread(struct folio_thread *_Nullable *_Nonnull thread);
bool seam_this_cpu(unsigned int *cpu);
/** Does not return when the lab runs. */
bool seam_bug(const char *invariant, const struct page *_Nullable page, const char *format,
	      va_list arguments);
bool seam_violation(const char *invariant, unsigned long pfn, const char *format,
		    va_list arguments);

FOLIO_ASSUME_NONNULL_END

#endif

#endif
