// SPDX-License-Identifier: MIT
/* The table of hooks that the seam calls, and those of its entries that are nobody else's. */
#include "model.h"

static void hook_yield(void)
{
	unsigned int number;
	if (lab.mode == MODE_DRAIN)
		count_drained();
	if (lab.mode == MODE_RUN && plain_step(LAB_YIELD, NULL, 0, 0, &number))
		end_step(number, 0, 0);
}

static int64_t hook_clock(void)
{
	return 1000000000 + self()->now;
}

/*
 * Giving memory back conflicts with every access to it: each word that somebody has touched is
 * written, a step each. All are dead from the first of these steps on. So an access and the step on
 * its word come in both orders, and the one that comes late is found.
 */
static bool hook_free(void *memory)
{
	size_t size = is_running() ? arena_size(memory) : 0;
	bool freed = false;
	for (size_t offset = 0; offset < size; offset += 8) {
		const volatile void *word = (const char *)memory + offset;
		uint32_t index;
		struct object *object = find_object((uintptr_t)word, &index);
		if (!object || (!object->shared && !note_access(object, lab.current, true)))
			continue;
		describe(LAB_STORE, NULL, word, 8, index)->change = SEAM_OP_STORE;
		bool recorded = step();
		unsigned int number = recorded ? begin_step() : 0;
		unsigned long before = word_now(word, 8);
		if (!freed)
			(void)arena_free(memory);
		freed = true;
		if (recorded)
			end_step(number, before, word_now(word, 8));
	}
	return freed || arena_free(memory);
}

static struct folio_thread *hook_this_thread(void)
{
	return &self()->record;
}

static unsigned int hook_this_cpu(void)
{
	return lab.current;
}

static __noreturn void hook_bug(const char *invariant, const struct page *page, const char *message)
{
	(void)page;
	if (lab.mode == MODE_OFF)
		stop_process(invariant, message);
	fail_at(invariant, UINT64_MAX, message);
	stop_execution();
}

static void hook_violation(const char *invariant, unsigned long pfn, const char *message)
{
	fail_at(invariant, pfn, message);
}

#define HOOKS                                                                                      \
	.rcu_read_lock = hook_rcu_read_lock, .rcu_read_unlock = hook_rcu_read_unlock,              \
	.rcu_read_lock_held = hook_rcu_read_lock_held, .synchronize_rcu = hook_synchronize_rcu,    \
	.call_rcu = hook_call_rcu, .rcu_barrier = hook_rcu_barrier, .lock = hook_lock,             \
	.trylock = hook_trylock, .unlock = hook_unlock, .bit_lock = hook_bit_lock,                 \
	.futex_wait = hook_futex_wait, .futex_wake = hook_futex_wake, .yield = hook_yield,         \
	.clock_ns = hook_clock, .allocate = arena_allocate, .free = hook_free,                     \
	.commit = arena_commit, .decommit = arena_decommit, .this_thread = hook_this_thread,       \
	.this_cpu = hook_this_cpu, .bug = hook_bug, .violation = hook_violation

const struct seam_hooks lab_hooks = {HOOKS, .access = lab_access};
const struct seam_hooks lab_walk_hooks = {HOOKS, .access = access_of_walk};
const struct seam_hooks lab_state_hooks = {HOOKS, .access = lab_access, .scope = hook_scope,
					   .live = hook_live};
const struct seam_hooks lab_weak_hooks = {HOOKS, .access = lab_access, .fence = hook_fence,
					  .plain = plain_in_model};
