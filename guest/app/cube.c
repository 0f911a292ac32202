/* SPDX-License-Identifier: MIT */
/*
 * The show picture: a cube with rounded edges and six coloured panels turns in an evening sky, and
 * the evening star (Hesperus, Venus) circles it, sometimes behind. Made to be cheap per pixel: the
 * sky is interpolated, letters and star are small quads that compute their own smooth edges.
 */
#include <stdlib.h>

#include "cube.h"
#include "mesh.h"
#include "pipeline.h"

#include "cube.frag.h"
#include "cube.vert.h"
#include "glint.frag.h"
#include "glint.vert.h"
#include "sky.frag.h"
#include "sky.vert.h"
#include "star.frag.h"
#include "star.vert.h"
#include "stroke.frag.h"
#include "stroke.vert.h"

#define FRAMES_PER_SPIN 480
#define FRAMES_PER_TILT 720 /* the picture repeats after 1440 frames */
#define FRAMES_PER_ORBIT 360
#define GLINTS 70
#define SKY_VERTICES 12
#define STAGES (VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT)

enum { SKY, GLINT, CUBE, STROKE, STAR, NUM_PIPELINES };

struct scene {
	struct vk *vk;
	uint32_t width, height;
	struct pipeline pipelines[NUM_PIPELINES];
	struct vk_buffer buffer; /* vertices, indices, strokes */
	unsigned stroke_indices;
};

/* As shaders/view.glsl has it. */
struct view {
	float turn[3][4];
	float camera[4];
	float star[4];
	int32_t misc[4];
};

_Static_assert(sizeof(struct view) <= 128, "more push constants than every device has");

struct buffer_content {
	struct mesh_vertex vertices[MESH_VERTICES];
	struct mesh_stroke_vertex strokes[MESH_STROKE_VERTICES];
	uint16_t indices[MESH_INDICES];
	uint16_t stroke_indices[MESH_STROKE_INDICES];
};

const char *const app_name = "hesper-cube";

static const VkVertexInputAttributeDescription cube_attributes[] = {
	{0, 0, VK_FORMAT_R32G32B32_SFLOAT, offsetof(struct mesh_vertex, position)},
	{1, 0, VK_FORMAT_R32G32B32_SFLOAT, offsetof(struct mesh_vertex, normal)},
	{2, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(struct mesh_vertex, u)},
	{3, 0, VK_FORMAT_R32_SINT, offsetof(struct mesh_vertex, face)},
};

static const VkVertexInputAttributeDescription stroke_attributes[] = {
	{0, 0, VK_FORMAT_R32G32B32A32_SFLOAT, offsetof(struct mesh_stroke_vertex, u0)},
	{1, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(struct mesh_stroke_vertex, along)},
};

static const struct pipeline_info infos[NUM_PIPELINES] = {
	[SKY] =
		{
			PIPELINE_SHADERS(sky),
			.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP,
		},
	[GLINT] =
		{
			PIPELINE_SHADERS(glint),
			.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
			.blend = true,
		},
	[CUBE] =
		{
			PIPELINE_SHADERS(cube),
			.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
			.depth_test = true,
			.depth_write = true,
			.cull = true,
			.input_stride = sizeof(struct mesh_vertex),
			.attributes = cube_attributes,
			.num_attributes = 4,
		},
	[STROKE] =
		{
			PIPELINE_SHADERS(stroke),
			.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
			.blend = true,
			.depth_test = true,
			.input_stride = sizeof(struct mesh_stroke_vertex),
			.attributes = stroke_attributes,
			.num_attributes = 2,
		},
	[STAR] =
		{
			PIPELINE_SHADERS(star),
			.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP,
			.blend = true,
			.depth_test = true,
		},
};

struct cube_pose cube_pose_at(uint64_t frame, uint32_t width, uint32_t height)
{
	const float circle = 2 * (float)M_PI;
	float spin = (float)(frame % FRAMES_PER_SPIN) * (circle / FRAMES_PER_SPIN) + 0.6f;
	float tilt =
		0.75f * sinf((float)(frame % FRAMES_PER_TILT) * (circle / FRAMES_PER_TILT) + 0.6f);
	float orbit = (float)(frame % FRAMES_PER_ORBIT) * (circle / FRAMES_PER_ORBIT) + 0.9f;
	const float focal = 2.5f;

	return (struct cube_pose){
		.turn = turn3_spin_then_tilt(spin, tilt),
		.star = {2.15f * cosf(orbit), 0.75f * sinf(orbit) + 0.25f, -2.0f * sinf(orbit)},
		.focal_x = focal * (float)height / (float)width,
		.focal_y = focal,
		.distance = 6.0f,
	};
}

static void cube_destroy(struct scene *scene)
{
	for (unsigned i = 0; i < NUM_PIPELINES; i++) {
		pipeline_finish(scene->vk, &scene->pipelines[i]);
	}
	vk_buffer_finish(scene->vk, &scene->buffer);
	free(scene);
}

