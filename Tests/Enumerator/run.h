/* SPDX-License-Identifier: MIT */
/*
 * What the enumerator's files share.
 * - enumerator.c, the unit that is compiled: schedules one after the other, the forms seen
 * - threads.c: threads, who can go on, the switch between them
 * - words.c: words and other objects, who shares them, the written-down form
 * - waiting.c: locks, futexes, RCU
 * - memory.c: allocations, and putting memory back between schedules
 *
 * Definitions, on which the lab's counts are tested.
 *   A step is an access to a word that threads share, a futex call, a yield, or a step of RCU: the
 *   unlock of a section that took a step, the beginning and the end of a grace period or barrier,
 *   call_rcu(), and a deferred call's beginning. Threads share eight bytes when in some schedule
 *   two of them touch these and one of the two writes.
 *   Two steps of different threads are dependent when they touch the same four bytes, or the same
 *   other object, and one of them changes it - as it turns out: a compare-exchange that fails
 *   reads, a wake that finds nobody reads, a sleep that does not begin leaves the queue alone.
 *   The other objects are: the queue of each futex word; the list of deferred calls; and the
 *   moment at which sections begin, for which a section's first step stands on one side and each
 *   grace period's beginning on the other. Steps of one side commute.
 *   A thread that waits has no step until it can go on.
 *   Two schedules are equivalent when exchanging neighbours that are not dependent leads from one
 *   to the other. A class is written down as the sequence of steps of each object, where steps that
 *   commute are sets; equal forms are equal classes.
 */
#ifndef ENUMERATOR_RUN_H
#define ENUMERATOR_RUN_H

#include "enumerator.h"

#include <folio/rcu.h>
#include <folio/seam_hooks.h>
#include <folio/thread.h>

#define THREADS 8	  /* the program's */
#define RECLAIMER THREADS /* runs deferred calls */
#define LANES (THREADS + 1)
#define STEPS 8192

/* ---- threads.c ------------------------------------------------------------------------------- */

enum waiting { NOTHING, FOR_LOCK, FOR_BITS, FOR_WAKE, FOR_READERS, FOR_CALLS, FOR_WORK };

/** Sections that were open when a grace period began. */
struct readers {
	unsigned int who;
	unsigned int section[LANES];
};

struct thread {
	void *place; /* where it goes on; threads.c */
	char *stack;
	bool alive;
	unsigned int steps;
	enum waiting waiting;
	const volatile void *lock;
	unsigned long bits;
	/* RCU */
	unsigned int nesting, section;
	bool in_section; /* it took a step in it */
	struct readers readers;
	uint64_t calls; /* FOR_CALLS: so many must have ended */
	/* futex: a place in the queue */
	const volatile void *queue;
	uint64_t ticket;
	bool woken;
	int64_t deadline, now;
	struct folio_thread record;
};

static struct thread threads[LANES];
static const struct enumeration_program *program;
static unsigned int current;
static bool running;
/** Why the run went wrong: an invariant; NULL: it did not. */
static const char *failure;
static void fail(const char *invariant);
/** The schedule: what was chosen at each step, out of how many; the first `given` are as they are.
 */
static unsigned short chosen[STEPS], choices[STEPS];
static unsigned int depth, given;
/** ENUMERATE_BEGINNINGS. */
static bool merges;
/** What follows in this run is known: threads go to their end, nothing is chosen. */
static bool cut;

static inline struct thread *self(void)
{
	return &threads[current];
}

/** Runs the threads by the schedule until all have ended. */
static void run_threads(void);
static void start_reclaimer(void);
/** Lets the schedule choose who goes on; back when it is the caller. Then it takes a step. */
static void wait_for_turn(enum waiting waiting);
/** Ends this run, which failed. */
static __noreturn void stop_run(const char *invariant);

/** enumerator.c: no schedule had a beginning of this form. */
static bool is_new_beginning(void);

/* ---- words.c --------------------------------------------------------------------------------- */

/** What a step does to an object; each of the first two commutes with its like. */
enum effect { READS, BEGINS, CHANGES };

/** Objects other than words: odd addresses. */
#define SECTIONS_OBJECT ((uintptr_t)1)
#define CALLS_OBJECT ((uintptr_t)3)
#define QUEUE_OBJECT(word) ((uintptr_t)(word) | 1)

static void forget_words(void);
static void begin_run(void);
/** Somebody has touched these eight bytes, in some run. */
static bool is_known(uintptr_t address);
/** Notes who touches the word; true: threads share it. */
static bool is_shared(uintptr_t address, bool writes);
/** The current step does this. */
static void write_down(uintptr_t address, unsigned int bytes, enum effect effect);
static void write_down_object(uintptr_t object, enum effect effect);
/** The run's form, never 0. */
static uint64_t form(void);
static uint64_t scramble(uint64_t x);
/** A word turned out to be shared: counts so far are void. */
static bool learned;

static unsigned long hook_access(const struct seam_site *site, unsigned int access,
				 const volatile void *place, unsigned long operand,
				 unsigned long expected);

/* ---- waiting.c ------------------------------------------------------------------------------- */

static uint64_t calls_made, calls_ended;
static void forget_waiting(void);
static bool can_go(const struct thread *t);
static void run_deferred_calls(void);

static void hook_lock(const struct seam_site *site, const volatile void *place);
static void hook_bit_lock(const struct seam_site *site, const volatile void *place,
			  unsigned long bits, int order);
static bool hook_trylock(const struct seam_site *site, const volatile void *place);
static void hook_unlock(const struct seam_site *site, const volatile void *place, int order);
static void hook_futex_wait(const volatile void *word, int value, int64_t deadline);
static void hook_futex_wake(const volatile void *word, int n);
static void hook_yield(void);
static int64_t hook_clock(void);
static void hook_rcu_read_lock(void);
static void hook_rcu_read_unlock(void);
static bool hook_rcu_read_lock_held(void);
static void hook_synchronize_rcu(void);
static void hook_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
static void hook_rcu_barrier(void);

/* ---- memory.c -------------------------------------------------------------------------------- */

static unsigned long get(const volatile void *place, unsigned int bytes);
/** Writes; between schedules the old value comes back. */
static void put(const volatile void *place, unsigned int bytes, unsigned long value);
static void forget_memory(void);
static void keep_memory(void);
static void restore_memory(void);
/** Memory that was given back is touched: the run ends. */
static void refuse_freed(const volatile void *place);
static void *hook_allocate(size_t size);
static bool hook_free(void *start);
static bool hook_commit(void *start, size_t size);
static bool hook_decommit(void *start, size_t size);

#endif
