/* SPDX-License-Identifier: MIT */
#include "pipeline.h"
#include "present.h"
#include "scene.h"

static int create_module(struct vk *vk, const uint32_t *code, size_t size, VkShaderModule *module)
{
	VkShaderModuleCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
		.codeSize = size,
		.pCode = code,
	};

	return vk_check(vk, vkCreateShaderModule(vk->device, &info, NULL, module),
			"vkCreateShaderModule");
}

static int create_layout(struct vk *vk, struct pipeline *pipeline, uint32_t push_size)
{
	VkPushConstantRange push = {
		.stageFlags = VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT,
		.size = push_size,
	};
	VkPipelineLayoutCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.pushConstantRangeCount = push_size ? 1 : 0,
		.pPushConstantRanges = &push,
	};

	return vk_check(vk, vkCreatePipelineLayout(vk->device, &info, NULL, &pipeline->layout),
			"vkCreatePipelineLayout");
}

static const VkPipelineColorBlendAttachmentState blend_attachment = {
	.blendEnable = VK_TRUE,
	.srcColorBlendFactor = VK_BLEND_FACTOR_SRC_ALPHA,
	.dstColorBlendFactor = VK_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA,
	.srcAlphaBlendFactor = VK_BLEND_FACTOR_ONE,
	.dstAlphaBlendFactor = VK_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA,
	.colorWriteMask = 0xf,
};

static const VkPipelineColorBlendAttachmentState write_attachment = {.colorWriteMask = 0xf};

static int create_pipeline(struct vk *vk, struct pipeline *pipeline,
			   const struct pipeline_info *info, VkShaderModule vert,
			   VkShaderModule frag)
{
	const VkFormat colour_format = PRESENT_FORMAT;
	VkPipelineShaderStageCreateInfo stages[2] = {
		{
			.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
			.stage = VK_SHADER_STAGE_VERTEX_BIT,
			.module = vert,
			.pName = "main",
		},
		{
			.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
			.stage = VK_SHADER_STAGE_FRAGMENT_BIT,
			.module = frag,
			.pName = "main",
		},
	};
	VkVertexInputBindingDescription binding = {
		.stride = info->input_stride,
		.inputRate = VK_VERTEX_INPUT_RATE_VERTEX,
	};
	VkPipelineVertexInputStateCreateInfo input = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO,
		.vertexBindingDescriptionCount = info->input_stride ? 1 : 0,
		.pVertexBindingDescriptions = &binding,
		.vertexAttributeDescriptionCount = info->num_attributes,
		.pVertexAttributeDescriptions = info->attributes,
	};
	VkPipelineInputAssemblyStateCreateInfo assembly = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
		.topology = info->topology,
	};
	VkPipelineViewportStateCreateInfo viewport = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO,
		.viewportCount = 1,
		.scissorCount = 1,
	};
	VkPipelineRasterizationStateCreateInfo raster = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
		.cullMode = info->cull ? VK_CULL_MODE_BACK_BIT : VK_CULL_MODE_NONE,
		.frontFace = VK_FRONT_FACE_COUNTER_CLOCKWISE,
		.lineWidth = 1.0f,
	};
	VkPipelineMultisampleStateCreateInfo multisample = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
		.rasterizationSamples = (VkSampleCountFlagBits)info->samples,
	};
	VkPipelineDepthStencilStateCreateInfo depth = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO,
		.depthTestEnable = info->depth_test,
		.depthWriteEnable = info->depth_write,
		.depthCompareOp = VK_COMPARE_OP_LESS_OR_EQUAL,
	};
	VkPipelineColorBlendStateCreateInfo blend = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO,
		.attachmentCount = 1,
		.pAttachments = info->blend ? &blend_attachment : &write_attachment,
	};
	const VkDynamicState dynamic_states[] = {VK_DYNAMIC_STATE_VIEWPORT,
						 VK_DYNAMIC_STATE_SCISSOR};
	VkPipelineDynamicStateCreateInfo dynamic = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO,
		.dynamicStateCount = 2,
		.pDynamicStates = dynamic_states,
	};
	VkPipelineRenderingCreateInfo rendering = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_RENDERING_CREATE_INFO,
		.colorAttachmentCount = 1,
		.pColorAttachmentFormats = &colour_format,
		.depthAttachmentFormat = SCENE_DEPTH_FORMAT,
	};
	VkGraphicsPipelineCreateInfo create = {
		.sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
		.pNext = &rendering,
		.stageCount = 2,
		.pStages = stages,
		.pVertexInputState = &input,
		.pInputAssemblyState = &assembly,
		.pViewportState = &viewport,
		.pRasterizationState = &raster,
		.pMultisampleState = &multisample,
		.pDepthStencilState = &depth,
		.pColorBlendState = &blend,
		.pDynamicState = &dynamic,
		.layout = pipeline->layout,
	};

	return vk_check(vk,
			vkCreateGraphicsPipelines(vk->device, VK_NULL_HANDLE, 1, &create, NULL,
						  &pipeline->pipeline),
			"vkCreateGraphicsPipelines");
}

int pipeline_init(struct vk *vk, struct pipeline *pipeline, const struct pipeline_info *info)
{
	VkShaderModule vert = VK_NULL_HANDLE, frag = VK_NULL_HANDLE;
	int ret;

	*pipeline = (struct pipeline){0};
	ret = create_module(vk, info->vert, info->vert_size, &vert);
	if (ret == 0) {
		ret = create_module(vk, info->frag, info->frag_size, &frag);
	}
	if (ret == 0) {
		ret = create_layout(vk, pipeline, info->push_size);
	}
	if (ret == 0) {
		ret = create_pipeline(vk, pipeline, info, vert, frag);
	}
	vkDestroyShaderModule(vk->device, vert, NULL);
	vkDestroyShaderModule(vk->device, frag, NULL);
	if (ret < 0) {
		pipeline_finish(vk, pipeline);
	}
	return ret;
}

void pipeline_finish(struct vk *vk, struct pipeline *pipeline)
{
	vkDestroyPipeline(vk->device, pipeline->pipeline, NULL);
	vkDestroyPipelineLayout(vk->device, pipeline->layout, NULL);
	*pipeline = (struct pipeline){0};
}
