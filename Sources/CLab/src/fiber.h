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
/** Sanitizers forget the frames that are on the fiber. `self`: the calling one. */
void lab_fiber_renew(struct lab_fiber *fiber, struct lab_fiber *self);
/** First thing on a fiber that was armed. */
void lab_fiber_entered(struct lab_fiber *self);
/** The calling OS thread's own stack, as a fiber to come back to. */
void lab_fiber_adopt(struct lab_fiber *fiber);

#if defined(__x86_64__) || defined(__aarch64__)
#define LAB_ASSEMBLY 1
/** Where the stack is left goes to *save, and then *load is where it goes on; they may be one. */
void lab_switch(void **save, void **load);
#else
#define LAB_ASSEMBLY 0
#endif

/** A sanitizer wants to know of switches: then they are made by the function below. */
extern bool lab_fiber_told;
void lab_fiber_switch_told(struct lab_fiber *from, struct lab_fiber *to);

/**
 * Goes on in `to`; returns when somebody switches back, at once when it is `from` itself. A fiber
 * that is armed again instead, from in the middle of instrumented code, has to be renewed first.
 */
static inline void lab_fiber_switch(struct lab_fiber *from, struct lab_fiber *to)
{
#if LAB_ASSEMBLY
	if (__builtin_expect(!lab_fiber_told, 1)) {
		lab_switch(&from->sp, &to->sp);
		return;
	}
#endif
	lab_fiber_switch_told(from, to);
}

#endif
