/* SPDX-License-Identifier: MIT */
/*
 * Store histories and views of the C11 model, for its files: history.c, what words hold; orders.c,
 * fences, grace periods and wakes; plain.c, races on plain words.
 */
#ifndef LAB_HISTORY_H
#define LAB_HISTORY_H

#include "model.h"

#include <string.h>

#define LOCATIONS 512u
#define STORES_KEPT 16u
/** Entries of a view: plain accesses of each lane, then two halves of each location. */
#define VIEW_ENTRIES (LAB_LANES + 2 * LOCATIONS)

/* Entries from `used` on are 0. */
struct view {
	unsigned int used;
	uint16_t at[VIEW_ENTRIES];
};

/* A store to one half of a word; a store to both is one in each, with the same number. */
struct message {
	uint32_t value;
	uint16_t number; /* of the word's stores; 0 is what memory held */
	int step;	 /* -1: what memory held */
	struct view view;
};

struct location {
	uint16_t last; /* number of the last store */
	/* Sequentially consistent accesses know this much of it. */
	uint16_t consistent[2];
	uint32_t kept[2]; /* stores to this half so far, the initial one included */
	struct message stores[2][STORES_KEPT];
};

struct observer {
	struct view current;
	struct view pending; /* what relaxed loads read, for an acquire fence */
	struct view fence;   /* what relaxed stores carry, from the last release fence */
	struct view unlock;  /* at the end of its read sections so far */
	struct view wake;    /* of who woke it */
};

extern struct location locations[LOCATIONS];
extern unsigned int locations_used;
extern struct observer observers[LAB_LANES + 1];

/** Grows when a view may have been made of a lane's; for the clocks of plain accesses. */
extern uint32_t views_made;

static inline void view_join(struct view *into, const struct view *from)
{
	views_made++;
	if (into->used < from->used) {
		memset(into->at + into->used, 0, (from->used - into->used) * sizeof(*into->at));
		into->used = from->used;
	}
	for (unsigned int i = 0; i < from->used; i++)
		into->at[i] = into->at[i] > from->at[i] ? into->at[i] : from->at[i];
}

static inline void view_copy(struct view *into, const struct view *from)
{
	views_made++;
	into->used = from->used;
	memcpy(into->at, from->at, from->used * sizeof(*into->at));
}

static inline uint16_t known(const struct view *view, unsigned int entry)
{
	return entry < view->used ? view->at[entry] : 0;
}

static inline void know(struct view *view, unsigned int entry, uint16_t number)
{
	if (view->used <= entry) {
		memset(view->at + view->used, 0, (entry + 1 - view->used) * sizeof(*view->at));
		view->used = entry + 1;
	}
	if (view->at[entry] < number)
		view->at[entry] = number;
}

static inline struct observer *observing(void)
{
	return &observers[lab.current];
}

static inline unsigned int entry_of(const struct location *location, unsigned int half)
{
	return LAB_LANES + 2 * (unsigned int)(location - locations) + half;
}

static inline bool acquires(unsigned int order)
{
	return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME ||
	       order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static inline bool releases(unsigned int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/** Nothing is known of fences, grace periods and wakes. */
void begin_orders(void);

#endif
