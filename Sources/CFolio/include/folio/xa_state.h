/* SPDX-License-Identifier: MIT */
/*
 * The cursor of an XArray: a place in the tree that several steps share under one lock or read
 * section. Plain lookups and stores are in folio/xarray.h, which includes this file. Mirrors the
 * xas_* half of the kernel's xarray.h (spec: dax.md, end of section 3).
 *
 * A cursor belongs to one thread. It is placed by a call that walks, and stays usable for
 * iteration and marks while the caller holds xa_lock without changing the array through anything
 * but this cursor, or stays in one read section. Before either ends: xas_pause() to go on with the
 * next entry, xas_reset() to look at the same index again. xas_load() and xas_store() walk from
 * the top each time, so a stale cursor cannot lead them to a freed node.
 *
 * Errors stick: after xas_set_err() or a failed store every call does nothing until xas_reset(),
 * xas_set() or a successful xas_nomem().
 */
#ifndef FOLIO_XA_STATE_H
#define FOLIO_XA_STATE_H

#include <folio/xarray.h>

FOLIO_ASSUME_NONNULL_BEGIN

struct xa_node;

/** All fields belong to the cursor's thread. */
struct xa_state {
	struct xarray *xa;
	unsigned long xa_index;	 /**< the index looked at; xas_find() moves it */
	unsigned char xa_order;	 /**< a store covers 2^xa_order aligned indices around xa_index */
	unsigned char xa_offset; /**< slot of the entry in xa_node, the first when it has several */
	unsigned char xa_needed; /**< nodes that the store which set -ENOMEM needs */
	unsigned char xa_spares; /**< nodes in the list xa_alloc */
	/** The placed cursor's node, an error, or one of the words below. */
	struct xa_node *_Nullable xa_node;
	struct xa_node *_Nullable xa_alloc;
};

/** Past the last entry: iteration has ended. */
#define XAS_BOUNDS ((struct xa_node *)1UL)
/** Not placed: the next call walks from the top. */
#define XAS_RESTART ((struct xa_node *)3UL)

#define XA_STATE_ORDER(name, array, index, order)                                                  \
	struct xa_state name = cfolio_xa_state(array, index, order)
#define XA_STATE(name, array, index) XA_STATE_ORDER(name, array, index, 0)

/** -errno of the cursor, or 0. */
static inline int xas_error(const struct xa_state *xas)
{
	return xa_err(xas->xa_node);
}

/** Makes every further call do nothing. error is negative. */
static inline void xas_set_err(struct xa_state *xas, long error)
{
	xas->xa_node = (struct xa_node *)XA_ERROR(error);
}

/** True when the cursor is not placed: not walked yet, behind the end, or on an error. */
static inline bool xas_invalid(const struct xa_state *xas)
{
	return !xas->xa_node || ((unsigned long)xas->xa_node & 3) != 0;
}

/** Forgets place and error; keeps the index. */
static inline void xas_reset(struct xa_state *xas)
{
	xas->xa_node = XAS_RESTART;
}

/** Goes to an index; keeps the order. */
static inline void xas_set(struct xa_state *xas, unsigned long index)
{
	xas->xa_index = index;
	xas->xa_node = XAS_RESTART;
}

/** Goes to the aligned range of 2^order indices around the index. BUG when order > XA_MAX_ORDER. */
static inline void xas_set_order(struct xa_state *xas, unsigned long index, unsigned int order)
{
	FOLIO_BUG_ON(order > XA_MAX_ORDER, "XA", NULL, "order %u of an XArray entry", order);
	xas->xa_index = index >> order << order;
	xas->xa_order = (unsigned char)order;
	xas->xa_node = XAS_RESTART;
}

/** A fresh cursor at the aligned range of 2^order indices around the index. */
static inline struct xa_state cfolio_xa_state(struct xarray *xa, unsigned long index,
					      unsigned int order)
{
	struct xa_state xas = {.xa = xa, .xa_alloc = NULL};
	xas_set_order(&xas, index, order);
	return xas;
}

static inline void xas_lock(struct xa_state *xas)
{
	xa_lock(xas->xa);
}

