// SPDX-License-Identifier: MIT
/*
 * What blocks, as predicates: locks, futexes, RCU. See engine.h.
 *
 * RCU. A read section begins with its first step (before it there was nothing to protect) and ends
 * with its unlock. A grace period captures the sections that are open when it begins and ends when
 * they have ended: at any time after that, so that callbacks run as early and as late as can be.
 * A section that begins and a grace period that begins do not commute; an unlock commutes with the
 * beginning and comes before the end.
 */
#include "model.h"

#include <string.h>

static struct lab_lane *self(void)
{
	return lane(lab.current);
}

static bool is_over(const struct grace *grace)
{
	for (unsigned int rest = grace->captured; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		const struct lab_lane *reader = lane(number);
		if (reader->section_begun && reader->section == grace->section[number])
			return false;
	}
	if (lab.model == LAB_TSO)
		for (unsigned int i = 0; i <= lab.program->threads; i++)
			if (stores_flushed(i) < grace->stores[i])
				return false;
	return true;
}

static struct callback *callback(uint64_t number)
{
	return &lab.callbacks[number % LAB_CALLBACKS_MAX];
}

bool is_enabled(const struct lab_lane *l)
{
	const struct operation *o = &l->pending;
	if (lab.model == LAB_TSO && drains(o->kind) &&
	    !buffer_is_empty((unsigned int)(l - lab.lanes)))
		return false;
	switch ((enum lab_kind)o->kind) {
	case LAB_LOCK:
		return word_now(o->address, 4) == 0;
	case LAB_BIT_LOCK:
		return (word_now(o->address, 8) & o->operand) == 0;
	case LAB_FUTEX_RESUME:
		return l->woken_by >= 0 || l->deadline != 0;
	case LAB_GRACE_END:
		return is_over(&l->grace);
	case LAB_RECLAIM:
		return lab.callbacks_run < lab.callbacks_queued &&
		       is_over(&callback(lab.callbacks_run)->grace);
	case LAB_BARRIER:
		return lab.callbacks_run >= l->barrier &&
		       (lab.model != LAB_TSO || buffer_is_empty(lab.program->threads));
	default:
		return true;
	}
}

/* ---- locks ----------------------------------------------------------------------------------- */

/* True: it is no step, because one thread only has touched the word so far. */
static bool is_private(const volatile void *word, uint32_t *index, bool write)
{
	struct object *object = object_at((uintptr_t)word & ~(uintptr_t)7, index);
	return !object->shared && !note_access(object, lab.current, write);
}

static void settle_for(unsigned int kind, const struct seam_site *site)
{
	if (lab.model == LAB_TSO && drains(kind))
		self()->fence_due = false;
	settle_fence(site);
}

static struct operation *describe(unsigned int kind, const struct seam_site *site,
				  const volatile void *word, unsigned int bytes, uint32_t object)
{
	if (lab.model != LAB_SC)
		settle_for(kind, site);
	struct operation *pending = &self()->pending;
	*pending = (struct operation){.kind = (unsigned char)kind,
				      .bytes = (unsigned char)bytes,
				      .site = site,
				      .address = word,
				      .object = object};
	return pending;
}

/* Waits its turn, takes the step when it is recorded, and puts the new value there. */
static void step_to(const volatile void *word, unsigned int bytes, unsigned long value,
		    unsigned long bits)
{
	bool recorded = step();
	/* Freed while the thread was parked in front of it; so below. */
	refuse_dead(word);
	unsigned int index = recorded ? begin_step() : 0;
	unsigned long before = word_now(word, bytes);
	if (bits)
		value = before | bits;
	if (recorded && lab.model == LAB_C11)
		history_lock(index, &self()->pending, value);
	else
		write_word(word, bytes, value);
	if (recorded)
		end_step(index, before, word_now(word, bytes));
}

static void hook_lock(const struct seam_site *site, const volatile void *word)
{
	uint32_t index = 0;
	refuse_dead(word);
	if (lab.mode == MODE_OFF) {
		if (word_now(word, 4) != 0)
			fail_at("LAB", UINT64_MAX, "a lock is held between executions");
		write_word(word, 4, 1);
		return;
	}
	if (lab.mode != MODE_DRAIN && is_private(word, &index, true) && word_now(word, 4) == 0) {
		write_word(word, 4, 1);
		return;
	}
	describe(LAB_LOCK, site, word, 4, index)->order = __ATOMIC_ACQUIRE;
	step_to(word, 4, 1, 0);
}

