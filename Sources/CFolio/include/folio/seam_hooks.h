/* SPDX-License-Identifier: MIT */
/*
 * The one table of functions through which a schedule explorer takes over, and the sites that each
 * access is known by. The table is per OS thread: without one, the normal state, a Lab build runs
 * on native threads like any other. The explorer sets it for the one thread that all its fibers run
 * on.
 */
#ifndef FOLIO_SEAM_HOOKS_H
#define FOLIO_SEAM_HOOKS_H

#include <folio/compiler.h>

FOLIO_ASSUME_NONNULL_BEGIN

struct folio_thread;
struct page;
struct rcu_head;

/**
 * A place in the source that touches shared words. Its identity is function and text, so that it
 * survives edits elsewhere; static, in the section folio_sites.
 */
struct seam_site {
	const char *function;
	const char *text; /**< the operation as written: "atomic_read(&page->_refcount)" */
	const char *file;
	unsigned int line;
	unsigned int reserved;
};

/** What an access does. CMPXCHG compares `expected`, the others ignore it. */
enum seam_operation {
	SEAM_OP_LOAD,
	SEAM_OP_STORE,
	SEAM_OP_ADD,
	SEAM_OP_OR,
	SEAM_OP_AND,
	SEAM_OP_XCHG,
	SEAM_OP_CMPXCHG,
};

/** One access, packed: operation, bytes (4 or 8), C11 order. */
#define SEAM_ACCESS(operation, bytes, order) ((operation) | (bytes) << 4 | (order) << 8)
#define SEAM_ACCESS_OPERATION(access) ((access) & 15u)
#define SEAM_ACCESS_BYTES(access) ((access) >> 4 & 15u)
#define SEAM_ACCESS_ORDER(access) ((access) >> 8)

/**
 * The explorer. Every function runs on the calling fiber and returns when the operation has taken
 * place; a word is touched by the explorer only.
 */
struct seam_hooks {
	/** The old value, of the width of the access; 4-byte values are sign-extended. */
	unsigned long (*access)(const struct seam_site *_Nullable site, unsigned int access,
				const volatile void *word, unsigned long operand,
				unsigned long expected);
	/** NULL where every order is sequentially consistent. */
	void (*_Nullable fence)(const struct seam_site *_Nullable site, int order);
	/** A plain access of 4 bytes, SEAM_OP_LOAD or SEAM_OP_STORE; NULL: as a relaxed one. */
	unsigned long (*_Nullable plain)(const struct seam_site *_Nullable site,
					 unsigned int operation, const volatile void *word,
					 unsigned long value);
	void (*rcu_read_lock)(void);
	void (*rcu_read_unlock)(void);
	bool (*rcu_read_lock_held)(void);
	void (*synchronize_rcu)(void);
	void (*call_rcu)(struct rcu_head *head, void (*func)(struct rcu_head *head));
	void (*rcu_barrier)(void);
	/** A lock word: 0 is free. Blocks as a predicate. */
	void (*lock)(const struct seam_site *_Nullable site, const volatile void *word);
	bool (*trylock)(const struct seam_site *_Nullable site, const volatile void *word);
	/** `order` as in C11: release, or weaker in a mutant. */
	void (*unlock)(const struct seam_site *_Nullable site, const volatile void *word,
		       int order);
	void (*bit_lock)(const struct seam_site *_Nullable site, const volatile void *word,
			 unsigned long bits, int order);
	void (*futex_wait)(const volatile void *word, int value, int64_t deadline_ns);
	void (*futex_wake)(const volatile void *word, int n);
	void (*yield)(void);
	int64_t (*clock_ns)(void);
	void *_Nullable (*_Nonnull allocate)(size_t size);
	/** False: the memory is not the explorer's. */
	bool (*free)(void *memory);
	/** Pages are taken, zeroed, or given back. False: the caller goes on by itself. */
	bool (*commit)(void *start, size_t size);
	bool (*decommit)(void *start, size_t size);
	struct folio_thread *_Nonnull (*_Nonnull this_thread)(void);
	unsigned int (*this_cpu)(void);
	/** What the fiber has read so far, as one number; see SEAM_SCOPE(). NULL: nobody asks. */
	unsigned long (*_Nullable scope)(void);
	void (*_Nullable live)(unsigned long scope, unsigned long value);
	/** BUG: ends the execution, never returns. */
	void (*bug)(const char *invariant, const struct page *_Nullable page, const char *message)
		__noreturn;
	/** A recorded violation; the execution goes on. */
	void (*violation)(const char *invariant, unsigned long pfn, const char *message);
};

/**
 * Takes the calling OS thread over, or (NULL) gives it back. False: this is no Lab build, no shared
 * access would reach the table.
 */
#if defined(FOLIO_LAB)
bool cfolio_seam_enter(const struct seam_hooks *_Nullable hooks);
#else
static inline void cfolio_seam_resume(const struct seam_site *_Nullable site)
{
	(void)site;
}

static inline bool cfolio_seam_enter(const struct seam_hooks *_Nullable hooks)
{
	(void)hooks;
	return false;
}
#endif

FOLIO_ASSUME_NONNULL_END

#endif