static inline void xas_unlock(struct xa_state *xas)
{
	xa_unlock(xas->xa);
}

/**
 * True when the entry is XA_RETRY_ENTRY; the cursor is then reset. Calls of this file retry by
 * themselves and never return one: for callers that pass the word on in-band.
 */
static inline bool xas_retry(struct xa_state *xas, const void *_Nullable entry)
{
	if (entry != XA_RETRY_ENTRY)
		return false;
	xas_reset(xas);
	return true;
}

/**
 * Walks to the entry that covers xa_index, whatever its order, and returns it or NULL. Leaves
 * xa_index and xa_order alone. Context: a read section or xa_lock. Lock-free, ACQ-LD.
 */
void *_Nullable xas_load(struct xa_state *xas);

/**
 * Stores over the aligned range of 2^xa_order indices around xa_index (cases 1 and 2 of
 * folio/xarray.h) and stays at the entry. Returns the lowest of the entries replaced, or NULL.
 * Without memory: NULL, xas_error() is -ENOMEM and nothing has changed; -EINVAL for an internal
 * entry. NULL never fails. Context: xa_lock.
 */
void *_Nullable xas_store(struct xa_state *xas, void *_Nullable entry);

/**
 * After a failed store and with the lock dropped: allocates what it needs; true: lock and store
 * again. False: there was no -ENOMEM, or no memory (the error stays); every spare node is freed, so
 * a loop that ends here leaks nothing. Context: no lock, read sections allowed.
 */
bool xas_nomem(struct xa_state *xas) __must_check;
/** Frees spare nodes of a cursor that is given up after xas_nomem() said true. */
void xas_destroy(struct xa_state *xas);

/**
 * The next entry at or before max. Not placed: the first whose range touches [xa_index, max];
 * placed: the first behind the current entry. xa_index moves to the first index >= the old one that
 * it covers. NULL: none; a larger max goes on from there, unless the array's end was reached.
 * Every entry that is there from the first to the last call is returned exactly once, in order.
 * Context: as xas_load().
 */
void *_Nullable xas_find(struct xa_state *xas, unsigned long max);
/** xas_find() with the step inside a leaf node made short. */
void *_Nullable xas_next_entry(struct xa_state *xas, unsigned long max);
/**
 * xas_find() among entries with the mark. Mark and entry are two words: without the lock an entry
 * may be returned whose mark is just being cleared.
 */
void *_Nullable xas_find_marked(struct xa_state *xas, unsigned long max, xa_mark_t mark);
/**
 * Any entry that touches the cursor's aligned range, smaller or larger ones too; called again, the
 * next. xa_index moves to it (within the range). NULL: no (more) conflicts, the cursor is back at
 * the start of the range, not placed. Context: xa_lock.
 */
void *_Nullable xas_find_conflict(struct xa_state *xas);

/**
 * Before lock or read section are left in the midst of an iteration: moves xa_index behind the
 * current entry, however large, and forgets the place. Does nothing to a cursor that is not placed.
 */
void xas_pause(struct xa_state *xas);

/** Order of the entry the cursor is placed at, 0 when it is placed at none. Context: xa_lock. */
int xas_get_order(struct xa_state *xas);

/** Marks the entry the cursor is placed at; nothing when it is placed at none. Context: xa_lock. */
void xas_set_mark(struct xa_state *xas, xa_mark_t mark);
void xas_clear_mark(struct xa_state *xas, xa_mark_t mark);
/** Context: as xas_load(). */
bool xas_get_mark(const struct xa_state *xas, xa_mark_t mark);

#define xas_for_each(xas, entry, max)                                                              \
	for (entry = xas_find(xas, max); entry; entry = xas_next_entry(xas, max))
#define xas_for_each_marked(xas, entry, max, mark)                                                 \
	for (entry = xas_find_marked(xas, max, mark); entry;                                       \
	     entry = xas_find_marked(xas, max, mark))
#define xas_for_each_conflict(xas, entry) while ((entry = xas_find_conflict(xas)))

FOLIO_ASSUME_NONNULL_END

#endif
