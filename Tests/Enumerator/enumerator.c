// SPDX-License-Identifier: MIT
/* Schedules one after the other, and the forms that were seen. See enumerator.h and run.h. */
#define _GNU_SOURCE
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One unit: nothing of these is anybody else's, and the compiler sees it all. */
#include "threads.c"
#include "words.c"
#include "waiting.c"
#include "memory.c"

/* ---- hooks that are nobody else's ------------------------------------------------------------ */

static struct folio_thread *hook_this_thread(void)
{
	return &self()->record;
}

static unsigned int hook_this_cpu(void)
{
	return current;
}

static unsigned long hook_scope(void)
{
	return 0;
}

static void hook_live(unsigned long scope, unsigned long value)
{
	(void)scope;
	(void)value;
}

/* A name that outlives the report. */
static const char *keep_name(const char *invariant)
{
	static char name[32];
	snprintf(name, sizeof(name), "%s", invariant);
	return name;
}

static __noreturn void hook_bug(const char *invariant, const struct page *page, const char *message)
{
	(void)page;
	if (running)
		stop_run(keep_name(invariant));
	fprintf(stderr, "enumerator: %s between schedules: %s\n", invariant, message);
	abort();
}

static void hook_violation(const char *invariant, unsigned long pfn, const char *message)
{
	(void)pfn;
	(void)message;
	fail(keep_name(invariant));
}

static const struct seam_hooks hooks = {
	.access = hook_access,
	.rcu_read_lock = hook_rcu_read_lock,
	.rcu_read_unlock = hook_rcu_read_unlock,
	.rcu_read_lock_held = hook_rcu_read_lock_held,
	.synchronize_rcu = hook_synchronize_rcu,
	.call_rcu = hook_call_rcu,
	.rcu_barrier = hook_rcu_barrier,
	.lock = hook_lock,
	.trylock = hook_trylock,
	.unlock = hook_unlock,
	.bit_lock = hook_bit_lock,
	.futex_wait = hook_futex_wait,
	.futex_wake = hook_futex_wake,
	.yield = hook_yield,
	.clock_ns = hook_clock,
	.allocate = hook_allocate,
	.free = hook_free,
	.commit = hook_commit,
	.decommit = hook_decommit,
	.this_thread = hook_this_thread,
	.this_cpu = hook_this_cpu,
	.scope = hook_scope,
	.live = hook_live,
	.bug = hook_bug,
	.violation = hook_violation,
};

/* ---- forms ----------------------------------------------------------------------------------- */

/* Open addressing, at most half full. */
struct set {
	uint64_t *values;
	size_t used, capacity;
};

static struct set forms, beginnings;

static void empty(struct set *set)
{
	free(set->values);
	*set = (struct set){NULL, 0, 0};
}

/* True: it was not there. */
static bool add(struct set *set, uint64_t value)
{
	if (2 * set->used >= set->capacity) {
		struct set old = *set;
		set->capacity = old.capacity ? 4 * old.capacity : 1 << 12;
		set->used = 0;
		set->values = calloc(set->capacity, sizeof(*set->values));
		if (!set->values)
			abort();
		for (size_t i = 0; i < old.capacity; i++)
			if (old.values[i])
				(void)add(set, old.values[i]);
		free(old.values);
	}
	size_t slot = scramble(value) & (set->capacity - 1);
	while (set->values[slot] && set->values[slot] != value)
		slot = (slot + 1) & (set->capacity - 1);
	if (set->values[slot])
		return false;
	set->values[slot] = value;
	set->used++;
	return true;
}

/* How far each thread is tells what it did to no object: it left a section, it was woken. */
static bool is_new_beginning(void)
{
	uint64_t value = form();
	for (unsigned int i = 0; i < LANES; i++)
		if (threads[i].alive)
			value = scramble(value + (uint64_t)threads[i].steps * LANES + i);
	return add(&beginnings, value ? value : 1);
}

/* ---- schedules ------------------------------------------------------------------------------- */

static void run_schedule(void)
{
	begin_run();
	forget_waiting();
	undoing = true;
	if (program->prepare)
		program->prepare(program->context);
	run_threads();
	if (!failure && !cut && program->conclude)
		program->conclude(program->context);
	restore_memory();
}

/* The next schedule in order; false: that was the last. */
static bool next_schedule(void)
{
	given = depth;
	while (given > 0 && chosen[given - 1] + 1u >= choices[given - 1])
		given--;
	if (given == 0)
		return false;
	chosen[given - 1]++;
	return true;
}

struct enumeration enumerate(const struct enumeration_program *what, enum enumeration_kind kind,
			     uint64_t limit)
{
	struct enumeration result = {0};
	bool more;
	if (what->threads > THREADS)
		abort();
	program = what;
	merges = kind == ENUMERATE_BEGINNINGS;
	keep_memory();
	forget_words();
	failure = NULL;
	(void)cfolio_seam_enter(&hooks);
	do {
		/* From the start, with what is known to be shared by now. */
		learned = false;
		result.schedules = 0;
		given = 0;
		more = true;
		empty(&forms);
		empty(&beginnings);
		while (more && result.schedules < limit) {
			run_schedule();
			if (learned || failure)
				break;
			result.schedules++;
			if (!cut)
				(void)add(&forms, form());
			more = next_schedule();
		}
	} while (learned && !failure);
	(void)cfolio_seam_enter(NULL);
	result.classes = forms.used;
	result.complete = !more && !failure;
	result.failed = failure;
	return result;
}

void enumerator_as_guest(void (*function)(void *context), void *context)
{
	(void)cfolio_seam_enter(&hooks);
	current = 0;
	/* Nobody's, as in the lab; a thread of the last run had the record. */
	self()->record.id = 0;
	self()->record.locks_held = 0;
	self()->nesting = 0;
	function(context);
	(void)cfolio_seam_enter(NULL);
}

void enumerator_reset(void)
{
	forget_memory();
}
