/* SPDX-License-Identifier: MIT */
#ifndef HESPER_FRAME_MEMORY_H
#define HESPER_FRAME_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum memory_kind {
	MEMORY_SHM, /* memfd: mmap-able, no implicit sync, no dma-buf ioctls */
	MEMORY_DMA_BUF,
};

/*
 * Memory that several processes can see: one fd, its size, and what it is. Counted references,
 * from any thread; everything but the count and the mapping is constant after creation. A guest
 * that drops a resource frees nothing that a scanout or a viewer still reads.
 */
struct memory {
	_Atomic uint32_t refs;
	enum memory_kind kind;
	int fd;  /* owned */
	uint64_t size; /* bytes */
	uint64_t id; /* unique in this process, never 0 */
	void *mapping; /* memory_map; NULL until then */
};

/*
 * One reference on success, which owns fd. NULL without memory, or when the fd is shorter than
 * size; the caller still owns fd then.
 */
struct memory *memory_create(enum memory_kind kind, int fd, uint64_t size);

/* A sealed memfd of size bytes, zeroed and mapped. NULL when there is no memory for it. */
struct memory *memory_create_shm(const char *name, uint64_t size);

struct memory *memory_ref(struct memory *memory);

/* NULL is accepted. The last one unmaps and closes. */
void memory_unref(struct memory *memory);

/*
 * Maps all of it, read and write, once; lives as long as the memory. NULL on failure. One thread
 * only: the one that created it. For 2D resources; blob memory is never mapped by hesperd.
 */
void *memory_map(struct memory *memory);

/*
 * Copies its first bytes out, counted; for the few that a message carries, such as a pointer's
 * picture. The memory may be another process's, which may make it shorter meanwhile: that is an
 * error here, not a signal. 0, -EINVAL beyond the size, or -errno. Any thread.
 */
int memory_read(const struct memory *memory, void *to, size_t bytes);

/*
 * Sets bits of the 32-bit little-endian word at a byte of a memfd; for the few words that peers are told
 * something in. Not atomic: a writer that clears others of the word at the same time may have done so in
 * vain. The memory may be another process's, as above. 0, -EINVAL beyond the size or for what is no memfd,
 * or -errno. Any thread.
 */
int memory_set_bits(const struct memory *memory, uint64_t offset, uint32_t bits);

/* By F_GET_SEALS, which only a memfd answers. */
enum memory_kind memory_kind_of_fd(int fd);

#endif
