// SPDX-License-Identifier: MIT
/* See peers/kernel.h: system calls that take and give back references or pins on mapped pages. */
#define _GNU_SOURCE
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- io_uring: pins of long term ------------------------------------------------------------- */

bool kernel_open_ring(struct kernel_peer *peer)
{
	struct io_uring_params params = {0};
	peer->ring = (int)syscall(SYS_io_uring_setup, 1, &params);
	return peer->ring >= 0;
}

bool kernel_register(struct kernel_peer *peer, char *place, size_t first)
{
	(void)first;
	struct iovec buffer = {place, kernel_run_bytes(peer)};
	return syscall(SYS_io_uring_register, peer->ring, IORING_REGISTER_BUFFERS, &buffer, 1) ==
		       0 &&
	       syscall(SYS_io_uring_register, peer->ring, IORING_UNREGISTER_BUFFERS, NULL, 0) == 0;
}

/* ---- vmsplice: references that a pipe holds -------------------------------------------------- */

/* What any process may have in a pipe (pipe-max-size), in pages. */
#define PIPE_PAGES 256UL

bool kernel_open_pipe(struct kernel_peer *peer)
{
	size_t pages = peer->run < PIPE_PAGES ? peer->run : PIPE_PAGES;
	if (pipe2(peer->pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return false;
	peer->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return peer->null >= 0 &&
	       fcntl(peer->pipe[1], F_SETPIPE_SZ, (int)(pages * KERNEL_PAGE)) >= 0;
}

bool kernel_splice(struct kernel_peer *peer, char *place, size_t first)
{
	(void)first;
	size_t left = kernel_run_bytes(peer);
	while (left > 0) {
		struct iovec piece = {
			place, left < PIPE_PAGES * KERNEL_PAGE ? left : PIPE_PAGES * KERNEL_PAGE};
		ssize_t in = vmsplice(peer->pipe[1], &piece, 1, 0);
		if (in <= 0)
			return false;
		place += in;
		left -= (size_t)in;
		while (in > 0) {
			ssize_t out = splice(peer->pipe[0], NULL, peer->null, NULL, (size_t)in, 0);
			if (out <= 0)
				return false;
			in -= out;
		}
	}
	return true;
}

/* ---- process_vm_readv: pins for the length of a copy ----------------------------------------- */

bool kernel_open_pieces(struct kernel_peer *peer)
{
	peer->pieces = calloc(peer->run, sizeof(*peer->pieces));
	peer->bytes = malloc(peer->run);
	if (!peer->pieces || !peer->bytes)
		errno = ENOMEM;
	return peer->pieces && peer->bytes;
}

bool kernel_read_bytes(struct kernel_peer *peer, char *place, size_t first)
{
	(void)first;
	for (size_t i = 0; i < peer->run; i++)
		peer->pieces[i] = (struct iovec){place + i * KERNEL_PAGE, 1};
	for (size_t done = 0, count; done < peer->run; done += count) {
		count = peer->run - done < IOV_MAX ? peer->run - done : IOV_MAX;
		struct iovec into = {peer->bytes + done, count};
		ssize_t got = process_vm_readv(getpid(), &into, 1, peer->pieces + done, count, 0);
		if (got != (ssize_t)count) {
			if (got >= 0)
				errno = EFAULT;
			return false;
		}
	}
	return true;
}
