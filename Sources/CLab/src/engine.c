// SPDX-License-Identifier: MIT
/* Executions: threads, the choice at each step, the end. See engine.h. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST LAB_LANES

struct lab lab;

static unsigned short program_lanes(void)
{
	return (unsigned short)((1u << lab.program->threads) - 1);
}

/* ---- the choice ------------------------------------------------------------------------------ */

unsigned short enabled_lanes(void)
{
	unsigned short enabled = lab.alive & (unsigned short)~lab.blocking;
	for (unsigned int rest = lab.alive & lab.blocking; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		if (is_enabled(lane(number)))
			enabled |= bit(number);
	}
	return enabled;
}

static const char *const waits[] = {
	[LAB_LOCK] = "a lock",
	[LAB_BIT_LOCK] = "a bit lock",
	[LAB_FUTEX_RESUME] = "a wake",
	[LAB_GRACE_END] = "a grace period",
	[LAB_BARRIER] = "deferred calls",
	[LAB_RECLAIM] = "work",
};

static void report_deadlock(void)
{
	char message[sizeof(lab.finding.message)];
	size_t used = 0;
	for (unsigned int rest = lab.alive & program_lanes(); rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		const struct operation *pending = &lane(number)->pending;
		const char *what = pending->kind < sizeof(waits) / sizeof(waits[0])
					   ? waits[pending->kind]
					   : NULL;
		used += (size_t)snprintf(message + used, sizeof(message) - used,
					 "%sthread %u waits for %s", used ? "; " : "", number,
					 what ? what : "something");
		if (used >= sizeof(message) - 1)
			break;
	}
	fail_at("DEADLOCK", UINT64_MAX, message);
	lab.abandoned = true;
}

static unsigned int lowest(unsigned short lanes)
{
	return (unsigned int)__builtin_ctz(lanes);
}

/* Who goes on; HOST when the execution is over. */
static unsigned int choose_lane(void)
{
	if (lab.mode == MODE_START) {
		if (lab.started < lab.program->threads)
			return lab.started++;
		lab.mode = MODE_RUN;
	}
	unsigned short enabled = enabled_lanes();
	if (!enabled) {
		if (lab.alive & program_lanes())
			report_deadlock();
		return HOST;
	}
	if (unlikely(lab.failed || lab.abandoned)) {
		lab.abandoned = true;
		return HOST;
	}
	if (lab.mode == MODE_DRAIN)
		return enabled & bit(lab.current) ? lab.current : lowest(enabled);
	if (unlikely(lab.depth >= lab.search.steps)) {
		fail_at("LIVELOCK", UINT64_MAX, "the execution does not end");
		lab.abandoned = true;
		return HOST;
	}
	unsigned int next;
	if (lab.recording)
		next = choose_searched(enabled);
	else if (!(enabled & (enabled - 1)))
		next = lowest(enabled);
	else
		next = choose_walk(enabled);
	if (unlikely(next == LAB_NONE)) {
		lab.mode = MODE_DRAIN;
		if (lab.model == LAB_TSO) {
			flush_all();
			enabled = enabled_lanes();
			if (!enabled)
				return HOST;
		}
		return enabled & bit(lab.current) ? lab.current : lowest(enabled);
	}
	lab.events[lab.depth].enabled = enabled;
	return next;
}

/* Flushes have no fiber: they take place here. */
static unsigned int choose(void)
{
	unsigned int next = choose_lane();
	while (next != HOST && is_flush_lane(next)) {
		flush_step(next);
		next = choose_lane();
	}
	return next;
}

static void go_to(unsigned int next, bool ends)
{
	unsigned int self = lab.current;
	if (next == self)
		return;
	struct lab_fiber *to = next == HOST ? &lab.host : &lane(next)->fiber;
	lab.current = next;
	lab_fiber_switch(&lane(self)->fiber, to, ends);
}

bool step(void)
{
	struct lab_lane *self = lane(lab.current);
	unsigned short mine = bit(lab.current);
	if (may_block(self->pending.kind) ||
	    (lab.model == LAB_TSO && drains(self->pending.kind) && !buffer_is_empty(lab.current)))
		lab.blocking |= mine;
	go_to(choose(), false);
	cfolio_seam_resume(self->pending.site);
	lab.blocking &= (unsigned short)~mine;
	return lab.mode == MODE_RUN;
}

void stop_execution(void)
{
	lab.abandoned = true;
	go_to(HOST, true);
	__builtin_unreachable();
}

void count_drained(void)
{
	if (++lab.drained > 4 * LAB_STEPS_MAX)
		stop_execution();
}

