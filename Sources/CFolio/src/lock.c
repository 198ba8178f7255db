// SPDX-License-Identifier: MIT
/*
 * Locks and their order checker. See folio/lock.h; mirrors the kernel's spinlock, mutex, lockdep.
 */
#include <folio/bug.h>
#include <folio/lock.h>
#include <folio/sys.h>
#include <folio/thread.h>

#include "lock_order.h"

#if defined(DEBUG)

/*
 * Order checker. after[a] holds the classes that were ever taken while a was held. Taking b under
 * a is an error when a is reachable from b: some thread takes them the other way round. Bits are
 * only ever set, by any thread, RLX: a missed bit delays a report by one acquisition.
 */
#define CLASSES_MAX 64
static shared_t after[CLASSES_MAX];
static atomic_t classes;

static int class_number(struct lock_class *lock_class)
{
	int number = atomic_read(&lock_class->number);
	if (number == 0) {
		int fresh = atomic_add_return(1, &classes);
		if (fresh >= CLASSES_MAX)
			cfolio_bug("LOCK", NULL, "more than %d lock classes", CLASSES_MAX - 1);
		number = atomic_cmpxchg(&lock_class->number, 0, fresh);
		if (number == 0)
			number = fresh;
	}
	return number;
}

static unsigned long reachable_from(int number)
{
	unsigned long seen = BIT(number), front = seen;
	while (front) {
		int next = __builtin_ctzl(front);
		front &= front - 1;
		unsigned long fresh = READ_ONCE(after[next]) & ~seen;
		seen |= fresh;
		front |= fresh;
	}
	return seen;
}

/*
 * A lock that was only tried cannot deadlock: it is recorded as held, not as taken under others. Of
 * a nested one the caller knows why it may be taken under one of its own class.
 */
void lock_order_acquire(struct lock_class *lock_class, enum lock_order how)
{
	struct folio_thread *thread = folio_this_thread();
	/* The order words would be shared by all threads: steps that a normal build has not. */
	if (!lock_class || seam_schedules())
		return;
	int taken = class_number(lock_class);
	for (unsigned int i = 0; i < thread->locks_held && how != LOCK_TRIED; i++) {
		const struct lock_class *held = thread->locks[i];
		if (held == lock_class && how == LOCK_NESTED)
			continue;
		int number = atomic_read(&held->number);
		if (READ_ONCE(after[number]) & BIT(taken))
			continue;
		if (reachable_from(taken) & BIT(number))
			cfolio_bug("LOCK", NULL, "%s taken under %s, elsewhere in the other order",
				   lock_class->name, held->name);
		set_bits(&after[number], BIT(taken));
	}
	if (thread->locks_held == FOLIO_LOCKS_HELD_MAX)
		cfolio_bug("LOCK", NULL, "more than %d locks held", FOLIO_LOCKS_HELD_MAX);
	thread->locks[thread->locks_held++] = lock_class;
}

void lock_order_release(struct lock_class *lock_class)
{
	struct folio_thread *thread = folio_this_thread();
	if (!lock_class || seam_schedules())
		return;
	for (unsigned int i = thread->locks_held; i-- > 0;) {
		if (thread->locks[i] != lock_class)
			continue;
		for (; i + 1 < thread->locks_held; i++)
			thread->locks[i] = thread->locks[i + 1];
		thread->locks_held--;
		return;
	}
	cfolio_bug("LOCK", NULL, "%s released by a thread that does not hold it", lock_class->name);
}

#endif

#if !defined(FOLIO_LAB)
/* Only a Lab build has a site to hand on. */
#define spin_lock_sited spin_lock
#define spin_lock_nested_sited spin_lock_nested
#define spin_trylock_sited spin_trylock
#define spin_unlock_sited spin_unlock
#define mutex_lock_sited mutex_lock
#define mutex_trylock_sited mutex_trylock
#define mutex_unlock_sited mutex_unlock
#define bit_spin_lock_sited bit_spin_lock
#define bit_spin_unlock_sited bit_spin_unlock
#endif

#define SPINS 100

void spin_lock_init(spinlock_t *lock, struct lock_class *lock_class)
{
	atomic_set(&lock->state, 0);
	lock->lock_class = lock_class;
}

/*
 * Mutual exclusion: only the exchange 0 -> nonzero enters. No lost sleeper: a sleeper sets 2
 * before it sleeps and the futex call compares with 2; the holder's exchange to 0 sees that 2, or
 * comes before it and then the sleeper's exchange sees 0 and owns the lock.
 */
