// SPDX-License-Identifier: MIT
/*
 * Random walks. Each execution is a function of the seed and its number, so it can be had again:
 *   RANDOM  each enabled thread is as likely as the others.
 *   PCT     the thread of highest priority goes on; at depth - 1 steps chosen beforehand out of k
 *           the running thread becomes the lowest. Finds a bug of that depth with probability at
 *           least 1 / (n k^(depth - 1)). k is learned: the most steps with a choice seen so far.
 *   POS     the pending operation of highest priority goes first; priorities are drawn again for
 *           operations that the executed one conflicts with.
 *   URW     each thread is as likely as it has steps left, as learned from earlier executions.
 *   REPLAY  the given choices.
 *   BYTES   a byte per decision: see lab_run_bytes().
 */
#include "step.h"

void begin_walk(void)
{
	uint64_t number = lab.statistics.executions;
	if (lab.search.shards > 1)
		number = number * lab.search.shards + lab.search.shard;
	lab.random = lab.search.seed + mix(number + 1);
	if (lab.search.strategy == LAB_POS) {
		for (unsigned int i = 0; i < lane_count(); i++)
			lane(i)->priority = next_random() | 1;
		return;
	}
	if (lab.search.strategy != LAB_PCT)
		return;
	unsigned int depth = lab.search.depth ? lab.search.depth : 2 + below(5);
	unsigned int choices = lab.statistics.most_choices ? lab.statistics.most_choices : 8;
	lab.changes = depth - 1 < 8 ? depth - 1 : 8;
	for (unsigned int i = 0; i < lab.changes; i++)
		lab.change_points[i] = below(choices) + 1;
	for (unsigned int i = 0; i < lane_count(); i++)
		lane(i)->priority = next_random() | (uint64_t)1 << 63;
	lab.lowest_priority = (uint64_t)1 << 62;
}

static unsigned int highest(unsigned short lanes)
{
	unsigned int best = LAB_NONE;
	for (unsigned int rest = lanes; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		if (best == LAB_NONE || lane(number)->priority > lane(best)->priority)
			best = number;
	}
	return best;
}

unsigned char nth_of_byte[256][8];
unsigned char bits_of_byte[256];

void prepare_choices(void)
{
	for (unsigned int byte = 1; byte < 256; byte++) {
		unsigned char n = 0;
		for (unsigned int rest = byte; rest; rest &= rest - 1)
			nth_of_byte[byte][n++] = (unsigned char)__builtin_ctz(rest);
		bits_of_byte[byte] = n;
	}
}

unsigned int nth_of_many(unsigned short lanes, unsigned int n)
{
	unsigned int rest = lanes;
	while (n-- > 0)
		rest &= rest - 1;
	return (unsigned int)__builtin_ctz(rest);
}

static unsigned int weighted(unsigned short lanes)
{
	unsigned int weights[LAB_LANES], total = 0;
	for (unsigned int rest = lanes; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		unsigned int taken = lane(number)->steps;
		weights[number] = lab.left[number] > taken ? lab.left[number] - taken : 1;
		total += weights[number];
	}
	unsigned int drawn = below(total);
	for (unsigned int rest = lanes; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		if (drawn < weights[number])
			return number;
		drawn -= weights[number];
	}
	return (unsigned int)__builtin_ctz(lanes);
}

/* BYTES: the next one; 0 behind the last. */
static unsigned int next_byte(void)
{
	unsigned int nth = lab.decisions++;
	return nth < lab.search.choices_count ? lab.search.choices[nth] : 0;
}

/* Number 0 is the lane that ran last, where it can go on. */
static unsigned int lane_of_byte(unsigned short enabled)
{
	unsigned int number = next_byte() % (unsigned int)__builtin_popcount(enabled);
	unsigned short last = lab.depth ? bit(lab.events[lab.depth - 1].thread) & enabled : 0;
	if (!last)
		return nth(enabled, number);
	if (number == 0)
		return (unsigned int)__builtin_ctz(last);
	return nth(enabled & (unsigned short)~last, number - 1);
}

unsigned int choose_walk(unsigned short enabled)
{
	lab.choices++;
	switch (lab.search.strategy) {
	case LAB_PCT:
		for (unsigned int i = 0; i < lab.changes; i++)
			if (lab.change_points[i] == lab.choices && lab.depth > 0)
				lane(lab.events[lab.depth - 1].thread)->priority =
					--lab.lowest_priority;
		return highest(enabled);
	case LAB_POS:
		return highest(enabled);
	case LAB_URW:
		return weighted(enabled);
	case LAB_BYTES:
		return lane_of_byte(enabled);
	case LAB_REPLAY: {
		unsigned int wanted = LAB_LANES;
		if (lab.depth < lab.search.choices_count)
			wanted = lab.search.choices[lab.depth] & 15u;
		if (wanted < LAB_LANES && (enabled >> wanted & 1))
			return wanted;
		return (unsigned int)__builtin_ctz(enabled);
	}
	default:
		return choose_at_random(enabled);
	}
}

unsigned int choose_value_of_walk(unsigned int index, unsigned int count)
{
	if (lab.search.strategy == LAB_REPLAY) {
		unsigned int wanted = 0;
		if (lab.search.values) {
			unsigned int nth = lab.values_chosen++;
			if (nth < lab.search.values_count)
				wanted = lab.search.values[nth];
		} else if (index < lab.search.choices_count)
			wanted = lab.search.choices[index] >> 4;
		return wanted < count ? wanted : 0;
	}
	if (lab.search.strategy == LAB_BYTES)
		return next_byte() % count;
	/* As often the last as all the others together. */
	return below(2) ? 0 : 1 + below(count - 1);
}

void draw_again(unsigned int index)
{
	const struct lab_event *event = &lab.events[index];
	lane(event->thread)->priority = next_random() | 1;
	if (!event->address)
		return;
	bool wrote = event->before != event->after || event->kind != LAB_LOAD;
	for (unsigned int rest = lab.alive; rest; rest &= rest - 1) {
		unsigned int number = (unsigned int)__builtin_ctz(rest);
		const struct operation *pending = &lane(number)->pending;
		if (pending->address == event->address && (wrote || pending->kind != LAB_LOAD))
			lane(number)->priority = next_random() | 1;
	}
}

/* After an execution: what was learned. */
void end_walk(void)
{
	if (lab.choices > lab.statistics.most_choices)
		lab.statistics.most_choices = lab.choices;
	for (unsigned int i = 0; i < lane_count(); i++)
		if (lane(i)->steps > lab.left[i])
			lab.left[i] = lane(i)->steps;
}
