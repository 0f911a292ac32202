/* SPDX-License-Identifier: MIT */
#include "frame/memory.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/counters.h"
#include "util/fd.h"

static _Atomic uint64_t last_id;

struct memory *memory_create(enum memory_kind kind, int fd, uint64_t size)
{
	int64_t real = fd_size(fd);
	if (size == 0 || real < 0 || (uint64_t)real < size) {
		return NULL;
	}
	struct memory *memory = calloc(1, sizeof(*memory));
	if (memory == NULL) {
		return NULL;
	}
	atomic_init(&memory->refs, 1);
	memory->kind = kind;
	memory->fd = fd;
	memory->size = size;
	memory->id = atomic_fetch_add(&last_id, 1) + 1;
	return memory;
}

struct memory *memory_create_shm(const char *name, uint64_t size)
{
	int fd = fd_memfd(name, size);
	if (fd < 0) {
		return NULL;
	}
	struct memory *memory = memory_create(MEMORY_SHM, fd, size);
	if (memory == NULL) {
		fd_close(&fd);
		return NULL;
	}
	if (memory_map(memory) == NULL) {
		memory_unref(memory);
		return NULL;
	}
	return memory;
}

struct memory *memory_ref(struct memory *memory)
{
	atomic_fetch_add_explicit(&memory->refs, 1, memory_order_relaxed);
	return memory;
}

void memory_unref(struct memory *memory)
{
	if (memory == NULL ||
	    atomic_fetch_sub_explicit(&memory->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	if (memory->mapping != NULL) {
		munmap(memory->mapping, memory->size);
	}
	fd_close(&memory->fd);
	free(memory);
}

void *memory_map(struct memory *memory)
{
	if (memory->mapping == NULL) {
		void *at =
			mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
		memory->mapping = at == MAP_FAILED ? NULL : at;
	}
	return memory->mapping;
}

static int read_shm(const struct memory *memory, void *to, size_t bytes)
{
	size_t done = 0;
	while (done < bytes) {
		ssize_t count = pread(memory->fd, (char *)to + done, bytes - done, (off_t)done);
		if (count < 0 && errno != EINTR) {
			return -errno;
		}
		if (count == 0) {
			return -EIO;
		}
		done += count > 0 ? (size_t)count : 0;
	}
	counter_add(COUNTER_CPU_COPIED_BYTES, bytes);
	return 0;
}

/* Its size is constant, so a mapping cannot fault; the driver may have to be told of the access. */
static int read_dma_buf(const struct memory *memory, void *to, size_t bytes)
{
	struct dma_buf_sync sync = {.flags = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_START};
	void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, memory->fd, 0);
	if (at == MAP_FAILED) {
		return -errno;
	}
	ioctl(memory->fd, DMA_BUF_IOCTL_SYNC, &sync);
	counter_copy_pixels(to, at, bytes);
	sync.flags = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_END;
	ioctl(memory->fd, DMA_BUF_IOCTL_SYNC, &sync);
	munmap(at, bytes);
	return 0;
}

int memory_read(const struct memory *memory, void *to, size_t bytes)
{
	if (bytes > memory->size) {
		return -EINVAL;
	}
	return memory->kind == MEMORY_SHM ? read_shm(memory, to, bytes)
					  : read_dma_buf(memory, to, bytes);
}

int memory_set_bits(const struct memory *memory, uint64_t offset, uint32_t bits)
{
	uint32_t word;
	if (memory->kind != MEMORY_SHM || memory->size < sizeof(word) ||
	    offset > memory->size - sizeof(word)) {
		return -EINVAL;
	}
	ssize_t count = pread(memory->fd, &word, sizeof(word), (off_t)offset);
	if (count == sizeof(word)) {
		word |= htole32(bits);
		count = pwrite(memory->fd, &word, sizeof(word), (off_t)offset);
	}
	return count == sizeof(word) ? 0 : count < 0 ? -errno : -EIO;
}

enum memory_kind memory_kind_of_fd(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0 ? MEMORY_SHM : MEMORY_DMA_BUF;
}
