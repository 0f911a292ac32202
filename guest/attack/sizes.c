/* SPDX-License-Identifier: MIT */
/* Sizes, counts, offsets and strides that are too large, zero, odd, or wrap around. */
#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <drm/virtgpu_drm.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attack.h"
#include "card.h"
#include "venus.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static struct stream stream;

static const char *run_blob_sizes(void)
{
	struct blob blob;
	int fd = card_context();
	TRY(expect("0", card_shm(fd, 0, &blob), -ENOSPC));
	TRY(expect("1", card_shm(fd, 1, &blob), -EINVAL));
	TRY(expect("4097", card_shm(fd, PAGE + 1, &blob), -EINVAL));
	TRY(expect("2^64 - 1", card_shm(fd, UINT64_MAX, &blob), -EINVAL));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

/* The guest's own room for mappings, which is the size of the window, is full before. */
static const char *run_blob_larger_than_window(void)
{
	struct blob blob;
	int fd = card_context();
	TRY(expect("2 GiB", card_shm(fd, 2 * GIB, &blob), -ENOSPC));
	TRY(expect("2^40", card_shm(fd, 1ull << 40, &blob), -ENOSPC));
	TRY(expect("2^63", card_shm(fd, 1ull << 63, &blob), -ENOSPC));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_blob_huge(void)
{
	static const uint64_t sizes[] = {1ull << 38, 1ull << 39};
	struct blob blob;
	int fd = card_context();
	for (int i = 0; i < 2; i++) {
		/* Not to be mapped, so the kernel passes them on. */
		TRY(expect("a huge blob",
			   card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_SHAREABLE,
				     7, sizes[i], &blob),
			   0));
		card_close(fd, blob.handle);
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_guest_blob_huge(void)
{
	struct blob blob;
	int fd = card_context();
	int error = card_blob(fd, VIRTGPU_BLOB_MEM_GUEST, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, 0,
			      1ull << 40, &blob);
	if (error == 0) {
		return "the kernel found 2^40 bytes";
	}
	error = card_blob(fd, VIRTGPU_BLOB_MEM_GUEST, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, 0,
			  0ull - PAGE, &blob);
	if (error == 0) {
		return "the kernel found 2^64 bytes";
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_blob_beyond_memory(void)
{
	struct blob blob;
	void *address;
	int fd = card_context();
	TRY(expect("a device", venus_device(fd), 0));
	stream.size = 0;
	put_memory(&stream, ID_DEVICE, ID_MEMORY, 16 * PAGE, 0);
	TRY(expect("memory", venus_submit(fd, &stream), 0));
	TRY(expect("a blob",
		   card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, ID_MEMORY,
			     64 * MIB, &blob),
		   0));
	TRY(expect("mmap", card_map(fd, blob.handle, blob.size, &address), -EINVAL));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_memory_huge(void)
{
	int fd = card_context();
	TRY(expect("a device", venus_device(fd), 0));
	stream.size = 0;
	put_memory(&stream, ID_DEVICE, ID_MEMORY, 1ull << 60, 0);
	TRY(expect("2^60 bytes", venus_submit(fd, &stream), 0));
	stream.size = 0;
	put_memory(&stream, ID_DEVICE, ID_MEMORY, UINT64_MAX, 0);
	TRY(expect("2^64 - 1 bytes", venus_submit(fd, &stream), 0));
	stream.size = 0;
	put_memory(&stream, ID_DEVICE, ID_MEMORY, PAGE, UINT32_MAX);
	TRY(expect("type 2^32 - 1", venus_submit(fd, &stream), 0));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_dumb_sizes(void)
{
	struct dumb dumb;
	int fd = card_open_screen();
	TRY(expect("0x0", card_dumb(fd, 0, 0, 32, &dumb), -EINVAL));
	TRY(expect("0 bits", card_dumb(fd, 64, 64, 0, &dumb), -EINVAL));
	TRY(expect("8 bits", card_dumb(fd, 64, 64, 8, &dumb), -EINVAL));
	TRY(expect("2^32 - 1 wide", card_dumb(fd, UINT32_MAX, 1, 32, &dumb), -EINVAL));
	TRY(expect("2^32 - 1 high", card_dumb(fd, 1, UINT32_MAX, 32, &dumb), -EINVAL));
	/* 2^30 + 1 pixels of 4 bytes: 4 in 32 bits. */
	TRY(expect("a wrap", card_dumb(fd, (1u << 30) + 1, 1, 32, &dumb), -EINVAL));
	close(fd);
	return NULL;
}

/* Larger than a picture may be on the host, small enough for the guest's memory. */
static const char *run_dumb_too_wide(void)
{
	struct dumb dumb;
	void *address;
	int fd = card_open_screen();
	TRY(expect("65536x1", card_dumb(fd, 65536, 1, 32, &dumb), 0));
	TRY(expect("its map", card_map_dumb(fd, &dumb, &address), 0));
	memset(address, 1, dumb.size);
	munmap(address, dumb.size);
	close(fd);
	return NULL;
}

static const char *run_3d_sizes(void)
{
	struct drm_virtgpu_resource_create create = {
		.target = UINT32_MAX,
		.format = UINT32_MAX,
		.bind = UINT32_MAX,
		.width = UINT32_MAX,
		.height = UINT32_MAX,
		.depth = UINT32_MAX,
		.array_size = UINT32_MAX,
		.size = PAGE,
	};
	int fd = card_open();
	TRY(expect("a giant", card_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &create), 0));
	TRY(expect("WAIT", card_wait(fd, create.bo_handle, false), 0));
	close(fd);
	return NULL;
}

static const char *run_transfers(void)
{
	struct drm_virtgpu_resource_create create = {
		.target = 2,
		.format = 1,
		.width = 64,
		.height = 64,
		.depth = 1,
		.array_size = 1,
		.size = 4 * PAGE,
	};
	int fd = card_open();
	TRY(expect("a resource", card_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &create), 0));
	struct drm_virtgpu_3d_transfer_to_host to = {
		.bo_handle = create.bo_handle,
		.box = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
		.level = UINT32_MAX,
		.offset = UINT32_MAX,
		.stride = UINT32_MAX,
		.layer_stride = UINT32_MAX,
	};
	struct drm_virtgpu_3d_transfer_from_host from = {
		.bo_handle = create.bo_handle,
		.box = {1, 1, 1, UINT32_MAX, UINT32_MAX, UINT32_MAX},
		.offset = UINT32_MAX,
	};
	for (int i = 0; i < 50; i++) {
		int error = card_ioctl(fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, &to);
		int back = card_ioctl(fd, DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST, &from);
		if ((error != 0 && error != -EINVAL) || back != 0) {
			return wrong("TRANSFER: %s, %s", strerror(-error), strerror(-back));
		}
	}
	/* Each has a fence, which must signal though the command was refused. */
	TRY(expect("WAIT", card_wait(fd, create.bo_handle, false), 0));
	close(fd);
	return NULL;
}

static const char *run_counts(void)
{
	struct drm_virtgpu_execbuffer execute = {
		.bo_handles = (uintptr_t)&stream,
		.num_bo_handles = UINT32_MAX,
		.fence_fd = -1,
	};
	int fd = card_context();
	int error = card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute);
	if (error == 0) {
		return "2^32 - 1 handles were taken";
	}
	execute = (struct drm_virtgpu_execbuffer){
		.num_in_syncobjs = UINT32_MAX,
		.in_syncobjs = (uintptr_t)&stream,
		.syncobj_stride = UINT32_MAX,
		.fence_fd = -1,
	};
	error = card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute);
	if (error == 0) {
		return "2^32 - 1 syncobjs were taken";
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_command_addresses(void)
{
	struct drm_virtgpu_execbuffer execute = {.size = 4096, .command = 8, .fence_fd = -1};
	int fd = card_context();
	TRY(expect("address 8", card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute), -EFAULT));
	execute.command = UINT64_MAX - 1024;
	TRY(expect("address -1024", card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute),
		   -EFAULT));
	execute.size = UINT32_MAX;
	execute.command = (uintptr_t)&stream;
	int error = card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute);
	if (error != -EFAULT && error != -ENOMEM) {
		return expect("4 GiB", error, -EFAULT);
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_odd_commands(void)
{
	int fd = card_context();
	for (size_t size = 1; size < 4; size++) {
		int fence;
		TRY(expect("1 to 3 bytes", card_submit_fenced(fd, 0, "\1\2\3", size, &fence), 0));
		TRY(expect("their fence", card_await(fence), 0));
		close(fence);
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

/* 256 KiB are allowed; 36 bytes each. */
static const char *run_commands_at_limit(void)
{
	static uint8_t commands[256 << 10];
	struct blob blob;
	size_t size = 0;
	int fence;
	int fd = card_context();
	TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
	TRY(card_expect(fd, true));
	stream.size = 0;
	put_reply_stream(&stream, blob.resource, 0, PAGE);
	for (; size + stream.size <= sizeof(commands); size += stream.size) {
		memcpy(commands + size, stream.bytes, stream.size);
	}
	TRY(expect("the commands", card_submit_fenced(fd, 0, commands, size, &fence), 0));
	TRY(expect("their fence", card_await(fence), 0));
	TRY(card_expect(fd, true));
	close(fence);
	close(fd);
	return NULL;
}

/* What is over the limit never reaches the context: garbage does it no harm. */
static const char *run_commands_over_limit(void)
{
	static const size_t sizes[] = {(256 << 10) + 4, 16 << 20, (64 << 20) + 16};
	int fd = card_context();
	for (int i = 0; i < 3; i++) {
		int fence;
		uint8_t *commands = malloc(sizes[i]);
		if (commands == NULL) {
			return "no memory";
		}
		memset(commands, 0xff, sizes[i]);
		int error = card_submit_fenced(fd, 0, commands, sizes[i], &fence);
		free(commands);
		TRY(expect("the commands", error, 0));
		TRY(expect("their fence", card_await(fence), 0));
		TRY(card_expect(fd, true));
		close(fence);
	}
	close(fd);
	return NULL;
}

static const char *run_map_ranges(void)
{
	struct blob blob;
	uint64_t offset;
	void *address;
	int fd = card_context();
	TRY(expect("a blob", card_shm(fd, 4 * PAGE, &blob), 0));
	TRY(expect("MAP", card_map_offset(fd, blob.handle, &offset), 0));
	TRY(expect("more than there is", card_map(fd, blob.handle, 5 * PAGE, &address), -EINVAL));
	address = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, (off_t)offset + PAGE);
	if (address != MAP_FAILED) {
		return "a range that ends beyond the blob was mapped";
	}
	for (int i = 0; i < 200; i++) {
		off_t at = (off_t)(chance64() >> 1 & ~(uint64_t)(PAGE - 1));
		address = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, at);
		if (address != MAP_FAILED) {
			return wrong("offset %#llx was mapped", (unsigned long long)at);
		}
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_foreign_offset(void)
{
	struct blob blob;
	uint64_t offset;
	int owner = card_context();
	int thief = card_context();
	TRY(expect("a blob", card_shm(owner, PAGE, &blob), 0));
	TRY(expect("MAP", card_map_offset(owner, blob.handle, &offset), 0));
	void *address = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, thief, (off_t)offset);
	if (address != MAP_FAILED || errno != EACCES) {
		return "another file's mapping was not refused with EACCES";
	}
	close(thief);
	close(owner);
	return NULL;
}

static const char *run_blob_with_commands(void)
{
	static const uint8_t garbage[64] = {0xff, 0xff, 0xff, 0xff};
	struct drm_virtgpu_resource_create_blob create = {
		.blob_mem = VIRTGPU_BLOB_MEM_HOST3D,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
		.size = PAGE,
		.cmd = (uintptr_t)garbage,
		.cmd_size = 6,
	};
	int fd = card_context();
	TRY(expect("6 bytes", card_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &create),
		   -EINVAL));
	create.cmd_size = UINT32_MAX & ~3u;
	int error = card_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &create);
	if (error == 0) {
		return "4 GiB of commands were taken";
	}
	create.cmd_size = sizeof(garbage);
	TRY(expect("garbage", card_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &create), 0));
	TRY(card_expect(fd, false));
	close(fd);
	return NULL;
}

const struct attack attacks_on_sizes[] = {
	{"blob-sizes", "blobs of 0, 1, 4097 and 2^64 - 1 bytes: ENOSPC, EINVAL", run_blob_sizes, 0,
	 0, false, NULL},
	{"blob-larger-than-window", "blobs to map of 2 GiB to 2^63 bytes: ENOSPC",
	 run_blob_larger_than_window, 0, 0, false, NULL},
	{"blob-huge", "blobs of 2^38 and 2^39 bytes: refused, the context works", run_blob_huge, 0,
	 2, false, NULL},
	{"guest-blob-huge", "guest blobs of 2^40 and 2^64 bytes: an error", run_guest_blob_huge, 0,
	 0, false, NULL},
	{"blob-beyond-memory", "64 MiB of an allocation of 64 KiB: refused", run_blob_beyond_memory,
	 0, 1, false, NULL},
	{"memory-huge", "vkAllocateMemory of 2^60 bytes and of type 2^32 - 1: its error, no loss",
	 run_memory_huge, 0, 0, false, NULL},
	{"dumb-sizes", "dumb buffers of no size, no depth, and sizes that wrap: EINVAL",
	 run_dumb_sizes, 0, 0, false, NULL},
	{"dumb-too-wide", "a dumb buffer 65536 wide: refused by the device, memory for the guest",
	 run_dumb_too_wide, 0, 1, false, NULL},
	{"3d-sizes", "an OpenGL resource of 2^32 - 1 each way: refused, its fence signals",
	 run_3d_sizes, 0, 1, false, NULL},
	{"transfers", "OpenGL transfers with boxes that wrap: refused, their fences signal",
	 run_transfers, 0, 50, false, NULL},
	{"counts", "2^32 - 1 handles and syncobjs: an error", run_counts, 0, 0, false, NULL},
	{"command-addresses", "commands where there is no memory: EFAULT", run_command_addresses, 0,
	 0, false, NULL},
	{"odd-commands", "commands of 1 to 3 bytes: refused, the context works", run_odd_commands,
	 0, 3, false, NULL},
	{"commands-at-limit", "256 KiB of commands at once: executed", run_commands_at_limit, 0, 0,
	 false, NULL},
	{"commands-over-limit", "256 KiB and 4 bytes, 16 MiB, 64 MiB: refused, the context works",
	 run_commands_over_limit, 0, 3, false, NULL},
	{"map-ranges", "mmap beyond a blob, and at 200 offsets that mean nothing: EINVAL",
	 run_map_ranges, 0, 0, false, NULL},
	{"foreign-offset", "mmap at the offset of another file's blob: EACCES", run_foreign_offset,
	 0, 0, false, NULL},
	{"blob-with-commands", "RESOURCE_CREATE_BLOB with garbage as its commands: lost",
	 run_blob_with_commands, 1, 0, false, NULL},
	{NULL, NULL, NULL, 0, 0, false, NULL},
};
