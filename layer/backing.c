/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* A guest with pages larger than ours maps whole pages of its own, and the VMM refuses to map
 * beyond the end of a file. The unused end of a memfd costs nothing. 64 KiB is the largest page
 * of the guests we know (arm64). */
static const VkDeviceSize file_granule = 65536;

/* SHRINK and GROW: nobody who gets the fd can make the others fault. SEAL: nor forbid writing. */
static const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

bool backing_round(VkDeviceSize size, VkDeviceSize alignment, size_t *out)
{
	VkDeviceSize rounded = (size + alignment - 1) & ~(alignment - 1);
	*out = (size_t)rounded;
	return rounded >= size && rounded <= (VkDeviceSize)INT64_MAX && *out == rounded;
}

static int backing_map(struct backing *backing, int fd, size_t size)
{
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED) {
		return -errno;
	}
	*backing = (struct backing){.fd = fd, .data = data, .size = size};
	return 0;
}

int backing_create(struct backing *backing, VkDeviceSize size, VkDeviceSize alignment)
{
	*backing = (struct backing)BACKING_EMPTY;
	size_t map_size, file_size;
	if (!backing_round(size, alignment, &map_size) ||
	    !backing_round(map_size, file_granule, &file_size)) {
		return -EFBIG;
	}
	int fd = memfd_create("hesper-host-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		return -errno;
	}
	int error = 0;
	if (ftruncate(fd, (off_t)file_size) < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0) {
		error = -errno;
	} else {
		error = backing_map(backing, fd, map_size);
	}
	if (error < 0) {
		close(fd);
	}
	return error;
}

int backing_adopt(struct backing *backing, int fd, VkDeviceSize size, VkDeviceSize alignment)
{
	*backing = (struct backing)BACKING_EMPTY;
	size_t map_size;
	off_t end = lseek(fd, 0, SEEK_END);
	if (end < 0) {
		return -errno;
	}
	if (!backing_round(size, alignment, &map_size) || (uint64_t)end < map_size) {
		return -EINVAL;
	}
	int have = fcntl(fd, F_GET_SEALS);
	if (have < 0 || !(have & F_SEAL_SHRINK)) {
		return -EINVAL;
	}
	return backing_map(backing, fd, map_size);
}

void backing_finish(struct backing *backing)
{
	if (backing->data) {
		munmap(backing->data, backing->size);
	}
	if (backing->fd >= 0) {
		close(backing->fd);
	}
	*backing = (struct backing)BACKING_EMPTY;
}

bool backing_is_memfd(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

VkResult backing_result(int error)
{
	switch (error) {
	case 0:
		return VK_SUCCESS;
	case -EMFILE:
	case -ENFILE:
		return VK_ERROR_TOO_MANY_OBJECTS;
	case -EFBIG:
		return VK_ERROR_OUT_OF_DEVICE_MEMORY;
	case -EINVAL:
		return VK_ERROR_INVALID_EXTERNAL_HANDLE;
	default:
		return VK_ERROR_OUT_OF_HOST_MEMORY;
	}
}
