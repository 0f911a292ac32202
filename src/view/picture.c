/* SPDX-License-Identifier: MIT */
#include "view/picture.h"

#include "util/log.h"
#include "view/swizzle.comp.h"

static bool allocate(struct vk *vk, struct picture *picture)
{
	VkMemoryRequirements needs;
	vkGetImageMemoryRequirements(vk->device, picture->image, &needs);
	uint32_t type =
		vk_memory_type(vk, needs.memoryTypeBits, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
	if (type == UINT32_MAX) {
		type = vk_memory_type(vk, needs.memoryTypeBits, 0);
	}
	const VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
					       .allocationSize = needs.size,
					       .memoryTypeIndex = type};
	return vk_ok(vkAllocateMemory(vk->device, &allocate, NULL, &picture->memory),
		     "vkAllocateMemory") &&
	       vk_ok(vkBindImageMemory(vk->device, picture->image, picture->memory, 0),
		     "vkBindImageMemory");
}

static bool make_view(struct vk *vk, struct picture *picture, const VkComponentMapping *mapping)
{
	const VkImageViewCreateInfo create = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
		.image = picture->image,
		.viewType = VK_IMAGE_VIEW_TYPE_2D,
		.format = picture->vk_format,
		.components = *mapping,
		.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1}};
	return vk_ok(vkCreateImageView(vk->device, &create, NULL, &picture->view),
		     "vkCreateImageView");
}

static bool make_image(struct vk *vk, struct picture *picture, const struct frame *frame,
		       VkFormat format, VkImageUsageFlags usage)
{
	const VkImageCreateInfo create = {.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
					  .imageType = VK_IMAGE_TYPE_2D,
					  .format = format,
					  .extent = {frame->width, frame->height, 1},
					  .mipLevels = 1,
					  .arrayLayers = 1,
					  .samples = VK_SAMPLE_COUNT_1_BIT,
					  .tiling = VK_IMAGE_TILING_OPTIMAL,
					  .usage = usage,
					  .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED};
	const VkPhysicalDeviceLimits *limits = &vk->properties.limits;
	picture_finish(vk, picture);
	if (frame->width > limits->maxImageDimension2D ||
	    frame->height > limits->maxImageDimension2D) {
		log_error("a picture of %ux%u is too large for %s", frame->width, frame->height,
			  vk->properties.deviceName);
		return false;
	}
	if (!vk_ok(vkCreateImage(vk->device, &create, NULL, &picture->image), "vkCreateImage") ||
	    !allocate(vk, picture)) {
		picture_finish(vk, picture);
		return false;
	}
	picture->vk_format = format;
	picture->format = frame->format;
	picture->width = frame->width;
	picture->height = frame->height;
	return true;
}

static bool fits(const struct picture *picture, const struct frame *frame)
{
	return picture->image != VK_NULL_HANDLE && picture->format == frame->format &&
	       picture->width == frame->width && picture->height == frame->height;
}

static bool make_set(struct vk *vk, struct converter *converter)
{
	const VkDescriptorPoolSize sizes[] = {{VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1},
					      {VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, 1}};
	const VkDescriptorPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
		.maxSets = 1,
		.poolSizeCount = 2,
		.pPoolSizes = sizes};
	if (!vk_ok(vkCreateDescriptorPool(vk->device, &pool, NULL, &converter->pool),
		   "vkCreateDescriptorPool")) {
		return false;
	}
	const VkDescriptorSetAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
		.descriptorPool = converter->pool,
		.descriptorSetCount = 1,
		.pSetLayouts = &converter->set_layout};
	return vk_ok(vkAllocateDescriptorSets(vk->device, &allocate, &converter->set),
		     "vkAllocateDescriptorSets");
}

static bool make_layout(struct vk *vk, struct converter *converter)
{
	const VkDescriptorSetLayoutBinding bindings[] = {
		{0, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1, VK_SHADER_STAGE_COMPUTE_BIT,
		 NULL},
		{1, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL}};
	const VkDescriptorSetLayoutCreateInfo set = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
		.bindingCount = 2,
		.pBindings = bindings};
	const VkPipelineLayoutCreateInfo layout = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.setLayoutCount = 1,
		.pSetLayouts = &converter->set_layout};
	const VkSamplerCreateInfo sampler = {.sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO};
	return vk_ok(vkCreateDescriptorSetLayout(vk->device, &set, NULL, &converter->set_layout),
		     "vkCreateDescriptorSetLayout") &&
	       vk_ok(vkCreatePipelineLayout(vk->device, &layout, NULL, &converter->layout),
		     "vkCreatePipelineLayout") &&
	       vk_ok(vkCreateSampler(vk->device, &sampler, NULL, &converter->sampler),
		     "vkCreateSampler");
}

static bool make_pipeline(struct vk *vk, struct converter *converter)
{
	const VkShaderModuleCreateInfo code = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
					       .codeSize = sizeof(swizzle_comp),
					       .pCode = swizzle_comp};
	VkShaderModule module;
	if (!vk_ok(vkCreateShaderModule(vk->device, &code, NULL, &module),
		   "vkCreateShaderModule")) {
		return false;
	}
	const VkComputePipelineCreateInfo create = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
			  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
			  .module = module,
			  .pName = "main"},
		.layout = converter->layout};
	VkResult result = vkCreateComputePipelines(vk->device, VK_NULL_HANDLE, 1, &create, NULL,
						   &converter->pipeline);
	vkDestroyShaderModule(vk->device, module, NULL);
	return vk_ok(result, "vkCreateComputePipelines");
}

