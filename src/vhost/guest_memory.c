/* SPDX-License-Identifier: MIT */
#include "vhost/guest_memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"

struct mapped_region {
	struct guest_region region;
	dev_t device;
	ino_t inode;
	int fd; /* owned */
	uint8_t *host; /* of gpa */
	void *map;
	size_t map_size;
};

struct guest_memory {
	atomic_uint references; /* the front and the device thread hold some each */
	size_t count;
	struct mapped_region regions[];
};

static bool wraps(uint64_t start, uint64_t size)
{
	return size == 0 || start > UINT64_MAX - size;
}

static bool overlap(const struct guest_region *a, const struct guest_region *b)
{
	return a->gpa < b->gpa + b->size && b->gpa < a->gpa + a->size;
}

static int check_region(const struct guest_region *regions, size_t index)
{
	const struct guest_region *region = &regions[index];
	if (wraps(region->gpa, region->size) || wraps(region->user_addr, region->size) ||
	    wraps(region->mmap_offset, region->size)) {
		return -EINVAL;
	}
	for (size_t i = 0; i < index; i++) {
		if (overlap(region, &regions[i])) {
			return -EINVAL;
		}
	}
	return 0;
}

/*
 * What mmap and munmap want their offset and length to be multiples of: on hugetlbfs the size of
 * a huge page, which is what st_blksize says there.
 */
static uint64_t map_unit(const struct stat *info)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t block = info->st_blksize > 0 ? (uint64_t)info->st_blksize : page;
	bool usable = block > page && (block & (block - 1)) == 0;
	return usable ? block : page;
}

static int map_region(struct mapped_region *mapped, const struct guest_region *region, int fd)
{
	struct stat info;
	if (fstat(fd, &info) < 0) {
		return -errno;
	}
	uint64_t end = region->mmap_offset + region->size;
	/* Beyond the end of a file lies SIGBUS. */
	if (S_ISREG(info.st_mode) && end > (uint64_t)info.st_size) {
		return -EINVAL;
	}
	uint64_t unit = map_unit(&info);
	uint64_t start = region->mmap_offset & ~(unit - 1);
	if (end > (uint64_t)INT64_MAX - unit) {
		return -EINVAL;
	}
	mapped->fd = fd_dup(fd);
	if (mapped->fd < 0) {
		return mapped->fd;
	}
	mapped->map_size = (size_t)(((end + unit - 1) & ~(unit - 1)) - start);
	mapped->map = mmap(NULL, mapped->map_size, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_NORESERVE, fd, (off_t)start);
	if (mapped->map == MAP_FAILED) {
		int error = -errno;
		fd_close(&mapped->fd);
		return error;
	}
	/* Best effort: a core file of ours is no place for the guest's RAM. */
	madvise(mapped->map, mapped->map_size, MADV_DONTDUMP);
	mapped->region = *region;
	mapped->device = info.st_dev;
	mapped->inode = info.st_ino;
	mapped->host = (uint8_t *)mapped->map + (region->mmap_offset - start);
	return 0;
}

struct guest_memory *guest_memory_create(const struct guest_region *regions, const int *fds,
					 size_t count, int *error)
{
	struct guest_memory *memory =
		calloc(1, sizeof(*memory) + count * sizeof(memory->regions[0]));
	if (memory == NULL) {
		*error = -ENOMEM;
		return NULL;
	}
	atomic_init(&memory->references, 1);
	for (size_t i = 0; i < count; i++) {
		*error = check_region(regions, i);
		if (*error == 0) {
			*error = map_region(&memory->regions[i], &regions[i], fds[i]);
		}
		if (*error < 0) {
			guest_memory_unref(memory);
			return NULL;
		}
		memory->count++;
	}
	return memory;
}

struct guest_memory *guest_memory_ref(struct guest_memory *memory)
{
	if (memory != NULL) {
		atomic_fetch_add_explicit(&memory->references, 1, memory_order_relaxed);
	}
	return memory;
}

