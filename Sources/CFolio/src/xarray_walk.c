// SPDX-License-Identifier: MIT
/*
 * Lookups and iteration of the XArray, all lock-free, with the arguments why a reader that meets a
 * change is never led astray. No writes to shared words here: changes are in xarray_store.c.
 * Mirrors the reading half of the kernel's lib/xarray.c.
 *
 * Terms. A node is live from being published (REL-ST of its word into a slot or the head) until it
 * is unlinked (REL-ST of another word there); then it is dead, and xa_node_kill() puts
 * XA_RETRY_ENTRY in all its slots. All writers hold xa_lock. Readers are in a read section.
 *
 * M. Memory. A dead node is freed a grace period after it was unlinked. A reader comes to a node
 *    through a slot (going down), so the node was live at some time in its read section, or through
 *    `parent` (going up). A live node's parent word is changed whenever its parent is (growth and
 *    shrinking at the top), a dead node's never. So it names a node that was live when the child
 *    was last live, or when the reader was at the child: in both cases within the section, and the
 *    free waits for the reader.
 *
 * R. Retry. 1. Unlinking comes before the first XA_RETRY_ENTRY, both REL-ST. 2. A reader that
 *    loads XA_RETRY_ENTRY (ACQ-LD) sees the word that took the node's place, or a later one, and a
 *    walk from the top does not come to the dead node by that way again. 3. One retry stands for
 *    one removal: readers are lock-free. 4. What a reader took from a dead node before the slot
 *    became XA_RETRY_ENTRY was the index's entry when the node died, after the reader's start: a
 *    reader whose walk began later than the unlinking cannot be in that node. So a lookup's answer
 *    was true at a moment within the call.
 *    The top is no exception: shrinking publishes the new head first, then kills the old top node;
 *    a reader on its way through it retries and finds the index under the new head or outside.
 *
 * S. Siblings: xa_resolve().
 *
 * I. Iteration. A cursor goes on in the node it is in. Entries never move between nodes. In a live
 *    node the cursor sees the current words. In a dead one it reads XA_RETRY_ENTRY and walks again
 *    from the top at the index it looks for, or it climbs (M). The slots it skips cover only
 *    indices below the one it goes to, so an entry that is there all the time is met once.
 */
#include "xarray_node.h"

#include <folio/mutant.h>

/*
 * The slot *offset of the node held a sibling: finds the entry and its first slot.
 *
 * The danger: the slot says "sibling of c", then the entry at c is removed, and an entry X that
 * covers less is stored at c; the reader loads X and takes it for the entry of its slot.
 * 1. Siblings vanish only when their entry is replaced by NULL. A store over a larger range makes
 *    them siblings of its own first slot, which is stored before (REL-ST), so that following
 *    siblings from slot to slot ends at an entry that covers all slots on the way.
 * 2. A removal stores NULL in the first slot, NULL in the siblings, then increments generation
 *    (REL-ST), before anything else is stored in the node.
 * 3. Let the reader load generation as g, the sibling, X, all ACQ-LD, then generation as h. X was
 *    stored after the increment of 2, so h includes it. Had g included it too, the slot would have
 *    been read as NULL or as stored later. So g != h, and the reader looks again.
 * 4. It looks again only if a removal happened in between: no waiting for a writer. A removal half
 *    done reads as NULL, which is what it makes.
 */
static unsigned long xa_resolve(const struct xa_node *node, unsigned int *offset)
{
	for (;;) {
		unsigned long generation = smp_load_acquire(&node->generation);
		unsigned int first = *offset;
		unsigned long word = rcu_dereference(node->slots[first]);
		while (word_is_sibling(word)) {
			first = word_to_sibling(word);
			word = rcu_dereference(node->slots[first]);
		}
		if (READ_ONCE(node->generation) == generation || word == XA_RETRY_WORD) {
			*offset = first;
			return word;
		}
	}
}

