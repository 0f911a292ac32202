/* SPDX-License-Identifier: MIT */
/* Numbers that mean nothing: never given, given back, or another's. */
#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <drm/virtgpu_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attack.h"
#include "card.h"
#include "venus.h"

static const uint32_t no_handles[] = {0, 1, 2, 77, 0x7fffffff, 0x80000000, 0xffffffff};
#define NO_HANDLES (sizeof(no_handles) / sizeof(no_handles[0]))

static struct stream stream;

/* What refers to a handle that there is not. */
static const char *use_handle(int fd, uint32_t handle)
{
	uint64_t offset;
	uint32_t resource;
	struct drm_virtgpu_3d_transfer_to_host transfer = {.bo_handle = handle, .box = {.w = 1}};
	struct drm_virtgpu_execbuffer execute = {
		.bo_handles = (uintptr_t)&handle,
		.num_bo_handles = 1,
		.fence_fd = -1,
	};
	TRY(expect("MAP", card_map_offset(fd, handle, &offset), -ENOENT));
	TRY(expect("RESOURCE_INFO", card_info(fd, handle, &resource), -ENOENT));
	TRY(expect("WAIT", card_wait(fd, handle, false), -ENOENT));
	TRY(expect("GEM_CLOSE", card_close(fd, handle), -EINVAL));
	TRY(expect("PRIME_HANDLE_TO_FD", card_export(fd, handle), -ENOENT));
	TRY(expect("TRANSFER_TO_HOST",
		   card_ioctl(fd, DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST, &transfer), -ENOENT));
	TRY(expect("EXECBUFFER", card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute), -ENOENT));
	return NULL;
}

