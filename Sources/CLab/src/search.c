// SPDX-License-Identifier: MIT
/*
 * Systematic searches, by running executions from their start again and again. See engine.h.
 *
 * SCHEDULES  depth-first over the enabled threads of each step, with a bound on preemptions.
 * CLASSES    source-DPOR with sleep sets: of all schedules that differ only in the order of steps
 *            that do not conflict, one is completed (Abdulla, Aronis, Jonsson, Sagonas, 2014).
 *            1. Two steps of different threads race when they conflict and nothing in between
 *               orders them. Clocks say what is ordered: clock[t] is the last step of thread t
 *               that comes before.
 *            2. For a race of steps j < i there must be an execution that does i's side first: an
 *               initial of "what follows j without depending on it, then i" has to be tried in
 *               front of j.
 *            3. A thread that was tried in front of a step sleeps until something conflicts with
 *               what it was about to do: until then it would only repeat a class. A
 *               compare-exchange counts as what it will turn out to be where it stands.
 * STATES     depth-first over states; one that was seen is not entered again. Sound for programs
 *            whose shared state is in words of the seam.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

/* Threads that may go on here within the bound; what a switch to each costs is 0 or 1. */
static unsigned short within_bound(unsigned int i, unsigned short enabled)
{
	if (i == 0 || lab.search.preemptions == UINT32_MAX)
		return enabled;
	const struct step *before = &lab.steps[i - 1];
	unsigned short running = 0;
	if (before->runner != LAB_NONE)
		running = enabled & bit(before->runner);
	if (!running || before->preemptions < lab.search.preemptions)
		return enabled;
	/* Flushing is free: it takes the processor from nobody. */
	for (unsigned int rest = enabled; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		if (is_flush_lane(number))
			running |= bit(number);
	}
	return running;
}

/* The next prefix is met: is it another shard's? */
static bool is_others_prefix(void)
{
	return lab.prefixes++ % lab.search.shards != lab.search.shard;
}

static bool is_sharded(void)
{
	return lab.search.shards > 1 && lab.search.strategy == LAB_CLASSES;
}

/* An execution that ends before prefixes do is a prefix of its own. */
bool is_others_execution(void)
{
	return lab.skipped ||
	       (is_sharded() && lab.depth <= lab.search.shard_depth && is_others_prefix());
}

unsigned int choose_searched(unsigned short enabled)
{
	unsigned int i = lab.depth;
	struct step *s = &lab.steps[i];
	if (i < lab.replay)
		return s->thread;
	unsigned int previous = i ? lab.steps[i - 1].runner : LAB_NONE;
	if (i > lab.replay || !lab.forced) {
		unsigned short candidates = enabled;
		s->choice = 0;
		s->choices = 0;
		if (lab.search.strategy == LAB_STATES && !is_new_state()) {
			lab.statistics.cut++;
			return LAB_NONE;
		}
		s->enabled = enabled;
		s->done = 0;
		if (lab.search.strategy == LAB_CLASSES)
			candidates = enabled & (unsigned short)~s->sleep;
		else if (lab.search.strategy == LAB_SCHEDULES)
			candidates = within_bound(i, enabled);
		if (!candidates) {
			lab.statistics.blocked++;
			return LAB_NONE;
		}
		if (is_sharded() && i == lab.search.shard_depth && is_others_prefix()) {
			lab.skipped = true;
			lab.statistics.skipped++;
			return LAB_NONE;
		}
		unsigned int next = previous != LAB_NONE && (candidates >> previous & 1)
					    ? previous
					    : (unsigned int)__builtin_ctz(candidates);
		bool by_races = lab.search.strategy == LAB_CLASSES &&
				!(is_sharded() && i < lab.search.shard_depth);
		s->backtrack = by_races ? bit(next) : candidates;
		s->thread = (unsigned char)next;
	}
	lab.forced = false;
	s->preemptions = i ? lab.steps[i - 1].preemptions : 0;
	s->runner = (unsigned char)previous;
	if (!is_flush_lane(s->thread)) {
		if (previous != LAB_NONE && s->thread != previous && (s->enabled >> previous & 1))
			s->preemptions++;
		s->runner = s->thread;
	}
	return s->thread;
}

unsigned int choose_value_searched(unsigned int i, unsigned int count)
{
	struct step *s = &lab.steps[i];
	s->choices = (unsigned char)count;
	return s->choice;
}

void searched(unsigned int i)
{
	struct lab_event *event = &lab.events[i];
	struct step *s = &lab.steps[i];
	if (lab.search.strategy == LAB_STATES) {
		struct lab_lane *l = lane(s->thread);
		uint64_t seen = event->kind == LAB_STORE ? 0 : event->before;
		l->history = mix(mix(l->history ^ (uintptr_t)event->site) + seen +
				 ((uint64_t)event->kind << 48));
		return;
	}
	if (i < lab.replay || lab.search.strategy != LAB_CLASSES)
		return;
	s->before = event->before;
	order_step(i);
	lab.steps[i + 1].sleep = sleepers_behind(i);
}

static void forget_step(struct step *s)
{
	for (unsigned int n = LAB_TOUCHES; n-- > 0;) {
		struct touch *touch = &s->touches[n];
		if (touch->object)
			object_number(touch->object)->last = touch->previous;
		touch->object = 0;
	}
}

bool backtrack(void)
{
	bool classes = lab.search.strategy == LAB_CLASSES;
	lab.statistics.states = states_seen();
	for (unsigned int i = takes_turns(lab.depth) ? lab.fair_from : lab.depth; i-- > 0;) {
		struct step *s = &lab.steps[i];
		if (classes)
			forget_step(s);
		/* All values that the step may read, then other threads. */
		if (s->choices && s->choice + 1u < s->choices) {
			s->choice++;
			lab.replay = i;
			lab.forced = true;
			return true;
		}
		s->choice = 0;
		s->choices = 0;
		s->done |= bit(s->thread);
		unsigned int left = s->backtrack & ~(unsigned int)s->done;
		if (classes)
			left &= ~(unsigned int)s->sleep;
		if (!left)
			continue;
		s->thread = (unsigned char)__builtin_ctz(left);
		lab.replay = i;
		lab.forced = true;
		return true;
	}
	return false;
}

void forget_search(void)
{
	lab.replay = 0;
	lab.forced = false;
	lab.prefixes = 0;
	lab.exhausted = false;
	if (lab.steps) {
		memset(lab.steps, 0, sizeof(*lab.steps));
		forget_touches();
	}
	forget_states();
}
