/* SPDX-License-Identifier: MIT */
#include "times.h"

#include <drm/drm.h>
#include <drm/virtgpu_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BLOB_BYTES (64u << 10)
#define CAPSET_VENUS 4

static double now_us(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int open_context(void)
{
	struct drm_virtgpu_context_set_param params[] = {
		{VIRTGPU_CONTEXT_PARAM_CAPSET_ID, CAPSET_VENUS},
		{VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 64},
	};
	struct drm_virtgpu_context_init init = {
		.num_params = 2,
		.ctx_set_params = (uintptr_t)params,
	};
	int fd = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The blob's number; 0 when it was not made. */
static uint32_t make(int fd)
{
	/* blob_id 0 and MAPPABLE: shared memory, without any Vulkan. */
	struct drm_virtgpu_resource_create_blob create = {
		.blob_mem = VIRTGPU_BLOB_MEM_HOST3D,
		.blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
		.size = BLOB_BYTES,
	};
	return ioctl(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &create) < 0 ? 0
									      : create.bo_handle;
}

/* Waits until the device has mapped it. */
static volatile uint32_t *map(int fd, uint32_t handle)
{
	struct drm_virtgpu_map place = {.handle = handle};
	if (ioctl(fd, DRM_IOCTL_VIRTGPU_MAP, &place) < 0) {
		return NULL;
	}
	void *words =
		mmap(NULL, BLOB_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)place.offset);
	return words == MAP_FAILED ? NULL : words;
}

int times_run(uint32_t count)
{
	double *took = calloc(count, sizeof(*took));
	int fd = open_context();
	if (took == NULL || fd < 0) {
		printf("FAIL times: no context: %s\n", strerror(errno));
		return 1;
	}
	for (uint32_t i = 0; i < count; i++) {
		double start = now_us();
		uint32_t handle = make(fd);
		volatile uint32_t *words = handle != 0 ? map(fd, handle) : NULL;
		if (words == NULL) {
			printf("FAIL times: blob %u: %s\n", i, strerror(errno));
			return 1;
		}
		took[i] = now_us() - start;
		words[0] = i;
		if (words[0] != i) {
			printf("FAIL times: blob %u does not keep what is written\n", i);
			return 1;
		}
	}
	printf("{\"us\": [");
	for (uint32_t i = 0; i < count; i++) {
		printf("%s%.0f", i == 0 ? "" : ", ", took[i]);
	}
	printf("]}\n");
	free(took);
	close(fd);
	return 0;
}
