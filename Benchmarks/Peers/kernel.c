// SPDX-License-Identifier: MIT
/* See peers/kernel.h: the memory, and peers as a whole. The calls are in the files beside. */
#define _GNU_SOURCE
#include "kernel.h"

#include <peers/atomics.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* ---- memory ---------------------------------------------------------------------------------- */

static bool map_views(struct kernel_memory *memory)
{
	const size_t bytes = memory->pages * KERNEL_PAGE;
	const size_t align = KERNEL_HUGE_PAGES * KERNEL_PAGE;
	memory->reserved_bytes = bytes * memory->views + align;
	memory->reserved = mmap(NULL, memory->reserved_bytes, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory->reserved == MAP_FAILED)
		return false;
	memory->start = (char *)(((uintptr_t)memory->reserved + align - 1) & ~(align - 1));
	for (size_t i = 0; i < memory->views; i++) {
		char *view = memory->start + i * bytes;
		if (mmap(view, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory->fd,
			 0) == MAP_FAILED)
			return false;
		for (size_t offset = 0; offset < bytes; offset += KERNEL_PAGE)
			*(volatile char *)(view + offset) = 1;
		if (memory->huge && madvise(view, bytes, MADV_COLLAPSE) != 0)
			return false;
	}
	return true;
}

struct kernel_memory *kernel_memory_create(size_t pages, size_t views, bool huge, int *error)
{
	struct kernel_memory *memory = malloc(sizeof(*memory));
	if (!memory) {
		*error = ENOMEM;
		return NULL;
	}
	*memory = (struct kernel_memory){
		.pages = pages, .views = views, .huge = huge, .reserved = MAP_FAILED};
	memory->fd = memfd_create("folio-bench", MFD_CLOEXEC);
	if (memory->fd < 0 || ftruncate(memory->fd, (off_t)(pages * KERNEL_PAGE)) != 0 ||
	    !map_views(memory)) {
		*error = errno;
		kernel_memory_destroy(memory);
		return NULL;
	}
	return memory;
}

void kernel_memory_destroy(struct kernel_memory *memory)
{
	if (memory->reserved != MAP_FAILED)
		munmap(memory->reserved, memory->reserved_bytes);
	if (memory->fd >= 0)
		close(memory->fd);
	free(memory);
}

/* Bit 63 of an entry of pagemap: there is a page; anybody may read it of his own process. */
static long count_entries(int fd, const char *start, size_t pages)
{
	uint64_t entry[512];
	long mapped = 0;
	size_t done = 0;
	while (done < pages) {
		size_t wanted = (pages - done < 512 ? pages - done : 512) * sizeof(entry[0]);
		off_t offset = (off_t)(((uintptr_t)start / KERNEL_PAGE + done) * sizeof(entry[0]));
		ssize_t got = pread(fd, entry, wanted, offset);
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		for (size_t i = 0; i < (size_t)got / sizeof(entry[0]); i++)
			mapped += (long)(entry[i] >> 63);
		done += (size_t)got / sizeof(entry[0]);
	}
	return mapped;
}

long kernel_memory_mapped(const struct kernel_memory *memory)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	long mapped = count_entries(fd, memory->start, memory->pages * memory->views);
	close(fd);
	return mapped;
}

/* ---- peers ----------------------------------------------------------------------------------- */

static bool prepare(struct kernel_peer *peer)
{
	switch (peer->call) {
	case KERNEL_IO_URING:
		return kernel_open_ring(peer);
	case KERNEL_VMSPLICE:
		return kernel_open_pipe(peer);
	case KERNEL_READV:
		return kernel_open_pieces(peer);
	case KERNEL_FORK:
		return kernel_open_copied(peer);
	default:
		return true;
	}
}

struct kernel_peer *kernel_peer_create(enum kernel_call call, struct kernel_memory *memory,
				       size_t run, int *error)
{
	struct kernel_peer *peer = malloc(sizeof(*peer));
	if (!peer) {
		*error = ENOMEM;
		return NULL;
	}
	*peer = (struct kernel_peer){.call = call,
				     .memory = memory,
				     .run = run,
				     .ring = -1,
				     .pipe = {-1, -1},
				     .null = -1};
	if (!prepare(peer)) {
		*error = errno;
	} else if (kernel_peer_run(peer, 0, run) != run) {
		*error = peer->error;
	} else {
		return peer;
	}
	kernel_peer_destroy(peer);
	return NULL;
}

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void kernel_peer_destroy(struct kernel_peer *peer)
{
	close_all((int[]){peer->ring, peer->pipe[0], peer->pipe[1], peer->null}, 4);
	if (peer->copied)
		munmap(peer->copied, kernel_run_bytes(peer) + KERNEL_PAGE);
	free(peer->pieces);
	free(peer->bytes);
	free(peer);
}

int kernel_peer_error(const struct kernel_peer *peer)
{
	return peer->error;
}

/* Inlined with its step: as if the loop were written out. */
static inline __attribute__((always_inline)) size_t steps(struct kernel_peer *peer, size_t start,
							  size_t n, kernel_step_t *step)
{
	const struct kernel_memory *memory = peer->memory;
	const size_t mask = memory->pages / peer->run - 1;
	size_t done = 0;
	for (; done < n; done += peer->run) {
		size_t number = (start + done) / peer->run;
		size_t first = walk_index(number, mask) * peer->run;
		if (!step(peer, kernel_page(memory, number % memory->views, first), first)) {
			peer->error = errno;
			break;
		}
	}
	return done;
}

size_t kernel_peer_run(struct kernel_peer *peer, size_t start, size_t n)
{
	switch (peer->call) {
	case KERNEL_IO_URING:
		return steps(peer, start, n, kernel_register);
	case KERNEL_VMSPLICE:
		return steps(peer, start, n, kernel_splice);
	case KERNEL_READV:
		return steps(peer, start, n, kernel_read_bytes);
	case KERNEL_WRITE_FAULT:
		return steps(peer, start, n, kernel_write_fault);
	case KERNEL_POPULATE:
		return steps(peer, start, n, kernel_populate);
	case KERNEL_PUNCH:
		return steps(peer, start, n, kernel_punch);
	case KERNEL_PROTECT:
		return steps(peer, start, n, kernel_protect);
	case KERNEL_FORK:
		return steps(peer, start, n, kernel_fork);
	}
	return 0;
}
