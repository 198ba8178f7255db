/* SPDX-License-Identifier: MIT */
/*
 * Gives each use of folio/atomic.h a site (FOLIO_LAB only): the function that is called and the
 * text of the call. A macro does not expand inside itself, so the call reaches the inline function.
 * Swift sees no macros with arguments: its direct calls have no site of their own.
 */
#ifndef FOLIO_SITES_H
#define FOLIO_SITES_H

#if defined(FOLIO_LAB)

/* The text comes from the macro itself: arguments of SEAM_CALL are expanded, with sites of their
 * own. */
#define SEAM_CALL(name, text, ...) SEAM_HERE(name(__VA_ARGS__), #name "(" text ")")

#define smp_mb(...) SEAM_CALL(smp_mb, #__VA_ARGS__, __VA_ARGS__)
#define smp_mb__before_atomic(...) SEAM_CALL(smp_mb__before_atomic, #__VA_ARGS__, __VA_ARGS__)
#define smp_mb__after_atomic(...) SEAM_CALL(smp_mb__after_atomic, #__VA_ARGS__, __VA_ARGS__)
#define smp_rmb(...) SEAM_CALL(smp_rmb, #__VA_ARGS__, __VA_ARGS__)
#define smp_wmb(...) SEAM_CALL(smp_wmb, #__VA_ARGS__, __VA_ARGS__)
#define shared_read(...) SEAM_CALL(shared_read, #__VA_ARGS__, __VA_ARGS__)
#define shared_read_acquire(...) SEAM_CALL(shared_read_acquire, #__VA_ARGS__, __VA_ARGS__)
#define shared_set_release(...) SEAM_CALL(shared_set_release, #__VA_ARGS__, __VA_ARGS__)
#define shared_xchg(...) SEAM_CALL(shared_xchg, #__VA_ARGS__, __VA_ARGS__)
#define shared_try_cmpxchg(...) SEAM_CALL(shared_try_cmpxchg, #__VA_ARGS__, __VA_ARGS__)
#define shared_add(...) SEAM_CALL(shared_add, #__VA_ARGS__, __VA_ARGS__)
#define set_bits(...) SEAM_CALL(set_bits, #__VA_ARGS__, __VA_ARGS__)
#define clear_bits(...) SEAM_CALL(clear_bits, #__VA_ARGS__, __VA_ARGS__)
#define clear_bits_unlock(...) SEAM_CALL(clear_bits_unlock, #__VA_ARGS__, __VA_ARGS__)
#define test_and_set_bits_lock(...) SEAM_CALL(test_and_set_bits_lock, #__VA_ARGS__, __VA_ARGS__)
#define atomic_read(...) SEAM_CALL(atomic_read, #__VA_ARGS__, __VA_ARGS__)
#define atomic_read_acquire(...) SEAM_CALL(atomic_read_acquire, #__VA_ARGS__, __VA_ARGS__)
#define atomic_read_pair_acquire(...) SEAM_CALL(atomic_read_pair_acquire, #__VA_ARGS__, __VA_ARGS__)
#define atomic_set(...) SEAM_CALL(atomic_set, #__VA_ARGS__, __VA_ARGS__)
#define atomic_set_release(...) SEAM_CALL(atomic_set_release, #__VA_ARGS__, __VA_ARGS__)
#define atomic_add(...) SEAM_CALL(atomic_add, #__VA_ARGS__, __VA_ARGS__)
#define atomic_sub(...) SEAM_CALL(atomic_sub, #__VA_ARGS__, __VA_ARGS__)
#define atomic_inc(...) SEAM_CALL(atomic_inc, #__VA_ARGS__, __VA_ARGS__)
#define atomic_dec(...) SEAM_CALL(atomic_dec, #__VA_ARGS__, __VA_ARGS__)
#define atomic_add_return_relaxed(...)                                                             \
	SEAM_CALL(atomic_add_return_relaxed, #__VA_ARGS__, __VA_ARGS__)
#define atomic_add_return_release(...)                                                             \
	SEAM_CALL(atomic_add_return_release, #__VA_ARGS__, __VA_ARGS__)
#define atomic_add_return(...) SEAM_CALL(atomic_add_return, #__VA_ARGS__, __VA_ARGS__)
#define atomic_sub_return(...) SEAM_CALL(atomic_sub_return, #__VA_ARGS__, __VA_ARGS__)
#define atomic_sub_and_test_low(...) SEAM_CALL(atomic_sub_and_test_low, #__VA_ARGS__, __VA_ARGS__)
#define atomic_sub_and_test(...) SEAM_CALL(atomic_sub_and_test, #__VA_ARGS__, __VA_ARGS__)
#define atomic_dec_and_test(...) SEAM_CALL(atomic_dec_and_test, #__VA_ARGS__, __VA_ARGS__)
#define atomic_inc_and_test(...) SEAM_CALL(atomic_inc_and_test, #__VA_ARGS__, __VA_ARGS__)
#define atomic_add_negative(...) SEAM_CALL(atomic_add_negative, #__VA_ARGS__, __VA_ARGS__)
#define atomic_xchg(...) SEAM_CALL(atomic_xchg, #__VA_ARGS__, __VA_ARGS__)
#define atomic_try_cmpxchg(...) SEAM_CALL(atomic_try_cmpxchg, #__VA_ARGS__, __VA_ARGS__)
#define atomic_cmpxchg(...) SEAM_CALL(atomic_cmpxchg, #__VA_ARGS__, __VA_ARGS__)
#define atomic_add_unless(...) SEAM_CALL(atomic_add_unless, #__VA_ARGS__, __VA_ARGS__)
#define atomic_inc_not_zero(...) SEAM_CALL(atomic_inc_not_zero, #__VA_ARGS__, __VA_ARGS__)
#define atomic_long_read_acquire(...) SEAM_CALL(atomic_long_read_acquire, #__VA_ARGS__, __VA_ARGS__)
#define atomic_long_set_release(...) SEAM_CALL(atomic_long_set_release, #__VA_ARGS__, __VA_ARGS__)
#define atomic_long_read(...) SEAM_CALL(atomic_long_read, #__VA_ARGS__, __VA_ARGS__)
#define atomic_long_set(...) SEAM_CALL(atomic_long_set, #__VA_ARGS__, __VA_ARGS__)
#define atomic_long_add(...) SEAM_CALL(atomic_long_add, #__VA_ARGS__, __VA_ARGS__)
#define atomic_long_add_return(...) SEAM_CALL(atomic_long_add_return, #__VA_ARGS__, __VA_ARGS__)
#define atomic_long_sub_and_test(...) SEAM_CALL(atomic_long_sub_and_test, #__VA_ARGS__, __VA_ARGS__)
#define weakened_add_return(...) SEAM_CALL(weakened_add_return, #__VA_ARGS__, __VA_ARGS__)
#define weakened_try_cmpxchg(...) SEAM_CALL(weakened_try_cmpxchg, #__VA_ARGS__, __VA_ARGS__)
#define weakened_add_unless(...) SEAM_CALL(weakened_add_unless, #__VA_ARGS__, __VA_ARGS__)
#define weakened_xchg(...) SEAM_CALL(weakened_xchg, #__VA_ARGS__, __VA_ARGS__)
#define atomic_long_add_unless(...) SEAM_CALL(atomic_long_add_unless, #__VA_ARGS__, __VA_ARGS__)

#endif

#endif
