// SPDX-License-Identifier: MIT
/*
 * Recount of an XArray's tree against every rule that xarray_node.h states, under xa_lock. Used by
 * audits and tests; repairs nothing. Ours alone, no kernel counterpart.
 */
#include "xarray_node.h"

/* A run of siblings must make up one aligned power of two with its entry. */
static const char *verify_siblings(const struct xa_node *node, unsigned int first)
{
	unsigned int extent = node_extent(node, first);
	if ((extent & (extent - 1)) != 0 || extent > XA_CHUNK_SIZE / 2)
		return "an entry's slots are no power of two";
	if (first & (extent - 1))
		return "an entry's slots are not aligned";
	for (xa_mark_t mark = 0; mark < XA_MAX_MARKS; mark++)
		if (READ_ONCE(node->marks[mark]) & (BIT(extent) - 2) << first)
			return "a sibling is marked";
	return NULL;
}

static const char *verify_node(const struct xa_node *node, long *nodes);

static const char *verify_child(const struct xa_node *parent, const struct xa_node *node,
				unsigned int offset, long *nodes)
{
	if (parent->shift != node->shift + XA_CHUNK_SHIFT)
		return "a child's shift is not its parent's less 6";
	if (node->offset != offset || node_parent(node) != parent)
		return "a child does not know its place";
	for (xa_mark_t mark = 0; mark < XA_MAX_MARKS; mark++)
		if (((READ_ONCE(parent->marks[mark]) >> offset) & 1) !=
		    (READ_ONCE(node->marks[mark]) != 0))
			return "a child's slot is not marked as the child is";
	return verify_node(node, nodes);
}

static const char *verify_node(const struct xa_node *node, long *nodes)
{
	unsigned int count = 0;
	unsigned long used = 0;
	const char *wrong = NULL;
	++*nodes;
	for (unsigned int i = 0; i < XA_CHUNK_SIZE && !wrong;) {
		unsigned long word = READ_ONCE(node->slots[i]);
		unsigned int extent = 1;
		if (word_is_sibling(word)) {
			wrong = "a sibling has no entry before it";
		} else if (word_is_node(word)) {
			wrong = verify_child(node, word_to_node(word), i, nodes);
		} else if ((word & 3) == 2) {
			wrong = "an internal entry in a live node";
		} else if (word) {
			wrong = verify_siblings(node, i);
			extent = node_extent(node, i);
		}
		if (word) {
			count += extent;
			used |= BIT(i);
			if (i + extent > node_slots(node))
				wrong = "an entry beyond the index range";
		}
		i += extent;
	}
	if (wrong)
		return wrong;
	if (count == 0)
		return "an empty node";
	if (count != node->count)
		return "a node's count is not what its slots say";
	for (xa_mark_t mark = 0; mark < XA_MAX_MARKS; mark++)
		if (READ_ONCE(node->marks[mark]) & ~used)
			return "an empty slot is marked";
	return NULL;
}

static const char *verify(const struct xarray *xa, long *nodes)
{
	unsigned long head = READ_ONCE(xa->xa_head);
	unsigned long flags = READ_ONCE(xa->xa_flags);
	*nodes = 0;
	if (!head)
		return flags ? "an empty array is marked" : NULL;
	if (!word_is_node(head))
		return "the head is not a node";
	const struct xa_node *top = word_to_node(head);
	if (node_parent(top) || top->offset != 0)
		return "the top node has a parent";
	if (top->count == 1 && word_is_node(READ_ONCE(top->slots[0])))
		return "the top node is not needed";
	for (xa_mark_t mark = 0; mark < XA_MAX_MARKS; mark++)
		if (((flags >> mark) & 1) != (READ_ONCE(top->marks[mark]) != 0))
			return "the array is not marked as its top node is";
	return verify_node(top, nodes);
}

const char *cfolio_xa_verify(struct xarray *xa)
{
	long nodes;
	xa_lock(xa);
	const char *wrong = verify(xa, &nodes);
	xa_unlock(xa);
	return wrong;
}

long cfolio_xa_count_nodes(struct xarray *xa)
{
	long nodes;
	xa_lock(xa);
	(void)verify(xa, &nodes);
	xa_unlock(xa);
	return nodes;
}
