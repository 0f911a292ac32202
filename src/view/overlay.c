/* SPDX-License-Identifier: MIT */
#include "view/overlay.h"

#include <string.h>

#include "view/cursor.comp.h"

/*
 * THEORY OF OPERATION
 *
 * A blit cannot blend, and pictures are neither drawn to nor always fit for a shader's stores. So
 * what is under the pointer is copied to an image as large as the pointer, a shader makes a third
 * one of that and the shape, and this one is blitted back, which also puts its channels into the
 * picture's order. A pointer is small: all of it costs what copying 64x64 pixels costs. The shape
 * is uploaded when it changes; it is no frame, and not counted.
 */

/* The shader's local size. */
#define GROUP 8

struct place {
	int32_t first[2];
	int32_t size[2];
};

static void image_finish(struct vk *vk, struct overlay_image *image)
{
	vkDestroyImageView(vk->device, image->view, NULL);
	vkDestroyImage(vk->device, image->image, NULL);
	vkFreeMemory(vk->device, image->memory, NULL);
	*image = (struct overlay_image){0};
}

static bool image_init(struct vk *vk, struct overlay_image *image, VkFormat format, uint32_t width,
		       uint32_t height, VkImageUsageFlags usage)
{
	const VkImageCreateInfo create = {.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
					  .imageType = VK_IMAGE_TYPE_2D,
					  .format = format,
					  .extent = {width, height, 1},
					  .mipLevels = 1,
					  .arrayLayers = 1,
					  .samples = VK_SAMPLE_COUNT_1_BIT,
					  .tiling = VK_IMAGE_TILING_OPTIMAL,
					  .usage = usage,
					  .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED};
	if (!vk_ok(vkCreateImage(vk->device, &create, NULL, &image->image), "vkCreateImage")) {
		return false;
	}
	VkMemoryRequirements needs;
	vkGetImageMemoryRequirements(vk->device, image->image, &needs);
	const VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
					       .allocationSize = needs.size,
					       .memoryTypeIndex =
						       vk_memory_type(vk, needs.memoryTypeBits, 0)};
	const VkImageViewCreateInfo view = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
		.image = image->image,
		.viewType = VK_IMAGE_VIEW_TYPE_2D,
		.format = format,
		.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1}};
	return vk_ok(vkAllocateMemory(vk->device, &allocate, NULL, &image->memory),
		     "vkAllocateMemory") &&
	       vk_ok(vkBindImageMemory(vk->device, image->image, image->memory, 0),
		     "vkBindImageMemory") &&
	       vk_ok(vkCreateImageView(vk->device, &view, NULL, &image->view), "vkCreateImageView");
}

static bool make_layout(struct vk *vk, struct overlay *overlay)
{
	VkDescriptorSetLayoutBinding bindings[3];
	for (uint32_t i = 0; i < 3; i++) {
		bindings[i] = (VkDescriptorSetLayoutBinding){
			.binding = i,
			.descriptorType = i < 2 ? VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER
						: VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
			.descriptorCount = 1,
			.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
	}
	const VkDescriptorSetLayoutCreateInfo set = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
		.bindingCount = 3,
		.pBindings = bindings};
	const VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(struct place)};
	const VkPipelineLayoutCreateInfo layout = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.setLayoutCount = 1,
		.pSetLayouts = &overlay->set_layout,
		.pushConstantRangeCount = 1,
		.pPushConstantRanges = &range};
	const VkSamplerCreateInfo sampler = {.sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO};
	return vk_ok(vkCreateDescriptorSetLayout(vk->device, &set, NULL, &overlay->set_layout),
		     "vkCreateDescriptorSetLayout") &&
	       vk_ok(vkCreatePipelineLayout(vk->device, &layout, NULL, &overlay->layout),
		     "vkCreatePipelineLayout") &&
	       vk_ok(vkCreateSampler(vk->device, &sampler, NULL, &overlay->sampler),
		     "vkCreateSampler");
}

