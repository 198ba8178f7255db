// SPDX-License-Identifier: MIT
/*
 * The plain interface of the XArray: one call, one lock or read section. Cursors and the tree are
 * in the other xarray_*.c files. Mirrors the xa_* half of the kernel's lib/xarray.c.
 */
#include "xarray_node.h"

#include <folio/mutant.h>

#include <errno.h>

struct lock_class cfolio_xa_lock_class = LOCK_CLASS("xa_lock");

void cfolio_xa_init_class(struct xarray *xa, struct lock_class *lock_class)
{
	spin_lock_init(&xa->xa_lock, lock_class);
	WRITE_ONCE(xa->xa_flags, 0);
	WRITE_ONCE(xa->xa_head, 0);
}

void xa_init(struct xarray *xa)
{
	cfolio_xa_init_class(xa, &cfolio_xa_lock_class);
}

/* What a call returns: the entry it found, or the cursor's error as an entry. */
static void *result(const struct xa_state *xas, void *entry)
{
	int error = xas_error(xas);
	return error ? XA_ERROR(error) : entry;
}

void *xa_store(struct xarray *xa, unsigned long index, void *entry)
{
	XA_STATE(xas, xa, index);
	void *old, *before = MUTANT(P66) ? xa_load(xa, index) : NULL;
	do {
		xas_lock(&xas);
		old = xas_store(&xas, entry);
		xas_unlock(&xas);
	} while (xas_nomem(&xas));
	return result(&xas, MUTANT(P66) ? before : old);
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	return xa_store(xa, index, NULL);
}

int xa_insert(struct xarray *xa, unsigned long index, void *entry)
{
	XA_STATE(xas, xa, index);
	if (!entry)
		return -EINVAL;
	do {
		xas_lock(&xas);
		if (xas_load(&xas))
			xas_set_err(&xas, -EBUSY);
		if (MUTANT(P89)) {
			xas_unlock(&xas);
			xas_lock(&xas);
		}
		(void)xas_store(&xas, entry);
		xas_unlock(&xas);
	} while (xas_nomem(&xas));
	return xas_error(&xas);
}

void *xa_cmpxchg(struct xarray *xa, unsigned long index, void *old, void *entry)
{
	XA_STATE(xas, xa, index);
	void *seen;
	if (xa_is_internal(entry))
		return XA_ERROR(-EINVAL);
	do {
		xas_lock(&xas);
		seen = xas_load(&xas);
		if (MUTANT(P67)) {
			xas_unlock(&xas);
			xas_lock(&xas);
		}
		if (seen == old)
			(void)xas_store(&xas, entry);
		xas_unlock(&xas);
	} while (xas_nomem(&xas));
	return result(&xas, seen);
}

void *xa_store_range(struct xarray *xa, unsigned long first, unsigned long last, void *entry)
{
	XA_STATE(xas, xa, first);
	if (last < first || xa_is_internal(entry))
		return XA_ERROR(-EINVAL);
	do {
		xas_lock(&xas);
		/* All nodes are in hand before the first piece, so that no piece can fail. */
		bool reserved = !entry || xas_reserve(&xas, xa_nodes_for_range(xa, first, last));
		for (unsigned long at = first; reserved;) {
			xas_set_order(&xas, at, xa_piece_order(at, last));
			(void)xas_store(&xas, entry);
			at = block_last(xas.xa_index, xas.xa_order);
			if (at++ == last)
				break;
		}
		xas_unlock(&xas);
	} while (xas_nomem(&xas));
	return result(&xas, NULL);
}

static void *find(struct xa_state *xas, unsigned long max, xa_mark_t filter)
{
	return filter == XA_PRESENT ? xas_find(xas, max) : xas_find_marked(xas, max, filter);
}

void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t filter)
{
	XA_STATE(xas, xa, *index);
	rcu_read_lock();
	void *entry = find(&xas, max, filter);
	rcu_read_unlock();
	if (entry)
		*index = xas.xa_index;
	return entry;
}

void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t filter)
{
	XA_STATE(xas, xa, *index);
	rcu_read_lock();
	/* Placed at *index, the search goes on behind the entry that covers it. */
	(void)xas_load(&xas);
	void *entry = find(&xas, max, filter);
	rcu_read_unlock();
	if (entry)
		*index = xas.xa_index;
	return entry;
}

int xa_get_order(struct xarray *xa, unsigned long index)
{
	XA_STATE(xas, xa, index);
	xas_lock(&xas);
	int order = xas_load(&xas) ? xas_get_order(&xas) : 0;
	xas_unlock(&xas);
	return order;
}

void xa_set_mark(struct xarray *xa, unsigned long index, xa_mark_t mark)
{
	XA_STATE(xas, xa, index);
	xas_lock(&xas);
	(void)xas_load(&xas);
	if (MUTANT(P68)) {
		xas_unlock(&xas);
		xas_set_mark(&xas, mark);
		return;
	}
	xas_set_mark(&xas, mark);
	xas_unlock(&xas);
}

void xa_clear_mark(struct xarray *xa, unsigned long index, xa_mark_t mark)
{
	XA_STATE(xas, xa, index);
	xas_lock(&xas);
	(void)xas_load(&xas);
	xas_clear_mark(&xas, mark);
	xas_unlock(&xas);
}

bool xa_get_mark(struct xarray *xa, unsigned long index, xa_mark_t mark)
{
	XA_STATE(xas, xa, index);
	rcu_read_lock();
	bool marked = xas_load(&xas) && xas_get_mark(&xas, mark);
	rcu_read_unlock();
	return marked;
}