static bool hook_trylock(const struct seam_site *site, const volatile void *word)
{
	uint32_t index = 0;
	refuse_dead(word);
	if (lab.mode == MODE_DRAIN)
		count_drained();
	if (lab.mode == MODE_RUN || lab.mode == MODE_START) {
		if (!is_private(word, &index, word_now(word, 4) == 0)) {
			describe(LAB_TRYLOCK, site, word, 4, index)->order = __ATOMIC_ACQUIRE;
			bool recorded = step();
			refuse_dead(word);
			if (recorded) {
				unsigned int number = begin_step();
				unsigned long before = word_now(word, 4);
				if (lab.model == LAB_C11)
					history_lock(number, &self()->pending, before == 0);
				else if (before == 0)
					write_word(word, 4, 1);
				end_step(number, before, word_now(word, 4));
				return before == 0;
			}
		}
	}
	bool taken = word_now(word, 4) == 0;
	if (taken)
		write_word(word, 4, 1);
	return taken;
}

static void hook_unlock(const struct seam_site *site, const volatile void *word, int order)
{
	uint32_t index = 0;
	refuse_dead(word);
	if (lab.mode == MODE_OFF || lab.mode == MODE_DRAIN || is_private(word, &index, true)) {
		write_word(word, 4, 0);
		return;
	}
	describe(LAB_UNLOCK, site, word, 4, index)->order = (unsigned char)order;
	step_to(word, 4, 0, 0);
}

static void hook_bit_lock(const struct seam_site *site, const volatile void *word,
			  unsigned long bits, int order)
{
	uint32_t index = 0;
	refuse_dead(word);
	bool at_once = lab.mode == MODE_OFF;
	if (!at_once && lab.mode != MODE_DRAIN)
		at_once = is_private(word, &index, true) && (word_now(word, 8) & bits) == 0;
	if (at_once) {
		write_word(word, 8, word_now(word, 8) | bits);
		return;
	}
	struct operation *pending = describe(LAB_BIT_LOCK, site, word, 8, index);
	pending->operand = bits;
	pending->order = (unsigned char)order;
	step_to(word, 8, 0, bits);
}

/* ---- futexes --------------------------------------------------------------------------------- */

static uint32_t queue_of(const volatile void *word)
{
	uint32_t index;
	struct object *object = object_at((uintptr_t)word | 2, &index);
	object->shared = true;
	return index;
}

/* A step without a value. False: not recorded. */
static bool plain_step(unsigned int kind, const volatile void *word, uint32_t object,
		       uint32_t queue, unsigned int *number)
{
	struct operation *pending = describe(kind, NULL, word, 4, object);
	pending->object_of_queue = queue;
	if (!step())
		return false;
	*number = begin_step();
	return true;
}

static void hook_futex_wait(const volatile void *word, int value, int64_t deadline)
{
	struct lab_lane *l = self();
	uint32_t index, queue = queue_of(word);
	unsigned int number = 0;
	struct object *object = object_at((uintptr_t)word & ~(uintptr_t)7, &index);
	refuse_dead(word);
	if (lab.mode == MODE_OFF) {
		fail_at("LAB", UINT64_MAX, "a sleep between executions");
		return;
	}
	/* A sleeper's word is shared: somebody has to write it. */
	if (!object->shared) {
		object->shared = true;
		lab.restart = true;
	}
	struct operation *pending = describe(LAB_FUTEX_WAIT, NULL, word, 4, index);
	pending->object_of_queue = queue;
	pending->expected = (unsigned long)(long)value;
	bool recorded = step();
	refuse_dead(word);
	if (recorded)
		number = begin_step();
	unsigned long seen = word_now(word, 4);
	if (recorded && lab.model == LAB_C11) {
		history_read_last(index, word, 4);
		history_sync(queue);
	}
	bool sleeps = seen == (unsigned long)(long)value;
	if (sleeps) {
		l->sleeping_on = queue;
		l->sleep_number = ++lab.sleepers;
		l->woken_by = -1;
		l->deadline = deadline;
	}
	if (recorded)
		end_step(number, seen, seen);
	if (!sleeps)
		return;
	recorded = plain_step(LAB_FUTEX_RESUME, word, index, queue, &number);
	bool timed_out = l->woken_by < 0;
	if (timed_out && deadline > l->now)
		l->now = deadline;
	l->sleeping_on = 0;
	if (recorded && lab.model == LAB_C11) {
		if (timed_out)
			history_sync(queue);
		else
			history_resumes();
	}
	if (recorded)
		end_step(number, timed_out, timed_out);
}

