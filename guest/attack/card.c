/* SPDX-License-Identifier: MIT */
#include "card.h"

#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <drm/virtgpu_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attack.h"

/* Ten times what anything takes on a busy host without KVM. */
#define PATIENCE_MS 60000

int card_ioctl(int fd, unsigned long request, void *argument)
{
	int result;
	do {
		result = ioctl(fd, request, argument);
	} while (result < 0 && (errno == EINTR || errno == EAGAIN));
	return result < 0 ? -errno : result;
}

int card_open(void)
{
	int fd = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int card_open_screen(void)
{
	int fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int card_init_context(int fd, uint64_t capset, uint64_t rings)
{
	struct drm_virtgpu_context_set_param params[] = {
		{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, capset},
		{VIRTGPU_CONTEXT_PARAM_NUM_RINGS, rings},
	};
	struct drm_virtgpu_context_init init = {
		.num_params = 2,
		.ctx_set_params = (uintptr_t)params,
	};
	return card_ioctl(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init);
}

int card_context(void)
{
	int fd = card_open();
	int error = fd < 0 ? fd : card_init_context(fd, CAPSET_VENUS, 64);
	if (error < 0 && fd >= 0) {
		close(fd);
	}
	return error < 0 ? error : fd;
}

int card_blob(int fd, uint32_t memory, uint32_t flags, uint64_t id, uint64_t size,
	      struct blob *blob)
{
	struct drm_virtgpu_resource_create_blob create = {
		.blob_mem = memory,
		.blob_flags = flags,
		.blob_id = id,
		.size = size,
	};
	int error = card_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &create);
	*blob = (struct blob){create.bo_handle, create.res_handle, size};
	return error;
}

int card_shm(int fd, uint64_t size, struct blob *blob)
{
	return card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, 0, size,
			 blob);
}

int card_close(int fd, uint32_t handle)
{
	struct drm_gem_close gem_close = {.handle = handle};
	return card_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &gem_close);
}

int card_info(int fd, uint32_t handle, uint32_t *resource)
{
	struct drm_virtgpu_resource_info info = {.bo_handle = handle};
	int error = card_ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO, &info);
	*resource = info.res_handle;
	return error;
}

int card_wait(int fd, uint32_t handle, bool now)
{
	struct drm_virtgpu_3d_wait wait = {
		.handle = handle,
		.flags = now ? VIRTGPU_WAIT_NOWAIT : 0,
	};
	return card_ioctl(fd, DRM_IOCTL_VIRTGPU_WAIT, &wait);
}

int card_map_offset(int fd, uint32_t handle, uint64_t *offset)
{
	struct drm_virtgpu_map map = {.handle = handle};
	int error = card_ioctl(fd, DRM_IOCTL_VIRTGPU_MAP, &map);
	*offset = map.offset;
	return error;
}

static int map_at(int fd, uint64_t offset, uint64_t size, void **address)
{
	*address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	return *address == MAP_FAILED ? -errno : 0;
}

int card_map(int fd, uint32_t handle, uint64_t size, void **address)
{
	uint64_t offset;
	int error = card_map_offset(fd, handle, &offset);
	return error < 0 ? error : map_at(fd, offset, size, address);
}

int card_submit(int fd, const void *commands, size_t size)
{
	struct drm_virtgpu_execbuffer execute = {
		.size = (uint32_t)size,
		.command = (uintptr_t)commands,
		.fence_fd = -1,
	};
	return card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute);
}

int card_submit_fenced(int fd, uint32_t ring, const void *commands, size_t size, int *fence)
{
	struct drm_virtgpu_execbuffer execute = {
		.flags = VIRTGPU_EXECBUF_RING_IDX | VIRTGPU_EXECBUF_FENCE_FD_OUT,
		.size = (uint32_t)size,
		.command = (uintptr_t)commands,
		.ring_idx = ring,
		.fence_fd = -1,
	};
	int error = card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute);
	*fence = execute.fence_fd;
	return error;
}

int card_await(int fence)
{
	struct pollfd poll_fd = {.fd = fence, .events = POLLIN};
	int64_t end = now_ms() + PATIENCE_MS;
	for (;;) {
		int64_t left = end - now_ms();
		int got = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
		if (got > 0) {
			return 0;
		}
		if (got == 0) {
			return -ETIMEDOUT;
		}
		if (errno != EINTR) {
			return -errno;
		}
	}
}

int card_settle(int fd)
{
	int fence;
	int error = card_submit_fenced(fd, 0, NULL, 0, &fence);
	if (error < 0) {
		return error;
	}
	error = card_await(fence);
	close(fence);
	return error;
}

bool card_works(int fd)
{
	struct blob blob;
	void *address;
	if (card_shm(fd, PAGE, &blob) < 0) {
		return false;
	}
	bool works = card_map(fd, blob.handle, PAGE, &address) == 0;
	if (works) {
		memset(address, 0x5a, PAGE);
		works = *(volatile unsigned char *)address == 0x5a;
		munmap(address, PAGE);
	}
	card_close(fd, blob.handle);
	return works;
}

const char *card_expect(int fd, bool works)
{
	TRY(expect("the last fence", card_settle(fd), 0));
	if (card_works(fd) != works) {
		return works ? "the context is lost" : "the context was not lost";
	}
	return NULL;
}

int card_dumb(int fd, uint32_t width, uint32_t height, uint32_t bits, struct dumb *dumb)
{
	struct drm_mode_create_dumb create = {.width = width, .height = height, .bpp = bits};
	int error = card_ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &create);
	*dumb = (struct dumb){create.handle, create.pitch, create.size};
	return error;
}

int card_map_dumb(int fd, const struct dumb *dumb, void **address)
{
	struct drm_mode_map_dumb map = {.handle = dumb->handle};
	int error = card_ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &map);
	return error < 0 ? error : map_at(fd, map.offset, dumb->size, address);
}

int card_export(int fd, uint32_t handle)
{
	struct drm_prime_handle prime = {.handle = handle, .flags = O_CLOEXEC | O_RDWR};
	int error = card_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);
	return error < 0 ? error : prime.fd;
}

int card_import(int fd, int dma_buf, uint32_t *handle)
{
	struct drm_prime_handle prime = {.fd = dma_buf};
	int error = card_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);
	*handle = prime.handle;
	return error;
}
