// SPDX-License-Identifier: MIT
/*
 * Systematic searches, by running executions from their start again and again. See engine.h.
 *
 * SCHEDULES  depth-first over the enabled threads of each step, with a bound on preemptions.
 * CLASSES    source-DPOR with sleep sets: of all schedules that differ only in the order of steps
 *            that do not conflict, one is completed (Abdulla, Aronis, Jonsson, Sagonas, 2014).
 *            1. Two steps of different threads race when they conflict and nothing in between
 *               orders them. Clocks say what is ordered: clock[t] is the last step of thread t that
 *               comes before.
 *            2. For a race of steps j < i there must be an execution that does i's side first: some
 *               initial of "what follows j without depending on it, then i" has to be tried in
 * front of j.
 *            3. A thread that was tried in front of a step sleeps until something conflicts with
 * what it was about to do: until then it would only repeat a class. A compare-exchange counts as
 * what it will turn out to be where it stands. STATES     depth-first over states: the words, and
 * for each thread what it is in front of and what it has read. A state that was seen is not entered
 * again. Sound for programs whose shared state is in words of the seam. The hash is a sum over
 * threads of one group, so threads that do the same are merged.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

/* ---- visited states -------------------------------------------------------------------------- */

static uint64_t *visited;
static size_t visited_used, visited_capacity;

static bool insert(uint64_t *table, size_t capacity, uint64_t hash)
{
	size_t slot = hash & (capacity - 1);
	while (table[slot]) {
		if (table[slot] == hash)
			return false;
		slot = (slot + 1) & (capacity - 1);
	}
	table[slot] = hash;
	return true;
}

/* True: new. */
static bool visit(uint64_t hash)
{
	hash |= hash == 0;
	if (2 * (visited_used + 1) > visited_capacity) {
		size_t capacity = visited_capacity ? 2 * visited_capacity : 1 << 16;
		uint64_t *table = calloc(capacity, sizeof(*table));
		if (!table)
			abort();
		for (size_t i = 0; i < visited_capacity; i++)
			if (visited[i])
				(void)insert(table, capacity, visited[i]);
		free(visited);
		visited = table;
		visited_capacity = capacity;
	}
	bool new = insert(visited, visited_capacity, hash);
	visited_used += new;
	return new;
}

static uint64_t local_hash(unsigned int number)
{
	const struct lab_lane *l = lane(number);
	const struct operation *o = &l->pending;
	uint64_t hash = l->history;
	if (lab.alive >> number & 1) {
		hash = mix(hash ^ (uintptr_t)o->site);
		hash = mix(hash ^ (uintptr_t)o->address ^ (uint64_t)o->kind << 56);
		hash = mix(hash ^ o->operand);
		hash = mix(hash ^ o->expected);
		hash = mix(hash ^ (l->section_begun | (uint64_t)(l->woken_by >= 0) << 1 |
				   (uint64_t)l->sleeping_on << 2));
		for (unsigned int rest = l->grace.captured; rest; rest &= rest - 1)
			hash = mix(hash ^ (unsigned int)__builtin_ctz(rest));
	}
	unsigned int group = number < lab.program->threads ? lab.program->group[number] : 255;
	return mix(hash + mix(group + 1u));
}

static uint64_t state_hash(void)
{
	uint64_t hash = lab.state;
	for (unsigned int i = 0; i < lab.program->threads; i++)
		hash += local_hash(i);
	if (lab.callbacks_queued)
		hash += local_hash(lab.program->threads) + mix(lab.callbacks_queued) +
			mix(lab.callbacks_run << 32);
	return mix(hash);
}

unsigned long hook_scope(void)
{
	return lane(lab.current)->history;
}

void hook_live(unsigned long scope, unsigned long value)
{
	lane(lab.current)->history = mix(scope ^ (value + 1) * 0x9e3779b97f4a7c15u);
}

/* ---- races ----------------------------------------------------------------------------------- */