/* One walk: the word at the index (an entry, 0 or XA_RETRY_WORD) and where it is, if anywhere. */
static inline unsigned long walk(const struct xarray *xa, unsigned long index,
				 struct xa_node **node, unsigned int *offset)
{
	unsigned long word = MUTANT(B01) ? PLAIN_READ(xa->xa_head) : rcu_dereference(xa->xa_head);
	*node = NULL;
	if (!word)
		return 0;
	struct xa_node *at = word_to_node(word);
	if (index >> at->shift > XA_CHUNK_MASK)
		return 0;
	do {
		at = word_to_node(word);
		*offset = slot_of(index, at->shift);
		word = rcu_dereference(at->slots[*offset]);
	} while (word_is_node(word));
	*node = at;
	if (unlikely(word_is_sibling(word))) {
		word = xa_resolve(at, offset);
		/* The slot was reused for a subtree in the meantime: begin again. */
		if (unlikely(word_is_node(word)))
			return XA_RETRY_WORD;
	}
	return word;
}

void *cfolio_xa_load_rcu(const struct xarray *xa, unsigned long index)
{
	struct xa_node *node;
	unsigned int offset;
	unsigned long word;
	do {
		word = walk(xa, index, &node, &offset);
		if (MUTANT(P86))
			break;
	} while (unlikely(word == XA_RETRY_WORD));
	return (void *)word;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	rcu_read_lock();
	void *entry = cfolio_xa_load_rcu(xa, index);
	rcu_read_unlock();
	return entry;
}

unsigned long xas_walk(struct xa_state *xas)
{
	struct xa_node *node;
	unsigned int offset = 0;
	unsigned long word;
	do {
		word = walk(xas->xa, xas->xa_index, &node, &offset);
	} while (unlikely(word == XA_RETRY_WORD));
	xas->xa_node = node ? node : XAS_BOUNDS;
	xas->xa_offset = (unsigned char)offset;
	return word;
}

void *xas_load(struct xa_state *xas)
{
	return xas_error(xas) ? NULL : (void *)xas_walk(xas);
}

/*
 * Goes to a slot of the cursor's node, or, when that is behind the last one, up to the next slot of
 * the nearest ancestor that has one. False: there is none.
 */
static bool xas_move(struct xa_state *xas, unsigned int offset)
{
	struct xa_node *node = xas->xa_node;
	while (offset >= node_slots(node)) {
		offset = node->offset + 1u;
		node = node_parent(node);
		if (!node) {
			xas->xa_node = XAS_BOUNDS;
			return false;
		}
	}
	xas->xa_node = node;
	xas->xa_offset = (unsigned char)offset;
	xas->xa_index = node_first(node, xas->xa_index) | (unsigned long)offset << node->shift;
	return true;
}

/* The slot behind the one that xa_index is in (xa_offset may be an earlier one: the first). */
static inline unsigned int next_slot(const struct xa_state *xas)
{
	return slot_of(xas->xa_index, xas->xa_node->shift) + 1;
}

/* Places a cursor that is not; *word is the entry there or 0. False: the search has ended. */
static bool xas_begin(struct xa_state *xas, unsigned long max, unsigned long *word)
{
	*word = 0;
	if (xas_error(xas) || xas->xa_node == XAS_BOUNDS || xas->xa_index > max)
		return false;
	if (xas_invalid(xas))
		*word = xas_walk(xas);
	return !xas_invalid(xas);
}

void *xas_find(struct xa_state *xas, unsigned long max)
{
	unsigned long word;
	if (!xas_begin(xas, max, &word))
		return NULL;
	while (!word) {
		if (!xas_move(xas, next_slot(xas)))
			return NULL;
		if (xas->xa_index > max) {
			/* Not looked at yet: a search with a larger max begins here. */
			xas_reset(xas);
			return NULL;
		}
		word = rcu_dereference(xas->xa_node->slots[xas->xa_offset]);
		while (word_is_node(word)) {
			xas->xa_node = word_to_node(word);
			xas->xa_offset = 0;
			word = rcu_dereference(xas->xa_node->slots[0]);
		}
		if (unlikely(word == XA_RETRY_WORD)) {
			word = xas_walk(xas);
			if (xas_invalid(xas))
				return NULL;
		} else if (word_is_sibling(word)) {
			word = 0;
		}
	}
	return (void *)word;
}

