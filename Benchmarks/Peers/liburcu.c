// SPDX-License-Identifier: MIT
/*
 * See peers/liburcu.h. The read side uses the two small inline functions that NOTICE names; no
 * header of Folio is included, because both define struct rcu_head.
 */
#define _LGPL_SOURCE
#include <urcu/static/urcu-bp.h>
#undef _LGPL_SOURCE
#include <urcu/urcu-bp.h>

#include <peers/liburcu.h>

#include <stdatomic.h>
#include <stdlib.h>

void liburcu_read_sections(size_t n)
{
	/* Four per turn: where the loop's own branch lands in memory must not decide the ratio. */
	for (size_t i = 0; i < n; i += 4) {
		_urcu_bp_read_lock();
		_urcu_bp_read_unlock();
		_urcu_bp_read_lock();
		_urcu_bp_read_unlock();
		_urcu_bp_read_lock();
		_urcu_bp_read_unlock();
		_urcu_bp_read_lock();
		_urcu_bp_read_unlock();
	}
}

void liburcu_grace_periods(size_t n)
{
	for (size_t i = 0; i < n; i++)
		urcu_bp_synchronize_rcu();
}

struct object {
	struct rcu_head rcu;
	char payload[64 - sizeof(struct rcu_head)];
};

static atomic_size_t freed; /* written by the worker of call_rcu, read after a barrier */

static void free_object(struct rcu_head *head)
{
	atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
	free(head);
}

size_t liburcu_deferred_free(size_t batch, size_t n)
{
	size_t before = atomic_load(&freed);
	for (size_t done = 0; done < n; done += batch) {
		for (size_t i = 0; i < batch; i++) {
			struct object *object = malloc(sizeof(*object));
			if (object)
				urcu_bp_call_rcu(&object->rcu, free_object);
		}
		urcu_bp_barrier();
	}
	return atomic_load(&freed) - before;
}
