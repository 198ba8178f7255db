// SPDX-License-Identifier: MIT
/* What an operation touches, so what it conflicts with. See words.h. */
#include "model.h"

#include <string.h>

static const uintptr_t rcu_address = 1, callbacks_address = 3, fences_address = 5;

static uint32_t special(uintptr_t address, struct object **object)
{
	uint32_t index;
	*object = object_at(address, &index);
	return index;
}

static struct touch touch_special(uintptr_t address, bool write, bool commutes)
{
	struct object *object;
	uint32_t index = special(address, &object);
	if (!object->shared) {
		object->shared = true;
		lab.restart = true;
	}
	return (struct touch){.object = index, .mask = 1, .write = write, .commutes = commutes};
}

/* C11: what takes a place in the order of fences. Full operations are acquire-release changes. */
static bool joins_fences(const struct operation *o)
{
	return lab.model == LAB_C11 &&
	       (o->order == __ATOMIC_SEQ_CST ||
		(o->order == __ATOMIC_ACQ_REL && o->kind != LAB_LOAD && o->kind != LAB_STORE));
}

/*
 * As for a compare-exchange the outcome counts, so that no two executions differ in nothing. On a
 * futex's queue a sleep that begins, one that times out and a wake that finds somebody are writes.
 * A wake that finds nobody is a read: two of them commute, and with a sleep that begins it does
 * not. Somebody who was woken reads that. A sleep that does not begin leaves the queue alone: what
 * could have made it begin is a write to the word, which it reads. In C11 all of them order what
 * their threads see, by the queue's lock.
 */
bool touches_of(const struct operation *o, const struct lab_lane *l,
		struct touch touches[LAB_TOUCHES])
{
	unsigned int n = 0;
	bool write = true;
	memset(touches, 0, LAB_TOUCHES * sizeof(*touches));
	switch ((enum lab_kind)o->kind) {
	case LAB_LOAD:
	case LAB_STORE:
	case LAB_CHANGE:
	case LAB_CMPXCHG:
		write = writes(o->change, word_now(o->address, o->bytes), o->expected);
		touches[n++] = (struct touch){
			.object = o->object, .write = write, .mask = halves(o->address, o->bytes)};
		if (lab.model == LAB_SC)
			break;
		if (lab.model == LAB_TSO && o->kind == LAB_LOAD) {
			unsigned int owner = (unsigned int)(l - lab.lanes);
			if (is_forwarded(owner, o->address, o->bytes))
				touches[0].only = (unsigned char)(flush_lane_of(owner) + 1);
		}
		if (joins_fences(o))
			touches[n++] = touch_special(fences_address, true, false);
		break;
	case LAB_FLUSH:
		touches[n++] = (struct touch){.object = o->object,
					      .write = true,
					      .mask = halves(o->address, o->bytes),
					      .by = (unsigned char)(l - lab.lanes + 1)};
		break;
	case LAB_FENCE:
		if (lab.model == LAB_C11)
			touches[n++] = touch_special(fences_address, true, false);
		break;
	case LAB_TRYLOCK:
		write = word_now(o->address, 4) == 0;
		touches[n++] = (struct touch){
			.object = o->object, .write = write, .mask = halves(o->address, o->bytes)};
		break;
	case LAB_LOCK:
	case LAB_UNLOCK:
	case LAB_BIT_LOCK:
		touches[n++] = (struct touch){
			.object = o->object, .write = true, .mask = halves(o->address, o->bytes)};
		break;
	case LAB_FUTEX_WAIT:
		touches[n++] =
			(struct touch){.object = o->object, .mask = halves(o->address, o->bytes)};
		write = word_now(o->address, 4) == o->expected;
		if (write || lab.model == LAB_C11)
			touches[n++] = (struct touch){
				.object = o->object_of_queue, .mask = 1, .write = write};
		break;
	case LAB_FUTEX_RESUME:
		/* Without a deadline only the wake lets it go on, and their order is fixed. */
		if (l->deadline)
			touches[n++] =
				(struct touch){.object = o->object_of_queue,
					       .mask = 1,
					       .write = lab.model == LAB_C11 || l->woken_by < 0};
		break;
	case LAB_FUTEX_WAKE:
		touches[n++] = (struct touch){.object = o->object_of_queue,
					      .mask = 1,
					      .write = lab.model == LAB_C11 ||
						       first_sleeper(o->object_of_queue)};
		break;
	case LAB_GRACE_BEGIN:
		touches[n++] = touch_special(rcu_address, true, true);
		if (lab.model == LAB_C11)
			touches[n++] = touch_special(fences_address, true, false);
		break;
	case LAB_CALL_RCU:
		touches[n++] = touch_special(rcu_address, true, true);
		touches[n++] = touch_special(callbacks_address, true, false);
		break;
	case LAB_BARRIER:
		if (o->operand != BARRIER_ENDS)
			touches[n++] = touch_special(callbacks_address, false, false);
		break;
	case LAB_GRACE_END:
		if (lab.model == LAB_C11)
			touches[n++] = touch_special(fences_address, true, false);
		break;
	case LAB_RCU_UNLOCK:
	case LAB_RECLAIM:
	case LAB_YIELD:
		break;
	}
	/* A read section begins with its first step: before it there was nothing to protect. */
	struct object *rcu;
	uint32_t index = special(rcu_address, &rcu);
	if (l->nesting && !l->section_begun && rcu->shared)
		touches[n++] = (struct touch){.object = index, .mask = 1};
	return n > 0;
}
