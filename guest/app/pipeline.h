/* SPDX-License-Identifier: MIT */
#ifndef GUEST_PIPELINE_H
#define GUEST_PIPELINE_H

#include "vk.h"

struct pipeline_info {
	const uint32_t *vert, *frag; /* SPIR-V */
	size_t vert_size, frag_size; /* bytes */
	uint32_t samples;
	VkPrimitiveTopology topology;
	bool blend, depth_test, depth_write, cull;
	uint32_t push_size; /* bytes, visible to both stages */
	uint32_t input_stride; /* 0: no vertex input */
	const VkVertexInputAttributeDescription *attributes;
	uint32_t num_attributes;
};

struct pipeline {
	VkPipelineLayout layout;
	VkPipeline pipeline;
};

/* Returns 0 or a negative errno, with words in the report and *pipeline finished. */
int pipeline_init(struct vk *vk, struct pipeline *pipeline, const struct pipeline_info *info);
void pipeline_finish(struct vk *vk, struct pipeline *pipeline);

#define PIPELINE_SHADERS(name)                                                                     \
	.vert = name##_vert, .vert_size = sizeof(name##_vert), .frag = name##_frag,                \
	.frag_size = sizeof(name##_frag)

#endif