static void lane_main(void *argument)
{
	struct lab_lane *self = argument;
	unsigned int number = (unsigned int)(self - lab.lanes);
	lab_fiber_entered(&self->fiber);
	/* Not the last one of whoever ran before: a lock that begins the thread has none. */
	cfolio_seam_resume(NULL);
	lab.program->body(lab.program->context, number);
	if (self->nesting)
		fail_at("RCU", UINT64_MAX, "the thread ended inside a read section");
	lab.alive &= (unsigned short)~bit(number);
	go_to(choose(), true);
}

/* The reclaimer is parked in front of its first callback from the beginning. */
void start_reclaimer(void)
{
	unsigned int number = lab.program->threads;
	if (lab.alive & bit(number))
		return;
	lane(number)->pending = (struct operation){.kind = LAB_RECLAIM};
	lab.alive |= bit(number);
	lab.blocking |= bit(number);
	lab_fiber_arm(&lane(number)->fiber, reclaimer, lane(number));
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void check_repetition(unsigned int index, const struct operation *pending)
{
	const struct lab_event *event = &lab.events[index];
	if (event->site != pending->site || lab.steps[index].thread != lab.current)
		fail_at("NONDETERMINISM", UINT64_MAX,
			"a prefix that was repeated went another way: the program depends on "
			"something that the lab does not put back");
}

unsigned int begin_step(void)
{
	unsigned int index = lab.depth++;
	struct lab_lane *self = lane(lab.current);
	struct operation *pending = &self->pending;
	if (lab.recording) {
		struct step *s = &lab.steps[index];
		if (index < lab.replay) {
			check_repetition(index, pending);
		} else {
			s->thread = (unsigned char)lab.current;
			s->previous_of_thread = self->last_step;
			s->kind = pending->kind;
			s->behind = -1;
			if (pending->kind == LAB_FLUSH)
				s->behind = step_behind_store(lab.current);
			(void)touches_of(pending, self, s->touches);
		}
	}
	struct lab_event *event = &lab.events[index];
	event->from = -1;
	event->missed = -1;
	event->choice = 0;
	event->choices = 0;
	event->owner = (unsigned char)lab.current;
	event->site = pending->site;
	event->address = pending->address;
	event->thread = (unsigned char)lab.current;
	event->kind = pending->kind;
	event->order = pending->order;
	event->bytes = pending->bytes;
	event->of_thread = self->steps++;
	self->last_step = (int)index;
	event->in_section = self->nesting != 0;
	if (self->nesting) {
		if (!self->section_begun && lab.model == LAB_C11)
			history_section_begins();
		self->section_begun = true;
	}
	return index;
}

void end_step(unsigned int index, unsigned long before, unsigned long after)
{
	lab.events[index].before = before;
	lab.events[index].after = after;
	lab.events[index].read = before;
	if (unlikely(lab.search.pairs) && lane(lab.current)->pending.object)
		note_pairs(index, lane(lab.current)->pending.object);
	if (lab.recording)
		searched(index);
	else
		walked(index);
	if (lab.program->between && !lab.failed) {
		lab.mode = MODE_OFF;
		lab.program->between(lab.program->context);
		lab.mode = MODE_RUN;
	}
}

/* ---- findings -------------------------------------------------------------------------------- */

void fail_at(const char *invariant, unsigned long pfn, const char *message)
{
	if (lab.failed)
		return;
	/* What follows a cut is part of another execution that is visited, with all of its steps.
	 */
	if (lab.mode == MODE_DRAIN) {
		lab.abandoned = true;
		return;
	}
	lab.failed = true;
	snprintf(lab.finding.invariant, sizeof(lab.finding.invariant), "%s", invariant);
	snprintf(lab.finding.message, sizeof(lab.finding.message), "%s", message);
	lab.finding.pfn = pfn;
	/* HOST is LAB_LANES. */
	lab.finding.thread = owner_of(lab.current);
	lab.finding.step = lab.depth ? lab.depth - 1 : 0;
}

void lab_fail(const char *invariant, const char *message)
{
	fail_at(invariant, UINT64_MAX, message);
	if (lab.mode == MODE_RUN || lab.mode == MODE_START || lab.mode == MODE_DRAIN)
		stop_execution();
}

/* ---- executions ------------------------------------------------------------------------------ */

static void arm_lanes(void)
{
	for (unsigned int i = 0; i < lane_count(); i++) {
		struct lab_lane *l = lane(i);
		l->last_step = -1;
		l->steps = 0;
		l->nesting = 0;
		l->section_begun = false;
		l->section = 0;
		l->unlock_step = -1;
		l->unlock_stores = 0;
		l->fence_due = false;
		l->sleeping_on = 0;
		l->woken_by = -1;
		l->now = 0;
		l->history = 0;
		l->grace.captured = 0;
		l->record = (struct folio_thread){.id = i + 1};
		if (i < lab.program->threads)
			lab_fiber_arm(&l->fiber, lane_main, l);
	}
	lab.alive = program_lanes();
	lab.blocking = 0;
	lab.depth = 0;
	lab.choices = 0;
	lab.values_chosen = 0;
	lab.callbacks_queued = 0;
	lab.callbacks_run = 0;
	lab.sleepers = 0;
	lab.state = 0;
	lab.drained = 0;
	lab.failed = false;
	lab.abandoned = false;
	lab.skipped = false;
}

static void run_execution(void)
{
	lab.execution++;
	lab.inside = true;
	arm_lanes();
	if (lab.model != LAB_SC)
		begin_model();
	if (lab.program->prepare)
		lab.program->prepare(lab.program->context);
	if (!lab.recording)
		begin_walk();
	lab.mode = MODE_START;
	lab.started = 1;
	lab.current = 0;
	lab_fiber_switch(&lab.host, &lane(0)->fiber, false);
	bool complete = lab.mode == MODE_RUN && !lab.failed;
	lab.mode = MODE_OFF;
	if (complete && lab.program->conclude)
		lab.program->conclude(lab.program->context);
	if (!lab.recording)
		end_walk();
	lab.statistics.executions++;
	lab.statistics.steps += lab.depth;
	if (lab.depth > lab.statistics.longest)
		lab.statistics.longest = lab.depth;
	if (complete && !(lab.recording && is_others_execution()))
		lab.statistics.complete++;
	lab.events_count = lab.depth;
	/* Plain lists and counters of the library may have changed beside the words. */
	restore_memory(lab.abandoned || lab.failed || !lab.program->words_only);
	lab.inside = false;
}

/* ---- the self-check -------------------------------------------------------------------------- */

/* What threads did and saw; no addresses, which may differ. */
static uint64_t trace_hash(void)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (unsigned int i = 0; i < lab.depth; i++) {
		const struct lab_event *event = &lab.events[i];
		/* What a store finds may be what an earlier call left on its thread's stack. */
		bool stores = event->kind == LAB_STORE || event->kind == LAB_FLUSH;
		const uint64_t words[] = {(uintptr_t)event->site,
					  event->thread,
					  event->kind,
					  event->enabled,
					  stores ? 0 : event->before,
					  event->after,
					  stores ? 0 : event->read};
		for (unsigned int n = 0; n < sizeof(words) / sizeof(words[0]); n++)
			hash = (hash ^ words[n]) * 0x100000001b3u;
	}
	return hash;
}