static bool conflict(const struct touch *a, const struct touch *b)
{
	return a->object && a->object == b->object && (a->mask & b->mask) &&
	       (a->write || b->write) && !(a->commutes && b->commutes) &&
	       (!a->only || a->only == b->by) && (!b->only || b->only == a->by);
}

static void join(lab_clock into, const lab_clock other)
{
	for (unsigned int i = 0; i < LAB_LANES; i++)
		into[i] = into[i] > other[i] ? into[i] : other[i];
}

/* Could step i, by a thread that may block, have stood where j is? */
static bool reversible(const struct step *j, const struct operation *now)
{
	if (now->kind == LAB_LOCK)
		return j->before == 0;
	if (now->kind == LAB_BIT_LOCK)
		return (j->before & now->operand) == 0;
	return true;
}

/*
 * Threads whose first step behind j does not depend on j nor on other such steps: each of them may
 * begin an execution in which i comes before j.
 */
static unsigned short initials(unsigned int j, unsigned int i, const lab_clock clock)
{
	unsigned int jt = lab.steps[j].thread;
	lab_clock first;
	unsigned short seen = 0, result = 0;
	for (unsigned int k = j + 1; k <= i; k++) {
		const struct step *s = &lab.steps[k];
		const int16_t *before = k == i ? clock : s->clock;
		if (k != i && before[jt] > (int)j)
			continue;
		unsigned int t = s->thread;
		if (seen >> t & 1)
			continue;
		bool minimal = true;
		for (unsigned int rest = seen; rest && minimal; rest &= rest - 1) {
			unsigned int other = (unsigned int)__builtin_ctz(rest);
			minimal = before[other] < first[other];
		}
		seen |= bit(t);
		first[t] = (int16_t)(k + 1);
		if (minimal)
			result |= bit(t);
	}
	return result;
}

static void add_race(unsigned int j, unsigned int i, const lab_clock clock)
{
	struct step *s = &lab.steps[j];
	/* Clocks hold what wakes a thread, so an initial is enabled; were it not, all are tried. */
	unsigned short candidates = initials(j, i, clock) & s->enabled;
	if (!candidates)
		s->backtrack |= s->enabled;
	if (!candidates || (s->backtrack & candidates))
		return;
	unsigned int wanted = lab.steps[i].thread;
	if (!(candidates >> wanted & 1))
		wanted = (unsigned int)__builtin_ctz(candidates);
	s->backtrack |= bit(wanted);
}

/* The steps that a grace period ends behind. */
static void join_unlocks(lab_clock clock, const struct grace *grace)
{
	for (unsigned int i = 0; i <= lab.program->threads; i++)
		if (grace->after[i] >= 0)
			join(clock, lab.steps[grace->after[i]].clock);
}

static void join_step(lab_clock clock, int index)
{
	if (index >= 0)
		join(clock, lab.steps[index].clock);
}

/* TSO: a flush comes behind its store, what drains the buffer behind the flushes. */
static void order_behind_stores(const struct step *s, lab_clock clock)
{
	if (s->kind == LAB_FLUSH)
		join_step(clock, s->behind);
	else if (drains(s->kind) && s->thread <= lab.program->threads)
		join_step(clock, lane(flush_lane_of(s->thread))->last_step);
	const struct grace *grace = NULL;
	if (s->kind == LAB_GRACE_END)
		grace = &lane(s->thread)->grace;
	else if (s->kind == LAB_RECLAIM)
		grace = &lab.callbacks[lab.callbacks_run % LAB_CALLBACKS_MAX].grace;
	else if (s->kind == LAB_BARRIER)
		join_step(clock, lane(flush_lane_of(lab.program->threads))->last_step);
	for (unsigned int i = 0; grace && i <= lab.program->threads; i++)
		if (grace->stores[i])
			join_step(clock, flush_step_of(i, grace->stores[i] - 1));
}

