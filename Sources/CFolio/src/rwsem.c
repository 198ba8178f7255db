// SPDX-License-Identifier: MIT
/*
 * Read-write semaphores. See folio/rwsem.h.
 *
 * Exclusion: a writer enters by an exchange that sees neither readers nor a writer, a reader by one
 * that sees no writer. No lost sleeper: who sleeps sets SLEEPERS first and the futex call compares
 * the word with that; whoever leaves it without holders takes the bit away by an exchange and wakes
 * all. Either that exchange sees the bit, or the sleeper's own sees a free word.
 */
#include <folio/rwsem.h>
#include <folio/sys.h>

#include "lock_order.h"

#define WRITER 1
#define SLEEPERS 2
#define READER 4

void init_rwsem(struct rw_semaphore *sem, struct lock_class *lock_class)
{
	atomic_set(&sem->count, 0);
	sem->lock_class = lock_class;
}

/*
 * Enters as `mine`, READER or WRITER, unless somebody is in the way: a writer or sleepers for a
 * reader, a reader or a writer for a writer. False: `seen` is the word that says so.
 */
static bool try_enter(struct rw_semaphore *sem, int mine, int *seen)
{
	const int against = mine == READER ? WRITER | SLEEPERS : ~SLEEPERS;
	int count = *seen;
	while (!(count & against)) {
		if (atomic_try_cmpxchg(&sem->count, &count, count + mine))
			return true;
	}
	*seen = count;
	return false;
}

static void down(struct rw_semaphore *sem, int mine)
{
	lock_order_acquire(sem->lock_class, LOCK_WAITED);
	int count = atomic_read(&sem->count);
	while (!try_enter(sem, mine, &count)) {
		if (!(count & SLEEPERS) &&
		    !atomic_try_cmpxchg(&sem->count, &count, count | SLEEPERS))
			continue;
		cfolio_futex_wait(&sem->count, count | SLEEPERS, 0);
		count = atomic_read(&sem->count);
	}
}

static bool trylock(struct rw_semaphore *sem, int mine)
{
	int count = atomic_read(&sem->count);
	bool taken = try_enter(sem, mine, &count);
	if (taken)
		lock_order_acquire(sem->lock_class, LOCK_TRIED);
	return taken;
}

/* Nobody was inside, and somebody may sleep. Whoever changed the word since sees to them. */
static void wake(struct rw_semaphore *sem)
{
	int sleepers = SLEEPERS;
	if (atomic_try_cmpxchg(&sem->count, &sleepers, 0))
		cfolio_futex_wake(&sem->count, __INT_MAX__);
}

void down_read(struct rw_semaphore *sem)
{
	down(sem, READER);
}

void down_write(struct rw_semaphore *sem)
{
	down(sem, WRITER);
}

bool down_read_trylock(struct rw_semaphore *sem)
{
	return trylock(sem, READER);
}

bool down_write_trylock(struct rw_semaphore *sem)
{
	return trylock(sem, WRITER);
}

void up_read(struct rw_semaphore *sem)
{
	lock_order_release(sem->lock_class);
	if (atomic_sub_return(READER, &sem->count) == SLEEPERS && !MUTANT(P99))
		wake(sem);
}

void up_write(struct rw_semaphore *sem)
{
	lock_order_release(sem->lock_class);
	if (atomic_sub_return(WRITER, &sem->count) == SLEEPERS)
		wake(sem);
}

void downgrade_write(struct rw_semaphore *sem)
{
	int sleepers = SLEEPERS | READER;
	/* Readers that sleep may come in; a writer among them finds a reader and sleeps again. */
	if (atomic_add_return(READER - WRITER, &sem->count) == sleepers && !MUTANT(P71) &&
	    atomic_try_cmpxchg(&sem->count, &sleepers, READER))
		cfolio_futex_wake(&sem->count, __INT_MAX__);
}

bool rwsem_is_locked(const struct rw_semaphore *sem)
{
	return (atomic_read(&sem->count) & ~SLEEPERS) != 0;
}

bool rwsem_is_write_locked(const struct rw_semaphore *sem)
{
	return atomic_read(&sem->count) & WRITER;
}
