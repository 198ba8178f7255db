// SPDX-License-Identifier: MIT
/*
 * Changes of the XArray: where a store goes, the nodes it needs, and how a new state is published
 * so that the lock-free readers of xarray_walk.c always meet a whole tree. Everything here runs
 * under xa_lock. Mirrors the storing half of the kernel's lib/xarray.c.
 *
 * A store that builds is done in two steps. First all nodes it needs are in hand, or it fails and
 * nothing has changed. Then new nodes are filled while private, the entry in place, and published
 * by one REL-ST.
 */
#include "xarray_node.h"

#include <folio/mutant.h>

#include <errno.h>

/* Where a store of the cursor's range goes, and what is missing on the way. */
struct place {
	struct xa_node *node; /* the lowest node on the way; NULL: no node of the tree stays */
	unsigned int offset;  /* first slot to write in it */
	unsigned int slots;   /* and how many */
	unsigned int top;     /* shift that the top node needs */
	unsigned int grow;    /* nodes to put above the top node */
	unsigned int missing; /* nodes to build below `node` */
};

/* Shift of the lowest top node that holds the index in a slot of at least this shift. */
static unsigned int top_shift(unsigned long index, unsigned int shift)
{
	while (index >> shift > XA_CHUNK_MASK)
		shift += XA_CHUNK_SHIFT;
	return shift;
}

static struct place find_place(const struct xarray *xa, unsigned long index, unsigned int order)
{
	unsigned int shift = order - order % XA_CHUNK_SHIFT;
	struct place place = {.slots = 1u << order % XA_CHUNK_SHIFT};
	unsigned long last = block_last(index, order);
	unsigned long word = READ_ONCE(xa->xa_head);
	struct xa_node *node = word ? word_to_node(word) : NULL;

	place.top = top_shift(last, shift);
	if (!node || (index == 0 && last >= block_last(0, node->shift + XA_CHUNK_SHIFT))) {
		/* Nothing of the old tree stays: all nodes from the top to the entry's are new. */
		place.missing = (place.top - shift) / XA_CHUNK_SHIFT + 1;
		return place;
	}
	place.node = node;
	if (place.top > node->shift) {
		/* The range is outside of the tree, in a slot of the new top node other than 0. */
		place.grow = (place.top - node->shift) / XA_CHUNK_SHIFT;
		place.missing = (place.top - shift) / XA_CHUNK_SHIFT;
		return place;
	}
	for (;;) {
		place.offset = slot_of(index, node->shift);
		word = READ_ONCE(node->slots[place.offset]);
		if (!word_is_node(word) || node->shift == shift)
			break;
		node = word_to_node(word);
	}
	place.node = node;
	if (word == 0 && node->shift > shift) {
		place.missing = (node->shift - shift) / XA_CHUNK_SHIFT;
		return place;
	}
	/* An entry that covers the range is replaced whole: its own slots, all of them. */
	if (word_is_sibling(word))
		place.offset = word_to_sibling(word);
	if (node->shift > shift)
		place.slots = 1;
	unsigned int extent = node_extent(node, place.offset);
	if (extent > place.slots)
		place.slots = extent;
	return place;
}

unsigned int xa_piece_order(unsigned long first, unsigned long last)
{
	unsigned int order = first ? (unsigned int)__builtin_ctzl(first) : XA_MAX_ORDER;
	while (block_last(first, order) > last)
		order--;
	return order;
}

/*
 * A piece of the range lies in a node whose block reaches beyond the range (else the piece would
 * be larger), so that node is on the way to the first index or to the last one. The first piece and
 * the last are the smallest on their ways, so their ways hold the nodes of all others; what the
 * tree grows by lies on the way to the first index. Growth from nothing is not in the first piece's
 * count beyond its own top: hence the third term.
 */
unsigned int xa_nodes_for_range(struct xarray *xa, unsigned long first, unsigned long last)
{
	unsigned int order = xa_piece_order(first, last);
	struct place head = find_place(xa, first, order);
	unsigned int n = head.grow + head.missing;
	if (block_last(first, order) == last)
		return n;
	/* The last piece: what remains when the larger ones are taken off from the front. */
	unsigned long tail = first;
	while (block_last(tail, order) != last) {
		tail = block_last(tail, order) + 1;
		order = xa_piece_order(tail, last);
	}
	struct place end = find_place(xa, tail, order);
	n += end.grow + end.missing;
	if (end.top > head.top)
		n += (end.top - head.top) / XA_CHUNK_SHIFT;
	return n;
}

/* The lowest entry in the slots, or 0. */
static unsigned long lowest_entry(const struct xa_node *node, unsigned int offset,
				  unsigned int slots)
{
	for (unsigned int i = offset; i < offset + slots; i++) {
		unsigned long word = READ_ONCE(node->slots[i]);
		if (word_is_node(word))
			return lowest_entry(word_to_node(word), 0, XA_CHUNK_SIZE);
		if (word)
			return word;
	}
	return 0;
}