static void order_step(unsigned int i)
{
	struct step *s = &lab.steps[i];
	const struct lab_lane *l = lane(s->thread);
	lab_clock clock, late;
	memset(late, 0, sizeof(late));
	if (s->previous_of_thread >= 0)
		memcpy(clock, lab.steps[s->previous_of_thread].clock, sizeof(clock));
	else
		memset(clock, 0, sizeof(clock));
	if (s->kind == LAB_GRACE_END) {
		join_unlocks(clock, &l->grace);
	} else if (s->kind == LAB_RECLAIM) {
		const struct callback *c = &lab.callbacks[lab.callbacks_run % LAB_CALLBACKS_MAX];
		join_unlocks(clock, &c->grace);
		if (c->queued_by >= 0)
			join(clock, lab.steps[c->queued_by].clock);
	} else if (s->kind == LAB_BARRIER && l->barrier > 0) {
		/* Behind the last call that it waits for; the slot is that call's, or a later
		 * one's. */
		const struct callback *c = &lab.callbacks[(l->barrier - 1) % LAB_CALLBACKS_MAX];
		if (c->done_behind >= 0)
			join(clock, lab.steps[c->done_behind].clock);
	} else if (s->kind == LAB_FUTEX_RESUME && l->woken_by >= 0) {
		join(late, lab.steps[l->woken_by].clock);
	}
	if (lab.model == LAB_TSO)
		order_behind_stores(s, clock);
	for (unsigned int n = 0; n < LAB_TOUCHES; n++) {
		struct touch *mine = &s->touches[n];
		if (!mine->object)
			continue;
		struct object *object = object_number(mine->object);
		mine->previous = object->last;
		object->last = i * LAB_TOUCHES + n + 1;
		for (uint32_t reference = mine->previous; reference;) {
			unsigned int j = (reference - 1) / LAB_TOUCHES;
			const struct touch *other =
				&lab.steps[j].touches[(reference - 1) % LAB_TOUCHES];
			reference = other->previous;
			if (j == i || !conflict(other, mine))
				continue;
			if (!reversible(&lab.steps[j], &l->pending)) {
				join(late, lab.steps[j].clock);
				continue;
			}
			if (clock[lab.steps[j].thread] <= (int)j &&
			    lab.search.strategy == LAB_CLASSES)
				add_race(j, i, clock);
			join(clock, lab.steps[j].clock);
			/* A flush also comes behind loads that it was forwarded to, wherever. */
			if (other->write && !other->commutes && !mine->by &&
			    (mine->mask & ~other->mask) == 0)
				break;
		}
	}
	join(clock, late);
	clock[s->thread] = (int16_t)(i + 1);
	memcpy(s->clock, clock, sizeof(clock));
}

/* Who sleeps behind step i: those that it does not wake. */
static unsigned short sleepers_behind(unsigned int i)
{
	const struct step *s = &lab.steps[i];
	unsigned int candidates = (unsigned int)(s->sleep | s->done) & ~(1u << s->thread);
	unsigned short asleep = 0;
	for (unsigned int rest = candidates; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		struct touch touches[LAB_TOUCHES];
		bool wakes = false;
		(void)touches_of(&lane(number)->pending, lane(number), touches);
		for (unsigned int a = 0; a < LAB_TOUCHES; a++)
			for (unsigned int b = 0; b < LAB_TOUCHES; b++)
				wakes |= conflict(&touches[a], &s->touches[b]);
		if (!wakes)
			asleep |= bit(number);
	}
	return asleep;
}

/* ---- the choice ------------------------------------------------------------------------------ */

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
		if (lab.search.strategy == LAB_STATES && !visit(state_hash())) {
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
	lab.statistics.states = visited_used;
	for (unsigned int i = lab.depth; i-- > 0;) {
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
	free(visited);
	visited = NULL;
	visited_used = 0;
	visited_capacity = 0;
}
