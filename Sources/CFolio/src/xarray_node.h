/* SPDX-License-Identifier: MIT */
/*
 * The XArray's nodes, private to src/xarray*.c: layout, the words that slots hold, and the calls
 * between the three parts: xarray_walk.c (lookups), xarray_store.c (changes), xarray_node.c (memory
 * and marks). The plain interface is in xarray.c. Mirrors struct xa_node of the kernel's xarray.h.
 *
 * Shape of the tree. A node of shift s stands for an aligned block of 2^(s+6) indices, each slot
 * for 2^s; a child's shift is its parent's less 6. An entry of order k lies in a node of shift
 * s = k - k % 6 in 2^(k % 6) slots: the first holds the entry, the others, its siblings, hold the
 * number of that first slot. No node in the tree is empty, and the top node has more than a child
 * in slot 0: the tree is as low as its largest index and order allow.
 */
#ifndef FOLIO_XARRAY_NODE_H
#define FOLIO_XARRAY_NODE_H

#include <folio/rcu.h>
#include <folio/xarray.h>

#define XA_CHUNK_SHIFT 6u
#define XA_CHUNK_SIZE 64u
#define XA_CHUNK_MASK 63u
/** Shift of the only node that is not full: 16 slots stand for the 4 topmost bits of an index. */
#define XA_TOP_SHIFT 60u

struct xa_node {
	unsigned char shift;  /* fixed before the node is published */
	unsigned char offset; /* slot in the parent, fixed as shift is: a top node's stays 0 */
	unsigned char count;  /* slots in use, siblings included; xa_lock */
	shared_t parent;      /* struct xa_node *, NULL at the top; xa_lock REL-ST, read ACQ-LD */
	shared_t generation;  /* see xa_resolve(); xa_lock REL-ST, read ACQ-LD */
	shared_t marks[XA_MAX_MARKS]; /* one bit per slot, never a sibling's; a child's slot has the
					 bit when any of its slots has; xa_lock, read RLX */
	union {
		struct rcu_head rcu;	    /* from leaving the tree on */
		struct xa_node *next_spare; /* in a cursor's xa_alloc */
	};
	shared_t slots[XA_CHUNK_SIZE]; /* xa_lock REL-ST, read ACQ-LD; a line boundary before */
};

static_assert(offsetof(struct xa_node, slots) == 64, "nine cache lines a node");

/* Words in slots. ---------------------------------------------------------------------------- */

#define XA_RETRY_WORD (256UL << 2 | 2)
/** Internal words above are nodes. */
#define XA_NODE_MIN 4096UL

static inline bool word_is_node(unsigned long word)
{
	return (word & 3) == 2 && word > XA_NODE_MIN;
}

static inline struct xa_node *word_to_node(unsigned long word)
{
	return (struct xa_node *)(word - 2);
}

static inline unsigned long node_to_word(const struct xa_node *node)
{
	return (unsigned long)node + 2;
}

static inline bool word_is_sibling(unsigned long word)
{
	return (word & 3) == 2 && word < (XA_CHUNK_SIZE << 2);
}

static inline unsigned int word_to_sibling(unsigned long word)
{
	return (unsigned int)(word >> 2);
}

static inline unsigned long sibling_to_word(unsigned int first)
{
	return (unsigned long)first << 2 | 2;
}

/* Places. ------------------------------------------------------------------------------------ */

/** Slots that stand for an index at all. */
static inline unsigned int node_slots(const struct xa_node *node)
{
	return node->shift == XA_TOP_SHIFT ? 16 : XA_CHUNK_SIZE;
}

static inline unsigned int slot_of(unsigned long index, unsigned int shift)
{
	return (unsigned int)(index >> shift) & XA_CHUNK_MASK;
}

/** Last index of a block of 2^order around the index. order <= 66 (all indices). */
static inline unsigned long block_last(unsigned long index, unsigned int order)
{
	return order >= 64 ? ~0UL : index | (BIT(order) - 1);
}

/** First index of the node that holds the index. */
static inline unsigned long node_first(const struct xa_node *node, unsigned long index)
{
	unsigned int order = node->shift + XA_CHUNK_SHIFT;
	return order >= 64 ? 0 : index >> order << order;
}

static inline struct xa_node *node_parent(const struct xa_node *node)
{
	return (struct xa_node *)rcu_dereference(node->parent);
}

/** Slots of the entry whose first slot this is. Exact under xa_lock, else a snapshot. */
static inline unsigned int node_extent(const struct xa_node *node, unsigned int first)
{
	unsigned int end = first + 1;
	while (end < XA_CHUNK_SIZE && rcu_dereference(node->slots[end]) == sibling_to_word(first))
		end++;
	return end - first;
}

/* Calls between the parts. ------------------------------------------------------------------- */

/** Places the cursor for xa_index, from the top; the entry there or 0. See xas_load(). */
unsigned long xas_walk(struct xa_state *xas);

/** A zeroed node, or NULL. */
struct xa_node *xa_node_alloc(void);
/** Frees a node that was never published. */
void xa_node_free(struct xa_node *node);
/** Ends a node and all below it, once no slot of the tree leads there. Context: xa_lock. */
void xa_node_kill(struct xa_node *node);
/** Sets the mark of a slot and upwards. Context: xa_lock. */
void xa_node_set_mark(struct xarray *xa, struct xa_node *node, unsigned int offset, xa_mark_t mark);
/** Clears the mark of some slots (bits) and, where nothing marked is left, upwards. */
void xa_node_clear_marks(struct xarray *xa, struct xa_node *node, unsigned long bits,
			 xa_mark_t mark);

/** Sees to it that n nodes can be taken; else frees all and sets -ENOMEM. Context: xa_lock. */
bool xas_reserve(struct xa_state *xas, unsigned int n) __must_check;
/** Nodes that a store of [first, last] in aligned pieces needs at most. Context: xa_lock. */
unsigned int xa_nodes_for_range(struct xarray *xa, unsigned long first, unsigned long last);
/** Order of the largest aligned piece of [first, last] that begins at first. */
unsigned int xa_piece_order(unsigned long first, unsigned long last);

#endif
