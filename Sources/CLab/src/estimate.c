// SPDX-License-Identifier: MIT
/*
 * How far a systematic search is. At each step of the current prefix some of the threads that are
 * to be tried there have been, with everything below them. Those that come later have less below
 * them where what was tried sleeps: of classes each is taken to have a quarter of the one before,
 * which was within a factor of 2 where it was looked at. Shares of what is done add up to the share
 * of the whole. An estimate: more may turn out to be tried, and no two searches are alike.
 */
#include "engine.h"

/* The share of the first `tried` of `all` siblings. */
static double part(int tried, int all)
{
	if (lab.search.strategy != LAB_CLASSES)
		return (double)tried / all;
	return (1 - __builtin_ldexp(1, -2 * tried)) / (1 - __builtin_ldexp(1, -2 * all));
}

double lab_estimate(void)
{
	double share = 1, done = 0;
	if (lab.search.strategy < LAB_SCHEDULES || !lab.steps)
		return 0;
	for (unsigned int i = 0; i <= lab.replay && i < lab.depth; i++) {
		const struct step *s = &lab.steps[i];
		unsigned int left = s->backtrack;
		if (lab.search.strategy == LAB_CLASSES)
			left &= ~(unsigned int)s->sleep;
		int tried = __builtin_popcount(s->done & ~(1u << s->thread));
		int all = __builtin_popcount(left | s->done | 1u << s->thread);
		double own = part(tried + 1, all) - part(tried, all);
		own /= s->choices ? s->choices : 1;
		done += share * (part(tried, all) + own * s->choice);
		share *= own;
	}
	return done < 1 ? done : 1;
}
