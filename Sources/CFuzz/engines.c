// SPDX-License-Identifier: MIT
/*
 * The fuzzing engines behind weak symbols: what is not linked is NULL here, and the tool says so.
 */
#include <fuzz.h>

#include <string.h>
#include <unistd.h>

__attribute__((
	section("__libfuzzer_extra_counters"))) static unsigned char fuzz_counters[FUZZ_COUNTERS];

unsigned char *fuzz_counters_start(void)
{
	return fuzz_counters;
}

/* ---- libFuzzer ------------------------------------------------------------------------------- */

extern int LLVMFuzzerRunDriver(int *argc, char ***argv, fuzz_target target) __attribute__((weak));
extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t limit) __attribute__((weak));

bool fuzz_has_libfuzzer(void)
{
	return LLVMFuzzerRunDriver != NULL;
}

int fuzz_libfuzzer(int argc, char **argv, fuzz_target target)
{
	return LLVMFuzzerRunDriver ? LLVMFuzzerRunDriver(&argc, &argv, target) : -1;
}

size_t fuzz_mutate(uint8_t *data, size_t size, size_t limit)
{
	return LLVMFuzzerMutate ? LLVMFuzzerMutate(data, size, limit) : 0;
}

/* ---- AFL++ ----------------------------------------------------------------------------------- */

extern void __afl_manual_init(void) __attribute__((weak));
extern int __afl_persistent_loop(unsigned int count) __attribute__((weak));
extern unsigned char *__afl_area_ptr __attribute__((weak));
extern unsigned char *__afl_fuzz_ptr __attribute__((weak));
extern unsigned int *__afl_fuzz_len __attribute__((weak));
/* The run-time library looks at it: inputs come through shared memory. */
int __afl_sharedmem_fuzzing = 1;

/* afl-fuzz looks for these in the file to know what the program does. */
static const char *const volatile marks[] = {"##SIG_AFL_PERSISTENT##", "##SIG_AFL_DEFER_FORKSRV##"};

/* The part of AFL's map that pairs have: 2^16 bytes is its least size. */
#define AFL_MAP (1u << 16)

bool fuzz_has_afl(void)
{
	return __afl_persistent_loop && __afl_manual_init && marks[0] && marks[1];
}

bool fuzz_afl(unsigned int inputs, fuzz_target target)
{
	static uint8_t buffer[1u << 16];
	if (!fuzz_has_afl())
		return false;
	__afl_manual_init();
	while (__afl_persistent_loop(inputs)) {
		const uint8_t *data = buffer;
		size_t size;
		if (&__afl_fuzz_ptr && __afl_fuzz_ptr) {
			data = __afl_fuzz_ptr;
			size = *__afl_fuzz_len;
		} else {
			ssize_t got = read(0, buffer, sizeof(buffer));
			size = got > 0 ? (size_t)got : 0;
		}
		memset(fuzz_counters, 0, sizeof(fuzz_counters));
		(void)target(data, size);
		for (unsigned int i = 0; i < FUZZ_COUNTERS; i++)
			__afl_area_ptr[AFL_MAP - FUZZ_COUNTERS + i] += fuzz_counters[i];
	}
	return true;
}
