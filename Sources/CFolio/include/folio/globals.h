/* SPDX-License-Identifier: MIT */
/*
 * CFolio's globals as bytes: a Lab build gathers them in two sections (folio/compiler.h), so that
 * whoever runs scenarios again and again can put them back. In other builds there are none.
 */
#ifndef FOLIO_GLOBALS_H
#define FOLIO_GLOBALS_H

#include <folio/compiler.h>

FOLIO_ASSUME_NONNULL_BEGIN

extern char __start_folio_data[] __attribute__((weak)), __stop_folio_data[] __attribute__((weak));
extern char __start_folio_bss[] __attribute__((weak)), __stop_folio_bss[] __attribute__((weak));

static inline size_t globals_between(const char *_Nullable start, const char *_Nullable end)
{
	return start ? (size_t)(end - start) : 0;
}

static inline size_t folio_globals_size(void)
{
	return globals_between(__start_folio_data, __stop_folio_data) +
	       globals_between(__start_folio_bss, __stop_folio_bss);
}

typedef unsigned long globals_word __attribute__((aligned(1), may_alias));

/*
 * As memcpy(), word by word: AddressSanitizer keeps something between globals that memcpy() as it
 * replaces it must not touch.
 */
__attribute__((no_sanitize("address"))) static inline void globals_move(char *to, const char *from,
									size_t size)
{
	size_t i = 0;
	for (; i + 8 <= size; i += 8) {
		*(globals_word *)(to + i) = *(const globals_word *)(from + i);
		/* The compiler would make one memcpy() of it. */
		__asm__ volatile("" : : : "memory");
	}
	for (; i < size; i++) {
		to[i] = from[i];
		__asm__ volatile("" : : : "memory");
	}
}

/** Copies them to the image, or back from it. Context: no thread is in the library. */
static inline void folio_globals_copy(char *image, bool back)
{
	size_t data = globals_between(__start_folio_data, __stop_folio_data);
	size_t bss = globals_between(__start_folio_bss, __stop_folio_bss);
	if (back) {
		globals_move(__start_folio_data, image, data);
		globals_move(__start_folio_bss, image + data, bss);
	} else {
		globals_move(image, __start_folio_data, data);
		globals_move(image + data, __start_folio_bss, bss);
	}
}

FOLIO_ASSUME_NONNULL_END

#endif
