// SPDX-License-Identifier: MIT
/*
 * Plain accesses under C11: one that is not known to the thread of another, of which one writes, is
 * a data race. Views count them per lane. See history.h.
 */
#include "history.h"

#include <stdio.h>

struct plain_word {
	uintptr_t address;
	uint64_t execution;
	unsigned char writer;
	uint16_t write; /* 0: none */
	const struct seam_site *write_site;
	uint16_t reads[LAB_LANES];
	const struct seam_site *read_sites[LAB_LANES];
};

#define PLAIN_WORDS 256u
static struct plain_word plain_words[PLAIN_WORDS];

static struct plain_word *plain_word(uintptr_t address)
{
	unsigned int slot = (unsigned int)((address * 0x9e3779b97f4a7c15u) >> 56);
	for (unsigned int tries = 0; tries < PLAIN_WORDS; tries++) {
		struct plain_word *w = &plain_words[(slot + tries) % PLAIN_WORDS];
		if (w->execution == lab.execution && w->address != address)
			continue;
		if (w->execution != lab.execution)
			*w = (struct plain_word){.address = address, .execution = lab.execution};
		return w;
	}
	fail_at("LAB", UINT64_MAX, "more plain words than the memory model keeps");
	stop_execution();
}

static void report_race(const struct seam_site *mine, bool writes, const struct seam_site *other,
			unsigned int lane_number, bool other_wrote)
{
	char message[sizeof(lab.finding.message)];
	snprintf(message, sizeof(message),
		 "thread %u %s %s and nothing orders it behind thread %u, which %s %s", lab.current,
		 writes ? "writes" : "reads", mine ? mine->text : "a plain word", lane_number,
		 other_wrote ? "wrote" : "read", other ? other->text : "it");
	fail_at("DATA-RACE", UINT64_MAX, message);
}

unsigned long history_plain(const struct seam_site *site, bool write, const volatile void *word,
			    unsigned long value)
{
	struct plain_word *w = plain_word((uintptr_t)word);
	struct view *view = &observing()->current;
	unsigned int me = lab.current;
	if (w->write && w->writer != me && known(view, w->writer) < w->write)
		report_race(site, write, w->write_site, w->writer, true);
	for (unsigned int i = 0; write && i < LAB_LANES; i++)
		if (w->reads[i] && i != me && known(view, i) < w->reads[i])
			report_race(site, true, w->read_sites[i], i, false);
	uint16_t now = (uint16_t)(known(view, me) + 1);
	know(view, me, now);
	if (!write) {
		w->reads[me] = now;
		w->read_sites[me] = site;
		return word_now(word, 4);
	}
	w->writer = (unsigned char)me;
	w->write = now;
	w->write_site = site;
	write_word(word, 4, value);
	return 0;
}
