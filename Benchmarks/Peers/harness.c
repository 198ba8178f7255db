// SPDX-License-Identifier: MIT
/* See peers/harness.h. */
#define _GNU_SOURCE
#include <peers/harness.h>

#include <errno.h>
#include <linux/futex.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int64_t harness_clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- words ----------------------------------------------------------------------------------- */

struct harness_word {
	atomic_int value;
	char pad[60];
};

struct harness_word *harness_word_create(void)
{
	struct harness_word *word = aligned_alloc(64, sizeof(*word));
	if (word)
		memset(word, 0, sizeof(*word));
	return word;
}

void harness_word_destroy(struct harness_word *word)
{
	free(word);
}

int harness_word_load(const struct harness_word *word)
{
	return atomic_load_explicit(&word->value, memory_order_acquire);
}

void harness_word_store(struct harness_word *word, int value)
{
	atomic_store_explicit(&word->value, value, memory_order_release);
}

int harness_word_add(struct harness_word *word, int value)
{
	return atomic_fetch_add_explicit(&word->value, value, memory_order_acq_rel) + value;
}

void harness_word_wait(struct harness_word *word, int value)
{
	while (harness_word_load(word) == value)
		syscall(SYS_futex, &word->value, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void harness_word_wake(struct harness_word *word)
{
	syscall(SYS_futex, &word->value, FUTEX_WAKE_PRIVATE, 1 << 30, NULL, NULL, 0);
}

void harness_word_spin(struct harness_word *word, int value)
{
	/* A thread that shares the CPU with the one it waits for must let it run. */
	for (int spins = 0; harness_word_load(word) < value; spins++) {
		if (spins > 100000)
			sched_yield();
#if defined(__x86_64__)
		__builtin_ia32_pause();
#endif
	}
}

/* ---- processors ------------------------------------------------------------------------------ */

int harness_allowed_cpus(int *cpus, int capacity)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	int count = 0;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (count < capacity)
			cpus[count] = cpu;
		count++;
	}
	return count;
}

int harness_pin_to_cpu(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* ---- interrupts ------------------------------------------------------------------------------ */

#define SAME_KEYSTROKE_NS 500000000

static atomic_int interrupted;	    /* a signal came; written by the handler */
static atomic_llong interrupt_time; /* when the first one came; written by the handler */

/*
 * Some senders signal a process and then its group: what comes at once is the same request. A
 * later one is not ours to delay.
 */
static void on_signal(int number)
{
	long long now = harness_clock_ns();
	if (atomic_exchange(&interrupted, 1) == 0) {
		atomic_store(&interrupt_time, now);
	} else if (now - atomic_load(&interrupt_time) > SAME_KEYSTROKE_NS) {
		signal(number, SIG_DFL);
		raise(number);
	}
}

void harness_catch_interrupts(void)
{
	struct sigaction action;
	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	action.sa_flags = SA_RESTART;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool harness_interrupted(void)
{
	return atomic_load_explicit(&interrupted, memory_order_relaxed) != 0;
}

void harness_interrupt(void)
{
	atomic_store(&interrupted, 1);
}

void harness_clear_interrupt(void)
{
	atomic_store(&interrupted, 0);
}

/* ---- memory ---------------------------------------------------------------------------------- */

long harness_resident_bytes(const void *start, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)start & ~(page - 1);
	uintptr_t end = ((uintptr_t)start + bytes + page - 1) & ~(page - 1);
	unsigned char present[4096];
	size_t resident = 0;
	while (first < end) {
		size_t pages = (end - first) / page;
		if (pages > sizeof(present))
			pages = sizeof(present);
		if (mincore((void *)first, pages * page, present) != 0)
			return -errno;
		for (size_t i = 0; i < pages; i++)
			resident += present[i] & 1;
		first += pages * page;
	}
	return (long)(resident * page);
}

size_t harness_heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

size_t harness_cache_bytes(void)
{
	/* sysconf() tells the whole socket's, which a virtual machine does not have to itself. */
	size_t largest = 0;
	for (int index = 0; index < 8; index++) {
		char name[64];
		unsigned long kib;
		snprintf(name, sizeof(name), "/sys/devices/system/cpu/cpu0/cache/index%d/size",
			 index);
		FILE *file = fopen(name, "r");
		if (!file)
			break;
		if (fscanf(file, "%luK", &kib) == 1 && kib * 1024 > largest)
			largest = kib * 1024;
		fclose(file);
	}
	return largest;
}

void *harness_map(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

void harness_unmap(void *memory, size_t bytes)
{
	munmap(memory, bytes);
}
