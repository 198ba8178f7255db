// SPDX-License-Identifier: MIT
/*
 * Executions from beginning to end: threads armed, the program run and put back, the self-check,
 * and what lab.h offers to run them. See engine.h.
 */
#include "model.h"
#include "sanitizer.h"

#include <stdlib.h>
#include <string.h>

static void arm_lanes(void)
{
	for (unsigned int i = 0; lab.abandoned && i < LAB_LANES; i++)
		if (lane(i)->fiber.stack)
			lab_fiber_renew(&lane(i)->fiber, &lab.host);
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
	lab.decisions = 0;
	lab.callbacks_queued = 0;
	lab.callbacks_run = 0;
	lab.sleepers = 0;
	lab.state = 0;
	lab.drained = 0;
	lab.unstepped = 0;
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
	tell_execution_begins();
	lab_fiber_switch(&lab.host, &lane(0)->fiber);
	tell_execution_ends();
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
	if (complete && takes_turns(lab.depth))
		lab.statistics.unfair++;
	else if (complete && !(lab.recording && is_others_execution()))
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
	const unsigned int depth = lab.depth, decisions = lab.decisions;
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
	lab.decisions = decisions;
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
	lab.fair_from = lab.search.steps / 2;
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
	(void)cfolio_seam_enter(told_hooks(hooks_for(lab.model)));
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

enum lab_end lab_run_bytes(const unsigned char *bytes, unsigned int count)
{
	lab.search.choices = bytes;
	lab.search.choices_count = count;
	enum lab_end end = lab_explore(1);
	lab.search.choices = NULL;
	lab.search.choices_count = 0;
	return end;
}

unsigned int lab_decisions(void)
{
	return lab.decisions;
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
	(void)cfolio_seam_enter(hooks_for(LAB_SC));
	lab.mode = MODE_OFF;
	lab.current = HOST;
	lab.failed = false;
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
