/* SPDX-License-Identifier: MIT */
/*
 * Counts what the Swift runtime does to objects on one thread, between begin and end. The runtime
 * calls its retain and release through pointers that a process may replace; they are replaced only
 * while something is being counted.
 */
#ifndef RUNTIME_COUNTER_H
#define RUNTIME_COUNTER_H

struct runtime_counts {
	long retains;
	long releases;
	long allocations;
};

/** Starts counting for the calling thread. Not nested; one thread at a time. */
void runtime_counter_begin(void);
/** Stops, and returns what was counted since the beginning. */
struct runtime_counts runtime_counter_end(void);

#endif
