/* SPDX-License-Identifier: MIT */
/*
 * The engine's state, shared by its files:
 *   executions.c  executions from beginning to end, the self-check, what lab.h offers
 *   engine.c   a step: the choice, the record, failures; step.h: its parts that are inline
 *   words.c    accesses to words: sites, objects, undo
 *   block.c    locks and futexes; grace.c: RCU; hooks.c: the table of hooks
 *   memory.c   the arena, tracked memory; sanitizer.c: what sanitizers are told
 *   choose.c   random walks; fair.c: turns, and what does not end in spite of them
 *   search.c   schedules, classes, states; races.c: what conflicts; states.c: what was seen
 *   pairs.c    racing-pair coverage; sites.c: places that were reached
 *   model.c    what differs between memory models; store_buffer.c: TSO; history.c, orders.c,
 *              plain.c: C11; blind.c: plain accesses of instrumented code
 *
 * How a step goes. A fiber that is about to touch a shared word describes the operation in
 * `pending` and calls step(): some thread is chosen, perhaps another; when it is this fiber's turn
 * again, step() returns and the operation takes place. So every thread that is not running is
 * parked in front of a known operation.
 *
 * What is shared is learned: a word that one thread only touches, or nobody writes, needs no step.
 * It is found out the first time that two threads conflict on it; a search that depends on steps
 * then begins anew. No conflict can be missed: up to the first one in any schedule all accesses to
 * such words commute with other threads' steps, so a schedule that the search does visit makes both
 * accesses.
 */
#ifndef LAB_ENGINE_H
#define LAB_ENGINE_H

#include <lab/lab.h>

#include <folio/rcu.h>
#include <folio/seam_hooks.h>
#include <folio/thread.h>

/* Nothing of it is seen from elsewhere, so nothing goes around by tables of symbols. */
#pragma GCC visibility push(hidden)

#include "fiber.h"

#define LAB_STEPS_MAX 16384u
#define LAB_TOUCHES 3
#define LAB_NONE UINT8_MAX

/* ---- objects --------------------------------------------------------------------------------- */

/**
 * Eight bytes of memory that operations touch, or something that blocks (an odd address). A cache
 * line each, found by a shift.
 */
struct object {
	uintptr_t address;  /**< 0: a free slot of the table */
	uint64_t execution; /**< the one that the masks are of */
	unsigned short readers;
	unsigned short writers;
	bool shared;
	/** Steps that touched it, newest first: index of the touch (step * LAB_TOUCHES + n) + 1. */
	uint32_t last;
	uint64_t located; /**< the execution in which `location` is its number; LAB_C11 */
	uint16_t location;
} __attribute__((aligned(64)));

/** What an operation does to an object. */
struct touch {
	uint32_t object;    /**< index; 0: nothing */
	uint32_t previous;  /**< touch of the same object before, as in object.last */
	unsigned char mask; /**< which 4-byte halves */
	bool write;
	bool commutes;	    /**< with its like */
	unsigned char only; /**< lane + 1: conflicts with that lane only (a forwarded load) */
	unsigned char by;   /**< lane + 1 of a flush */
};

#define OBJECTS_BITS 16u
#define OBJECTS (1u << OBJECTS_BITS)

/* ---- steps ----------------------------------------------------------------------------------- */

typedef int16_t lab_clock[LAB_LANES]; /* step index + 1 of the last known step of each lane */

struct step {
	unsigned char thread;
	unsigned char kind;
	unsigned short enabled;
	unsigned short backtrack;   /**< threads to be tried here */
	unsigned short done;	    /**< threads that were tried here */
	unsigned short sleep;	    /**< threads that need not be tried here */
	unsigned short preemptions; /**< up to and with this step; LAB_SCHEDULES */
	unsigned char runner;	    /**< last lane up to here that is no flush lane */
	unsigned char choice;	    /**< of values; see struct lab_event */
	unsigned char choices;
	int behind;		/**< LAB_FLUSH: the step that its store came behind; -1: none */
	int previous_of_thread; /**< index of the thread's step before, or -1 */
	struct touch touches[LAB_TOUCHES];
	unsigned long before;
	lab_clock clock;
};

/** An operation that a parked thread is in front of. */
struct operation {
	unsigned char kind;
	unsigned char change; /**< enum seam_operation of words */
	unsigned char bytes;
	unsigned char order;
	const struct seam_site *site;
	const volatile void *address;
	unsigned long operand;
	unsigned long expected;
	uint32_t object;
	uint32_t object_of_queue; /**< futexes: sleepers */
};

/** operation.operand of LAB_BARRIER: the step that ends it; 0: the one that begins it. */
#define BARRIER_ENDS 1ul

/* ---- grace periods --------------------------------------------------------------------------- */