void *xas_next_entry(struct xa_state *xas, unsigned long max)
{
	struct xa_node *node = xas->xa_node;
	unsigned int next = xas->xa_offset + 1u;
	if (likely(!xas_invalid(xas) && node->shift == 0 && next < XA_CHUNK_SIZE &&
		   xas->xa_index < max && slot_of(xas->xa_index, 0) == xas->xa_offset)) {
		unsigned long word = rcu_dereference(node->slots[next]);
		if (word && (word & 3) != 2) {
			xas->xa_index++;
			xas->xa_offset = (unsigned char)next;
			return (void *)word;
		}
	}
	return xas_find(xas, max);
}

/* The first slot from offset on that has the mark, or XA_CHUNK_SIZE. */
static unsigned int next_marked(const struct xa_node *node, unsigned int offset, xa_mark_t mark)
{
	if (offset >= XA_CHUNK_SIZE)
		return XA_CHUNK_SIZE;
	unsigned long marks = READ_ONCE(node->marks[mark]) >> offset;
	return marks ? offset + (unsigned int)__builtin_ctzl(marks) : XA_CHUNK_SIZE;
}

void *xas_find_marked(struct xa_state *xas, unsigned long max, xa_mark_t mark)
{
	unsigned long word;
	FOLIO_BUG_ON(mark >= XA_MAX_MARKS, "XA", NULL, "mark %u of an XArray entry", mark);
	if (!xas_begin(xas, max, &word))
		return NULL;
	if (word && xas_get_mark(xas, mark))
		return (void *)word;
	unsigned int from = next_slot(xas);
	for (;;) {
		struct xa_node *node = xas->xa_node;
		if (!xas_move(xas, next_marked(node, from, mark)))
			return NULL;
		if (xas->xa_index > max) {
			xas_reset(xas);
			return NULL;
		}
		from = xas->xa_offset;
		if (xas->xa_node != node)
			continue; /* climbed: this slot's mark is still to be read */
		word = rcu_dereference(node->slots[from]);
		if (word_is_node(word)) {
			xas->xa_node = word_to_node(word);
			from = 0;
			continue;
		}
		if (unlikely(word == XA_RETRY_WORD)) {
			word = xas_walk(xas);
			if (xas_invalid(xas))
				return NULL;
			if (word && !xas_get_mark(xas, mark))
				word = 0;
			from = next_slot(xas) - 1;
		}
		if (word && !word_is_sibling(word))
			return (void *)word;
		from++;
	}
}

void *xas_find_conflict(struct xa_state *xas)
{
	unsigned long first = xas->xa_index >> xas->xa_order << xas->xa_order;
	if (xas_error(xas))
		return NULL;
	if (xas_invalid(xas))
		xas_set(xas, first);
	void *entry = xas_find(xas, block_last(first, xas->xa_order));
	if (!entry)
		xas_set(xas, first);
	return entry;
}

void xas_pause(struct xa_state *xas)
{
	const struct xa_node *node = xas->xa_node;
	if (xas_invalid(xas))
		return;
	/* Never back: without the lock the entry may be gone, and xa_index be behind its slot. */
	unsigned int end = xas->xa_offset + node_extent(node, xas->xa_offset);
	if (end < next_slot(xas))
		end = next_slot(xas);
	/* All 16 slots of the highest node end at 0, so `last` is then the last index there is. */
	unsigned long first = node_first(node, xas->xa_index);
	unsigned long last = first + ((unsigned long)end << node->shift) - 1;
	if (last == ~0UL)
		xas->xa_node = XAS_BOUNDS;
	else
		xas_set(xas, last + !MUTANT(P91));
}
