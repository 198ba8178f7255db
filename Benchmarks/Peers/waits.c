// SPDX-License-Identifier: MIT
/* See peers/waits.h. */
#define _GNU_SOURCE
#include <peers/waits.h>

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

void waits_condition_signal(size_t n)
{
	for (size_t i = 0; i < n; i++)
		pthread_cond_signal(&condition);
}

void waits_futex_wake(size_t n)
{
	static atomic_uint word;
	for (size_t i = 0; i < n; i++)
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

struct waits_turn {
	/* Turns taken so far: player turn % 2 is next. Under the mutex, or a futex word. */
	atomic_uint turn;
};

struct waits_turn *waits_turn_create(void)
{
	return calloc(1, sizeof(struct waits_turn));
}

void waits_turn_destroy(struct waits_turn *turn)
{
	free(turn);
}

unsigned int waits_turns_taken(const struct waits_turn *turn)
{
	return atomic_load(&turn->turn);
}

void waits_condition_play(struct waits_turn *turn, int player, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		pthread_mutex_lock(&mutex);
		while ((int)(atomic_load_explicit(&turn->turn, memory_order_relaxed) & 1) != player)
			pthread_cond_wait(&condition, &mutex);
		atomic_fetch_add_explicit(&turn->turn, 1, memory_order_relaxed);
		pthread_mutex_unlock(&mutex);
		pthread_cond_signal(&condition);
	}
}

void waits_futex_play(struct waits_turn *turn, int player, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (;;) {
			unsigned int now = atomic_load_explicit(&turn->turn, memory_order_acquire);
			if ((int)(now & 1) == player)
				break;
			syscall(SYS_futex, &turn->turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
		}
		atomic_fetch_add_explicit(&turn->turn, 1, memory_order_acq_rel);
		syscall(SYS_futex, &turn->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
}
