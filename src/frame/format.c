/* SPDX-License-Identifier: MIT */
#include "frame/format.h"

#include <drm_fourcc.h>
#include <pixman.h>
#include <stddef.h>
#include <vulkan/vulkan_core.h>

#define R FORMAT_FROM_R
#define G FORMAT_FROM_G
#define B FORMAT_FROM_B
#define A FORMAT_FROM_A
#define ONE FORMAT_ONE

/* Numbers of virtio: include/uapi/linux/virtio_gpu.h, enum virtio_gpu_formats. */
static const struct format formats[] = {
	{"B8G8R8A8",
	 1,
	 DRM_FORMAT_ARGB8888,
	 PIXMAN_a8r8g8b8,
	 VK_FORMAT_B8G8R8A8_UNORM,
	 {R, G, B, A},
	 false,
	 true},
	{"B8G8R8X8",
	 2,
	 DRM_FORMAT_XRGB8888,
	 PIXMAN_x8r8g8b8,
	 VK_FORMAT_B8G8R8A8_UNORM,
	 {R, G, B, ONE},
	 true,
	 true},
	{"A8R8G8B8",
	 3,
	 DRM_FORMAT_BGRA8888,
	 PIXMAN_b8g8r8a8,
	 VK_FORMAT_R8G8B8A8_UNORM,
	 {G, B, A, R},
	 false,
	 false},
	{"X8R8G8B8",
	 4,
	 DRM_FORMAT_BGRX8888,
	 PIXMAN_b8g8r8x8,
	 VK_FORMAT_R8G8B8A8_UNORM,
	 {G, B, A, ONE},
	 true,
	 false},
	{"R8G8B8A8",
	 67,
	 DRM_FORMAT_ABGR8888,
	 PIXMAN_a8b8g8r8,
	 VK_FORMAT_R8G8B8A8_UNORM,
	 {R, G, B, A},
	 false,
	 true},
	{"X8B8G8R8",
	 68,
	 DRM_FORMAT_RGBX8888,
	 PIXMAN_r8g8b8x8,
	 VK_FORMAT_R8G8B8A8_UNORM,
	 {A, B, G, ONE},
	 true,
	 false},
	{"A8B8G8R8",
	 121,
	 DRM_FORMAT_RGBA8888,
	 PIXMAN_r8g8b8a8,
	 VK_FORMAT_R8G8B8A8_UNORM,
	 {A, B, G, R},
	 false,
	 false},
	{"R8G8B8X8",
	 134,
	 DRM_FORMAT_XBGR8888,
	 PIXMAN_x8b8g8r8,
	 VK_FORMAT_R8G8B8A8_UNORM,
	 {R, G, B, ONE},
	 true,
	 true},
};

#define COUNT (sizeof(formats) / sizeof(formats[0]))

const struct format *format_at(unsigned index)
{
	return index < COUNT ? &formats[index] : NULL;
}

const struct format *format_from_virtio(uint32_t virtio)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (formats[i].virtio == virtio) {
			return &formats[i];
		}
	}
	return NULL;
}

const struct format *format_from_fourcc(uint32_t fourcc)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (formats[i].fourcc == fourcc) {
			return &formats[i];
		}
	}
	return NULL;
}

const struct format *format_from_pixman(uint32_t pixman)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (formats[i].pixman == pixman) {
			return &formats[i];
		}
	}
	return NULL;
}
