/* SPDX-License-Identifier: MIT */
/*
 * Counts the classes of a scenario the slow way, to hold the lab's counts against: every schedule
 * is run, written down in a form that does not depend on the order of independent steps, and the
 * different forms are counted. What is a step and what is independent, run.h says. Shares the
 * seam's table of functions with the lab, and no code: the search is plain depth-first, nothing is
 * pruned. For scenarios with too many schedules it can, when told to, go on only once behind
 * beginnings that have the same form; the argument is with ENUMERATE_BEGINNINGS.
 */
#ifndef ENUMERATOR_H
#define ENUMERATOR_H

#include <folio/compiler.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** How schedules are enumerated. */
enum enumeration_kind {
	/** All of them. */
	ENUMERATE_SCHEDULES,
	/**
	 * (1) Beginnings of schedules with equal forms are exchanges of independent neighbours of
	 * each other: the same steps of each thread, the same memory. (2) So what can follow one
	 * can follow the other. (3) Each step keeps that: equal continuations give equal forms. (4)
	 * Hence a beginning whose form was seen leads to no form that is not found behind the
	 * first.
	 */
	ENUMERATE_BEGINNINGS,
};

struct enumeration {
	uint64_t schedules; /**< that were run; of all of them only with ENUMERATE_SCHEDULES */
	uint64_t classes;
	bool complete; /**< false: the limit came first */
	/** Of a schedule that violated something or blocked for ever: the invariant; else NULL. */
	const char *_Nullable failed;
};

struct enumeration_program {
	unsigned int threads; /**< at most 8 */
	void (*_Null_unspecified body)(void *_Nullable context, unsigned int thread);
	/** Before each schedule; after each complete one. */
	void (*_Nullable prepare)(void *_Nullable context);
	void (*_Nullable conclude)(void *_Nullable context);
	void *_Nullable context;
};

/** Runs function(context) with allocations from the enumerator's arena; nothing is scheduled. */
void enumerator_as_guest(void (*function)(void *_Nullable context), void *_Nullable context);
/** Runs at most `limit` schedules. Context: the world was made by enumerator_as_guest(). */
struct enumeration enumerate(const struct enumeration_program *program, enum enumeration_kind kind,
			     uint64_t limit);
/** Forgets all memory. */
void enumerator_reset(void);

FOLIO_ASSUME_NONNULL_END

#endif
