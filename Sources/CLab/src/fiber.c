// SPDX-License-Identifier: MIT
/*
 * See fiber.h. Sanitizers learn of each switch where their run-time is linked (sanitizer.h): this
 * file itself is never instrumented.
 */

#include "fiber.h"
#include "sanitizer.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define GUARD 4096u

bool lab_fiber_told;

#if LAB_ASSEMBLY
void lab_fiber_start(void);
#else
#include <stdlib.h>
#include <ucontext.h>
#endif

bool lab_fiber_create(struct lab_fiber *fiber)
{
	size_t size = GUARD + LAB_STACK_SIZE;
	char *start = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (start == MAP_FAILED)
		return false;
	if (mprotect(start, GUARD, PROT_NONE) != 0) {
		munmap(start, size);
		return false;
	}
	memset(fiber, 0, sizeof(*fiber));
	fiber->stack = start + GUARD;
	fiber->size = LAB_STACK_SIZE;
	if (__tsan_create_fiber)
		fiber->tsan = __tsan_create_fiber(0);
	return true;
}

void lab_fiber_adopt(struct lab_fiber *fiber)
{
	pthread_attr_t attributes;
	void *stack = NULL;
	memset(fiber, 0, sizeof(*fiber));
	lab_fiber_told = __sanitizer_start_switch_fiber || __tsan_switch_to_fiber;
	if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
		pthread_attr_getstack(&attributes, &stack, &fiber->size);
		pthread_attr_destroy(&attributes);
		fiber->stack = stack;
	}
	if (__tsan_get_current_fiber)
		fiber->tsan = __tsan_get_current_fiber();
#if !LAB_ASSEMBLY
	fiber->portable = calloc(1, sizeof(ucontext_t));
#endif
}

#if !LAB_ASSEMBLY
static void portable_start(unsigned int a, unsigned int b, unsigned int c, unsigned int d)
{
	uintptr_t entry = (uintptr_t)a | (uintptr_t)((uint64_t)b << 32);
	uintptr_t argument = (uintptr_t)c | (uintptr_t)((uint64_t)d << 32);
	((void (*)(void *))entry)((void *)argument);
}
#endif

void lab_fiber_arm(struct lab_fiber *fiber, void (*entry)(void *argument), void *argument)
{
	char *top = fiber->stack + LAB_STACK_SIZE;
#if defined(__x86_64__)
	/* When lab_switch() has popped six registers and returned, rsp is a multiple of 16. */
	void **frame = (void **)(void *)top - 9;
	frame[0] = NULL;	  /* r15 */
	frame[1] = NULL;	  /* r14 */
	frame[2] = argument;	  /* r13 */
	frame[3] = (void *)entry; /* r12 */
	frame[4] = NULL;	  /* rbx */
	frame[5] = NULL;	  /* rbp */
	frame[6] = (void *)lab_fiber_start;
	frame[7] = NULL; /* unwinders stop here */
	fiber->sp = frame;
#elif defined(__aarch64__)
	void **frame = (void **)(void *)top - 20;
	memset(frame, 0, 160);
	frame[0] = (void *)entry;	     /* x19 */
	frame[1] = argument;		     /* x20 */
	frame[11] = (void *)lab_fiber_start; /* x30 */
	fiber->sp = frame;
#else
	if (!fiber->portable)
		fiber->portable = calloc(1, sizeof(ucontext_t));
	ucontext_t *context = fiber->portable;
	getcontext(context);
	context->uc_stack.ss_sp = fiber->stack;
	context->uc_stack.ss_size = LAB_STACK_SIZE;
	context->uc_link = NULL;
	uint64_t e = (uint64_t)(uintptr_t)entry, a = (uint64_t)(uintptr_t)argument;
	makecontext(context, (void (*)(void))portable_start, 4, (unsigned int)e,
		    (unsigned int)(e >> 32), (unsigned int)a, (unsigned int)(a >> 32));
	(void)top;
#endif
}

void lab_fiber_renew(struct lab_fiber *fiber, struct lab_fiber *self)
{
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(fiber->stack, LAB_STACK_SIZE);
	if (__sanitizer_start_switch_fiber && fiber->fake_stack) {
		/* Only who leaves a fiber for good can give its fake stack back. */
		__sanitizer_start_switch_fiber(&self->fake_stack, self->stack, self->size);
		__sanitizer_finish_switch_fiber(fiber->fake_stack, NULL, NULL);
		__sanitizer_start_switch_fiber(NULL, self->stack, self->size);
		__sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
		fiber->fake_stack = NULL;
	}
	if (__tsan_create_fiber) {
		__tsan_destroy_fiber(fiber->tsan);
		fiber->tsan = __tsan_create_fiber(0);
	}
}

void lab_fiber_entered(struct lab_fiber *self)
{
	if (__sanitizer_finish_switch_fiber)
		__sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
}

void lab_fiber_switch_told(struct lab_fiber *from, struct lab_fiber *to)
{
	if (from == to)
		return;
	if (__sanitizer_start_switch_fiber)
		__sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->size);
	if (__tsan_switch_to_fiber)
		__tsan_switch_to_fiber(to->tsan, TSAN_NO_SYNCHRONISATION);
#if LAB_ASSEMBLY
	lab_switch(&from->sp, &to->sp);
#else
	swapcontext(from->portable, to->portable);
#endif
	if (__sanitizer_finish_switch_fiber)
		__sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
}