/*
 * Runs the last execution once more by its choices: the same has to come out, or the program
 * depends on something that the lab neither schedules nor puts back.
 */
static void check_determinism(void)
{
	static unsigned char choices[LAB_STEPS_MAX];
	const struct lab_search search = lab.search;
	const struct lab_statistics statistics = lab.statistics;
	const bool recording = lab.recording;
	const unsigned int depth = lab.depth;
	const uint64_t hash = trace_hash();
	for (unsigned int i = 0; i < depth; i++)
		choices[i] = (unsigned char)(lab.events[i].thread | lab.events[i].choice << 4);
	lab.search.strategy = LAB_REPLAY;
	lab.search.choices = choices;
	lab.search.values = NULL;
	lab.search.choices_count = depth;
	lab.recording = false;
	run_execution();
	lab.recording = recording;
	lab.search = search;
	lab.statistics = statistics;
	if (!lab.failed && (lab.depth != depth || trace_hash() != hash))
		fail_at("NONDETERMINISM", UINT64_MAX,
			"the same schedule went another way when it was run again: the program "
			"depends on something that the lab does not put back");
	lab.depth = depth;
}

/* How many executions go by between two of these checks. */
#define CHECK_PERIOD 1024u

void lab_begin(const struct lab_search *search)
{
	lab.search = *search;
	lab.model = search->model;
	if (!lab.search.steps || lab.search.steps > LAB_STEPS_MAX)
		lab.search.steps = LAB_STEPS_MAX;
	lab.recording = search->strategy == LAB_SCHEDULES || search->strategy == LAB_CLASSES ||
			search->strategy == LAB_STATES;
	memset(&lab.statistics, 0, sizeof(lab.statistics));
	memset(lab.left, 0, sizeof(lab.left));
	lab.failed = false;
	lab.exhausted = false;
	lab.restart = false;
	forget_search();
	begin_pairs();
}

static void begin_anew(void)
{
	uint64_t restarts = lab.statistics.restarts + 1;
	memset(&lab.statistics, 0, sizeof(lab.statistics));
	lab.statistics.restarts = restarts;
	lab.restart = false;
	forget_search();
}

