// SPDX-License-Identifier: MIT
/* The choke point for system calls and memory. See folio/sys.h. */
#define _GNU_SOURCE
#include <folio/sys.h>

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int64_t cfolio_clock_ns(void)
{
	int64_t lab_now;
	struct timespec now;
	if (seam_clock(&lab_now))
		return lab_now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void cfolio_futex_wait(atomic_t *word, int value, int64_t deadline_ns)
{
	struct timespec deadline = {deadline_ns / 1000000000, deadline_ns % 1000000000};
	if (seam_futex_wait(word, value, deadline_ns))
		return;
	/*
	 * FUTEX_WAIT_BITSET takes an absolute monotonic deadline. Every return is a reason to look
	 * again: woken, EAGAIN (the word changed first), EINTR (a signal), ETIMEDOUT. The caller
	 * tests the word and the clock.
	 */
	syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value,
		deadline_ns ? &deadline : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
}

void cfolio_futex_wake(atomic_t *word, int n)
{
	if (seam_futex_wake(word, n))
		return;
	syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, NULL, NULL, 0);
}

/* Written by cfolio_fault_injection(), read by every allocation; no order needed. */
static atomic_t fault_period;
static atomic_long_t fault_seed;
static atomic_long_t allocation_number;
static atomic_long_t faults;

void cfolio_fault_injection(unsigned int period, uint64_t seed)
{
	atomic_long_set(&fault_seed, (long)seed);
	atomic_set(&fault_period, (int)period);
}

long cfolio_faults_injected(void)
{
	return atomic_long_read(&faults);
}

static bool inject_fault(void)
{
	unsigned int period = (unsigned int)atomic_read(&fault_period);
	if (likely(period == 0))
		return false;
	uint64_t x = (uint64_t)atomic_long_read(&fault_seed) +
		     (uint64_t)atomic_long_add_return(1, &allocation_number) * 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	if ((x ^ (x >> 31)) % period != 0)
		return false;
	atomic_long_add(1, &faults);
	return true;
}

void *cfolio_zalloc(size_t size)
{
	void *memory;
	if (inject_fault())
		return NULL;
	if (seam_allocate(size, &memory))
		return memory;
	/* 64: atomic counters and radix nodes start on a cache line of their own. */
	size_t rounded = (size + FOLIO_CACHE_LINE - 1) & ~(size_t)(FOLIO_CACHE_LINE - 1);
	memory = aligned_alloc(FOLIO_CACHE_LINE, rounded);
	if (memory)
		__builtin_memset(memory, 0, rounded);
	return memory;
}

void cfolio_free(void *memory)
{
	if (!seam_free(memory))
		free(memory);
}

static void *reserve(void *at, size_t size, int protection)
{
	void *start =
		mmap(at, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return start == MAP_FAILED ? NULL : start;
}

void *cfolio_reserve(size_t size)
{
	return reserve(seam_reserve_at(), size, PROT_NONE);
}

void *cfolio_reserve_lazily(size_t size)
{
	return reserve(NULL, size, PROT_READ | PROT_WRITE);
}

bool cfolio_commit(void *start, size_t size)
{
	if (inject_fault())
		return false;
	if (seam_commit(start, size))
		return true;
	if (mprotect(start, size, PROT_READ | PROT_WRITE) != 0)
		return false;
	/* Advice: who refuses it, or has no huge page left, leaves small ones. */
	madvise(start, size, MADV_HUGEPAGE);
	return true;
}

void cfolio_decommit(void *start, size_t size)
{
	if (seam_decommit(start, size))
		return;
	madvise(start, size, MADV_DONTNEED);
	mprotect(start, size, PROT_NONE);
}

void cfolio_sleep_ns(int64_t ns)
{
	struct timespec time = {ns / 1000000000, ns % 1000000000};
	nanosleep(&time, NULL);
}

void cfolio_yield(void)
{
	if (!seam_yield())
		sched_yield();
}

struct detached {
	void (*entry)(void *context);
	void *context;
};

static void *detached_main(void *argument)
{
	struct detached run = *(struct detached *)argument;
	free(argument);
	run.entry(run.context);
	return NULL;
}

bool cfolio_run_detached(void (*entry)(void *context), void *context)
{
	struct detached *run = malloc(sizeof(*run));
	pthread_t thread;
	if (!run)
		return false;
	*run = (struct detached){entry, context};
	/* Signals are for the program's own threads, but for those that an instruction raises. */
	static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
	sigset_t blocked, previous;
	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&blocked, own[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, &previous);
	int failed = pthread_create(&thread, NULL, detached_main, run);
	pthread_sigmask(SIG_SETMASK, &previous, NULL);
	if (failed) {
		free(run);
		return false;
	}
	pthread_detach(thread);
	return true;
}
