/* SPDX-License-Identifier: MIT */
/*
 * Locks: spinlock_t and struct mutex. Both sleep on a futex after a short spin, because a
 * userspace spinner may have been preempted by the owner's CPU; they differ in what may be done
 * under them (nothing that blocks under a spinlock). Mirrors the kernel's spinlock.h, mutex.h.
 *
 * Each lock has a class. Debug builds record which class was taken under which and stop with
 * "LOCK" at the first order that closes a cycle, as lockdep does.
 *
 * Ordering: lock is ACQUIRE, unlock is RELEASE; neither is FULL.
 */
#ifndef FOLIO_LOCK_H
#define FOLIO_LOCK_H

#include <folio/atomic.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** One kind of lock, for the order checker. Static storage; the number is given at first use. */
struct lock_class {
	const char *name;
	atomic_t number;
};

#define LOCK_CLASS(name_) {name_, ATOMIC_INIT(0)}

/** 0 free, 1 held, 2 held with sleepers. Written by lockers and the holder. */
typedef struct spinlock {
	atomic_t state;
	struct lock_class *_Nullable lock_class;
} FOLIO_NONCOPYABLE spinlock_t;

/** A lock under which its holder may block. */
struct mutex {
	spinlock_t lock;
} FOLIO_NONCOPYABLE;

#define SPIN_LOCK_INIT(class_) {ATOMIC_INIT(0), class_}

void spin_lock_init(spinlock_t *lock, struct lock_class *_Nullable lock_class);
void spin_lock(spinlock_t *lock);
/** The same under another lock of the class; what excludes a cycle is the caller's to say. */
void spin_lock_nested(spinlock_t *lock);
bool spin_trylock(spinlock_t *lock) __must_check;
void spin_unlock(spinlock_t *lock);
/** True when somebody holds the lock. */
bool spin_is_locked(const spinlock_t *lock);

void mutex_init(struct mutex *mutex, struct lock_class *_Nullable lock_class);
void mutex_lock(struct mutex *mutex);
bool mutex_trylock(struct mutex *mutex) __must_check;
void mutex_unlock(struct mutex *mutex);

/**
 * Spins until the bit of the word is set by the caller. ACQUIRE. For words that a lock must fit
 * in.
 */
void bit_spin_lock(int bit, shared_t *word);
/** RELEASE; a read-modify-write, so FULL on x86-64. */
void bit_spin_unlock(int bit, shared_t *word);
bool bit_spin_is_locked(int bit, const shared_t *word);

#if defined(FOLIO_LAB)

/*
 * The same at the site that the caller has: each call in C is one (see folio/sites.h). Swift, which
 * sees no macros with arguments, calls the functions above, and then those are the site.
 */
void spin_lock_sited(spinlock_t *lock);
void spin_lock_nested_sited(spinlock_t *lock);
bool spin_trylock_sited(spinlock_t *lock) __must_check;
void spin_unlock_sited(spinlock_t *lock);
void mutex_lock_sited(struct mutex *mutex);
bool mutex_trylock_sited(struct mutex *mutex) __must_check;
void mutex_unlock_sited(struct mutex *mutex);
void bit_spin_lock_sited(int bit, shared_t *word);
void bit_spin_unlock_sited(int bit, shared_t *word);

#define spin_lock(...) SEAM_HERE(spin_lock_sited(__VA_ARGS__), "spin_lock(" #__VA_ARGS__ ")")
#define spin_lock_nested(...)                                                                      \
	SEAM_HERE(spin_lock_nested_sited(__VA_ARGS__), "spin_lock_nested(" #__VA_ARGS__ ")")
#define spin_trylock(...)                                                                          \
	SEAM_HERE(spin_trylock_sited(__VA_ARGS__), "spin_trylock(" #__VA_ARGS__ ")")
#define spin_unlock(...) SEAM_HERE(spin_unlock_sited(__VA_ARGS__), "spin_unlock(" #__VA_ARGS__ ")")
#define mutex_lock(...) SEAM_HERE(mutex_lock_sited(__VA_ARGS__), "mutex_lock(" #__VA_ARGS__ ")")
#define mutex_trylock(...)                                                                         \
	SEAM_HERE(mutex_trylock_sited(__VA_ARGS__), "mutex_trylock(" #__VA_ARGS__ ")")
#define mutex_unlock(...)                                                                          \
	SEAM_HERE(mutex_unlock_sited(__VA_ARGS__), "mutex_unlock(" #__VA_ARGS__ ")")
#define bit_spin_lock(...)                                                                         \
	SEAM_HERE(bit_spin_lock_sited(__VA_ARGS__), "bit_spin_lock(" #__VA_ARGS__ ")")
#define bit_spin_unlock(...)                                                                       \
	SEAM_HERE(bit_spin_unlock_sited(__VA_ARGS__), "bit_spin_unlock(" #__VA_ARGS__ ")")

#endif

FOLIO_ASSUME_NONNULL_END

#endif
