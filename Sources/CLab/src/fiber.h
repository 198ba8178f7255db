/* SPDX-License-Identifier: MIT */
/*
 * Fibers: stacks with a guard page each, made once and armed again for every execution, and a
 * switch that saves what the ABI says a callee keeps. All fibers run on one OS thread.
 */
#ifndef LAB_FIBER_H
#define LAB_FIBER_H

#include <stdbool.h>
#include <stddef.h>

/** Usable bytes of a stack: Swift code formats and throws on it. */
#define LAB_STACK_SIZE (256u * 1024)

struct lab_fiber {
	void *sp;	  /**< where it was switched away from */
	char *stack;	  /**< lowest usable byte; the guard page is below */
	size_t size;	  /**< usable bytes */
	void *fake_stack; /**< AddressSanitizer's, while it is away */
	void *tsan;	  /**< ThreadSanitizer's name of it */
	void *portable;	  /**< ucontext_t, where there is no switch in assembly */
};

/** Maps a stack. False: no memory. */
bool lab_fiber_create(struct lab_fiber *fiber);
/** The next switch to the fiber calls entry(argument), which must not return. */
void lab_fiber_arm(struct lab_fiber *fiber, void (*entry)(void *argument), void *argument);
/**
 * Goes on in `to`; returns when somebody switches back. A fiber that is armed again instead, from
 * in the middle of instrumented code, has to be renewed first.
 */
void lab_fiber_switch(struct lab_fiber *from, struct lab_fiber *to);
/** Sanitizers forget the frames that are on the fiber. `self`: the calling one. */
void lab_fiber_renew(struct lab_fiber *fiber, struct lab_fiber *self);
/** First thing on a fiber that was armed. */
void lab_fiber_entered(struct lab_fiber *self);
/** The calling OS thread's own stack, as a fiber to come back to. */
void lab_fiber_adopt(struct lab_fiber *fiber);

#endif
