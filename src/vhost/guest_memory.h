/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_GUEST_MEMORY_H
#define HESPER_VHOST_GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * The guest's RAM as the front end told it (SET_MEM_TABLE): an immutable, counted table of mapped
 * regions. The front thread makes a new table when RAM changes; the device thread switches to it.
 * Windows of ours that QEMU echoes back (shared-memory BAR) are in no table: they are not RAM.
 */
struct guest_memory;

/* As in a SET_MEM_TABLE message; vhost-user "Memory region description". */
struct guest_region {
	uint64_t gpa;
	uint64_t size; /* bytes */
	uint64_t user_addr; /* front end's address: rings are given in these */
	uint64_t mmap_offset; /* bytes into the fd */
};

/*
 * Maps count regions; fds[i] stay the caller's. One reference on success; NULL with *error
 * (negative errno) when a region overlaps another, wraps, or cannot be mapped.
 */
struct guest_memory *guest_memory_create(const struct guest_region *regions, const int *fds,
					 size_t count, int *error);
struct guest_memory *guest_memory_ref(struct guest_memory *memory);
void guest_memory_unref(struct guest_memory *memory);

/* True when the regions are the same RAM: addresses, sizes, offsets and files (st_dev, st_ino). */
bool guest_memory_same(const struct guest_memory *memory, const struct guest_region *regions,
		       const int *fds, size_t count);

/*
 * Host pointer to len bytes at a guest-physical address, when they lie in one region; NULL
 * otherwise. Valid as long as the caller's reference. The guest can write there at any time.
 */
void *guest_memory_at(const struct guest_memory *memory, uint64_t gpa, uint64_t len);

/* The same for a front end's user address. */
void *guest_memory_at_user(const struct guest_memory *memory, uint64_t user_addr, uint64_t len);

/*
 * The file that a host pointer into the memory is mapped from, and where: *fd is borrowed as long
 * as the caller's reference, the same one for all of a region. False when it points elsewhere.
 */
bool guest_memory_file(const struct guest_memory *memory, const void *at, int *fd,
		       uint64_t *offset);

/*
 * Splits len bytes at gpa, which may cross region borders, into at most max pieces. Returns the
 * number of pieces, -EFAULT when a byte is not RAM, -E2BIG when max is too small.
 */
ssize_t guest_memory_iov(const struct guest_memory *memory, uint64_t gpa, uint64_t len,
			 struct iovec *iov, size_t max);

#endif
