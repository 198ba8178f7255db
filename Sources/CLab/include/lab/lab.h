/* SPDX-License-Identifier: MIT */
/*
 * The engine of the lab: runs a program of a few threads as fibers on the calling OS thread, stops
 * each before every operation on a shared word, and decides who goes on. What runs once per
 * operation is here, in C; what runs once per execution or less is FolioLab's, in Swift.
 *
 * One engine per process: every function here is called on the OS thread that called lab_open().
 */
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include <folio/compiler.h>

FOLIO_ASSUME_NONNULL_BEGIN

struct seam_site;

/** Threads of a program; one more is the reclaimer's, who runs call_rcu() callbacks. */
#define LAB_THREADS_MAX 15
#define LAB_RECLAIMER_MAX 1
#define LAB_LANES (LAB_THREADS_MAX + LAB_RECLAIMER_MAX)

/** What a step does. */
enum lab_kind {
	LAB_LOAD,
	LAB_STORE,
	LAB_CHANGE,  /**< a read-modify-write that cannot fail */
	LAB_CMPXCHG, /**< a successful one; a failed one is LAB_LOAD */
	LAB_LOCK,
	LAB_TRYLOCK,
	LAB_UNLOCK,
	LAB_BIT_LOCK,
	LAB_FUTEX_WAIT,
	LAB_FUTEX_RESUME,
	LAB_FUTEX_WAKE,
	LAB_GRACE_BEGIN,
	LAB_GRACE_END,
	LAB_RCU_UNLOCK,
	LAB_CALL_RCU,
	LAB_RECLAIM,
	LAB_BARRIER,
	LAB_YIELD,
	LAB_FENCE, /**< waits for the own buffer (TSO), joins the order of fences (C11) */
	LAB_FLUSH, /**< a buffered store reaches memory; TSO */
};

/** One executed step, as a trace shows it. */
struct lab_event {
	const struct seam_site *_Nullable site;
	const volatile void *_Nullable address;
	unsigned long before; /**< the word before the step */
	unsigned long after;  /**< the word after it */
	unsigned char thread;
	unsigned char kind;  /**< enum lab_kind */
	unsigned char order; /**< C11 */
	unsigned char bytes;
	unsigned short of_thread; /**< which step of its thread this is, from 0 */
	unsigned short enabled;	  /**< bit t: thread t could have gone on here */
	bool in_section;	  /**< inside an RCU read section, its unlock included */
	unsigned long read;	  /**< what the step returned: not `before` where a load is weak */
	int from; /**< the step whose store it read; -1: none, or an initial value */
	/**
	 * C11: the store behind the one that it read; -1: it read the last. Of a flush: the last
	 * step of its thread before the store.
	 */
	int missed;
	unsigned char choice;  /**< C11: 0 read the last store, k the k-th before */
	unsigned char choices; /**< so many stores it could have read; 0 and 1: no choice */
	unsigned char owner;   /**< whose store a flush brings to memory; else `thread` */
};

/** A program to explore. All functions run on the caller's OS thread. */
struct lab_program {
	unsigned int threads;
	/** Runs on fiber `thread`. Takes no lock of the process, holds no Swift access over a step.
	 */
	void (*_Null_unspecified body)(void *_Nullable context, unsigned int thread);
	/** Puts back what the engine does not know of, before each execution. Not explored. */
	void (*_Nullable prepare)(void *_Nullable context);
	/** Looks at the end of each complete execution; may call lab_fail(). Not explored. */
	void (*_Nullable conclude)(void *_Nullable context);
	/**
	 * Looks after each step; may call lab_fail(). Reads words as they are. Not explored. TSO:
	 * not while stores are on their way to memory.
	 */
	void (*_Nullable between)(void *_Nullable context);
	void *_Nullable context;
	/** Threads with the same number do the same; for LAB_STATES. */
	unsigned char group[LAB_THREADS_MAX];
	/** All shared state is in words of the seam (no plain data): LAB_STATES is sound. */
	bool words_only;
};

/** How loads and stores of different threads may pass each other. */
enum lab_model {
	LAB_SC, /**< one at a time */
	/** Stores wait in a buffer per thread; a lane of its own flushes it. At most 7 threads. */
	LAB_TSO,
	/**
	 * C11 with the stores of a word in the order in which they took place: loads may return old
	 * values, bounded by what their thread has seen. No store passes a load or a store before
	 * it but through such loads: load buffering and 2+2W are not there.
	 */
	LAB_C11,
};