static void spin_lock_slow(spinlock_t *lock)
{
	for (int i = 0; i < SPINS; i++) {
		int expected = 0;
		if (atomic_read(&lock->state) == 0 &&
		    atomic_try_cmpxchg(&lock->state, &expected, 1))
			return;
		cpu_relax();
	}
	while (atomic_xchg(&lock->state, 2) != 0)
		cfolio_futex_wait(&lock->state, 2, 0);
}

static inline void take(spinlock_t *lock, enum lock_order how)
{
	int expected = 0;
	lock_order_acquire(lock->lock_class, how);
	if (seam_lock(&lock->state))
		return;
	if (unlikely(!atomic_try_cmpxchg(&lock->state, &expected, 1)))
		spin_lock_slow(lock);
}

void spin_lock_sited(spinlock_t *lock)
{
	take(lock, LOCK_WAITED);
}

void spin_lock_nested_sited(spinlock_t *lock)
{
	take(lock, LOCK_NESTED);
}

bool spin_trylock_sited(spinlock_t *lock)
{
	int expected = 0;
	bool taken = false;
	if (!seam_trylock(&lock->state, &taken))
		taken = atomic_try_cmpxchg(&lock->state, &expected, 1);
	if (taken)
		lock_order_acquire(lock->lock_class, LOCK_TRIED);
	return taken;
}

void spin_unlock_sited(spinlock_t *lock)
{
	lock_order_release(lock->lock_class);
	if (seam_unlock(&lock->state, MUTANT(O12) ? memory_order_relaxed : memory_order_release))
		return;
	if (unlikely(atomic_xchg(&lock->state, 0) == 2))
		cfolio_futex_wake(&lock->state, 1);
}

bool spin_is_locked(const spinlock_t *lock)
{
	return atomic_read(&lock->state) != 0;
}

void mutex_init(struct mutex *mutex, struct lock_class *lock_class)
{
	spin_lock_init(&mutex->lock, lock_class);
}

void mutex_lock_sited(struct mutex *mutex)
{
	spin_lock_sited(&mutex->lock);
}

bool mutex_trylock_sited(struct mutex *mutex)
{
	return spin_trylock_sited(&mutex->lock);
}

void mutex_unlock_sited(struct mutex *mutex)
{
	spin_unlock_sited(&mutex->lock);
}

void bit_spin_lock_sited(int bit, shared_t *word)
{
	if (seam_bit_lock(bit, word, MUTANT(O11) ? memory_order_relaxed : memory_order_acquire))
		return;
	/* The word has no room for a sleeper mark; after a short spin the owner needs our CPU. */
	for (int i = 0; !test_and_set_bits_lock(word, BIT(bit)); i++) {
		if (i < SPINS)
			cpu_relax();
		else
			cfolio_yield();
	}
}

void bit_spin_unlock_sited(int bit, shared_t *word)
{
	/* In brackets, so that it has the site of the unlock. */
	if (MUTANT(O10))
		return (clear_bits)(word, BIT(bit));
	(clear_bits_unlock)(word, BIT(bit));
}

bool bit_spin_is_locked(int bit, const shared_t *word)
{
	return (READ_ONCE(*word) & BIT(bit)) != 0;
}

#if defined(FOLIO_LAB)

/* For callers without a site, Swift above all. The name in brackets is no macro. */

void(spin_lock)(spinlock_t *lock)
{
	spin_lock(lock);
}

void(spin_lock_nested)(spinlock_t *lock)
{
	spin_lock_nested(lock);
}

bool(spin_trylock)(spinlock_t *lock)
{
	return spin_trylock(lock);
}

void(spin_unlock)(spinlock_t *lock)
{
	spin_unlock(lock);
}

void(mutex_lock)(struct mutex *mutex)
{
	mutex_lock(mutex);
}

bool(mutex_trylock)(struct mutex *mutex)
{
	return mutex_trylock(mutex);
}

void(mutex_unlock)(struct mutex *mutex)
{
	mutex_unlock(mutex);
}

void(bit_spin_lock)(int bit, shared_t *word)
{
	bit_spin_lock(bit, word);
}

void(bit_spin_unlock)(int bit, shared_t *word)
{
	bit_spin_unlock(bit, word);
}

#endif
