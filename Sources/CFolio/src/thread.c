// SPDX-License-Identifier: MIT
/* Per-thread state: the only thread-local storage of CFolio. See folio/thread.h. */
#define _GNU_SOURCE
#include <folio/thread.h>

#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <unistd.h>

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
#include <sys/rseq.h>
#define FOLIO_HAS_RSEQ 1
#else
#define FOLIO_HAS_RSEQ 0
#endif

static atomic_t last_id;
static _Thread_local struct folio_thread this_thread;

static pthread_key_t exit_key;
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;

static void thread_exit(void *thread)
{
	cfolio_trace_thread_exit(thread);
}

static void make_exit_key(void)
{
	pthread_key_create(&exit_key, thread_exit);
}

struct folio_thread *folio_this_thread(void)
{
	struct folio_thread *thread = &this_thread;
	if (seam_this_thread(&thread))
		return thread;
	if (unlikely(thread->id == 0)) {
		thread->id = (unsigned int)atomic_add_return(1, &last_id);
		pthread_once(&exit_key_once, make_exit_key);
		pthread_setspecific(exit_key, thread);
	}
	return thread;
}

unsigned int folio_nr_cpus(void)
{
	/* Written once with the same value by whoever comes first. */
	static atomic_t cached;
	int slots = atomic_read(&cached);
	if (unlikely(slots == 0)) {
		long cpus = sysconf(_SC_NPROCESSORS_CONF);
		for (slots = 1; slots < cpus && slots < 256;)
			slots *= 2;
		atomic_set(&cached, slots);
	}
	return (unsigned int)slots;
}

/* The kernel writes it where the C library registered the thread for restartable sequences. */
static unsigned int current_cpu(void)
{
#if FOLIO_HAS_RSEQ
	if (likely(__rseq_size != 0)) {
		const char *area = (const char *)__builtin_thread_pointer() + __rseq_offset;
		return *(const volatile unsigned int *)(area + offsetof(struct rseq, cpu_id_start));
	}
#endif
	int cpu = sched_getcpu();
	return cpu < 0 ? 0 : (unsigned int)cpu;
}

unsigned int folio_this_cpu(void)
{
	unsigned int cpu;
	if (!seam_this_cpu(&cpu))
		cpu = current_cpu();
	return cpu & (folio_nr_cpus() - 1);
}
