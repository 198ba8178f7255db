// SPDX-License-Identifier: MIT
/* See peers/kernel.h: system calls, and faults, that make, change, copy or remove entries. */
#define _GNU_SOURCE
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* ---- zapped and mapped again ----------------------------------------------------------------- */

static void touch(const struct kernel_peer *peer, char *place)
{
	const size_t step = peer->memory->huge ? KERNEL_HUGE_PAGES : 1;
	for (size_t i = 0; i < peer->run; i += step)
		*(volatile char *)(place + i * KERNEL_PAGE) = 1;
}

static bool zap(const struct kernel_peer *peer, char *place)
{
	return madvise(place, kernel_run_bytes(peer), MADV_DONTNEED) == 0;
}

bool kernel_write_fault(struct kernel_peer *peer, char *place, size_t first)
{
	(void)first;
	if (!zap(peer, place))
		return false;
	touch(peer, place);
	return true;
}

bool kernel_populate(struct kernel_peer *peer, char *place, size_t first)
{
	(void)first;
	return zap(peer, place) && madvise(place, kernel_run_bytes(peer), MADV_POPULATE_WRITE) == 0;
}

bool kernel_memory_punch(const struct kernel_memory *memory, size_t first, size_t pages)
{
	return fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)(first * KERNEL_PAGE), (off_t)(pages * KERNEL_PAGE)) == 0;
}

bool kernel_punch(struct kernel_peer *peer, char *place, size_t first)
{
	(void)place;
	for (size_t i = first; i < first + peer->run; i++)
		if (!kernel_memory_punch(peer->memory, i, 1))
			return false;
	/* The entries of all mappings are gone. */
	for (size_t i = 0; i < peer->memory->views; i++)
		touch(peer, kernel_page(peer->memory, i, first));
	return true;
}

/* ---- changed --------------------------------------------------------------------------------- */

bool kernel_protect(struct kernel_peer *peer, char *place, size_t first)
{
	(void)first;
	return mprotect(place, kernel_run_bytes(peer), PROT_READ) == 0 &&
	       mprotect(place, kernel_run_bytes(peer), PROT_READ | PROT_WRITE) == 0;
}

/* ---- copied ---------------------------------------------------------------------------------- */

bool kernel_open_copied(struct kernel_peer *peer)
{
	const size_t bytes = kernel_run_bytes(peer);
	if (peer->run >= peer->memory->pages) {
		/* The page behind the run, which is the one written, has to be in the file. */
		errno = EINVAL;
		return false;
	}
	char *place = mmap(NULL, bytes + KERNEL_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			   peer->memory->fd, 0);
	if (place == MAP_FAILED)
		return false;
	peer->copied = place;
	*(volatile char *)(place + bytes) = 1;
	return madvise(place, bytes, MADV_POPULATE_READ) == 0;
}

/*
 * The system call itself: what a C library does around it is not the kernel's. The child has only
 * this thread, and makes no call but the one that ends it.
 */
bool kernel_fork(struct kernel_peer *peer, char *place, size_t first)
{
	(void)peer;
	(void)place;
	(void)first;
	pid_t child = (pid_t)syscall(SYS_clone, (unsigned long)SIGCHLD, NULL, NULL, NULL, NULL);
	if (child == 0)
		for (;;)
			syscall(SYS_exit_group, 0);
	if (child < 0)
		return false;
	int status = 0;
	pid_t ended;
	do
		ended = waitpid(child, &status, 0);
	while (ended < 0 && errno == EINTR);
	if (ended == child && status != 0)
		errno = ECHILD;
	return ended == child && status == 0;
}