static int fill_buffer(struct scene *scene)
{
	struct buffer_content *content;
	int ret =
		vk_buffer_init(scene->vk, &scene->buffer, sizeof(*content),
			       VK_BUFFER_USAGE_VERTEX_BUFFER_BIT | VK_BUFFER_USAGE_INDEX_BUFFER_BIT,
			       VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, false);

	if (ret < 0) {
		return ret;
	}
	content = scene->buffer.map;
	mesh_rounded_cube(CUBE_ROUND, content->vertices, content->indices);
	scene->stroke_indices = mesh_word(1.2f, content->strokes, content->stroke_indices);
	return 0;
}

static struct scene *cube_create(struct vk *vk, uint32_t width, uint32_t height, uint32_t samples,
				 const struct options *opts)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	if (!scene) {
		return NULL;
	}
	*scene = (struct scene){.vk = vk, .width = width, .height = height};
	if (fill_buffer(scene) < 0) {
		cube_destroy(scene);
		return NULL;
	}
	for (unsigned i = 0; i < NUM_PIPELINES; i++) {
		struct pipeline_info info = infos[i];

		info.samples = samples;
		info.push_size = sizeof(struct view);
		if (pipeline_init(vk, &scene->pipelines[i], &info) < 0) {
			cube_destroy(scene);
			return NULL;
		}
	}
	return scene;
}

static struct view make_view(const struct cube_pose *pose, uint64_t frame, uint32_t height)
{
	const struct turn3 *turn = &pose->turn;

	return (struct view){
		.turn =
			{
				{turn->x.x, turn->x.y, turn->x.z, 0},
				{turn->y.x, turn->y.y, turn->y.z, 0},
				{turn->z.x, turn->z.y, turn->z.z, 0},
			},
		.camera = {pose->focal_x, pose->focal_y, pose->distance, 2.0f / (float)height},
		.star = {pose->star.x, pose->star.y, pose->star.z, CUBE_STAR_HALO},
		.misc = {0, (int32_t)(frame % 1440), 0, 0},
	};
}

static void bind(struct scene *scene, VkCommandBuffer cmd, unsigned index, const struct view *view)
{
	vkCmdBindPipeline(cmd, VK_PIPELINE_BIND_POINT_GRAPHICS, scene->pipelines[index].pipeline);
	vkCmdPushConstants(cmd, scene->pipelines[index].layout, STAGES, 0, sizeof(*view), view);
}

static void record_strokes(struct scene *scene, VkCommandBuffer cmd, const struct cube_pose *pose,
			   struct view *view)
{
	const VkDeviceSize offset = offsetof(struct buffer_content, strokes);
	const struct vec3 eye = {0, 0, pose->distance};

	vkCmdBindVertexBuffers(cmd, 0, 1, &scene->buffer.buffer, &offset);
	vkCmdBindIndexBuffer(cmd, scene->buffer.buffer,
			     offsetof(struct buffer_content, stroke_indices), VK_INDEX_TYPE_UINT16);
	for (int face = 0; face < MESH_FACES; face++) {
		struct vec3 normal = turn3_apply(&pose->turn, mesh_faces[face].z);

		/* The face's own plane goes through its normal. */
		if (vec3_dot(vec3_sub(eye, normal), normal) <= 0) {
			continue;
		}
		view->misc[0] = face;
		bind(scene, cmd, STROKE, view);
		vkCmdDrawIndexed(cmd, scene->stroke_indices, 1, 0, 0, 0);
	}
}

static void cube_record(struct scene *scene, VkCommandBuffer cmd, uint64_t frame)
{
	struct cube_pose pose = cube_pose_at(frame, scene->width, scene->height);
	struct view view = make_view(&pose, frame, scene->height);
	const VkDeviceSize offset = offsetof(struct buffer_content, vertices);

	bind(scene, cmd, SKY, &view);
	vkCmdDraw(cmd, SKY_VERTICES, 1, 0, 0);
	bind(scene, cmd, GLINT, &view);
	vkCmdDraw(cmd, GLINTS * 6, 1, 0, 0);

	bind(scene, cmd, CUBE, &view);
	vkCmdBindVertexBuffers(cmd, 0, 1, &scene->buffer.buffer, &offset);
	vkCmdBindIndexBuffer(cmd, scene->buffer.buffer, offsetof(struct buffer_content, indices),
			     VK_INDEX_TYPE_UINT16);
	vkCmdDrawIndexed(cmd, MESH_INDICES, 1, 0, 0, 0);
	record_strokes(scene, cmd, &pose, &view);

	bind(scene, cmd, STAR, &view);
	vkCmdDraw(cmd, 4, 1, 0, 0);
}

static unsigned expect(struct scene *scene, uint64_t frame,
		       struct scene_expected expected[SCENE_MAX_EXPECTED])
{
	struct cube_pose pose = cube_pose_at(frame, scene->width, scene->height);

	return cube_expect(&pose, scene->width, scene->height, expected);
}

const struct scene_ops app_scene = {
	.covers_all = true,
	.create = cube_create,
	.destroy = cube_destroy,
	.record = cube_record,
	.expect = expect,
};