/** A grace period: who was inside a read section when it began. */
struct grace {
	unsigned short captured;
	uint32_t section[LAB_LANES];
	int after[LAB_LANES];	    /**< step of the unlock that it comes behind; -1: none */
	uint32_t stores[LAB_LANES]; /**< TSO: so many of the reader's stores must be flushed */
};

struct callback {
	struct rcu_head *head;
	void (*func)(struct rcu_head *head);
	struct grace grace;
	int queued_by;	 /**< step */
	int done_behind; /**< step that its work ended with */
};

#define LAB_CALLBACKS_MAX 64u

/* ---- threads --------------------------------------------------------------------------------- */

struct lab_lane {
	struct folio_thread record; /**< first, so that no store to it crosses a cache line */
	struct lab_fiber fiber;
	struct operation pending;
	int last_step; /**< index of its last step, -1 */
	unsigned int steps;
	/* RCU */
	unsigned short nesting;
	bool section_begun;
	uint32_t section;
	int unlock_step; /**< of its last section that is over */
	struct grace grace;
	uint64_t barrier;	/**< LAB_BARRIER, its end: callbacks that must have run */
	uint32_t unlock_stores; /**< TSO: stores made before its last unlock */
	/* futex */
	uint32_t sleeping_on; /**< object of the queue; 0: awake */
	uint64_t sleep_number;
	int woken_by; /**< step; -1: not woken */
	int64_t deadline;
	int64_t now;
	const struct seam_site *fence_site;
	bool fence_due; /**< a full fence that the next operation settles */
	/* walks */
	uint64_t priority;
	/* LAB_STATES */
	uint64_t history;
} __attribute__((aligned(64)));

enum mode {
	MODE_OFF,   /**< between executions: operations take place at once */
	MODE_START, /**< threads run to their first step one by one */
	MODE_RUN,
	MODE_DRAIN, /**< cut: threads run to their end, nothing is recorded */
};

struct lab {
	const struct lab_program *program;
	struct lab_program copy;
	struct lab_search search;
	enum mode mode;
	enum lab_model model;
	unsigned int current;	/**< lane that runs */
	unsigned int unstepped; /**< accesses of this execution that were no steps */
	unsigned int fair_from; /**< from this step on threads take turns */
	/* Sets of lanes; whole words, because a load of more than was just stored stalls. */
	unsigned int alive;
	unsigned int blocking; /**< parked in front of something that may block */
	unsigned int started;
	unsigned int depth; /**< steps taken */
	bool failed;
	bool restart;	/**< a word turned out to be shared */
	bool abandoned; /**< the execution stopped where fibers were */
	bool recording; /**< clocks and touches are kept */
	bool inside;	/**< between restored states: writes are undone, by whomever they are */
	unsigned int drained;	  /**< accesses since the execution was cut */
	unsigned int decommitted; /**< ranges of pages that were given back */
	bool given_back; /**< something was, since the world was opened: addresses may be dead */
	uint64_t execution;
	struct lab_fiber host;
	struct lab_lane lanes[LAB_LANES + 1]; /**< the last stands for the host */
	struct lab_statistics statistics;
	struct lab_finding finding;
	char *arena;
	unsigned char *lines; /**< enum line of each 64 bytes of the arena */
	struct step *steps;
	struct lab_event *events;
	unsigned int events_count;
	/* walks */
	uint64_t random;
	unsigned int change_points[8];
	unsigned int changes;
	unsigned int values_chosen; /**< LAB_REPLAY: steps with a choice of values so far */
	unsigned int decisions;	    /**< LAB_BYTES: so far */
	unsigned int choices;	    /**< steps with more than one enabled lane so far */
	uint64_t lowest_priority;
	unsigned int left[LAB_LANES]; /**< steps that the thread had at most */
	/* search */
	unsigned int replay; /**< steps that repeat the execution before */
	bool forced;	     /**< the step at `replay` has its thread already */
	uint64_t prefixes;   /**< met so far; one shard visits some of them */
	bool skipped;	     /**< the execution belongs to another shard */
	bool exhausted;
	/* RCU and futex */
	struct callback callbacks[LAB_CALLBACKS_MAX];
	uint64_t callbacks_queued;
	uint64_t callbacks_run;
	uint64_t sleepers;
	uint64_t state; /**< hash of shared words; LAB_STATES */
};

extern struct lab lab;

/** Stands for the caller where a lane is asked for. */
#define HOST LAB_LANES

/** A set of one lane. */
static inline unsigned short bit(unsigned int number)
{
	return (unsigned short)(1u << number);
}

/** Mixes 64 bits well (the finalizer of splitmix64). */
static inline uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/** Operations wait their turn, or take place at once: nobody is to be asked. */
static inline bool is_running(void)
{
	return lab.mode == MODE_START || lab.mode == MODE_RUN;
}

static inline struct lab_lane *lane(unsigned int number)
{
	return &lab.lanes[number];
}

