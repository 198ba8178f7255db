/* SPDX-License-Identifier: MIT */
/*
 * What every other header needs from the compiler: branch hints, attributes, build-time
 * assertions, container_of. No shared access, no configuration. Compiles with clang, gcc and the
 * Clang importer of Swift, for x86-64 and arm64.
 */
#ifndef FOLIO_COMPILER_H
#define FOLIO_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __cplusplus
#define static_assert _Static_assert
#endif

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

#define __must_check __attribute__((warn_unused_result))
#define __cold __attribute__((cold, noinline))
#define __noreturn __attribute__((noreturn))
#define __printf(text, first) __attribute__((format(printf, text, first)))

#if !defined(__clang__)
#define _Nonnull
#define _Nullable
#define _Null_unspecified
#endif

#if defined(__clang__)
#define FOLIO_ASSUME_NONNULL_BEGIN _Pragma("clang assume_nonnull begin")
#define FOLIO_ASSUME_NONNULL_END _Pragma("clang assume_nonnull end")
/** A C enum that Swift may not extend: imported as a Swift enum. */
#define FOLIO_CLOSED_ENUM __attribute__((enum_extensibility(closed)))
/** A struct whose address is its identity: Swift may point to it, and not copy it. */
#define FOLIO_NONCOPYABLE __attribute__((swift_attr("~Copyable")))
#else
#define FOLIO_ASSUME_NONNULL_BEGIN
#define FOLIO_ASSUME_NONNULL_END
#define FOLIO_CLOSED_ENUM
#define FOLIO_NONCOPYABLE
#endif

#define BIT(n) (1UL << (n))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#if defined(FOLIO_LAB) && defined(__clang__) && !defined(CLAB)
/* So that the lab can put all globals back after an execution that it stops in the middle; its own,
 * and those of others that schedule (CLAB), stay. */
#pragma clang section bss = "folio_bss" data = "folio_data"
#endif

/** Bytes that two threads must not share when they write different words. */
#define FOLIO_CACHE_LINE 64

#endif
