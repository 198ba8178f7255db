// SPDX-License-Identifier: MIT
/*
 * SRCU. See folio/srcu.h; mirrors the kernel's srcutree.c without its trees.
 *
 * A reader counts itself into the index that it reads, and out of the same. Terms: locks and
 * unlocks of an index are sums over the slots; an index is drained when the unlocks, summed first,
 * equal the locks, summed after a full barrier.
 *   1. A drained index had no reader at the instant between the sums: an unlock that was counted
 *      has its lock in front of it (FULL), so locks >= unlocks, and equality leaves nobody inside.
 *   2. A reader may have read the index and not yet counted itself when that is called drained.
 *      After the flip it counts itself into the old index, and only later sums of that see it. So
 *      each grace period first waits for the old index of the period before, then flips.
 *   3. So a grace period is: drain the index that is not in use (readers that were late), flip,
 *      drain the one that was. Who began before the call is in one of the two, and was waited for.
 *   4. No lost sleeper: the waiter stores `awaited`, reads `ended`, then sums (full barriers
 *      between); a reader adds its unlock, then reads `awaited` (FULL between). Either the sum has
 *      the unlock, or the reader sees `awaited` and changes `ended`, which the futex compares.
 */
#include <folio/bug.h>
#include <folio/mutant.h>
#include <folio/srcu.h>
#include <folio/sys.h>
#include <folio/thread.h>

#include <errno.h>

static struct lock_class srcu_class = LOCK_CLASS("srcu");

int init_srcu_struct(struct srcu_struct *ssp)
{
	ssp->slots = cfolio_zalloc(folio_nr_cpus() * sizeof(*ssp->slots));
	if (!ssp->slots)
		return -ENOMEM;
	atomic_set(&ssp->index, 0);
	atomic_set(&ssp->awaited, 0);
	atomic_set(&ssp->ended, 0);
	mutex_init(&ssp->updates, &srcu_class);
	return 0;
}

/* Sections of the index that began. RLX: drained() has the order. */
static long locks(const struct srcu_struct *ssp, int index)
{
	long sum = 0;
	for (unsigned int cpu = 0; cpu < folio_nr_cpus(); cpu++)
		sum += atomic_long_read(&ssp->slots[cpu].locks[index]);
	return sum;
}

/* Those that ended. ACQ-LD: what they read, they read before. */
static long unlocks(const struct srcu_struct *ssp, int index)
{
	long sum = 0;
	for (unsigned int cpu = 0; cpu < folio_nr_cpus(); cpu++)
		sum += atomic_long_read_acquire(&ssp->slots[cpu].unlocks[index]);
	return sum;
}

void cleanup_srcu_struct(struct srcu_struct *ssp)
{
	for (int index = 0; index < 2; index++)
		FOLIO_BUG_ON(unlocks(ssp, index) != locks(ssp, index), "SRCU", NULL,
			     "an SRCU object goes while it has a reader");
	cfolio_free(ssp->slots);
}

int srcu_read_lock(struct srcu_struct *ssp)
{
	int index = atomic_read(&ssp->index) & 1;
	(void)atomic_long_add_return(1, &ssp->slots[folio_this_cpu()].locks[index]);
	return index;
}

void srcu_read_unlock(struct srcu_struct *ssp, int index)
{
	(void)atomic_long_add_return(1, &ssp->slots[folio_this_cpu()].unlocks[index]);
	if (unlikely(atomic_read(&ssp->awaited)) && !MUTANT(P96)) {
		atomic_inc(&ssp->ended);
		cfolio_futex_wake(&ssp->ended, __INT_MAX__);
	}
}

/* Term 1. */
static bool drained(const struct srcu_struct *ssp, int index)
{
	long out = unlocks(ssp, index);
	smp_mb();
	return locks(ssp, index) == out;
}

/* Sleeps until the index is drained (term 4). Context: under `updates`. */
static void drain(struct srcu_struct *ssp, int index)
{
	if (drained(ssp, index))
		return;
	atomic_set(&ssp->awaited, 1);
	for (;;) {
		smp_mb();
		int ended = atomic_read_acquire(&ssp->ended);
		if (drained(ssp, index))
			break;
		cfolio_futex_wait(&ssp->ended, ended, 0);
	}
	atomic_set(&ssp->awaited, 0);
}

void synchronize_srcu(struct srcu_struct *ssp)
{
	/* What the caller wrote is there for whoever is not waited for: FULL, as promised. */
	smp_mb();
	mutex_lock(&ssp->updates);
	int index = atomic_read(&ssp->index) & 1;
	/* Term 2. */
	if (!MUTANT(P95))
		drain(ssp, !index);
	/* The flip is behind the sums of the old index and in front of those of the next. */
	smp_mb();
	atomic_set(&ssp->index, !index);
	smp_mb();
	drain(ssp, index);
	mutex_unlock(&ssp->updates);
	/* Whatever the caller frees now, the sections have read before. */
	smp_mb();
}