static const char *run_no_handles(void)
{
	int fd = card_context();
	for (size_t i = 0; i < NO_HANDLES; i++) {
		TRY(use_handle(fd, no_handles[i]));
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_stale_handle(void)
{
	struct blob blob;
	int fd = card_context();
	TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
	TRY(expect("its end", card_close(fd, blob.handle), 0));
	TRY(use_handle(fd, blob.handle));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_foreign_handle(void)
{
	struct blob blobs[8];
	int mine = card_context();
	int other = card_context();
	for (int i = 0; i < 8; i++) {
		TRY(expect("a blob", card_shm(other, PAGE, &blobs[i]), 0));
		TRY(use_handle(mine, blobs[i].handle));
	}
	close(other);
	TRY(card_expect(mine, true));
	close(mine);
	return NULL;
}

/* A blob that the device refuses: the kernel does not tell until it is mapped. */
static const char *refused_blob(int fd, uint64_t id, uint64_t size)
{
	struct blob blob;
	void *address;
	TRY(expect("RESOURCE_CREATE_BLOB",
		   card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, id, size,
			     &blob),
		   0));
	TRY(expect("mmap", card_map(fd, blob.handle, size, &address), -EINVAL));
	card_close(fd, blob.handle);
	return NULL;
}

static const char *run_unknown_blob_ids(void)
{
	static const uint64_t ids[] = {1, 2, 0x7fffffff, 0x100000000, UINT64_MAX};
	int fd = card_context();
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		TRY(refused_blob(fd, ids[i], PAGE));
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_blob_of_wrong_objects(void)
{
	static const uint64_t ids[] = {ID_INSTANCE, ID_PHYSICAL, ID_DEVICE, ID_QUEUE};
	int fd = card_context();
	TRY(expect("a device", venus_device(fd), 0));
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		TRY(refused_blob(fd, ids[i], PAGE));
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

/* A context with one allocation of 16 pages. */
static int context_with_memory(void)
{
	int fd = card_context();
	if (fd < 0 || venus_device(fd) < 0) {
		return -1;
	}
	stream.size = 0;
	put_memory(&stream, ID_DEVICE, ID_MEMORY, 16 * PAGE, 0);
	return venus_submit(fd, &stream) < 0 ? -1 : fd;
}

static const char *run_foreign_blob_id(void)
{
	int owner = context_with_memory();
	int thief = card_context();
	struct blob blob;
	void *address;
	TRY(refused_blob(thief, ID_MEMORY, 16 * PAGE));
	/* It is there for whom it belongs to. */
	TRY(expect("the owner's blob",
		   card_blob(owner, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
			     ID_MEMORY, 16 * PAGE, &blob),
		   0));
	TRY(expect("the owner's mmap", card_map(owner, blob.handle, blob.size, &address), 0));
	munmap(address, blob.size);
	TRY(card_expect(thief, true));
	close(thief);
	close(owner);
	return NULL;
}

static const char *run_freed_blob_id(void)
{
	int fd = context_with_memory();
	stream.size = 0;
	put_free_memory(&stream, ID_DEVICE, ID_MEMORY);
	TRY(expect("vkFreeMemory", venus_submit(fd, &stream), 0));
	TRY(refused_blob(fd, ID_MEMORY, 16 * PAGE));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_blob_id_with_other_flags(void)
{
	struct blob blob;
	int fd = card_context();
	/* Shared memory of the renderer's cannot be of another kind: refused when it is used. */
	TRY(expect("SHAREABLE",
		   card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_SHAREABLE, 0, PAGE,
			     &blob),
		   0));
	TRY(expect("MAPPABLE and SHAREABLE",
		   card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D,
			     VIRTGPU_BLOB_FLAG_USE_MAPPABLE | VIRTGPU_BLOB_FLAG_USE_SHAREABLE, 0,
			     PAGE, &blob),
		   0));
	TRY(expect("CROSS_DEVICE",
		   card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_CROSS_DEVICE, 0,
			     PAGE, &blob),
		   -EINVAL));
	TRY(expect("unknown flags", card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D, 0x80, 0, PAGE, &blob),
		   -EINVAL));
	TRY(expect("memory 0", card_blob(fd, 0, 1, 0, PAGE, &blob), -EINVAL));
	TRY(expect("memory 4", card_blob(fd, 4, 1, 0, PAGE, &blob), -EINVAL));
	TRY(expect("a guest blob with an id",
		   card_blob(fd, VIRTGPU_BLOB_MEM_GUEST, 1, 5, PAGE, &blob), -EINVAL));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_host_guest_blob(void)
{
	struct blob blob;
	int fd = card_context();
	TRY(expect("HOST3D_GUEST",
		   card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D_GUEST, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, 0,
			     PAGE, &blob),
		   0));
	card_close(fd, blob.handle);
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_foreign_resource(void)
{
	struct blob blob;
	int owner = card_context();
	TRY(expect("a blob", card_shm(owner, 8192, &blob), 0));
	stream.size = 0;
	const struct ring_layout layout = ring_layout(1, blob.resource);
	put_ring(&stream, &layout);
	TRY(venus_try(&stream, false));
	TRY(card_expect(owner, true));
	close(owner);
	return NULL;
}

static const char *run_foreign_ring(void)
{
	struct blob blob;
	int owner = card_context();
	TRY(expect("a blob", card_shm(owner, 8192, &blob), 0));
	stream.size = 0;
	const struct ring_layout layout = ring_layout(0x1234, blob.resource);
	put_ring(&stream, &layout);
	TRY(expect("a ring", venus_submit(owner, &stream), 0));
	stream.size = 0;
	put_ring_command(&stream, VENUS_NOTIFY_RING, 0x1234);
	TRY(venus_try(&stream, false));
	TRY(expect("the owner's notice", venus_submit(owner, &stream), 0));
	TRY(card_expect(owner, true));
	close(owner);
	return NULL;
}

static const char *run_stale_resource(void)
{
	struct blob blob;
	void *address;
	int fd = card_context();
	TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
	/* Until it is mapped, its end would wait for that, and the stream would not. */
	TRY(expect("mmap", card_map(fd, blob.handle, PAGE, &address), 0));
	munmap(address, PAGE);
	TRY(expect("its end", card_close(fd, blob.handle), 0));
	stream.size = 0;
	put_reply_stream(&stream, blob.resource, 0, PAGE);
	TRY(expect("a stream", venus_submit(fd, &stream), 0));
	TRY(card_expect(fd, false));
	close(fd);
	return NULL;
}

static const char *run_ring_index(void)
{
	int fence;
	int fd = card_open();
	TRY(expect("a context of 2 rings", card_init_context(fd, CAPSET_VENUS, 2), 0));
	TRY(expect("ring 2", card_submit_fenced(fd, 2, NULL, 0, &fence), -EINVAL));
	TRY(expect("ring 63", card_submit_fenced(fd, 63, NULL, 0, &fence), -EINVAL));
	TRY(expect("ring 64", card_submit_fenced(fd, 64, NULL, 0, &fence), -EINVAL));
	TRY(expect("ring -1", card_submit_fenced(fd, UINT32_MAX, NULL, 0, &fence), -EINVAL));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_unbound_ring(void)
{
	int fence;
	int fd = card_context();
	TRY(expect("a fence", card_submit_fenced(fd, 5, NULL, 0, &fence), 0));
	TRY(expect("its end", card_await(fence), 0));
	close(fence);
	TRY(card_expect(fd, false));
	close(fd);
	return NULL;
}

static const char *run_bad_contexts(void)
{
	struct drm_virtgpu_context_set_param params[] = {
		{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, CAPSET_VENUS},
		{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, CAPSET_VENUS},
		{99, 1},
	};
	struct drm_virtgpu_context_init init = {
		.num_params = 2,
		.ctx_set_params = (uintptr_t)params,
	};
	int fd = card_open();
	TRY(expect("capset 0", card_init_context(fd, 0, 64), -EINVAL));
	TRY(expect("capset 1", card_init_context(fd, 1, 64), -EINVAL));
	TRY(expect("capset 63", card_init_context(fd, 63, 64), -EINVAL));
	TRY(expect("capset 64", card_init_context(fd, 64, 64), -EINVAL));
	TRY(expect("capset 2^32 + 4", card_init_context(fd, (1ull << 32) + 4, 64), -EINVAL));
	TRY(expect("65 rings", card_init_context(fd, CAPSET_VENUS, 65), -EINVAL));
	TRY(expect("a capset twice", card_ioctl(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init),
		   -EINVAL));
	init.ctx_set_params = (uintptr_t)&params[1];
	TRY(expect("an unknown parameter", card_ioctl(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init),
		   -EINVAL));
	init.num_params = 0xffffffff;
	TRY(expect("2^32 - 1 parameters", card_ioctl(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init),
		   -EINVAL));
	close(fd);
	return NULL;
}

static const char *run_context_twice(void)
{
	int fd = card_context();
	TRY(expect("another context", card_init_context(fd, CAPSET_VENUS, 64), -EEXIST));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

/* The kernel makes a context of no kind then, which the device does not have. */
static const char *run_no_context(void)
{
	struct blob blob;
	void *address;
	int fd = card_open();
	TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
	TRY(expect("mmap", card_map(fd, blob.handle, PAGE, &address), -EINVAL));
	TRY(expect("a context, late", card_init_context(fd, CAPSET_VENUS, 64), -EEXIST));
	TRY(expect("commands", card_submit(fd, "\0\0\0", 4), 0));
	close(fd);
	return NULL;
}

static const char *run_bad_caps(void)
{
	uint8_t bytes[4096];
	struct drm_virtgpu_get_caps caps = {
		.cap_set_id = 1,
		.addr = (uintptr_t)bytes,
		.size = sizeof(bytes),
	};
	struct drm_virtgpu_getparam param = {.param = 9999, .value = (uintptr_t)bytes};
	int fd = card_open();
	TRY(expect("capset 1", card_ioctl(fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &caps), -EINVAL));
	caps.cap_set_id = UINT32_MAX;
	TRY(expect("capset -1", card_ioctl(fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &caps), -EINVAL));
	caps.cap_set_id = CAPSET_VENUS;
	caps.cap_set_ver = 999;
	TRY(expect("version 999", card_ioctl(fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &caps), -EINVAL));
	caps.cap_set_ver = 0;
	caps.addr = 8;
	TRY(expect("a bad address", card_ioctl(fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &caps), -EFAULT));
	caps.addr = (uintptr_t)bytes;
	TRY(expect("more than there is", card_ioctl(fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &caps), 0));
	TRY(expect("parameter 9999", card_ioctl(fd, DRM_IOCTL_VIRTGPU_GETPARAM, &param), -EINVAL));
	close(fd);
	return NULL;
}

static const char *run_bad_fences(void)
{
	struct drm_virtgpu_execbuffer_syncobj sync = {.handle = 4242};
	struct drm_virtgpu_execbuffer execute = {
		.flags = VIRTGPU_EXECBUF_FENCE_FD_IN,
		.fence_fd = -1,
	};
	int fd = card_context();
	TRY(expect("fence -1", card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute), -EINVAL));
	execute.fence_fd = fd;
	TRY(expect("a card as fence", card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute),
		   -EINVAL));
	execute.flags = 0x80;
	TRY(expect("unknown flags", card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute),
		   -EINVAL));
	execute.flags = 0;
	execute.num_in_syncobjs = 1;
	execute.in_syncobjs = (uintptr_t)&sync;
	execute.syncobj_stride = sizeof(sync);
	TRY(expect("no syncobj", card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute), -ENOENT));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_bad_imports(void)
{
	uint32_t handle;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int memory = memfd_create("attack", MFD_CLOEXEC);
	int fd = card_context();
	TRY(expect("-1", card_import(fd, -1, &handle), -EBADF));
	TRY(expect("/dev/null", card_import(fd, null, &handle), -EINVAL));
	TRY(expect("a memfd", card_import(fd, memory, &handle), -EINVAL));
	TRY(expect("the card", card_import(fd, fd, &handle), -EINVAL));
	TRY(card_expect(fd, true));
	close(fd);
	close(memory);
	close(null);
	return NULL;
}

const struct attack attacks_on_ids[] = {
	{"no-handles", "seven ioctls with handles that there are not: ENOENT", run_no_handles, 0, 0,
	 false, NULL},
	{"stale-handle", "a handle after GEM_CLOSE: ENOENT", run_stale_handle, 0, 0, false, NULL},
	{"foreign-handle", "handles of another file: ENOENT", run_foreign_handle, 0, 0, false,
	 NULL},
	{"unknown-blob-ids", "blobs of memory that there is not: refused, the context works",
	 run_unknown_blob_ids, 0, 5, false, NULL},
	{"blob-of-wrong-objects", "blobs of a VkInstance, a VkDevice, a VkQueue: refused",
	 run_blob_of_wrong_objects, 0, 4, false, NULL},
	{"foreign-blob-id", "a blob of another context's memory: refused; its owner has it",
	 run_foreign_blob_id, 0, 1, false, NULL},
	{"freed-blob-id", "a blob of memory after vkFreeMemory: refused", run_freed_blob_id, 0, 1,
	 false, NULL},
	{"blob-flags", "flags and kinds of memory that do not go together: EINVAL, or refused",
	 run_blob_id_with_other_flags, 0, 2, false, NULL},
	{"host-guest-blob", "HOST3D_GUEST, which is not offered: refused", run_host_guest_blob, 0,
	 1, false, NULL},
	{"foreign-resource", "a ring in another context's memory: lost, the other one works",
	 run_foreign_resource, 1, 0, false, NULL},
	{"foreign-ring", "another context's ring notified: lost, the other one works",
	 run_foreign_ring, 1, 0, false, NULL},
	{"stale-resource", "a reply stream in memory that was given back: lost", run_stale_resource,
	 1, 0, false, NULL},
	{"ring-index", "fences on rings that the context does not have: EINVAL", run_ring_index, 0,
	 0, false, NULL},
	{"unbound-ring", "a fence on a ring without a queue: lost, the fence signals",
	 run_unbound_ring, 1, 0, false, NULL},
	{"bad-contexts", "contexts of unknown kinds and parameters: EINVAL", run_bad_contexts, 0, 0,
	 false, NULL},
	{"context-twice", "a second context in one file: EEXIST", run_context_twice, 0, 0, false,
	 NULL},
	{"no-context", "blobs and commands without a context: refused, a late context is EEXIST",
	 run_no_context, 0, 2, false, NULL},
	{"bad-caps", "capsets, versions and parameters that there are not: EINVAL, EFAULT",
	 run_bad_caps, 0, 0, false, NULL},
	{"bad-fences", "fences to wait for that are none: EINVAL, ENOENT", run_bad_fences, 0, 0,
	 false, NULL},
	{"bad-imports", "files that are no dma-buf: EBADF, EINVAL", run_bad_imports, 0, 0, false,
	 NULL},
	{NULL, NULL, NULL, 0, 0, false, NULL},
};
