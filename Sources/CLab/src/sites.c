// SPDX-License-Identifier: MIT
/*
 * Which places in the sources the lab has come to. Noting them costs every access a little, so the
 * functions that do are in a table of hooks of their own, used while somebody asks.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

extern const struct seam_site __start_folio_sites[] __attribute__((weak));
extern const struct seam_site __stop_folio_sites[] __attribute__((weak));

const struct seam_site *lab_sites(unsigned int *count)
{
	*count = __start_folio_sites ? (unsigned int)(__stop_folio_sites - __start_folio_sites) : 0;
	return __start_folio_sites;
}

static unsigned char *notes; /* enum lab_reach of each site; NULL: nobody asks */
static unsigned int notes_count;

/* Sites of scenarios' own words are not in the section: their index is beyond it. */
static void note(const struct seam_site *site)
{
	uintptr_t offset = (uintptr_t)site - (uintptr_t)__start_folio_sites;
	uintptr_t index = offset / sizeof(*site);
	if (index < notes_count && notes[index] != LAB_REACHED_BY_THREAD)
		notes[index] = lab.mode == MODE_OFF ? LAB_REACHED_OUTSIDE : LAB_REACHED_BY_THREAD;
}

static unsigned long noting_access(const struct seam_site *site, unsigned int access,
				   const volatile void *word, unsigned long operand,
				   unsigned long expected)
{
	note(site);
	return lab_access(site, access, word, operand, expected);
}

static void noting_fence(const struct seam_site *site, int order)
{
	(void)order;
	note(site);
}

static void noting_lock(const struct seam_site *site, const volatile void *word)
{
	note(site);
	hook_lock(site, word);
}

static bool noting_trylock(const struct seam_site *site, const volatile void *word)
{
	note(site);
	return hook_trylock(site, word);
}

static void noting_unlock(const struct seam_site *site, const volatile void *word, int order)
{
	note(site);
	hook_unlock(site, word, order);
}

static void noting_bit_lock(const struct seam_site *site, const volatile void *word,
			    unsigned long mask, int order)
{
	note(site);
	hook_bit_lock(site, word, mask, order);
}

bool lab_note_sites(bool on)
{
	unsigned int count;
	free(notes);
	notes = NULL;
	notes_count = 0;
	if (!on)
		return true;
	(void)lab_sites(&count);
	notes = calloc(count + 1, 1);
	if (!notes)
		return false;
	notes_count = count;
	return true;
}

enum lab_reach lab_site_reach(unsigned int index)
{
	return index < notes_count ? (enum lab_reach)notes[index] : LAB_NOT_REACHED;
}

const struct seam_hooks *hooks_for(enum lab_model model)
{
	static struct seam_hooks noting;
	if (model != LAB_SC)
		return &lab_weak_hooks;
	if (!notes && lab.search.strategy == LAB_STATES)
		return &lab_state_hooks;
	if (!notes)
		return lab.recording ? &lab_hooks : &lab_walk_hooks;
	noting = lab_hooks;
	noting.access = noting_access;
	noting.fence = noting_fence;
	noting.lock = noting_lock;
	noting.trylock = noting_trylock;
	noting.unlock = noting_unlock;
	noting.bit_lock = noting_bit_lock;
	return &noting;
}
