// SPDX-License-Identifier: MIT
/* See sanitizer.h. */
#include "engine.h"
#include "sanitizer.h"

/* The barrier keeps the compiler from making a call of the loop. */
void fill_unseen(void *start, unsigned char value, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		((unsigned char *)start)[i] = value;
		__asm__ volatile("" : : : "memory");
	}
}

/*
 * AddressSanitizer calls this in front of each report. With halt_on_error=0 and code that may go on
 * (-sanitize-recover=address) the execution ends as one that failed, and has a trace and a token.
 */
void __asan_on_error(void);
void __asan_on_error(void)
{
	if (lab.mode != MODE_OFF)
		fail_at("ADDRESS", UINT64_MAX, "AddressSanitizer reports an access");
}