static bool converter_prepare(struct vk *vk, struct converter *converter,
			      const struct picture *picture, const struct frame *frame)
{
	const enum format_channel *from = frame->format->swizzle;
	/* FORMAT_FROM_R … A are the swizzles R … A; ONE is apart. */
	VkComponentSwizzle swizzle[4];
	for (int i = 0; i < 4; i++) {
		swizzle[i] = from[i] == FORMAT_ONE
				     ? VK_COMPONENT_SWIZZLE_ONE
				     : (VkComponentSwizzle)(VK_COMPONENT_SWIZZLE_R + from[i]);
	}
	const VkComponentMapping mapping = {swizzle[0], swizzle[1], swizzle[2], swizzle[3]};
	if (!converter->ready) {
		converter->ready = make_layout(vk, converter) && make_set(vk, converter) &&
				   make_pipeline(vk, converter);
	}
	if (!converter->ready ||
	    !make_image(vk, &converter->raw, frame, (VkFormat)frame->format->vulkan,
			VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_SAMPLED_BIT) ||
	    !make_view(vk, &converter->raw, &mapping)) {
		return false;
	}
	const VkDescriptorImageInfo images[] = {
		{converter->sampler, converter->raw.view, vk_use_sampled.layout},
		{VK_NULL_HANDLE, picture->view, vk_use_stored.layout}};
	VkWriteDescriptorSet writes[2];
	for (uint32_t i = 0; i < 2; i++) {
		writes[i] = (VkWriteDescriptorSet){
			.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
			.dstSet = converter->set,
			.dstBinding = i,
			.descriptorCount = 1,
			.descriptorType = i == 0 ? VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER
						 : VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
			.pImageInfo = &images[i]};
	}
	vkUpdateDescriptorSets(vk->device, 2, writes, 0, NULL);
	return true;
}

static void record_converted(struct vk *vk, struct converter *converter, struct picture *picture,
			     const struct source *source)
{
	const struct rect whole = {0, 0, picture->width, picture->height};
	struct picture *raw = &converter->raw;
	vk_image_barrier(vk, raw->image, vk_use_nothing, vk_use_copied_to);
	source_record(vk, source, &whole, raw->image, 0, 0);
	vk_image_barrier(vk, raw->image, vk_use_copied_to, vk_use_sampled);
	vk_image_barrier(vk, picture->image, vk_use_nothing, vk_use_stored);
	vkCmdBindPipeline(vk->commands, VK_PIPELINE_BIND_POINT_COMPUTE, converter->pipeline);
	vkCmdBindDescriptorSets(vk->commands, VK_PIPELINE_BIND_POINT_COMPUTE, converter->layout, 0,
				1, &converter->set, 0, NULL);
	/* The shader's local size. */
	vkCmdDispatch(vk->commands, (picture->width + 15) / 16, (picture->height + 7) / 8, 1);
	vk_image_barrier(vk, picture->image, vk_use_stored, vk_use_copied_from);
}

static bool prepare(struct vk *vk, struct picture *picture, const struct frame *frame)
{
	const VkComponentMapping identity = {0};
	bool direct = frame->format->identity;
	if (fits(picture, frame)) {
		return true;
	}
	return make_image(vk, picture, frame,
			  direct ? (VkFormat)frame->format->vulkan : VK_FORMAT_R8G8B8A8_UNORM,
			  VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT |
				  (direct ? 0 : VK_IMAGE_USAGE_STORAGE_BIT)) &&
	       (direct || make_view(vk, picture, &identity));
}

bool picture_record(struct vk *vk, struct converter *converter, struct picture *picture,
		    const struct source *source, const struct frame *frame)
{
	const struct rect whole = {0, 0, frame->width, frame->height};
	if (!prepare(vk, picture, frame)) {
		return false;
	}
	if (!frame->format->identity) {
		if (!converter_prepare(vk, converter, picture, frame)) {
			return false;
		}
		record_converted(vk, converter, picture, source);
		return true;
	}
	vk_image_barrier(vk, picture->image, vk_use_nothing, vk_use_copied_to);
	source_record(vk, source, &whole, picture->image, 0, 0);
	vk_image_barrier(vk, picture->image, vk_use_copied_to, vk_use_copied_from);
	return true;
}

void picture_finish(struct vk *vk, struct picture *picture)
{
	vkDestroyImageView(vk->device, picture->view, NULL);
	vkDestroyImage(vk->device, picture->image, NULL);
	vkFreeMemory(vk->device, picture->memory, NULL);
	*picture = (struct picture){0};
}

void converter_finish(struct vk *vk, struct converter *converter)
{
	picture_finish(vk, &converter->raw);
	vkDestroyPipeline(vk->device, converter->pipeline, NULL);
	vkDestroyPipelineLayout(vk->device, converter->layout, NULL);
	vkDestroyDescriptorPool(vk->device, converter->pool, NULL);
	vkDestroyDescriptorSetLayout(vk->device, converter->set_layout, NULL);
	vkDestroySampler(vk->device, converter->sampler, NULL);
	*converter = (struct converter){0};
}
