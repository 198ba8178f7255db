// SPDX-License-Identifier: MIT
/*
 * What orders threads under C11 beside the words themselves: fences, grace periods, wakes. See
 * history.h.
 */
#include "history.h"

struct observer observers[LAB_LANES + 1];
static struct view fences; /* sequentially consistent fences so far */
static struct view begun;  /* grace periods that began */
static struct view ran;	   /* deferred calls that ran */
static struct view graces[LAB_LANES + LAB_CALLBACKS_MAX];
static struct view deferred[LAB_CALLBACKS_MAX];

void begin_orders(void)
{
	for (unsigned int i = 0; i <= lab.program->threads; i++) {
		struct observer *o = &observers[i];
		o->current.used = o->pending.used = o->fence.used = 0;
		o->unlock.used = o->wake.used = 0;
		graces[i].used = 0;
	}
	fences.used = begun.used = ran.used = 0;
}

/* ---- fences ---------------------------------------------------------------------------------- */

void history_fence(int order)
{
	struct observer *o = observing();
	if (acquires((unsigned int)order))
		view_join(&o->current, &o->pending);
	if (order == __ATOMIC_SEQ_CST) {
		/* Sequentially consistent accesses before it are known behind it, and the reverse.
		 */
		for (unsigned int i = 0; i < locations_used; i++)
			for (unsigned int half = 0; half < 2; half++)
				if (locations[i].consistent[half])
					know(&fences, entry_of(&locations[i], half),
					     locations[i].consistent[half]);
		view_join(&o->current, &fences);
		view_copy(&fences, &o->current);
		for (unsigned int i = 0; i < locations_used; i++)
			for (unsigned int half = 0; half < 2; half++)
				locations[i].consistent[half] =
					known(&fences, entry_of(&locations[i], half));
	}
	if (releases((unsigned int)order))
		view_copy(&o->fence, &o->current);
}

/* ---- grace periods, wakes -------------------------------------------------------------------- */

static void capture_unlocks(struct view *grace)
{
	grace->used = 0;
	for (unsigned int i = 0; i <= lab.program->threads; i++)
		view_join(grace, &observers[i].unlock);
}

void history_grace_begins(unsigned int who)
{
	history_fence(__ATOMIC_SEQ_CST);
	view_join(&begun, &observing()->current);
	capture_unlocks(&graces[who]);
}

void history_section_begins(void)
{
	view_join(&observing()->current, &begun);
}

void history_section_ends(unsigned int number)
{
	view_copy(&observers[number].unlock, &observers[number].current);
}

void history_reader_left(unsigned int who, unsigned int number)
{
	view_join(&graces[who], &observers[number].current);
}

void history_grace_ends(unsigned int who)
{
	view_join(&observing()->current, &graces[who]);
	history_fence(__ATOMIC_SEQ_CST);
}

void history_deferred(unsigned int slot)
{
	view_join(&begun, &observing()->current);
	view_copy(&deferred[slot], &observing()->current);
	capture_unlocks(&graces[LAB_LANES + slot]);
}

void history_runs_deferred(unsigned int slot)
{
	view_join(&observing()->current, &deferred[slot]);
	view_join(&observing()->current, &graces[LAB_LANES + slot]);
}

void history_ran_deferred(void)
{
	view_copy(&ran, &observing()->current);
}

void history_barrier(void)
{
	view_join(&observing()->current, &ran);
}

void history_wakes(unsigned int sleeper)
{
	view_copy(&observers[sleeper].wake, &observing()->current);
}

void history_resumes(void)
{
	view_join(&observing()->current, &observing()->wake);
}