void guest_memory_unref(struct guest_memory *memory)
{
	if (memory == NULL ||
	    atomic_fetch_sub_explicit(&memory->references, 1, memory_order_acq_rel) != 1) {
		return;
	}
	for (size_t i = 0; i < memory->count; i++) {
		munmap(memory->regions[i].map, memory->regions[i].map_size);
		fd_close(&memory->regions[i].fd);
	}
	free(memory);
}

static bool same_region(const struct mapped_region *mapped, const struct guest_region *region,
			int fd)
{
	const struct guest_region *old = &mapped->region;
	struct stat info;
	return old->gpa == region->gpa && old->size == region->size &&
	       old->user_addr == region->user_addr && old->mmap_offset == region->mmap_offset &&
	       fstat(fd, &info) == 0 && info.st_dev == mapped->device &&
	       info.st_ino == mapped->inode;
}

bool guest_memory_same(const struct guest_memory *memory, const struct guest_region *regions,
		       const int *fds, size_t count)
{
	if (memory->count != count) {
		return false;
	}
	/* In any order. Ours do not overlap, so if each is among the new ones, those are all. */
	for (size_t i = 0; i < count; i++) {
		bool found = false;
		for (size_t k = 0; k < count && !found; k++) {
			found = same_region(&memory->regions[i], &regions[k], fds[k]);
		}
		if (!found) {
			return false;
		}
	}
	return true;
}

static const struct mapped_region *find_gpa(const struct guest_memory *memory, uint64_t gpa)
{
	for (size_t i = 0; i < memory->count; i++) {
		const struct guest_region *region = &memory->regions[i].region;
		if (gpa >= region->gpa && gpa - region->gpa < region->size) {
			return &memory->regions[i];
		}
	}
	return NULL;
}

void *guest_memory_at(const struct guest_memory *memory, uint64_t gpa, uint64_t len)
{
	const struct mapped_region *found = find_gpa(memory, gpa);
	if (found == NULL || len > found->region.size - (gpa - found->region.gpa)) {
		return NULL;
	}
	return found->host + (gpa - found->region.gpa);
}

void *guest_memory_at_user(const struct guest_memory *memory, uint64_t user_addr, uint64_t len)
{
	for (size_t i = 0; i < memory->count; i++) {
		const struct guest_region *region = &memory->regions[i].region;
		if (user_addr < region->user_addr) {
			continue;
		}
		uint64_t offset = user_addr - region->user_addr;
		if (offset < region->size && len <= region->size - offset) {
			return memory->regions[i].host + offset;
		}
	}
	return NULL;
}

bool guest_memory_file(const struct guest_memory *memory, const void *at, int *fd, uint64_t *offset)
{
	uintptr_t address = (uintptr_t)at;
	for (size_t i = 0; i < memory->count; i++) {
		const struct mapped_region *mapped = &memory->regions[i];
		uintptr_t host = (uintptr_t)mapped->host;
		if (address >= host && address - host < mapped->region.size) {
			*fd = mapped->fd;
			*offset = mapped->region.mmap_offset + (address - host);
			return true;
		}
	}
	return false;
}

ssize_t guest_memory_iov(const struct guest_memory *memory, uint64_t gpa, uint64_t len,
			 struct iovec *iov, size_t max)
{
	size_t used = 0;
	if (wraps(gpa, len) && len != 0) {
		return -EFAULT;
	}
	while (len > 0) {
		const struct mapped_region *found = find_gpa(memory, gpa);
		if (found == NULL) {
			return -EFAULT;
		}
		if (used == max) {
			return -E2BIG;
		}
		uint64_t offset = gpa - found->region.gpa;
		uint64_t left = found->region.size - offset;
		uint64_t piece = len < left ? len : left;
		iov[used].iov_base = found->host + offset;
		iov[used].iov_len = (size_t)piece;
		used++;
		gpa += piece;
		len -= piece;
	}
	return (ssize_t)used;
}
