// SPDX-License-Identifier: MIT
/*
 * Nodes of the XArray: memory, the end of a node, spare nodes of a cursor, marks. Nothing here
 * decides what is stored where (xarray_store.c). Mirrors that part of the kernel's lib/xarray.c.
 */
#include "xarray_node.h"

#include <folio/mutant.h>
#include <folio/sys.h>

#include <errno.h>

static atomic_long_t nodes; /* allocated and not freed; any thread, RLX */

long cfolio_xa_nodes(void)
{
	return atomic_long_read(&nodes);
}

struct xa_node *xa_node_alloc(void)
{
	struct xa_node *node = cfolio_zalloc(sizeof(*node));
	if (node)
		atomic_long_add(1, &nodes);
	return node;
}

void xa_node_free(struct xa_node *node)
{
	atomic_long_add(-1, &nodes);
	cfolio_free(node);
	if (MUTANT(B02) && node->shift == 0)
		atomic_long_add(0, &nodes);
}

static void free_after_grace_period(struct rcu_head *head)
{
	xa_node_free(container_of(head, struct xa_node, rcu));
}

/*
 * The caller has already stored something else where the tree led to this node. Every slot becomes
 * XA_RETRY_ENTRY, by REL-ST: whoever reads one also sees that earlier store, so its next walk from
 * the top does not come here again (argument R in xarray_walk.c). parent and marks stay as they
 * are for readers that are still climbing. At most eleven levels deep.
 */
void xa_node_kill(struct xa_node *node)
{
	for (unsigned int i = 0; i < XA_CHUNK_SIZE; i++) {
		unsigned long old = READ_ONCE(node->slots[i]);
		rcu_assign_pointer(node->slots[i], XA_RETRY_WORD);
		if (word_is_node(old))
			xa_node_kill(word_to_node(old));
	}
	if (MUTANT(P85)) {
		free_after_grace_period(&node->rcu);
		return;
	}
	call_rcu(&node->rcu, free_after_grace_period);
}

/* Spare nodes. ------------------------------------------------------------------------------- */

static bool add_spares(struct xa_state *xas, unsigned int n)
{
	while (xas->xa_spares < n) {
		struct xa_node *node = xa_node_alloc();
		if (!node) {
			xas_destroy(xas);
			return false;
		}
		node->next_spare = xas->xa_alloc;
		xas->xa_alloc = node;
		xas->xa_spares++;
	}
	return true;
}

bool xas_reserve(struct xa_state *xas, unsigned int n)
{
	if (likely(add_spares(xas, n)))
		return true;
	xas->xa_needed = (unsigned char)n;
	xas_set_err(xas, -ENOMEM);
	return false;
}

bool xas_nomem(struct xa_state *xas)
{
	if (xas_error(xas) != -ENOMEM) {
		xas_destroy(xas);
		return false;
	}
	if (!add_spares(xas, xas->xa_needed))
		return false;
	xas->xa_node = XAS_RESTART;
	return true;
}

void xas_destroy(struct xa_state *xas)
{
	while (xas->xa_alloc) {
		struct xa_node *node = xas->xa_alloc;
		xas->xa_alloc = node->next_spare;
		xa_node_free(node);
	}
	xas->xa_spares = 0;
}

/* Marks. One writer (xa_lock), so a load and a store do; readers take any single word. --------- */

static void check_mark(xa_mark_t mark)
{
	FOLIO_BUG_ON(mark >= XA_MAX_MARKS, "XA", NULL, "mark %u of an XArray entry", mark);
}

void xa_node_set_mark(struct xarray *xa, struct xa_node *node, unsigned int offset, xa_mark_t mark)
{
	while (node) {
		unsigned long word = READ_ONCE(node->marks[mark]);
		if (word & BIT(offset))
			return;
		WRITE_ONCE(node->marks[mark], word | BIT(offset));
		offset = node->offset;
		node = node_parent(node);
	}
	WRITE_ONCE(xa->xa_flags, READ_ONCE(xa->xa_flags) | BIT(mark));
}

void xa_node_clear_marks(struct xarray *xa, struct xa_node *node, unsigned long bits,
			 xa_mark_t mark)
{
	while (node) {
		unsigned long word = READ_ONCE(node->marks[mark]);
		if (!(word & bits))
			return;
		WRITE_ONCE(node->marks[mark], word & ~bits);
		if (word & ~bits)
			return;
		bits = BIT(node->offset);
		node = node_parent(node);
	}
	WRITE_ONCE(xa->xa_flags, READ_ONCE(xa->xa_flags) & ~BIT(mark));
}

/* True when the cursor is placed at an entry. */
static bool xas_at_entry(const struct xa_state *xas)
{
	if (xas_invalid(xas))
		return false;
	unsigned long word = READ_ONCE(xas->xa_node->slots[xas->xa_offset]);
	return word != 0 && (word & 3) != 2;
}

void xas_set_mark(struct xa_state *xas, xa_mark_t mark)
{
	check_mark(mark);
	if (xas_at_entry(xas))
		xa_node_set_mark(xas->xa, xas->xa_node, xas->xa_offset, mark);
}

void xas_clear_mark(struct xa_state *xas, xa_mark_t mark)
{
	check_mark(mark);
	if (xas_at_entry(xas))
		xa_node_clear_marks(xas->xa, xas->xa_node, BIT(xas->xa_offset), mark);
}

bool xas_get_mark(const struct xa_state *xas, xa_mark_t mark)
{
	check_mark(mark);
	/* An empty slot has no mark, a dead node the marks it died with. */
	return !xas_invalid(xas) &&
	       (READ_ONCE(xas->xa_node->marks[mark]) & BIT(xas->xa_offset)) != 0;
}
