// SPDX-License-Identifier: MIT
/*
 * Threads of a run, who of them can go on, and the switch between their stacks: ten instructions on
 * x86-64, ucontext elsewhere and under AddressSanitizer, which knows that one. See run.h.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define STACK (1024 * 1024)

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_SWITCH 0
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_SWITCH 0
#endif
#if !defined(OWN_SWITCH)
#if defined(__x86_64__)
#define OWN_SWITCH 1
#else
#define OWN_SWITCH 0
#endif
#endif

static struct thread threads[LANES];
static const struct enumeration_program *program;
static unsigned int current;
static bool running;
static const char *failure;
static unsigned short chosen[STEPS], choices[STEPS];
static unsigned int depth, given;

static void *host;
static unsigned int started, behind_cut;

static void thread_main(void);

/* ---- the switch ------------------------------------------------------------------------------ */

#if OWN_SWITCH

/* Leaves what a callee keeps on the stack, and the stack's end in *from; goes on at `to`. */
void enumerator_switch(void **from, void *to);
__asm__(".text\n"
	".p2align 4\n"
	".type enumerator_switch, @function\n"
	"enumerator_switch:\n"
	"	pushq %rbx\n"
	"	pushq %rbp\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbp\n"
	"	popq %rbx\n"
	"	retq\n"
	".size enumerator_switch, . - enumerator_switch\n");

static void make_ready(struct thread *t)
{
	/* The return into thread_main() finds the stack as behind a call: 8 off a multiple of 16.
	 */
	void **end = (void **)(t->stack + STACK);
	*--end = NULL;
	*--end = (void *)(uintptr_t)thread_main;
	for (unsigned int saved = 0; saved < 6; saved++)
		*--end = NULL;
	t->place = end;
}

static void go_from_to(void **from, void *to)
{
	enumerator_switch(from, to);
}

#else

static ucontext_t contexts[LANES + 1];

static void make_ready(struct thread *t)
{
	ucontext_t *context = &contexts[t - threads];
	getcontext(context);
	context->uc_stack.ss_sp = t->stack;
	context->uc_stack.ss_size = STACK;
	makecontext(context, thread_main, 0);
	t->place = context;
}

static void go_from_to(void **from, void *to)
{
	ucontext_t *here = from == &host ? &contexts[LANES] : &contexts[current];
	*from = here;
	swapcontext(here, to);
}

#endif

static void go_to(unsigned int next)
{
	struct thread *before = self();
	if (&threads[next] == before)
		return;
#if OWN_SWITCH
	current = next;
	go_from_to(&before->place, threads[next].place);
#else
	void *to = threads[next].place;
	go_from_to(&before->place, to);
#endif
}

static void leave(void)
{
	go_from_to(&self()->place, host);
}

/* ---- the schedule ---------------------------------------------------------------------------- */

static void go_on(void)
{
	unsigned int able = 0, list[LANES];
	bool unfinished = false;
	if (started < program->threads) {
		go_to(started++);
		return;
	}
	for (unsigned int i = 0; i < LANES; i++) {
		if (!threads[i].alive)
			continue;
		if (can_go(&threads[i]))
			list[able++] = i;
		unfinished |= i != RECLAIMER;
	}
	if (!able && unfinished)
		fail("DEADLOCK");
	else if (depth == STEPS)
		fail("LIVELOCK");
	if (!able || failure) {
		leave();
		return;
	}
	if (merges && !cut && depth >= given)
		cut = !is_new_beginning();
	if (cut) {
		if (++behind_cut > STEPS)
			fail("LIVELOCK");
		go_to(list[0]);
		return;
	}
	choices[depth] = (unsigned short)able;
	if (depth >= given)
		chosen[depth] = 0;
	go_to(list[chosen[depth++]]);
}

static void wait_for_turn(enum waiting waiting)
{
	struct thread *mine = self();
	mine->waiting = waiting;
	go_on();
	mine->waiting = NOTHING;
	mine->steps++;
	/* A read section begins with its first step. */
	if (mine->nesting && !mine->in_section) {
		mine->in_section = true;
		write_down_object(SECTIONS_OBJECT, READS);
	}
}

static void thread_main(void)
{
	unsigned int number = current;
	if (number == RECLAIMER)
		run_deferred_calls();
	program->body(program->context, number);
	if (threads[number].nesting)
		fail("RCU");
	threads[number].alive = false;
	go_on();
	abort();
}

static void fail(const char *invariant)
{
	if (!failure)
		failure = invariant;
}

static __noreturn void stop_run(const char *invariant)
{
	fail(invariant);
	leave();
	abort();
}

static void make(unsigned int number)
{
	struct thread *t = &threads[number];
	char *stack = t->stack ? t->stack : malloc(STACK);
	if (!stack)
		abort();
	memset(t, 0, sizeof(*t));
	t->stack = stack;
	t->alive = true;
	t->record.id = number + 1;
	make_ready(t);
}

/* Stands before the first deferred call from the start. */
static void start_reclaimer(void)
{
	if (threads[RECLAIMER].alive)
		return;
	make(RECLAIMER);
	threads[RECLAIMER].waiting = FOR_WORK;
}

static void run_threads(void)
{
	threads[RECLAIMER].alive = false;
	for (unsigned int i = 0; i < THREADS; i++) {
		threads[i].alive = false;
		if (i < program->threads)
			make(i);
	}
	depth = 0;
	cut = false;
	behind_cut = 0;
	started = 1;
	current = 0;
	running = true;
	go_from_to(&host, threads[0].place);
	running = false;
}
