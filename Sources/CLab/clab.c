// SPDX-License-Identifier: MIT
/*
 * The engine as one translation unit: a step crosses four of its files, and calls between them that
 * the compiler can see through are an eighth of the time.
 */
#define _GNU_SOURCE

/*
 * Whatever the rest of the process is compiled for: the engine is who watches it, and a fuzzer asks
 * which edges of the library ran.
 */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((disable_sanitizer_instrumentation)),                   \
			     apply_to = function)
#endif

#include "src/accesses.c"
#include "src/blind.c"
#include "src/block.c"
#include "src/choose.c"
#include "src/engine.c"
#include "src/estimate.c"
#include "src/executions.c"
#include "src/fair.c"
#include "src/fiber.c"
#include "src/grace.c"
#include "src/history.c"
#include "src/hooks.c"
#include "src/identity.c"
#include "src/memory.c"
#include "src/model.c"
#include "src/objects.c"
#include "src/orders.c"
#include "src/pairs.c"
#include "src/plain.c"
#include "src/races.c"
#include "src/sanitizer.c"
#include "src/sanitizer_hooks.c"
#include "src/sanitizer_thread.c"
#include "src/search.c"
#include "src/sites.c"
#include "src/states.c"
#include "src/store_buffer.c"
#include "src/touches.c"
#include "src/words.c"

#if defined(__clang__)
#pragma clang attribute pop
#endif
