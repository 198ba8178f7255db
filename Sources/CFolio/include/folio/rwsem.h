/* SPDX-License-Identifier: MIT */
/*
 * struct rw_semaphore: many readers or one writer, all of them may block while they hold it.
 * Mirrors the kernel's rwsem.h. The order checker (folio/lock.h) takes a reader for a holder like
 * any other.
 *
 * Ordering: down is ACQUIRE, up is RELEASE. Who sleeps keeps later readers out until it is
 * woken; then all compete again.
 */
#ifndef FOLIO_RWSEM_H
#define FOLIO_RWSEM_H

#include <folio/lock.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** Bit 0: a writer holds it. Bit 1: somebody sleeps. From bit 2 on: readers. */
struct rw_semaphore {
	atomic_t count; /**< by lockers and holders; futex word of the sleepers */
	struct lock_class *_Nullable lock_class;
} FOLIO_NONCOPYABLE;

/** Free. lock_class: for the order checker, NULL: not checked. */
void init_rwsem(struct rw_semaphore *sem, struct lock_class *_Nullable lock_class);
/** Enters beside other readers; sleeps while a writer is inside or somebody sleeps. ACQUIRE. */
void down_read(struct rw_semaphore *sem);
/** The same without sleeping; false: a writer is inside or somebody sleeps. ACQUIRE if true. */
bool down_read_trylock(struct rw_semaphore *sem) __must_check;
/** Leaves; the last reader wakes who sleeps. RELEASE. Context: the reader. */
void up_read(struct rw_semaphore *sem);
/** Enters alone; sleeps while anybody is inside. ACQUIRE. */
void down_write(struct rw_semaphore *sem);
/** The same without sleeping; false: somebody is inside. ACQUIRE if true. */
bool down_write_trylock(struct rw_semaphore *sem) __must_check;
/** Leaves and wakes who sleeps. RELEASE. Context: the writer. */
void up_write(struct rw_semaphore *sem);
/**
 * The writer goes on as a reader and wakes who sleeps; no other writer comes in between. RELEASE.
 * Context: the writer; up_read() ends it.
 */
void downgrade_write(struct rw_semaphore *sem);

/** Somebody is inside. A snapshot, RLX. */
bool rwsem_is_locked(const struct rw_semaphore *sem);
/** A writer is inside: what rwsem_assert_held_write() asks. A snapshot, RLX. */
bool rwsem_is_write_locked(const struct rw_semaphore *sem);

FOLIO_ASSUME_NONNULL_END

#endif
