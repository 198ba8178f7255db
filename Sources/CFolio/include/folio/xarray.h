/* SPDX-License-Identifier: MIT */
/*
 * The XArray: a map from unsigned long to pointers or small integers, an RCU radix tree of 64-slot
 * nodes. Here: entries, struct xarray and the calls that look up, store and iterate. The cursor
 * (struct xa_state, xas_*) is in folio/xa_state.h, the nodes are private to src/. Mirrors the
 * kernel's xarray.h (spec: dax.md, end of section 3).
 *
 * Contexts. A lookup (xa_load, xa_find, xa_get_mark, xas_load, xas_find...) takes no lock: it runs
 * in a read section (xa_* opens its own) or under xa_lock. A change runs under xa_lock, which xa_*
 * takes itself and xas_* expects. Nothing here sleeps; memory that a change lacks is allocated
 * under the lock first, then, when that was refused, outside of it (xas_nomem()). There are no gfp
 * arguments.
 *
 * A multi-index entry covers 2^order indices, aligned to its size, and is seen from each of them.
 * Aligned ranges nest or are disjoint, so a store meets one of two cases:
 *   1. An entry that covers all of the store's range, and perhaps more: that entry is replaced
 *      whole and keeps its range. A store of NULL removes it whole.
 *   2. Entries inside the store's range, any number: all are replaced by one that covers the range.
 * A new entry carries the marks of every entry it replaces; storing NULL clears them.
 *
 * What a lookup may count on: it returns an entry that covered the index at some moment during the
 * call. A store in case 1 changes all covered indices at once; in case 2 one slot after the other.
 */
#ifndef FOLIO_XARRAY_H
#define FOLIO_XARRAY_H

#include <folio/bug.h>
#include <folio/lock.h>

FOLIO_ASSUME_NONNULL_BEGIN

/* ---- entries ---------------------------------------------------------------------------------
 *
 * Low bits of an entry: 00 a pointer, x1 a value (an integer shifted up by one), 10 internal:
 * nodes, siblings, errors, XA_RETRY_ENTRY. Internal entries cannot be stored (-EINVAL).
 */

/** A value entry that carries an integer of 63 bits. */
static inline void *xa_mk_value(unsigned long value)
{
	FOLIO_WARN_ON((long)value < 0, NULL, "XArray value entry wider than 63 bits");
	return (void *)((value << 1) | 1);
}

/** The integer of a value entry. */
static inline unsigned long xa_to_value(const void *_Nullable entry)
{
	return (unsigned long)entry >> 1;
}

static inline bool xa_is_value(const void *_Nullable entry)
{
	return ((unsigned long)entry & 1) != 0;
}

/** An internal entry; callers may use one as an in-band return, never store it. */
static inline void *xa_mk_internal(unsigned long value)
{
	return (void *)((value << 2) | 2);
}

static inline unsigned long xa_to_internal(const void *_Nullable entry)
{
	return (unsigned long)entry >> 2;
}

static inline bool xa_is_internal(const void *_Nullable entry)
{
	return ((unsigned long)entry & 3) == 2;
}

#define XA_MAX_ERRNO 4095

/** The internal entry that says -errno (a negative number goes in). */
#define XA_ERROR(error) ((void *)(((unsigned long)(long)(error) << 2) | 2))
/** Fills every slot of a node that has left the tree. Lookups retry on it and never return it. */
#define XA_RETRY_ENTRY xa_mk_internal(256)

/** True for what XA_ERROR() makes. */
static inline bool xa_is_err(const void *_Nullable entry)
{
	return xa_is_internal(entry) &&
	       (unsigned long)entry >= (unsigned long)XA_ERROR(-XA_MAX_ERRNO);
}

/** -errno of an error entry, 0 of any other. */
static inline int xa_err(const void *_Nullable entry)
{
	return xa_is_err(entry) ? (int)((long)entry >> 2) : 0;
}

/* ---- the array ------------------------------------------------------------------------------- */

/** One of three bits that an entry carries. */
typedef unsigned int xa_mark_t;

#define XA_MARK_0 0u
#define XA_MARK_1 1u
#define XA_MARK_2 2u
#define XA_MAX_MARKS 3u
/** Filter of xa_find(): every entry. */
#define XA_PRESENT 8u
/** Entries that a scan handles before it drops the lock with xas_pause(). */
#define XA_CHECK_SCHED 4096u
/** Orders are 0 ... 63. */
#define XA_MAX_ORDER 63u

struct xarray {
	spinlock_t xa_lock; /**< protects every change */
	shared_t xa_flags;  /**< BIT(mark): some entry has it; written under xa_lock, read RLX */
	shared_t xa_head;   /**< 0 or the top node; written under xa_lock REL-ST, read ACQ-LD */
} FOLIO_NONCOPYABLE;

extern struct lock_class cfolio_xa_lock_class;

/** Initialiser of a static array. */
#define XARRAY_INIT {SPIN_LOCK_INIT(&cfolio_xa_lock_class), {0}, {0}}
#define DEFINE_XARRAY(name) struct xarray name = XARRAY_INIT

