/* SPDX-License-Identifier: MIT */
/*
 * A picture that says which frame it is, for whoever looks at the screen from outside.
 *
 * The screen is 8 columns by `rows` rows of equal blocks (pixel x is in column x * 8 / width, y in
 * row y * rows / height). Row r holds the 24 low bits of frame + r, three per column from the
 * lowest: bit 0 is red, 1 green, 2 blue; a channel is 224 when its bit is set and 32 when not.
 * Every row names the frame by itself, so rows that disagree are a torn picture.
 */
#include <stdlib.h>

#include "pipeline.h"
#include "scene.h"

#include "pattern.frag.h"
#include "pattern.vert.h"

#define COLUMNS 8

struct scene {
	struct vk *vk;
	uint32_t width, height, rows;
	struct pipeline pipeline;
};

struct push {
	uint32_t width, height, rows, frame;
};

static void pattern_destroy(struct scene *scene)
{
	pipeline_finish(scene->vk, &scene->pipeline);
	free(scene);
}

static struct scene *pattern_create(struct vk *vk, uint32_t width, uint32_t height,
				    uint32_t samples, const struct options *opts)
{
	struct pipeline_info info = {
		PIPELINE_SHADERS(pattern),
		.samples = samples,
		.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
		.push_size = sizeof(struct push),
	};
	struct scene *scene = calloc(1, sizeof(*scene));

	if (!scene) {
		return NULL;
	}
	*scene = (struct scene){.vk = vk, .width = width, .height = height, .rows = opts->pattern};
	if (pipeline_init(vk, &scene->pipeline, &info) < 0) {
		free(scene);
		return NULL;
	}
	return scene;
}

static void pattern_record(struct scene *scene, VkCommandBuffer cmd, uint64_t frame)
{
	struct push push = {scene->width, scene->height, scene->rows, (uint32_t)frame};

	vkCmdBindPipeline(cmd, VK_PIPELINE_BIND_POINT_GRAPHICS, scene->pipeline.pipeline);
	vkCmdPushConstants(cmd, scene->pipeline.layout,
			   VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, 0,
			   sizeof(push), &push);
	vkCmdDraw(cmd, 3, 1, 0, 0);
}

/* The first and last row of blocks, each block at its middle. */
static unsigned pattern_expect(struct scene *scene, uint64_t frame,
			       struct scene_expected expected[SCENE_MAX_EXPECTED])
{
	const uint32_t rows[2] = {0, scene->rows - 1};
	unsigned n = 0;

	for (unsigned r = 0; r < 2; r++) {
		for (uint32_t column = 0; column < COLUMNS; column++) {
			uint32_t bits = ((uint32_t)frame + rows[r]) >> 3 * column;
			struct scene_expected *block = &expected[n++];

			*block = (struct scene_expected){
				.what = "block",
				.x = (2 * column + 1) * scene->width / (2 * COLUMNS),
				.y = (2 * rows[r] + 1) * scene->height / (2 * scene->rows),
				.tolerance = 1,
			};
			for (unsigned channel = 0; channel < 3; channel++) {
				block->rgb[channel] = bits >> channel & 1 ? 224 : 32;
			}
		}
	}
	return n;
}

const struct scene_ops pattern_scene = {
	.covers_all = true,
	.create = pattern_create,
	.destroy = pattern_destroy,
	.record = pattern_record,
	.expect = pattern_expect,
};