enum lab_end lab_explore(uint64_t executions)
{
	if (!model_suits(&lab.search, lab.program))
		return LAB_REFUSED;
	(void)cfolio_seam_enter(lab.model == LAB_SC ? &lab_hooks : &lab_weak_hooks);
	enum lab_end end = LAB_LIMIT;
	while (executions-- > 0) {
		if (lab.recording && lab.exhausted) {
			end = LAB_DONE;
			break;
		}
		struct lab_statistics before = lab.statistics;
		run_execution();
		/* A trace without the steps on that word could not be repeated: it comes again. */
		if (lab.restart && (lab.recording || lab.search.strategy == LAB_REPLAY)) {
			executions += lab.search.strategy == LAB_REPLAY;
			lab.failed = false;
			begin_anew();
			continue;
		}
		/* A walk is a function of its number and of what is shared: now that is known. */
		if (unlikely(lab.restart) && !lab.recording &&
		    (!lab.failed || lab.model != LAB_SC)) {
			lab.failed = false;
			lab.restart = false;
			lab.statistics = before;
			lab.statistics.restarts++;
			executions++;
			continue;
		}
		if (unlikely(lab.statistics.executions % CHECK_PERIOD == 1) && !lab.failed &&
		    !lab.restart && lab.statistics.complete > before.complete)
			check_determinism();
		if (lab.failed) {
			end = LAB_FINDING;
			if (lab.recording)
				lab.exhausted = !backtrack();
			break;
		}
		if (lab.recording)
			lab.exhausted = !backtrack();
	}
	if (end == LAB_LIMIT && lab.recording && lab.exhausted)
		end = LAB_DONE;
	(void)cfolio_seam_enter(NULL);
	return end;
}

bool lab_is_built_in(void)
{
	return cfolio_seam_enter(NULL);
}

bool lab_open(void)
{
	if (!lab_is_built_in())
		return false;
	if (!lab.steps) {
		lab.steps = calloc(LAB_STEPS_MAX + 1, sizeof(*lab.steps));
		lab.events = calloc(LAB_STEPS_MAX + 1, sizeof(*lab.events));
		if (!lab.steps || !lab.events)
			return false;
		lab_fiber_adopt(&lab.host);
		prepare_choices();
	}
	lab.mode = MODE_OFF;
	lab.current = HOST;
	lab.program = NULL;
	lab.failed = false;
	forget_objects();
	return memory_open();
}

void lab_as_guest(void (*function)(void *context), void *context)
{
	(void)cfolio_seam_enter(&lab_hooks);
	lab.mode = MODE_OFF;
	lab.current = HOST;
	function(context);
	(void)cfolio_seam_enter(NULL);
}

bool lab_load(const struct lab_program *program)
{
	if (program->threads == 0 || program->threads > LAB_THREADS_MAX)
		return false;
	for (unsigned int i = 0; i <= program->threads; i++)
		if (!lane(i)->fiber.stack && !lab_fiber_create(&lane(i)->fiber))
			return false;
	lab.copy = *program;
	lab.program = &lab.copy;
	lab.statistics.restarts = 0;
	return snapshot_memory();
}

void lab_unload(void)
{
	forget_search();
	forget_snapshot();
	lab.program = NULL;
}

const struct lab_statistics *lab_statistics(void)
{
	return &lab.statistics;
}

const struct lab_finding *lab_finding(void)
{
	return lab.failed ? &lab.finding : NULL;
}

const struct lab_event *lab_trace(unsigned int *count)
{
	*count = lab.events_count;
	return lab.events;
}

extern const struct seam_site __start_folio_sites[] __attribute__((weak));
extern const struct seam_site __stop_folio_sites[] __attribute__((weak));

const struct seam_site *lab_sites(unsigned int *count)
{
	*count = __start_folio_sites ? (unsigned int)(__stop_folio_sites - __start_folio_sites) : 0;
	return __start_folio_sites;
}

bool lab_standing(unsigned int thread, struct lab_event *event)
{
	if (thread >= LAB_LANES || !(lab.alive >> thread & 1))
		return false;
	const struct operation *pending = &lane(thread)->pending;
	*event = (struct lab_event){.site = pending->site,
				    .thread = (unsigned char)thread,
				    .kind = pending->kind,
				    .order = pending->order,
				    .bytes = pending->bytes};
	return true;
}

enum lab_model lab_model_now(void)
{
	return lab.model;
}

unsigned int lab_thread(void)
{
	return lab.current;
}

bool lab_exploring(void)
{
	return lab.mode != MODE_OFF;
}