/** Makes an empty array. */
void xa_init(struct xarray *xa);
/** The same, with a lock class of its own for the order checker. */
void cfolio_xa_init_class(struct xarray *xa, struct lock_class *_Nullable lock_class);
/** Removes every entry (what they point to is the caller's). The array may be used on. */
void xa_destroy(struct xarray *xa);

static inline void xa_lock(struct xarray *xa)
{
	spin_lock(&xa->xa_lock);
}

static inline bool __must_check xa_trylock(struct xarray *xa)
{
	return spin_trylock(&xa->xa_lock);
}

static inline void xa_unlock(struct xarray *xa)
{
	spin_unlock(&xa->xa_lock);
}

/** True when no index has an entry. RLX, a snapshot. */
static inline bool xa_empty(const struct xarray *xa)
{
	return READ_ONCE(xa->xa_head) == 0;
}

/** True when some entry carries the mark. RLX, a snapshot. */
static inline bool xa_marked(const struct xarray *xa, xa_mark_t mark)
{
	return (READ_ONCE(xa->xa_flags) & BIT(mark)) != 0;
}

/**
 * The entry that covers the index, or NULL. Lock-free: one load per level, a range of order k is
 * found k/6 levels above the leaves. ACQ-LD: what was written before the store is seen. The entry's
 * target must be kept alive by the caller's own read section or reference.
 */
void *_Nullable xa_load(struct xarray *xa, unsigned long index);
/** The same, ACQ-LD. Context: a read section of the caller, which is all that xa_load() adds. */
void *_Nullable cfolio_xa_load_rcu(const struct xarray *xa, unsigned long index);

/**
 * Stores at one index (or over the multi-index entry that covers it: case 1 above). Returns the
 * entry before, or XA_ERROR(-ENOMEM), XA_ERROR(-EINVAL) with nothing changed.
 */
void *_Nullable xa_store(struct xarray *xa, unsigned long index, void *_Nullable entry);
/** Removes the entry that covers the index and returns it. Cannot fail. */
void *_Nullable xa_erase(struct xarray *xa, unsigned long index);
/** Stores unless the index is covered: 0, -EBUSY, -ENOMEM, or -EINVAL (NULL or internal entry). */
int xa_insert(struct xarray *xa, unsigned long index, void *_Nullable entry) __must_check;
/**
 * Stores if the entry there is `old`. Returns what was there (equal to `old`: done) or an error
 * entry as xa_store() does.
 */
void *_Nullable xa_cmpxchg(struct xarray *xa, unsigned long index, void *_Nullable old,
			   void *_Nullable entry);
/**
 * Stores over [first, last] with the fewest aligned multi-index entries, each at its own height in
 * the tree. NULL removes and cannot fail. An entry that is larger than a piece of the range is
 * replaced whole, beyond the range too: exclude that with xa_find() or xas_find_conflict(). All or
 * nothing: NULL when done, XA_ERROR(-ENOMEM) or XA_ERROR(-EINVAL) (last < first, internal entry)
 * with nothing changed. Readers may see it half done.
 */
void *_Nullable xa_store_range(struct xarray *xa, unsigned long first, unsigned long last,
			       void *_Nullable entry);

/**
 * The first entry at or after *index, not after max, that passes the filter: XA_PRESENT or a mark.
 * *index becomes the first index >= the old one that it covers; unchanged when NULL is returned.
 * Every entry that is there during the whole call is found; others may be.
 */
void *_Nullable xa_find(struct xarray *xa, unsigned long *index, unsigned long max,
			xa_mark_t filter);
/** The same, beginning after the entry that covers *index. */
void *_Nullable xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max,
			      xa_mark_t filter);

/** Visits every entry in [start, last] once. C only. */
#define xa_for_each_range(xa, index, entry, start, last)                                           \
	for (index = (start), entry = xa_find(xa, &index, last, XA_PRESENT); entry;                \
	     entry = xa_find_after(xa, &index, last, XA_PRESENT))
#define xa_for_each(xa, index, entry) xa_for_each_range(xa, index, entry, 0, ~0UL)

/** Order of the entry that covers the index; 0 when there is none. Takes xa_lock. */
int xa_get_order(struct xarray *xa, unsigned long index);

/** Marks the entry that covers the index. Does nothing when there is none. */
void xa_set_mark(struct xarray *xa, unsigned long index, xa_mark_t mark);
void xa_clear_mark(struct xarray *xa, unsigned long index, xa_mark_t mark);
/** True when the index has a marked entry. Lock-free, RLX. */
bool xa_get_mark(struct xarray *xa, unsigned long index, xa_mark_t mark);

/* ---- checks ---------------------------------------------------------------------------------- */

/** Nodes allocated and not yet freed, by all arrays. After rcu_barrier() only live ones. */
long cfolio_xa_nodes(void);
/** Nodes in this array's tree. Takes xa_lock. */
long cfolio_xa_count_nodes(struct xarray *xa);
/** Recounts the tree under xa_lock; NULL, or what is wrong with it. */
const char *_Nullable cfolio_xa_verify(struct xarray *xa);

FOLIO_ASSUME_NONNULL_END

#include <folio/xa_state.h>

#endif
