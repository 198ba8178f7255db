/* SPDX-License-Identifier: MIT */
/*
 * What the engine tells sanitizers. Their functions are weak symbols, NULL where no run-time
 * library of theirs is linked; the engine itself is never instrumented.
 *
 * AddressSanitizer: stacks change with fibers (fiber.c), memory of the arena that nobody holds is
 * poisoned (memory.c), so that plain accesses to it are found as those through the seam are.
 *
 * ThreadSanitizer: each fiber is a thread to it, and nothing that the engine does orders two of
 * them. What orders them it is told behind each operation of the seam: told_hooks(). The alarm for
 * blind spots has functions of the same names (blind.c).
 */
#ifndef LAB_SANITIZER_H
#define LAB_SANITIZER_H

#include <folio/compiler.h>
#include <folio/globals.h>
#include <folio/seam_hooks.h>

#include <string.h>

#define LAB_WEAK __attribute__((weak))

LAB_WEAK void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size);
LAB_WEAK void __sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *size);
LAB_WEAK void __asan_poison_memory_region(const volatile void *start, size_t size);
LAB_WEAK void __asan_unpoison_memory_region(const volatile void *start, size_t size);
LAB_WEAK void *__tsan_create_fiber(unsigned int flags);
LAB_WEAK void __tsan_destroy_fiber(void *fiber);
LAB_WEAK void *__tsan_get_current_fiber(void);
LAB_WEAK void __tsan_switch_to_fiber(void *fiber, unsigned int flags);
LAB_WEAK void __tsan_acquire(void *address);
LAB_WEAK void __tsan_release(void *address);
LAB_WEAK void __tsan_flush_memory(void);
LAB_WEAK void __tsan_ignore_thread_begin(void);
LAB_WEAK void __tsan_ignore_thread_end(void);
LAB_WEAK void __tsan_read4(const volatile void *address);
LAB_WEAK void __tsan_write4(const volatile void *address);
LAB_WEAK void __tsan_write_range(const volatile void *address, unsigned long size);
LAB_WEAK int __tsan_atomic32_load(const volatile int *word, int order);
LAB_WEAK void __tsan_atomic32_store(volatile int *word, int value, int order);
LAB_WEAK int __tsan_atomic32_fetch_add(volatile int *word, int value, int order);
LAB_WEAK long __tsan_atomic64_load(const volatile long *word, int order);
LAB_WEAK void __tsan_atomic64_store(volatile long *word, long value, int order);
LAB_WEAK long __tsan_atomic64_fetch_add(volatile long *word, long value, int order);

#define TSAN_NO_SYNCHRONISATION 1u

static inline bool watches_addresses(void)
{
	return __asan_poison_memory_region != NULL;
}

/** Nobody may touch it any more. Multiples of 8. */
static inline void poison(const volatile void *start, size_t size)
{
	if (__asan_poison_memory_region && size)
		__asan_poison_memory_region(start, size);
}

static inline void unpoison(const volatile void *start, size_t size)
{
	if (__asan_unpoison_memory_region && size)
		__asan_unpoison_memory_region(start, size);
}

/*
 * A sanitizer's run-time library replaces memcpy() and memset() of the process and looks at what
 * they touch; whose memory it is does not matter to who puts it back.
 */
void fill_unseen(void *start, unsigned char value, size_t size);

static inline void copy_bytes(void *to, const void *from, size_t size)
{
	if (unlikely(watches_addresses()))
		globals_move(to, from, size);
	else
		memcpy(to, from, size);
}

static inline void fill_bytes(void *start, unsigned char value, size_t size)
{
	if (unlikely(watches_addresses()))
		fill_unseen(start, value, size);
	else
		memset(start, value, size);
}

/** The hooks, or others around them that tell ThreadSanitizer. */
const struct seam_hooks *told_hooks(const struct seam_hooks *hooks);
/** From here on, until the execution ends or a deferred call begins, a lane runs the engine's code.
 */
void tell_engine_begins(void);
/** Around a deferred call, on the reclaimer. */
void tell_deferred_begins(void);
void tell_deferred_ends(void);
/** Before the first lane runs, and when none runs any more; on the host. */
void tell_execution_begins(void);
void tell_execution_ends(void);

#endif
