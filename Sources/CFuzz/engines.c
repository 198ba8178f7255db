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

/*
 * Counters of edges, where code is compiled with -fsanitize-coverage=inline-8bit-counters:
 * libFuzzer has these functions, too, and then its own are taken. AFL++ has none: its run-time
 * library knows trace-pc-guard only. With counters, both engines link the same objects.
 */
static struct {
	char *start, *stop;
} edges[16];
static unsigned int edges_count;

void __sanitizer_cov_8bit_counters_init(char *start, char *stop);
void __sanitizer_cov_pcs_init(const uintptr_t *start, const uintptr_t *stop);

__attribute__((weak)) void __sanitizer_cov_8bit_counters_init(char *start, char *stop)
{
	for (unsigned int i = 0; i < edges_count; i++)
		if (edges[i].start == start)
			return;
	if (start < stop && edges_count < sizeof(edges) / sizeof(edges[0])) {
		edges[edges_count].start = start;
		edges[edges_count++].stop = stop;
	}
}

__attribute__((weak)) void __sanitizer_cov_pcs_init(const uintptr_t *start, const uintptr_t *stop)
{
	(void)start;
	(void)stop;
}

/* AFL's map has at least so many bytes: edges from its beginning, pairs at its end. */
#define AFL_MAP (1u << 16)

/*
 * That an edge or a pair was reached counts, not how often: the engine runs an execution in a
 * thousand twice, and AFL++ would take that for an input that does not do the same each time.
 */
static void mark(unsigned char *map, unsigned char *counters, size_t size)
{
	for (size_t n = 0; n < size; n++)
		map[n] |= counters[n] != 0;
	memset(counters, 0, size);
}

static void add_to_map(unsigned char *map)
{
	size_t at = 1; /* the first byte is set by AFL++ for every input */
	for (unsigned int i = 0; i < edges_count; i++) {
		size_t size = (size_t)(edges[i].stop - edges[i].start);
		if (size > AFL_MAP - FUZZ_COUNTERS - at)
			size = AFL_MAP - FUZZ_COUNTERS - at;
		mark(map + at, (unsigned char *)edges[i].start, size);
		at += size;
	}
	mark(map + AFL_MAP - FUZZ_COUNTERS, fuzz_counters, FUZZ_COUNTERS);
}

bool fuzz_has_afl(void)
{
	return __afl_persistent_loop && __afl_manual_init && marks[0] && marks[1];
}

bool fuzz_afl(unsigned int inputs, fuzz_target target)
{
	static uint8_t buffer[1u << 16];
	static unsigned char nowhere[AFL_MAP];
	if (!fuzz_has_afl())
		return false;
	__afl_manual_init();
	add_to_map(nowhere); /* what came before the first input */
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
		(void)target(data, size);
		add_to_map(__afl_area_ptr);
	}
	return true;
}
