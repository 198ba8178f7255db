// SPDX-License-Identifier: MIT
/*
 * The hot paths written as plainly as C allows: knows <stdatomic.h> and nothing of Folio. run.sh
 * compares what the library compiles to, in C and in Swift, with these, instruction by instruction.
 * The event word is the one flag that the library tests on each path; it has no other overhead.
 */
#include <stdatomic.h>
#include <stdbool.h>

struct plain {
	char before[52];
	atomic_int count;
	char after[8];
};

extern atomic_int plain_events;
#define SLOW __attribute__((cold, noinline))
void plain_get_event(struct plain *p) SLOW;
void plain_put_event(struct plain *p, int refs) SLOW;
void plain_put_last(struct plain *p, int refs) SLOW;
bool plain_try_get_event(struct plain *p, int delta, int unless) SLOW;

#if defined(BARE)
/* No event word at all: what the one branch costs is the difference. */
#define events() 0
#else
static bool events(void)
{
	return __builtin_expect(atomic_load_explicit(&plain_events, memory_order_relaxed) != 0, 0);
}
#endif

void plain_get(struct plain *p)
{
	atomic_fetch_add_explicit(&p->count, 1, memory_order_relaxed);
	if (events())
		plain_get_event(p);
}

void plain_put(struct plain *p)
{
	if (__builtin_expect(atomic_fetch_sub_explicit(&p->count, 1, memory_order_seq_cst) <= 1, 0))
		plain_put_last(p, 1);
	else if (events())
		plain_put_event(p, 1);
}

/* Ordered on both sides when it succeeds, for the compiler too: what try_get promises. */
static bool add_unless_zero(atomic_int *count)
{
	int old = atomic_load_explicit(count, memory_order_relaxed);
	for (;;) {
		if (old == 0)
			return false;
		atomic_signal_fence(memory_order_seq_cst);
		if (atomic_compare_exchange_strong(count, &old, (int)((unsigned int)old + 1)))
			break;
	}
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

bool plain_try_get(struct plain *p)
{
	if (events())
		return plain_try_get_event(p, 1, 0);
	return add_unless_zero(&p->count);
}