static bool make_set(struct vk *vk, struct overlay *overlay)
{
	const VkDescriptorPoolSize sizes[] = {{VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 2},
					      {VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, 1}};
	const VkDescriptorPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
		.maxSets = 1,
		.poolSizeCount = 2,
		.pPoolSizes = sizes};
	if (!vk_ok(vkCreateDescriptorPool(vk->device, &pool, NULL, &overlay->pool),
		   "vkCreateDescriptorPool")) {
		return false;
	}
	const VkDescriptorSetAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
		.descriptorPool = overlay->pool,
		.descriptorSetCount = 1,
		.pSetLayouts = &overlay->set_layout};
	return vk_ok(vkAllocateDescriptorSets(vk->device, &allocate, &overlay->set),
		     "vkAllocateDescriptorSets");
}

static bool make_pipeline(struct vk *vk, struct overlay *overlay)
{
	const VkShaderModuleCreateInfo code = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
					       .codeSize = sizeof(cursor_comp),
					       .pCode = cursor_comp};
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
		.layout = overlay->layout};
	VkResult result = vkCreateComputePipelines(vk->device, VK_NULL_HANDLE, 1, &create, NULL,
						   &overlay->pipeline);
	vkDestroyShaderModule(vk->device, module, NULL);
	return vk_ok(result, "vkCreateComputePipelines");
}

static void write_set(struct vk *vk, const struct overlay *overlay)
{
	const VkDescriptorImageInfo images[] = {
		{overlay->sampler, overlay->under.view, vk_use_sampled.layout},
		{overlay->sampler, overlay->shape.view, vk_use_sampled.layout},
		{VK_NULL_HANDLE, overlay->result.view, vk_use_stored.layout}};
	VkWriteDescriptorSet writes[3];
	for (uint32_t i = 0; i < 3; i++) {
		writes[i] = (VkWriteDescriptorSet){
			.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
			.dstSet = overlay->set,
			.dstBinding = i,
			.descriptorCount = 1,
			.descriptorType = i < 2 ? VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER
						: VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
			.pImageInfo = &images[i]};
	}
	vkUpdateDescriptorSets(vk->device, 3, writes, 0, NULL);
}

static void forget_images(struct vk *vk, struct overlay *overlay)
{
	image_finish(vk, &overlay->under);
	image_finish(vk, &overlay->shape);
	image_finish(vk, &overlay->result);
	vk_host_buffer_finish(vk, &overlay->upload);
	overlay->width = 0;
	overlay->height = 0;
	overlay->uploaded = false;
}

static bool make_images(struct vk *vk, struct overlay *overlay, VkFormat format, uint32_t width,
			uint32_t height)
{
	const VkImageUsageFlags read = VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_SAMPLED_BIT;
	const VkImageUsageFlags written =
		VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_STORAGE_BIT;
	if (overlay->width == width && overlay->height == height && overlay->format == format) {
		return true;
	}
	forget_images(vk, overlay);
	/* ARGB8888 as a number is B, G, R, A as bytes. */
	if (!image_init(vk, &overlay->under, format, width, height, read) ||
	    !image_init(vk, &overlay->shape, VK_FORMAT_B8G8R8A8_UNORM, width, height, read) ||
	    !image_init(vk, &overlay->result, VK_FORMAT_R8G8B8A8_UNORM, width, height, written) ||
	    !vk_host_buffer_init(vk, &overlay->upload, (VkDeviceSize)width * height * 4,
				 VK_BUFFER_USAGE_TRANSFER_SRC_BIT)) {
		forget_images(vk, overlay);
		return false;
	}
	overlay->width = width;
	overlay->height = height;
	overlay->format = format;
	write_set(vk, overlay);
	return true;
}

static void upload_shape(struct vk *vk, struct overlay *overlay,
			 const struct view_drawn_cursor *cursor)
{
	const VkBufferImageCopy region = {.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
					  .imageExtent = {cursor->width, cursor->height, 1}};
	if (overlay->uploaded && overlay->generation == cursor->generation) {
		return;
	}
	memcpy(overlay->upload.mapped, cursor->pixels,
	       (size_t)cursor->width * cursor->height * sizeof(*cursor->pixels));
	vk_image_barrier(vk, overlay->shape.image, vk_use_nothing, vk_use_copied_to);
	vkCmdCopyBufferToImage(vk->commands, overlay->upload.buffer, overlay->shape.image,
			       vk_use_copied_to.layout, 1, &region);
	vk_image_barrier(vk, overlay->shape.image, vk_use_copied_to, vk_use_sampled);
	overlay->uploaded = true;
	overlay->generation = cursor->generation;
}