/* fair.c */
/** The execution is so long that threads take turns now: nothing is searched any more. */
static inline bool takes_turns(unsigned int index)
{
	return unlikely(index >= lab.fair_from);
}

/** Whose turn it is: the lane that has waited longest of those that can go on. */
unsigned int choose_fairly(unsigned short enabled);
/** The execution does not end although threads took turns. */
void report_no_end(void);

/* engine.c */
/** A lane for each thread of the program. */
static inline unsigned short program_lanes(void)
{
	return (unsigned short)((1u << lab.program->threads) - 1);
}

/** Lanes that may run: threads, the reclaimer, and (TSO) the flush lane of each. */
static inline unsigned int lane_count(void)
{
	unsigned int lanes = lab.program->threads + 1;
	return lab.model == LAB_TSO ? 2 * lanes : lanes;
}

/** Parks in front of lanes[current].pending until it is chosen. False: the execution is cut. */
bool step(void);
/** The same for an operation that nothing can block. */
bool take_turn(void);
/** Records the step that the current lane takes; its index. */
unsigned int begin_step(void);
void end_step(unsigned int index, unsigned long before, unsigned long after);
void fail_at(const char *invariant, unsigned long pfn, const char *message);
void stop_execution(void) __attribute__((noreturn));
/** Counts an access behind a cut; a thread that spins there for another one is stopped. */
void count_drained(void);
unsigned short enabled_lanes(void);
void start_reclaimer(void);
/** What the fiber of a thread runs; its lane. */
void lane_main(void *lane);

/* words.c */
/** For SC; for states, which want to know what threads have read; for the weak models. */
extern const struct seam_hooks lab_hooks, lab_state_hooks, lab_weak_hooks;
/** For walks under SC, which keep no record for a search. */
extern const struct seam_hooks lab_walk_hooks;
unsigned long access_of_walk(const struct seam_site *site, unsigned int access,
			     const volatile void *word, unsigned long operand,
			     unsigned long expected);
struct object *object_at(uintptr_t address, uint32_t *index);
/** NULL: nobody has touched it. */
struct object *find_object(uintptr_t address, uint32_t *index);
struct object *object_number(uint32_t index);
void forget_objects(void);
void forget_touches(void);
bool touches_of(const struct operation *operation, const struct lab_lane *lane,
		struct touch touches[LAB_TOUCHES]);
void undo_words(void);
/** Notes an access that is no step; true: it conflicts, so the object is shared from now on. */
static inline bool note_access(struct object *object, unsigned int number, bool write)
{
	unsigned short mine = bit(number);
	if (object->execution != lab.execution) {
		object->execution = lab.execution;
		object->readers = 0;
		object->writers = 0;
	}
	unsigned int others = object->writers;
	if (write) {
		others |= object->readers;
		object->writers |= mine;
	} else {
		object->readers |= mine;
	}
	if (likely(!(others & ~(unsigned int)mine)))
		return false;
	object->shared = true;
	lab.restart = true;
	return true;
}

unsigned long word_now(const volatile void *address, unsigned int bytes);
void write_word(const volatile void *address, unsigned int bytes, unsigned long value);
unsigned char halves(const volatile void *address, unsigned int bytes);
unsigned long result_of(unsigned int change, unsigned int bytes, unsigned long old,
			unsigned long operand);
/** What does operations at once, without a step. */
unsigned long perform(unsigned int change, unsigned int bytes, const volatile void *word,
		      unsigned long operand, unsigned long expected);

/* sites.c */
/** The table of hooks for the model, noting sites when somebody asks. */
const struct seam_hooks *hooks_for(enum lab_model model);

/* pairs.c */
void begin_pairs(void);
void note_pairs(unsigned int index, uint32_t object);

/** Of the thread that runs. */
static inline struct lab_lane *self(void)
{
	return lane(lab.current);
}

/** A deferred call by its number. */
static inline struct callback *callback(uint64_t number)
{
	return &lab.callbacks[number % LAB_CALLBACKS_MAX];
}

/* block.c */
static inline bool may_block(unsigned int kind)
{
	const unsigned int blocking = 1u << LAB_LOCK | 1u << LAB_BIT_LOCK | 1u << LAB_FUTEX_RESUME |
				      1u << LAB_GRACE_END | 1u << LAB_RECLAIM | 1u << LAB_BARRIER;
	return blocking >> kind & 1;
}

bool is_enabled(const struct lab_lane *lane);
/** What the current lane is about to do; a word of 4 or 8 bytes. */
struct operation *describe(unsigned int kind, const struct seam_site *site,
			   const volatile void *word, unsigned int bytes, uint32_t object);
/** A step without a value. False: not recorded. */
bool plain_step(unsigned int kind, const volatile void *word, uint32_t object, uint32_t queue,
		unsigned int *number);

