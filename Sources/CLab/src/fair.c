// SPDX-License-Identifier: MIT
/*
 * Liveness under fairness. A search may choose so that a thread that waits for another spins for
 * ever; no scheduler does. So an execution that has become very long goes on with threads taking
 * turns: of those that can go on, the one that waited longest. A lock that becomes free for a
 * moment goes to who waits (strong fairness), and loads see the last store. What ends then was the
 * search's doing (statistics.unfair). What does not end is
 *   STARVATION  some thread could not go on even once while others did, turn after turn
 *   LIVELOCK    every thread that is left had its turns, and none ends
 */
#include "engine.h"

#include <stdio.h>

unsigned int choose_fairly(unsigned short enabled)
{
	if (lab.search.strategy == LAB_REPLAY && lab.depth < lab.search.choices_count)
		return choose_walk(enabled);
	unsigned int next = (unsigned int)__builtin_ctz(enabled);
	for (unsigned int rest = enabled; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		if (lane(number)->last_step < lane(next)->last_step)
			next = number;
	}
	return next;
}

static void list(char text[64], unsigned int lanes)
{
	size_t used = 0;
	text[0] = 0;
	for (unsigned int rest = lanes; rest && used < 56; rest &= rest - 1)
		used += (size_t)snprintf(text + used, 64 - used, "%s%u", used ? ", " : "",
					 (unsigned int)__builtin_ctz(rest));
}

void report_no_end(void)
{
	unsigned int left = lab.alive & program_lanes(), waiting = 0;
	for (unsigned int rest = left; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		if (lane(number)->last_step < (int)lab.fair_from)
			waiting |= bit(number);
	}
	char message[192], names[64], others[64];
	unsigned int turns = lab.depth - lab.fair_from;
	list(names, waiting ? waiting : left);
	list(others, left & ~waiting);
	if (waiting)
		snprintf(message, sizeof(message),
			 "thread %s waits while thread %s goes on for %u steps in turns", names,
			 others, turns);
	else
		snprintf(message, sizeof(message),
			 "thread %s had %u steps in turns and does not end", names, turns);
	fail_at(waiting ? "STARVATION" : "LIVELOCK", UINT64_MAX, message);
}
