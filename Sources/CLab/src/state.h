/* SPDX-License-Identifier: MIT */
/*
 * What the engine knows: objects, steps, threads, one execution and the search that it is part of.
 * Types and questions of one line; what is done with them is said in engine.h.
 */
#ifndef LAB_STATE_H
#define LAB_STATE_H

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

#define LAB_CALLBACKS_MAX 512u

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
	unsigned int drained;	  /**< accesses since the execution was cut, or is over */
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

#pragma GCC visibility pop

#endif
