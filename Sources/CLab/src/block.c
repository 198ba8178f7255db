// SPDX-License-Identifier: MIT
/*
 * What blocks, as predicates; locks and futexes. RCU is in grace.c. See engine.h.
 */
#include "model.h"

#include <string.h>

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
		return o->operand != BARRIER_ENDS ||
		       (lab.callbacks_run >= l->barrier &&
			(lab.model != LAB_TSO || buffer_is_empty(lab.program->threads)));
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

struct operation *describe(unsigned int kind, const struct seam_site *site,
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
	refuse_dead(self()->pending.site, word);
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

/* As the search says of the site; true: with a full fence on both sides, of which one is noted. */
static bool strengthen_lock(const struct seam_site *site, unsigned int change, unsigned int *order)
{
	return lab.model == LAB_C11 && strengthen(site, change, order) == LAB_FULL_BARRIERS;
}

void hook_lock(const struct seam_site *site, const volatile void *word)
{
	uint32_t index = 0;
	refuse_dead(site, word);
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

bool hook_trylock(const struct seam_site *site, const volatile void *word)
{
	uint32_t index = 0;
	refuse_dead(site, word);
	if (lab.mode == MODE_DRAIN)
		count_drained();
	if (is_running()) {
		if (!is_private(word, &index, word_now(word, 4) == 0)) {
			describe(LAB_TRYLOCK, site, word, 4, index)->order = __ATOMIC_ACQUIRE;
			bool recorded = step();
			refuse_dead(site, word);
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

void hook_unlock(const struct seam_site *site, const volatile void *word, int order)
{
	uint32_t index = 0;
	refuse_dead(site, word);
	if (lab.mode == MODE_OFF || lab.mode == MODE_DRAIN || is_private(word, &index, true)) {
		write_word(word, 4, 0);
		return;
	}
	unsigned int now = (unsigned int)order;
	bool full = strengthen_lock(site, SEAM_OP_STORE, &now);
	describe(LAB_UNLOCK, site, word, 4, index)->order = (unsigned char)now;
	step_to(word, 4, 0, 0);
	if (full)
		hook_fence(site, __ATOMIC_SEQ_CST);
}

void hook_bit_lock(const struct seam_site *site, const volatile void *word, unsigned long bits,
		   int order)
{
	uint32_t index = 0;
	refuse_dead(site, word);
	bool at_once = lab.mode == MODE_OFF;
	if (!at_once && lab.mode != MODE_DRAIN)
		at_once = is_private(word, &index, true) && (word_now(word, 8) & bits) == 0;
	if (at_once) {
		write_word(word, 8, word_now(word, 8) | bits);
		return;
	}
	unsigned int now = (unsigned int)order;
	bool full = strengthen_lock(site, SEAM_OP_OR, &now);
	struct operation *pending = describe(LAB_BIT_LOCK, site, word, 8, index);
	pending->operand = bits;
	pending->order = (unsigned char)now;
	step_to(word, 8, 0, bits);
	if (full)
		hook_fence(site, __ATOMIC_SEQ_CST);
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
bool plain_step(unsigned int kind, const volatile void *word, uint32_t object, uint32_t queue,
		unsigned int *number)
{
	struct operation *pending = describe(kind, NULL, word, 4, object);
	pending->object_of_queue = queue;
	if (!step())
		return false;
	*number = begin_step();
	return true;
}

void hook_futex_wait(const volatile void *word, int value, int64_t deadline)
{
	struct lab_lane *l = self();
	uint32_t index, queue = queue_of(word);
	unsigned int number = 0;
	struct object *object = object_at((uintptr_t)word & ~(uintptr_t)7, &index);
	refuse_dead(NULL, word);
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
	refuse_dead(NULL, word);
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

struct lab_lane *first_sleeper(uint32_t queue)
{
	struct lab_lane *first = NULL;
	for (unsigned int i = 0; i < lab.program->threads; i++) {
		struct lab_lane *l = lane(i);
		if (l->sleeping_on == queue && l->woken_by < 0 &&
		    (!first || l->sleep_number < first->sleep_number))
			first = l;
	}
	return first;
}

void hook_futex_wake(const volatile void *word, int n)
{
	uint32_t queue = queue_of(word);
	unsigned int number = 0, woken = 0;
	if (lab.mode == MODE_OFF)
		return;
	bool recorded = plain_step(LAB_FUTEX_WAKE, word, 0, queue, &number);
	if (recorded && lab.model == LAB_C11)
		history_sync(queue);
	while (n-- > 0) {
		struct lab_lane *first = first_sleeper(queue);
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
