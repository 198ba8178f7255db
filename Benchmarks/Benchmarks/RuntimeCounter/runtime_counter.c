// SPDX-License-Identifier: MIT
/*
 * See RuntimeCounter.h. The runtime looks at its pointers only while the flag below is set. Callers
 * of swift_retain() may count on registers that a C function would use, so the replacements keep
 * them all (preserve_most).
 */
#include "RuntimeCounter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEEPS_REGISTERS __attribute__((preserve_most))

extern void *(*_swift_retain)(void *object);
extern void *(*_swift_retain_n)(void *object, uint32_t n);
extern void (*_swift_release)(void *object);
extern void (*_swift_release_n)(void *object, uint32_t n);
extern void *(*_swift_allocObject)(const void *metadata, size_t size, size_t alignment);
extern bool _swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly;

static void *(*retain)(void *object);
static void *(*retain_n)(void *object, uint32_t n);
static void (*release)(void *object);
static void (*release_n)(void *object, uint32_t n);
static void *(*allocate)(const void *metadata, size_t size, size_t alignment);

static _Thread_local bool counting;
static struct runtime_counts counts; /* of the counting thread */

KEEPS_REGISTERS static void *count_retain(void *object)
{
	counts.retains += counting;
	return retain(object);
}

KEEPS_REGISTERS static void *count_retain_n(void *object, uint32_t n)
{
	counts.retains += counting ? n : 0;
	return retain_n(object, n);
}

KEEPS_REGISTERS static void count_release(void *object)
{
	counts.releases += counting;
	release(object);
}

KEEPS_REGISTERS static void count_release_n(void *object, uint32_t n)
{
	counts.releases += counting ? n : 0;
	release_n(object, n);
}

KEEPS_REGISTERS static void *count_allocate(const void *metadata, size_t size, size_t alignment)
{
	counts.allocations += counting;
	return allocate(metadata, size, alignment);
}

void runtime_counter_begin(void)
{
	retain = _swift_retain;
	retain_n = _swift_retain_n;
	release = _swift_release;
	release_n = _swift_release_n;
	allocate = _swift_allocObject;
	counts = (struct runtime_counts){0};
	_swift_retain = (void *(*)(void *))count_retain;
	_swift_retain_n = (void *(*)(void *, uint32_t))count_retain_n;
	_swift_release = (void (*)(void *))count_release;
	_swift_release_n = (void (*)(void *, uint32_t))count_release_n;
	_swift_allocObject = (void *(*)(const void *, size_t, size_t))count_allocate;
	counting = true;
	_swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly = true;
	/* The runtime's pointers are plain: the compiler must not move them past what is counted.
	 */
	__asm__ __volatile__("" ::: "memory");
}

struct runtime_counts runtime_counter_end(void)
{
	__asm__ __volatile__("" ::: "memory");
	_swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly = false;
	counting = false;
	_swift_retain = retain;
	_swift_retain_n = retain_n;
	_swift_release = release;
	_swift_release_n = release_n;
	_swift_allocObject = allocate;
	return counts;
}
