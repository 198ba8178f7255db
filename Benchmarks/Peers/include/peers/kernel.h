/* SPDX-License-Identifier: MIT */
/*
 * The running kernel's own system calls on real pages: what a test of pins, mappings and forks
 * pays today. They do more than Folio's operations (the entry into the kernel, accounting, zeroing,
 * hardware entries): a price, not a race of equals.
 *
 * The pages are those of a memfd, mapped shared: pages of a file, as device pages are. A kernel may
 * refuse any of the calls; then there is an errno and no peer.
 */
#ifndef PEERS_KERNEL_H
#define PEERS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kernel_memory;
/**
 * A file of `pages` pages in memory, a power of two, each written once, and `views` mappings of all
 * of it. huge: in folios of 2 MiB, mapped by one entry each; pages is a multiple of 512. NULL:
 * *error is the errno.
 */
struct kernel_memory *kernel_memory_create(size_t pages, size_t views, bool huge, int *error);
/** Context: no peer uses it any more. */
void kernel_memory_destroy(struct kernel_memory *memory);
/** Pages that have an entry in the page tables now, all views; or a negative errno. */
long kernel_memory_mapped(const struct kernel_memory *memory);
/** Punches a hole of `pages` pages from page `first` of the file on. False: errno says why. */
bool kernel_memory_punch(const struct kernel_memory *memory, size_t first, size_t pages);

/** What is done to a run of pages; afterwards all of them are mapped, as before. */
enum kernel_call {
	/** IORING_REGISTER_BUFFERS of the run as one buffer, and its opposite. */
	KERNEL_IO_URING,
	/** vmsplice into a pipe and splice from there to /dev/null. */
	KERNEL_VMSPLICE,
	/** process_vm_readv of one byte per page from this process. */
	KERNEL_READV,
	/** MADV_DONTNEED, then a store to every page, or to every 2 MiB. */
	KERNEL_WRITE_FAULT,
	/** MADV_DONTNEED, then MADV_POPULATE_WRITE. */
	KERNEL_POPULATE,
	/** A hole punched for every page, then a store through every view: the file gets a new one.
	 */
	KERNEL_PUNCH,
	/** mprotect to read-only and back. */
	KERNEL_PROTECT,
	/**
	 * A process forked that maps the run, and its end awaited. It exits at once. Of a shared
	 * mapping a fork copies no entries, so this maps the file privately, one more page beside
	 * the run written: then the kernel copies all of them, and counts the pages.
	 */
	KERNEL_FORK,
};

struct kernel_peer;
/**
 * What one thread needs to make the call on runs of `run` pages. It is tried once: NULL and the
 * errno in *error when it is refused. Peers may share memory; those that take entries away, or the
 * rights in them, need runs of their own.
 */
struct kernel_peer *kernel_peer_create(enum kernel_call call, struct kernel_memory *memory,
				       size_t run, int *error);
void kernel_peer_destroy(struct kernel_peer *peer);
/**
 * The call on n pages in runs; n and start are multiples of the run. Run i is number
 * walk_index(i, mask) of the file, mask + 1 of them, in view i of the memory in turn. Returns the
 * pages for which it was made, n unless it failed.
 */
size_t kernel_peer_run(struct kernel_peer *peer, size_t start, size_t n);
/** Errno of the call that failed last; 0: none. */
int kernel_peer_error(const struct kernel_peer *peer);

#ifdef __cplusplus
}
#endif

#endif
