/* SPDX-License-Identifier: MIT */
#ifndef GUEST_SCENE_H
#define GUEST_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "vk.h"

#define SCENE_DEPTH_FORMAT VK_FORMAT_D16_UNORM
#define SCENE_MAX_EXPECTED 32

/* A pixel whose colour is known without the GPU. */
struct scene_expected {
	const char *what;
	uint32_t x, y;
	uint8_t rgb[3];
	uint8_t tolerance; /* greatest difference of one channel */
	bool other; /* the pixel must NOT have that colour */
};

struct scene;

/*
 * A picture for every frame number, and always the same one. record() draws inside a rendering
 * with a PRESENT_FORMAT colour and a SCENE_DEPTH_FORMAT depth attachment that are cleared to
 * clear_colour (unless covers_all) and 1; viewport and scissor are set.
 */
struct scene_ops {
	float clear_colour[3];
	bool covers_all; /* it draws every pixel: nothing needs to be cleared */
	/* NULL on failure, with words in vk's report. vk must outlive the scene. */
	struct scene *(*create)(struct vk *vk, uint32_t width, uint32_t height, uint32_t samples,
				const struct options *opts);
	void (*destroy)(struct scene *scene);
	void (*record)(struct scene *scene, VkCommandBuffer cmd, uint64_t frame);
	/* Returns how many were filled in. */
	unsigned (*expect)(struct scene *scene, uint64_t frame,
			   struct scene_expected expected[SCENE_MAX_EXPECTED]);
};

/* What this program draws; each program defines its own. */
extern const char *const app_name;
extern const struct scene_ops app_scene;

/* --pattern, in every program. */
extern const struct scene_ops pattern_scene;

#endif