static void hook_futex_wake(const volatile void *word, int n)
{
	uint32_t queue = queue_of(word);
	unsigned int number = 0, woken = 0;
	if (lab.mode == MODE_OFF)
		return;
	bool recorded = plain_step(LAB_FUTEX_WAKE, word, 0, queue, &number);
	if (recorded && lab.model == LAB_C11)
		history_sync(queue);
	while (n-- > 0) {
		struct lab_lane *first = NULL;
		for (unsigned int i = 0; i < lab.program->threads; i++) {
			struct lab_lane *l = lane(i);
			if (l->sleeping_on == queue && l->woken_by < 0 &&
			    (!first || l->sleep_number < first->sleep_number))
				first = l;
		}
		if (!first)
			break;
		first->woken_by = recorded ? (int)number : 0;
		if (lab.model == LAB_C11)
			history_wakes((unsigned int)(first - lab.lanes));
		woken++;
	}
	if (recorded)
		end_step(number, 0, woken);
}

/* ---- RCU ------------------------------------------------------------------------------------- */

static void hook_rcu_read_lock(void)
{
	struct lab_lane *l = self();
	if (l->nesting++ == 0) {
		l->section++;
		l->section_begun = false;
	}
}

/* What a grace period that waits for this section has to wait for beyond its unlock. */
static void leave_for(struct grace *grace, unsigned int who)
{
	if (lab.model == LAB_TSO)
		grace->stores[lab.current] = stores_made(lab.current);
	else if (lab.model == LAB_C11)
		history_reader_left(who, lab.current);
}

static void leave_section(struct lab_lane *l, int unlock_step)
{
	if (unlock_step >= 0) {
		l->unlock_step = unlock_step;
		if (lab.model == LAB_TSO)
			l->unlock_stores = stores_made(lab.current);
		else if (lab.model == LAB_C11)
			history_section_ends(lab.current);
		/* Those who wait for this section come behind its unlock. */
		for (unsigned int i = 0; i <= lab.program->threads; i++)
			if ((lane(i)->grace.captured >> lab.current & 1) &&
			    lane(i)->grace.section[lab.current] == l->section) {
				lane(i)->grace.after[lab.current] = unlock_step;
				leave_for(&lane(i)->grace, i);
			}
		for (uint64_t n = lab.callbacks_run; n < lab.callbacks_queued; n++)
			if ((callback(n)->grace.captured >> lab.current & 1) &&
			    callback(n)->grace.section[lab.current] == l->section) {
				callback(n)->grace.after[lab.current] = unlock_step;
				leave_for(&callback(n)->grace,
					  LAB_LANES + (unsigned int)(n % LAB_CALLBACKS_MAX));
			}
	}
	l->section_begun = false;
	l->nesting = 0;
}

static void hook_rcu_read_unlock(void)
{
	struct lab_lane *l = self();
	if (l->nesting == 0) {
		fail_at("RCU", UINT64_MAX, "unlock outside a read section");
		return;
	}
	if (l->nesting > 1) {
		l->nesting--;
		return;
	}
	unsigned int number;
	int unlock = -1;
	if (lab.mode == MODE_RUN && l->section_begun &&
	    plain_step(LAB_RCU_UNLOCK, NULL, 0, 0, &number)) {
		unlock = (int)number;
		end_step(number, 0, 0);
	}
	leave_section(l, unlock);
}

static bool hook_rcu_read_lock_held(void)
{
	return self()->nesting != 0;
}

static void capture(struct grace *grace)
{
	memset(grace, 0, sizeof(*grace));
	for (unsigned int i = 0; i < LAB_LANES; i++)
		grace->after[i] = -1;
	for (unsigned int i = 0; i <= lab.program->threads; i++) {
		const struct lab_lane *reader = lane(i);
		grace->after[i] = reader->unlock_step;
		grace->stores[i] = reader->unlock_stores;
		if (reader->section_begun) {
			grace->captured |= (unsigned short)(1u << i);
			grace->section[i] = reader->section;
		}
	}
}