/** How much an order is strengthened. */
enum lab_strength {
	LAB_AS_WRITTEN,
	LAB_STRONG,	   /**< loads acquire, stores release, others both */
	LAB_FULL_BARRIERS, /**< a full fence in front and behind */
};

/** A site whose accesses have a stronger order than written. */
struct lab_strengthened {
	const struct seam_site *site;
	enum lab_strength strength;
};

#define LAB_STRENGTHENED_MAX 8

/** How executions are chosen. */
enum lab_strategy {
	LAB_RANDOM,    /**< a uniform choice at each step */
	LAB_PCT,       /**< priorities with depth - 1 change points */
	LAB_POS,       /**< partial order sampling */
	LAB_URW,       /**< a random walk weighted by what threads have left to do */
	LAB_REPLAY,    /**< the given choices, then the lowest enabled thread */
	LAB_SCHEDULES, /**< every schedule, at most `preemptions` preemptions each */
	LAB_CLASSES,   /**< one schedule per class of equivalent ones: source-DPOR, sleep sets */
	LAB_STATES,    /**< every state once: visited-state hashing, identical threads merged */
	LAB_BYTES,     /**< a byte per decision: lab_run_bytes() */
};

struct lab_search {
	enum lab_strategy strategy;
	uint64_t seed;
	unsigned int depth;	  /**< LAB_PCT; 0: each execution draws 2..6 */
	unsigned int preemptions; /**< LAB_SCHEDULES; UINT_MAX: unbounded */
	/**
	 * Longest execution. In its second half threads take turns, unless a replay says otherwise:
	 * one that does not end then is a LIVELOCK or STARVATION.
	 */
	unsigned int steps;
	/** LAB_REPLAY: lane + 16 * value of each step; see lab_event.choice. */
	const unsigned char *_Nullable choices;
	unsigned int choices_count;
	/** LAB_REPLAY, C11: value of each step that has a choice, instead of those in `choices`. */
	const unsigned char *_Nullable values;
	unsigned int values_count;
	/**
	 * One part of several that together are the whole: LAB_CLASSES branches fully for
	 * shard_depth steps and visits every shards-th prefix; walks take every shards-th number.
	 */
	unsigned int shard, shards, shard_depth;
	bool pairs; /**< keep racing pairs: lab_pairs() */
	/** With `pairs`: one counter, which stops at 255, for each pair, by a hash of its names. */
	unsigned char *_Nullable counters;
	unsigned int counters_count; /**< a power of two */
	enum lab_model model;	     /**< weak ones: not with LAB_STATES */
	struct lab_strengthened strengthened[LAB_STRENGTHENED_MAX];
	unsigned int strengthened_count;
};

/** Why lab_explore() came back. */
enum lab_end {
	LAB_LIMIT,   /**< the number of executions asked for is done */
	LAB_DONE,    /**< nothing is left to explore */
	LAB_FINDING, /**< the last execution failed: lab_finding(), lab_trace() */
	LAB_REFUSED, /**< the search does not know the model, or the program has too many threads */
};

struct lab_statistics {
	uint64_t executions; /**< begun, replays of a prefix included */
	uint64_t complete;   /**< ran to their end: classes, for LAB_CLASSES */
	/** ended because threads took turns in the end: others like them go on for ever */
	uint64_t unfair;
	uint64_t blocked; /**< cut because sleep sets or a bound left nothing to do */
	uint64_t cut;	  /**< cut at a state seen before */
	uint64_t states;  /**< different states; LAB_STATES */
	uint64_t steps;
	uint64_t skipped;  /**< prefixes left to other shards */
	uint64_t dropped;  /**< values that a load could have had and the engine did not keep */
	uint64_t restarts; /**< explorations begun anew because a word turned out to be shared */
	unsigned int longest;
	unsigned int most_choices; /**< steps with more than one enabled thread, the most seen */
};

struct lab_finding {
	char invariant[24];
	char message[256];
	unsigned long pfn;
	unsigned int thread; /**< LAB_LANES: none, found at the end */
	unsigned int step;
};

/** True in a build with the trait Lab: shared accesses reach the engine. */
bool lab_is_built_in(void);

