/* SPDX-License-Identifier: MIT */
/* The smallest scene: three corners, three colours, one turn in six seconds at 60 Hz. */
#include <math.h>
#include <stdlib.h>

#include "pipeline.h"
#include "scene.h"

#include "triangle.frag.h"
#include "triangle.vert.h"

#define FRAMES_PER_TURN 360
#define SIZE 0.8f /* of half the screen's height */

struct scene {
	struct vk *vk;
	uint32_t width, height;
	struct pipeline pipeline;
};

struct turn {
	float cosine, sine;
	float scale_x, scale_y;
};

const char *const app_name = "hesper-triangle";

static void triangle_destroy(struct scene *scene)
{
	pipeline_finish(scene->vk, &scene->pipeline);
	free(scene);
}

static struct scene *triangle_create(struct vk *vk, uint32_t width, uint32_t height,
				     uint32_t samples, const struct options *opts)
{
	struct pipeline_info info = {
		PIPELINE_SHADERS(triangle),
		.samples = samples,
		.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
		.push_size = sizeof(struct turn),
	};
	struct scene *scene = calloc(1, sizeof(*scene));

	if (!scene) {
		return NULL;
	}
	*scene = (struct scene){.vk = vk, .width = width, .height = height};
	if (pipeline_init(vk, &scene->pipeline, &info) < 0) {
		free(scene);
		return NULL;
	}
	return scene;
}

static void triangle_record(struct scene *scene, VkCommandBuffer cmd, uint64_t frame)
{
	float angle = (float)(frame % FRAMES_PER_TURN) * (2 * (float)M_PI / FRAMES_PER_TURN);
	struct turn turn = {
		.cosine = cosf(angle),
		.sine = sinf(angle),
		.scale_x = SIZE * (float)scene->height / (float)scene->width,
		.scale_y = -SIZE,
	};

	vkCmdBindPipeline(cmd, VK_PIPELINE_BIND_POINT_GRAPHICS, scene->pipeline.pipeline);
	vkCmdPushConstants(cmd, scene->pipeline.layout,
			   VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, 0,
			   sizeof(turn), &turn);
	vkCmdDraw(cmd, 3, 1, 0, 0);
}

/* The turning corner of colour i, a little towards the middle where it is certain to be inside. */
static struct scene_expected near_corner(const struct scene *scene, uint64_t frame, int i)
{
	double angle = (double)(frame % FRAMES_PER_TURN) * 2 * M_PI / FRAMES_PER_TURN + M_PI / 2 +
		       i * 2 * M_PI / 3;
	double inward = 0.7; /* weights 0.8, 0.1, 0.1 of the three corners */
	struct scene_expected expected = {
		.what = i == 0   ? "red corner"
			: i == 1 ? "green corner"
				 : "blue corner",
		.x = (uint32_t)(scene->width / 2.0 +
				cos(angle) * inward * SIZE * scene->height / 2),
		.y = (uint32_t)(scene->height / 2.0 -
				sin(angle) * inward * SIZE * scene->height / 2),
		.rgb = {26, 26, 26},
		.tolerance = 4,
	};

	expected.rgb[i] = 204;
	return expected;
}

static unsigned triangle_expect(struct scene *scene, uint64_t frame,
				struct scene_expected expected[SCENE_MAX_EXPECTED])
{
	unsigned n = 0;

	for (int i = 0; i < 3; i++) {
		expected[n++] = near_corner(scene, frame, i);
	}
	expected[n++] = (struct scene_expected){
		.what = "middle of the triangle",
		.x = scene->width / 2,
		.y = scene->height / 2,
		.rgb = {85, 85, 85},
		.tolerance = 3,
	};
	for (int i = 0; i < 4; i++) {
		expected[n++] = (struct scene_expected){
			.what = "background",
			.x = i & 1 ? scene->width - 2 : 1,
			.y = i & 2 ? scene->height - 2 : 1,
			.rgb = {13, 18, 38},
			.tolerance = 1,
		};
	}
	return n;
}

const struct scene_ops app_scene = {
	.clear_colour = {0.05f, 0.07f, 0.15f},
	.create = triangle_create,
	.destroy = triangle_destroy,
	.record = triangle_record,
	.expect = triangle_expect,
};
