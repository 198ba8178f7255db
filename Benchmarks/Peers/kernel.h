/* SPDX-License-Identifier: MIT */
/*
 * What the files of peers/kernel.h share: the memory, the peer, and one step per call. Private to
 * this folder.
 */
#ifndef PEERS_KERNEL_PRIVATE_H
#define PEERS_KERNEL_PRIVATE_H

#include <peers/kernel.h>

#include <stdint.h>

/* Folio's headers are not included: these are the system's pages. */
#define KERNEL_PAGE 4096UL
#define KERNEL_HUGE_PAGES 512UL

struct kernel_memory {
	int fd;
	size_t pages;
	size_t views;
	bool huge;
	char *reserved; /* all views, and room to align them */
	size_t reserved_bytes;
	char *start; /* of the first view; the others follow */
};

struct kernel_peer {
	enum kernel_call call;
	struct kernel_memory *memory;
	size_t run; /* pages */
	int error;
	int ring;
	int pipe[2];
	int null;
	struct iovec *pieces; /* KERNEL_READV: a byte of every page of a run */
	char *bytes;	      /* where they go */
	char *copied;	      /* KERNEL_FORK: the private mapping */
};

/** Where a view has a page of the file. */
static inline char *kernel_page(const struct kernel_memory *memory, size_t view, size_t page)
{
	return memory->start + (view * memory->pages + page) * KERNEL_PAGE;
}

/** One run at `place`, which begins with page `first` of the file. False: errno says why. */
typedef bool kernel_step_t(struct kernel_peer *peer, char *place, size_t first);

static inline size_t kernel_run_bytes(const struct kernel_peer *peer)
{
	return peer->run * KERNEL_PAGE;
}

/* Each prepares a peer, and may fail with an errno. */
bool kernel_open_ring(struct kernel_peer *peer);
bool kernel_open_pipe(struct kernel_peer *peer);
bool kernel_open_pieces(struct kernel_peer *peer);
bool kernel_open_copied(struct kernel_peer *peer);

kernel_step_t kernel_register, kernel_splice, kernel_read_bytes;
kernel_step_t kernel_write_fault, kernel_populate, kernel_punch, kernel_protect, kernel_fork;

#endif