/** A fresh world: an empty arena. False: no memory, or no Lab build. */
bool lab_open(void);
/**
 * Runs function(context) as the engine's guest, one thread, nothing explored: what it allocates
 * through the seam comes from the arena. For setting a world up, and for taking it down. What it
 * reports is lab_finding() then.
 */
void lab_as_guest(void (*function)(void *_Nullable context), void *_Nullable context);
/** Memory of somebody else that executions change by plain stores: put back before each. */
bool lab_track(void *start, size_t size);
/** Takes the program. What memory holds now is where executions begin. False: no memory. */
bool lab_load(const struct lab_program *program);
/** Forgets the program; its world can be taken down. */
void lab_unload(void);

/** Up to `executions` more. A search goes on where it was until lab_begin() is called. */
void lab_begin(const struct lab_search *search);
enum lab_end lab_explore(uint64_t executions);

/**
 * LAB_BYTES: one execution whose decisions are these. Where n lanes could go on, byte b chooses
 * number b mod n: the one that ran last, if it is among them, then the others in order. Where a
 * load could return one of n values (C11), the b mod n-th newest. Behind the last byte all are 0:
 * who runs goes on, loads return the last store. LAB_LIMIT or LAB_FINDING.
 */
enum lab_end lab_run_bytes(const unsigned char *bytes, unsigned int count);
/** So many decisions the last execution of LAB_BYTES made. */
unsigned int lab_decisions(void);

const struct lab_statistics *lab_statistics(void);
/** Which share of a systematic search is done, 0...1, about; 0 for walks. Between lab_explore()s.
 */
double lab_estimate(void);
/** The last failure; NULL when the last execution did not fail. */
const struct lab_finding *_Nullable lab_finding(void);
/** The memory model of the search. */
enum lab_model lab_model_now(void);
/** Steps of the last execution. */
const struct lab_event *lab_trace(unsigned int *count);
/** What a thread that the last execution left unfinished stood before. False: it had ended. */
bool lab_standing(unsigned int thread, struct lab_event *event);

/** Ends the execution with a violation. Context: body, conclude or between. */
void lab_fail(const char *invariant, const char *message);
/** Two places that touched one word in conflict, one directly behind the other. */
struct lab_pair {
	const struct seam_site *_Nullable first;
	const struct seam_site *_Nullable second;
	uint64_t count; /**< how often; 0: this entry is none */
};

/** A table of the pairs of the search so far, with gaps. */
const struct lab_pair *_Nullable lab_pairs(unsigned int *capacity);

/** So many pairs there are in it; with counters: so many different names. */
unsigned int lab_pairs_count(void);

/** All places in the linked sources that touch shared words, in no order. */
const struct seam_site *_Nullable lab_sites(unsigned int *count);

/** How the lab came to a place. */
enum lab_reach {
	LAB_NOT_REACHED,
	LAB_REACHED_OUTSIDE,   /**< by what sets a world up, looks at it, takes it down */
	LAB_REACHED_BY_THREAD, /**< by a thread of a program */
};

/**
 * Notes from here on which places are reached, nothing before; or ends that. Sequential consistency
 * only: explorations of weak models are not noted. False: no memory.
 */
bool lab_note_sites(bool on);
/** Of the place with this index in lab_sites(). */
enum lab_reach lab_site_reach(unsigned int index);

/** Of the machine code that this function is linked with. */
uint64_t lab_code_hash(void);

/** Number of the calling fiber. Context: body. */
unsigned int lab_thread(void);
/** True while executions run. */
bool lab_exploring(void);

/**
 * One access of the calling fiber, as SEAM_ACCESS() packs it; the old value. For code that does not
 * use folio/atomic.h.
 */
unsigned long lab_access(const struct seam_site *_Nullable site, unsigned int access,
			 const volatile void *word, unsigned long operand, unsigned long expected);

/**
 * A plain access to 4 bytes that order alone must protect. C11: two of them on the same word, one a
 * write, that nothing orders are a DATA-RACE; SC and TSO: an access like any other.
 */
int lab_plain_read(const struct seam_site *_Nullable site, const volatile void *word);
void lab_plain_write(const struct seam_site *_Nullable site, const volatile void *word, int value);

FOLIO_ASSUME_NONNULL_END

#endif
