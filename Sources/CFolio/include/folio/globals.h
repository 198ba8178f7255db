/* SPDX-License-Identifier: MIT */
/*
 * CFolio's globals as bytes: a Lab build gathers them in two sections (folio/compiler.h), so that
 * whoever runs scenarios again and again can put them back. In other builds there are none.
 */
#ifndef FOLIO_GLOBALS_H
#define FOLIO_GLOBALS_H

#include <folio/compiler.h>
#include <string.h>

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

/** Copies them to the image, or back from it. Context: no thread is in the library. */
static inline void folio_globals_copy(char *image, bool back)
{
	size_t data = globals_between(__start_folio_data, __stop_folio_data);
	size_t bss = globals_between(__start_folio_bss, __stop_folio_bss);
	if (back) {
		memcpy(__start_folio_data, image, data);
		memcpy(__start_folio_bss, image + data, bss);
	} else {
		memcpy(image, __start_folio_data, data);
		memcpy(image + data, __start_folio_bss, bss);
	}
}

FOLIO_ASSUME_NONNULL_END

#endif
