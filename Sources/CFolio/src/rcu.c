// SPDX-License-Identifier: MIT
/*
 * Grace periods and deferred calls. See folio/rcu.h.
 *
 * Deferred calls: call_rcu() pushes on a lock-free stack (any thread, FULL exchange). A drain
 * takes the whole stack, waits for one grace period, runs the calls oldest first. Drains happen
 * on one background thread, started at the first call_rcu(), and inside rcu_barrier(), one at a
 * time under drain_lock.
 *
 * Why not liburcu's call_rcu: its rcu_barrier() takes about 10 ms whatever the batch.
 */
#include <folio/bug.h>
#include <folio/lock.h>
#include <folio/rcu.h>
#include <folio/sys.h>

#include <pthread.h>

extern void urcu_bp_synchronize_rcu(void);

#if defined(FOLIO_TSAN)
/*
 * ThreadSanitizer cannot see that a grace period orders readers before the reclaimer (liburcu is
 * not instrumented). One tag stands for that edge: released by each reader's unlock, acquired
 * after each grace period.
 */
extern void __tsan_acquire(void *tag);
extern void __tsan_release(void *tag);
static char tsan_tag;

void cfolio_rcu_tsan_release(void)
{
	__tsan_release(&tsan_tag);
}
#endif

void synchronize_rcu(void)
{
	FOLIO_BUG_ON(rcu_read_lock_held(), "RCU", NULL,
		     "grace period awaited inside a read section: it would wait for itself");
	if (seam_synchronize_rcu())
		return;
#if defined(FOLIO_TSAN)
	__tsan_release(&tsan_tag);
#endif
	urcu_bp_synchronize_rcu();
#if defined(FOLIO_TSAN)
	__tsan_acquire(&tsan_tag);
#endif
}

static shared_t queue;	      /* struct rcu_head *, newest first; pushed by any thread */
static atomic_long_t pending; /* pushed and not yet run; any thread */
static atomic_t reclaim_wake; /* futex word of the reclaim thread: 1 when there is work */
static struct lock_class drain_class = LOCK_CLASS("rcu drain");
static struct mutex drain_lock = {SPIN_LOCK_INIT(&drain_class)};

static struct rcu_head *oldest_first(struct rcu_head *newest)
{
	struct rcu_head *list = NULL;
	while (newest) {
		struct rcu_head *next = newest->next;
		newest->next = list;
		list = newest;
		newest = next;
	}
	return list;
}

static void drain(void)
{
	mutex_lock(&drain_lock);
	struct rcu_head *list = oldest_first((struct rcu_head *)shared_xchg(&queue, 0));
	if (list)
		synchronize_rcu();
	long ran = 0;
	while (list) {
		struct rcu_head *next = list->next;
		list->func(list);
		list = next;
		ran++;
	}
	atomic_long_add(-ran, &pending);
	mutex_unlock(&drain_lock);
}

static void reclaim_thread(void *unused)
{
	(void)unused;
	for (;;) {
		while (atomic_xchg(&reclaim_wake, 0) == 0)
			cfolio_futex_wait(&reclaim_wake, 0, 0);
		drain();
	}
}

static void start_reclaim_thread(void)
{
	if (!cfolio_run_detached(reclaim_thread, NULL))
		cfolio_bug("RCU", NULL, "cannot start the reclaim thread");
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	static pthread_once_t started = PTHREAD_ONCE_INIT;
	if (seam_call_rcu(head, func))
		return;
	pthread_once(&started, start_reclaim_thread);
	head->func = func;
	atomic_long_add(1, &pending);
	unsigned long top = READ_ONCE(queue);
	do {
		head->next = (struct rcu_head *)top;
	} while (!shared_try_cmpxchg(&queue, &top, (unsigned long)head));
	/*
	 * Push then test the flag; the thread clears the flag then takes the queue (both FULL). So
	 * either it takes this head, or we see 0 and wake it.
	 */
	if (atomic_xchg(&reclaim_wake, 1) == 0)
		cfolio_futex_wake(&reclaim_wake, 1);
}

void rcu_barrier(void)
{
	FOLIO_BUG_ON(rcu_read_lock_held(), "RCU", NULL, "rcu_barrier() inside a read section");
	if (seam_rcu_barrier())
		return;
	/*
	 * A call made before is in the queue, and this drain runs it; or another drain took it, and
	 * the lock makes us wait for that drain's end.
	 */
	drain();
}

long cfolio_rcu_pending(void)
{
	return atomic_long_read(&pending);
}