static struct xa_node *take_spare(struct xa_state *xas)
{
	struct xa_node *node = xas->xa_alloc;
	FOLIO_BUG_ON(!node, "XA", NULL, "XArray store counted its nodes wrong");
	xas->xa_alloc = node->next_spare;
	xas->xa_spares--;
	node->next_spare = NULL;
	return node;
}

/* Private nodes for the cursor's range, from the entry's own node up to one of shift `top`. */
static struct xa_node *build(struct xa_state *xas, unsigned int top, unsigned long entry,
			     unsigned long marks)
{
	unsigned int slots = 1u << xas->xa_order % XA_CHUNK_SHIFT;
	unsigned long word = entry;
	struct xa_node *child = NULL;
	for (unsigned int shift = xas->xa_order - xas->xa_order % XA_CHUNK_SHIFT; shift <= top;
	     shift += XA_CHUNK_SHIFT) {
		struct xa_node *node = take_spare(xas);
		unsigned int offset = slot_of(xas->xa_index, shift);
		unsigned int above = shift + XA_CHUNK_SHIFT;
		node->shift = (unsigned char)shift;
		if (shift < XA_TOP_SHIFT)
			node->offset = (unsigned char)slot_of(xas->xa_index, above);
		node->count = (unsigned char)slots;
		for (unsigned int i = 0; i < slots; i++)
			WRITE_ONCE(node->slots[offset + i], i ? sibling_to_word(offset) : word);
		for (xa_mark_t mark = 0; mark < XA_MAX_MARKS; mark++)
			WRITE_ONCE(node->marks[mark], marks & BIT(mark) ? BIT(offset) : 0);
		if (child) {
			WRITE_ONCE(child->parent, (unsigned long)node);
		} else {
			xas->xa_node = node;
			xas->xa_offset = (unsigned char)offset;
		}
		child = node;
		word = node_to_word(node);
		slots = 1;
	}
	return child;
}

/*
 * Puts nodes above the top node until one has the shift. Each is published with the old top in slot
 * 0, so readers find the same entries by either; the old top's parent word is set before, so that a
 * reader climbing out of it meets only a node that is filled.
 */
static struct xa_node *grow(struct xa_state *xas, unsigned int shift)
{
	struct xarray *xa = xas->xa;
	struct xa_node *top = word_to_node(READ_ONCE(xa->xa_head));
	while (top->shift < shift) {
		struct xa_node *node = take_spare(xas);
		node->shift = (unsigned char)(top->shift + XA_CHUNK_SHIFT);
		node->count = 1;
		if (MUTANT(P88))
			rcu_assign_pointer(xa->xa_head, node_to_word(node));
		WRITE_ONCE(node->slots[0], node_to_word(top));
		for (xa_mark_t mark = 0; mark < XA_MAX_MARKS; mark++)
			WRITE_ONCE(node->marks[mark], xa_marked(xa, mark) ? 1 : 0);
		rcu_assign_pointer(top->parent, (unsigned long)node);
		rcu_assign_pointer(xa->xa_head, node_to_word(node));
		top = node;
	}
	return top;
}

/*
 * Writes the slots of one entry, or clears them (entry 0), first slot first; see xa_resolve() for
 * why, and for the generation. A subtree is killed after its slot was overwritten.
 */
static void fill(struct xarray *xa, struct xa_node *node, unsigned int offset, unsigned int slots,
		 unsigned long entry)
{
	unsigned long mask = (BIT(slots) - 1) << offset;
	bool siblings_gone = false;
	for (xa_mark_t mark = 0; mark < XA_MAX_MARKS; mark++) {
		unsigned long word = READ_ONCE(node->marks[mark]);
		if (!entry)
			xa_node_clear_marks(xa, node, mask, mark);
		else if (word & mask)
			WRITE_ONCE(node->marks[mark], (word & ~mask) | BIT(offset));
	}
	for (unsigned int i = offset; i < offset + slots; i++) {
		unsigned long old = READ_ONCE(node->slots[i]);
		unsigned long word = entry && i > offset ? sibling_to_word(offset) : entry;
		if (word != old)
			rcu_assign_pointer(node->slots[i], word);
		node->count = (unsigned char)(node->count + (word != 0) - (old != 0));
		siblings_gone |= !word && word_is_sibling(old);
		if (word_is_node(old))
			xa_node_kill(word_to_node(old));
	}
	if (siblings_gone && !MUTANT(P87))
		smp_store_release(&node->generation, READ_ONCE(node->generation) + 1);
}