void hook_lock(const struct seam_site *site, const volatile void *word);
bool hook_trylock(const struct seam_site *site, const volatile void *word);
void hook_unlock(const struct seam_site *site, const volatile void *word, int order);
void hook_bit_lock(const struct seam_site *site, const volatile void *word, unsigned long mask,
		   int order);
void hook_futex_wait(const volatile void *word, int value, int64_t deadline);
void hook_futex_wake(const volatile void *word, int n);
/** Who sleeps longest on it and was not woken; NULL: nobody. */
struct lab_lane *first_sleeper(uint32_t queue);

/* grace.c */
void hook_rcu_read_lock(void);
void hook_rcu_read_unlock(void);
bool hook_rcu_read_lock_held(void);
void hook_synchronize_rcu(void);
void hook_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void hook_rcu_barrier(void);
/** The sections that were open when it began have ended. */
bool is_over(const struct grace *grace);
void reclaimer(void *unused);

/* memory.c */
void *arena_allocate(size_t size);
bool arena_free(void *memory);
/** Bytes of a block that is alive; 0: there is none that begins there. */
size_t arena_size(const void *memory);

enum line { LINE_UNUSED, LINE_LIVE, LINE_FIRST, LINE_DEAD };
#define ARENA_SIZE (64u << 20)
/* Half is the host's; each lane has a part of its own, so that addresses depend on it alone. */
#define ARENA_LANE (ARENA_SIZE / 2 / LAB_LANES)
#define ARENA_LINE 64u

bool is_decommitted(const volatile void *address);

void refuse_if_dead(const struct seam_site *site, const volatile void *address);

/** Who touches a word of freed memory, at `site`, does not go on. */
static inline void refuse_dead(const struct seam_site *site, const volatile void *address)
{
	if (unlikely(lab.given_back))
		refuse_if_dead(site, address);
}

/** The lane that gave this memory back. */
unsigned int freer_of(const volatile void *address);

/** The words of freed memory are nobody's. */
static inline bool arena_is_dead(const volatile void *address)
{
	size_t offset = (size_t)((const volatile char *)address - lab.arena);
	if (offset < ARENA_SIZE)
		return lab.lines[offset / ARENA_LINE] == LINE_DEAD;
	return unlikely(lab.decommitted) && is_decommitted(address);
}

/** The same at a glance: false where it surely is not. */
static inline bool may_be_dead(const volatile void *address)
{
	size_t offset = (size_t)((const volatile char *)address - lab.arena);
	if (!lab.given_back)
		return false;
	return offset < ARENA_SIZE ? lab.lines[offset / ARENA_LINE] == LINE_DEAD
				   : lab.decommitted != 0;
}

/* Pages that a program gives back or takes: they stay readable until executions end. */
bool arena_commit(void *start, size_t size);
bool arena_decommit(void *start, size_t size);
void restore_memory(bool everything);
bool memory_open(void);
bool snapshot_memory(void);
/** A global of CFolio, or memory of lab_track(). */
bool is_tracked(uintptr_t address);
void forget_snapshot(void);

/* choose.c */
/** splitmix64 */
static inline uint64_t next_random(void)
{
	return mix(lab.random += 0x9e3779b97f4a7c15u);
}

void prepare_choices(void);
/** Where the n-th bit of a byte is: a loop over bits would be mispredicted at every step. */
extern unsigned char nth_of_byte[256][8];
/** So many bits it has. */
extern unsigned char bits_of_byte[256];
/** The n-th of a set of lanes, of any size. */
unsigned int nth_of_many(unsigned short lanes, unsigned int n);
void begin_walk(void);
/** Called where there is a choice: more than one lane is enabled. */
unsigned int choose_walk(unsigned short enabled);
/** POS: behind a step. */
void draw_again(unsigned int index);
/** Which of `count` values a step of a walk reads; 0: the last. */
unsigned int choose_value_of_walk(unsigned int index, unsigned int count);
void end_walk(void);

/* search.c */
unsigned int choose_searched(unsigned short enabled);
void searched(unsigned int index);
bool is_others_execution(void);
unsigned int choose_value_searched(unsigned int index, unsigned int count);
/** Chooses what the next execution does otherwise; false: nothing is left. */
bool backtrack(void);
void forget_search(void);

/* races.c */
/** Step `index` comes behind what it conflicts with; races with what it could have come before. */
void order_step(unsigned int index);
/** Who sleeps behind the step: those that it does not wake. */
unsigned short sleepers_behind(unsigned int index);

/* states.c */
/** The state behind the last step was not seen before. */
bool is_new_state(void);
/** So many were. */
size_t states_seen(void);
void forget_states(void);
unsigned long hook_scope(void);
void hook_live(unsigned long scope, unsigned long value);

#pragma GCC visibility pop

#endif