/* One direction: how much of the pointer is in the picture, and from where on. */
static int32_t clip(int32_t at, uint32_t length, uint32_t room, int32_t *first, int32_t *to)
{
	int64_t end = (int64_t)at + length;
	*to = at > 0 ? at : 0;
	*first = (int32_t)((int64_t)*to - at);
	int64_t size = (end < room ? end : room) - *to;
	return size > 0 ? (int32_t)size : 0;
}

static void record(struct vk *vk, struct overlay *overlay, const struct picture *picture,
		   const struct place *place, int32_t x, int32_t y)
{
	const VkImageSubresourceLayers colour = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
	int32_t width = place->size[0];
	int32_t height = place->size[1];
	const VkImageCopy below = {.srcSubresource = colour,
				   .srcOffset = {x, y, 0},
				   .dstSubresource = colour,
				   .extent = {(uint32_t)width, (uint32_t)height, 1}};
	const VkImageBlit back = {.srcSubresource = colour,
				  .srcOffsets = {{0, 0, 0}, {width, height, 1}},
				  .dstSubresource = colour,
				  .dstOffsets = {{x, y, 0}, {x + width, y + height, 1}}};
	vk_image_barrier(vk, overlay->under.image, vk_use_nothing, vk_use_copied_to);
	vkCmdCopyImage(vk->commands, picture->image, vk_use_copied_from.layout,
		       overlay->under.image, vk_use_copied_to.layout, 1, &below);
	vk_image_barrier(vk, overlay->under.image, vk_use_copied_to, vk_use_sampled);
	vk_image_barrier(vk, overlay->result.image, vk_use_nothing, vk_use_stored);
	vkCmdBindPipeline(vk->commands, VK_PIPELINE_BIND_POINT_COMPUTE, overlay->pipeline);
	vkCmdBindDescriptorSets(vk->commands, VK_PIPELINE_BIND_POINT_COMPUTE, overlay->layout, 0, 1,
				&overlay->set, 0, NULL);
	vkCmdPushConstants(vk->commands, overlay->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
			   sizeof(*place), place);
	vkCmdDispatch(vk->commands, (uint32_t)(width + GROUP - 1) / GROUP,
		      (uint32_t)(height + GROUP - 1) / GROUP, 1);
	vk_image_barrier(vk, overlay->result.image, vk_use_stored, vk_use_copied_from);
	vk_image_barrier(vk, picture->image, vk_use_copied_from, vk_use_copied_to);
	vkCmdBlitImage(vk->commands, overlay->result.image, vk_use_copied_from.layout,
		       picture->image, vk_use_copied_to.layout, 1, &back, VK_FILTER_NEAREST);
	vk_image_barrier(vk, picture->image, vk_use_copied_to, vk_use_copied_from);
}

bool overlay_record(struct vk *vk, struct overlay *overlay, const struct picture *picture,
		    const struct view_drawn_cursor *cursor)
{
	struct place place;
	int32_t x;
	int32_t y;
	place.size[0] = clip(cursor->x, cursor->width, picture->width, &place.first[0], &x);
	place.size[1] = clip(cursor->y, cursor->height, picture->height, &place.first[1], &y);
	if (place.size[0] == 0 || place.size[1] == 0) {
		return true;
	}
	if (!overlay->ready) {
		overlay->ready = make_layout(vk, overlay) && make_set(vk, overlay) &&
				 make_pipeline(vk, overlay);
	}
	if (!overlay->ready ||
	    !make_images(vk, overlay, picture->vk_format, cursor->width, cursor->height)) {
		overlay_finish(vk, overlay);
		return false;
	}
	upload_shape(vk, overlay, cursor);
	record(vk, overlay, picture, &place, x, y);
	return true;
}

void overlay_finish(struct vk *vk, struct overlay *overlay)
{
	forget_images(vk, overlay);
	vkDestroyPipeline(vk->device, overlay->pipeline, NULL);
	vkDestroyPipelineLayout(vk->device, overlay->layout, NULL);
	vkDestroyDescriptorPool(vk->device, overlay->pool, NULL);
	vkDestroyDescriptorSetLayout(vk->device, overlay->set_layout, NULL);
	vkDestroySampler(vk->device, overlay->sampler, NULL);
	*overlay = (struct overlay){0};
}