/* Unlinks the cursor's node if it is empty, and so on upwards, then top nodes without a use. */
static void prune(struct xa_state *xas)
{
	struct xarray *xa = xas->xa;
	while (xas->xa_node->count == 0) {
		struct xa_node *node = xas->xa_node;
		struct xa_node *parent = node_parent(node);
		if (parent) {
			rcu_assign_pointer(parent->slots[node->offset], 0);
			parent->count--;
		} else {
			rcu_assign_pointer(xa->xa_head, 0);
		}
		xas->xa_offset = node->offset;
		xas->xa_node = parent ? parent : XAS_BOUNDS;
		xa_node_kill(node);
		if (!parent)
			return;
	}
	for (;;) {
		struct xa_node *top = word_to_node(READ_ONCE(xa->xa_head));
		unsigned long word = READ_ONCE(top->slots[0]);
		if (top->count != 1 || !word_is_node(word))
			return;
		rcu_assign_pointer(word_to_node(word)->parent, 0);
		rcu_assign_pointer(xa->xa_head, word);
		/* The slot just emptied was not 0: all that is left lies before the cursor. */
		if (xas->xa_node == top)
			xas->xa_node = XAS_BOUNDS;
		/* The child lives on: only its old parent dies. */
		rcu_assign_pointer(top->slots[0], XA_RETRY_WORD);
		xa_node_kill(top);
	}
}

static void erase(struct xa_state *xas, const struct place *place)
{
	struct xarray *xa = xas->xa;
	if (place->node && !place->grow && !place->missing) {
		xas->xa_node = place->node;
		xas->xa_offset = (unsigned char)place->offset;
		fill(xa, place->node, place->offset, place->slots, 0);
		prune(xas);
		return;
	}
	unsigned long head = READ_ONCE(xa->xa_head);
	if (!place->node && head) {
		rcu_assign_pointer(xa->xa_head, 0);
		WRITE_ONCE(xa->xa_flags, 0);
		xa_node_kill(word_to_node(head));
	}
	/* Nothing is at the index: a search from here goes on correctly. */
	xas->xa_node = XAS_RESTART;
}

static void put(struct xa_state *xas, const struct place *place, unsigned long entry)
{
	struct xarray *xa = xas->xa;
	struct xa_node *node = place->node;
	unsigned int offset = place->offset;
	if (!node) {
		unsigned long head = READ_ONCE(xa->xa_head);
		node = build(xas, place->top, entry, READ_ONCE(xa->xa_flags));
		rcu_assign_pointer(xa->xa_head, node_to_word(node));
		if (head)
			xa_node_kill(word_to_node(head));
		return;
	}
	if (place->grow) {
		node = grow(xas, place->top);
		offset = slot_of(xas->xa_index, node->shift);
	}
	if (place->missing) {
		struct xa_node *child = build(xas, node->shift - XA_CHUNK_SHIFT, entry, 0);
		WRITE_ONCE(child->parent, (unsigned long)node);
		node->count++;
		rcu_assign_pointer(node->slots[offset], node_to_word(child));
		return;
	}
	xas->xa_node = node;
	xas->xa_offset = (unsigned char)offset;
	fill(xa, node, offset, place->slots, entry);
}

void *xas_store(struct xa_state *xas, void *entry)
{
	if (xas_error(xas))
		return NULL;
	FOLIO_BUG_ON(!spin_is_locked(&xas->xa->xa_lock), "XA", NULL,
		     "XArray store without xa_lock");
	if (xa_is_internal(entry)) {
		xas_set_err(xas, -EINVAL);
		return NULL;
	}
	unsigned long old = 0, head = READ_ONCE(xas->xa->xa_head);
	xas->xa_index = xas->xa_index >> xas->xa_order << xas->xa_order;
	struct place place = find_place(xas->xa, xas->xa_index, xas->xa_order);
	if (entry && !xas_reserve(xas, place.grow + place.missing))
		return NULL;
	if (!place.node && head)
		old = lowest_entry(word_to_node(head), 0, XA_CHUNK_SIZE);
	else if (place.node && !place.grow && !place.missing)
		old = lowest_entry(place.node, place.offset, place.slots);
	if (entry)
		put(xas, &place, (unsigned long)entry);
	else
		erase(xas, &place);
	return (void *)old;
}

int xas_get_order(struct xa_state *xas)
{
	if (xas_invalid(xas) || !READ_ONCE(xas->xa_node->slots[xas->xa_offset]))
		return 0;
	return xas->xa_node->shift + __builtin_ctz(node_extent(xas->xa_node, xas->xa_offset));
}

void xa_destroy(struct xarray *xa)
{
	xa_lock(xa);
	unsigned long head = READ_ONCE(xa->xa_head);
	rcu_assign_pointer(xa->xa_head, 0);
	WRITE_ONCE(xa->xa_flags, 0);
	if (head)
		xa_node_kill(word_to_node(head));
	xa_unlock(xa);
}