static void hook_synchronize_rcu(void)
{
	struct lab_lane *l = self();
	unsigned int number = 0;
	if (lab.mode == MODE_OFF)
		return;
	bool recorded = plain_step(LAB_GRACE_BEGIN, NULL, 0, 0, &number);
	capture(&l->grace);
	if (lab.model == LAB_C11)
		history_grace_begins(lab.current);
	if (recorded)
		end_step(number, 0, l->grace.captured);
	if (plain_step(LAB_GRACE_END, NULL, 0, 0, &number)) {
		if (lab.model == LAB_C11)
			history_grace_ends(lab.current);
		end_step(number, 0, 0);
	}
	l->grace.captured = 0;
}

static void hook_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	unsigned int number = 0;
	if (lab.mode == MODE_OFF) {
		func(head);
		return;
	}
	bool recorded = plain_step(LAB_CALL_RCU, head, 0, 0, &number);
	if (lab.callbacks_queued - lab.callbacks_run == LAB_CALLBACKS_MAX) {
		fail_at("LAB", UINT64_MAX, "more deferred calls than the lab keeps");
		stop_execution();
	}
	unsigned int slot = (unsigned int)(lab.callbacks_queued % LAB_CALLBACKS_MAX);
	struct callback *c = callback(lab.callbacks_queued++);
	c->head = head;
	c->func = func;
	c->queued_by = recorded ? (int)number : -1;
	c->done_behind = -1;
	capture(&c->grace);
	if (lab.model == LAB_C11)
		history_deferred(slot);
	start_reclaimer();
	if (recorded)
		end_step(number, 0, c->grace.captured);
}

static void hook_rcu_barrier(void)
{
	unsigned int number;
	if (lab.mode == MODE_OFF)
		return;
	self()->barrier = lab.callbacks_queued;
	if (plain_step(LAB_BARRIER, NULL, 0, 0, &number)) {
		if (lab.model == LAB_C11)
			history_barrier();
		end_step(number, 0, 0);
	}
}

/* The lane that runs deferred calls, in the order in which they were made. */
void reclaimer(void *argument)
{
	struct lab_lane *l = argument;
	lab_fiber_entered(&l->fiber);
	cfolio_seam_resume(NULL);
	for (;;) {
		struct callback c = *callback(lab.callbacks_run);
		if (lab.mode == MODE_RUN) {
			unsigned int number = begin_step();
			if (lab.model == LAB_C11)
				history_runs_deferred(
					(unsigned int)(lab.callbacks_run % LAB_CALLBACKS_MAX));
			end_step(number, 0, 0);
		}
		c.func(c.head);
		if (lab.model == LAB_C11)
			history_ran_deferred();
		callback(lab.callbacks_run)->done_behind = l->last_step;
		lab.callbacks_run++;
		l->pending = (struct operation){.kind = LAB_RECLAIM};
		(void)step();
	}
}

/* ---- the rest of the table ------------------------------------------------------------------- */

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
	size_t size = lab.mode == MODE_RUN || lab.mode == MODE_START ? arena_size(memory) : 0;
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
	fail_at(invariant, UINT64_MAX, message);
	if (lab.mode == MODE_OFF)
		__builtin_trap();
	stop_execution();
}

static void hook_violation(const char *invariant, unsigned long pfn, const char *message)
{
	fail_at(invariant, pfn, message);
}

#define HOOKS                                                                                      \
	.access = lab_access, .rcu_read_lock = hook_rcu_read_lock,                                 \
	.rcu_read_unlock = hook_rcu_read_unlock, .rcu_read_lock_held = hook_rcu_read_lock_held,    \
	.synchronize_rcu = hook_synchronize_rcu, .call_rcu = hook_call_rcu,                        \
	.rcu_barrier = hook_rcu_barrier, .lock = hook_lock, .trylock = hook_trylock,               \
	.unlock = hook_unlock, .bit_lock = hook_bit_lock, .futex_wait = hook_futex_wait,           \
	.futex_wake = hook_futex_wake, .yield = hook_yield, .clock_ns = hook_clock,                \
	.allocate = arena_allocate, .free = hook_free, .commit = arena_commit,                     \
	.decommit = arena_decommit, .this_thread = hook_this_thread, .this_cpu = hook_this_cpu,    \
	.scope = hook_scope, .live = hook_live, .bug = hook_bug, .violation = hook_violation

const struct seam_hooks lab_hooks = {HOOKS};
const struct seam_hooks lab_weak_hooks = {HOOKS, .fence = hook_fence, .plain = plain_in_model};
