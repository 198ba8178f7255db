/* SPDX-License-Identifier: MIT */
/*
 * How ThreadSanitizer is told of an operation. An access to a word is made a second time, by the
 * sanitizer's own functions and without changing the word, so that it sees the C11 operation with
 * its order; what fences, RCU and sleep order is told as such. Where both cannot be exact, too much
 * is ordered: a race may be missed, none is invented.
 *
 * For sanitizer_hooks.c. Context: a lane, where the sanitizer is linked.
 */
#ifndef LAB_SANITIZER_THREAD_H
#define LAB_SANITIZER_THREAD_H

#include "sanitizer.h"

/** The engine's code begins: it may use memcpy() and its like, which the sanitizer looks at. */
void begin_unseen(void);
/** It ends, and the lane's own goes on. */
void end_unseen(void);

/** An access took place: bytes is 4 or 8, order is that of C11. */
void tell_load(const volatile void *word, unsigned int bytes, int order);
void tell_store(const volatile void *place, unsigned int bytes, int order);
void tell_change(const volatile void *place, unsigned int bytes, int order);
/** A fence did. */
void tell_fence(int order);

#endif
