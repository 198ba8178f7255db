// SPDX-License-Identifier: MIT
/*
 * How far a systematic search is. At each step of the current prefix some of the threads that are
 * to be tried there have been, with everything below them; if all of them have equally much below,
 * the shares of what is done add up to the share of the whole. More may turn out to be tried, so
 * this is an estimate, and mostly too high.
 */
#include "engine.h"

double lab_estimate(void)
{
	double share = 1, done = 0;
	bool classes = lab.search.strategy == LAB_CLASSES;
	if (lab.search.strategy < LAB_SCHEDULES || !lab.steps)
		return 0;
	for (unsigned int i = 0; i <= lab.replay && i < lab.depth; i++) {
		const struct step *s = &lab.steps[i];
		unsigned int tried = s->done & ~(1u << s->thread);
		unsigned int all = s->backtrack | s->done | 1u << s->thread;
		if (classes)
			all &= ~(unsigned int)s->sleep | s->done | 1u << s->thread;
		unsigned int values = s->choices ? s->choices : 1;
		share /= __builtin_popcount(all) * values;
		done += share * (__builtin_popcount(tried) * values + s->choice);
	}
	return done < 1 ? done : 1;
}
