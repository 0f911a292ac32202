/* SPDX-License-Identifier: MIT */
#include "view/capture.h"

#include <png.h>
#include <stdio.h>
#include <string.h>

#include "util/log.h"

static bool read_back(struct vk *vk, const struct picture *picture, struct vk_host_buffer *buffer)
{
	const VkBufferImageCopy region = {.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
					  .imageExtent = {picture->width, picture->height, 1}};
	const VkMemoryBarrier visible = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
					 .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
					 .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
	if (!vk_begin(vk)) {
		return false;
	}
	vkCmdCopyImageToBuffer(vk->commands, picture->image, vk_use_copied_from.layout,
			       buffer->buffer, 1, &region);
	vkCmdPipelineBarrier(vk->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
			     VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &visible, 0, NULL, 0, NULL);
	return vk_submit_and_wait(vk, VK_NULL_HANDLE, 0);
}

/* In place: RGB in PNG's order, tightly packed. A screen has no alpha, whatever the format says. */
static void pack(const struct picture *picture, uint8_t *pixels)
{
	bool swap = picture->vk_format == VK_FORMAT_B8G8R8A8_UNORM;
	size_t count = (size_t)picture->width * picture->height;
	for (size_t i = 0; i < count; i++) {
		uint8_t pixel[4];
		memcpy(pixel, pixels + 4 * i, 4);
		uint8_t *to = pixels + 3 * i;
		to[0] = pixel[swap ? 2 : 0];
		to[1] = pixel[1];
		to[2] = pixel[swap ? 0 : 2];
	}
}

static bool write_png(const struct picture *picture, const void *pixels, struct errands *errands,
		      uint32_t number)
{
	png_image image = {.version = PNG_IMAGE_VERSION,
			   .width = picture->width,
			   .height = picture->height,
			   .format = PNG_FORMAT_RGB,
			   .flags = PNG_IMAGE_FLAG_FAST};
	FILE *file = errands_open();
	if (file != NULL && png_image_write_to_stdio(&image, file, 0, pixels, 0, NULL) == 0) {
		log_error("a screenshot could not be made: %s", image.message);
		fclose(file);
		return false;
	}
	/* Why it was not written stands in the log already. */
	return errands_write(errands, VIEW_SCREENSHOT, number, file, true) == 0;
}

bool capture_write(struct vk *vk, const struct picture *picture, struct errands *errands,
		   uint32_t number)
{
	struct vk_host_buffer buffer;
	VkDeviceSize size = (VkDeviceSize)picture->width * picture->height * FORMAT_PIXEL_BYTES;
	if (!vk_host_buffer_init(vk, &buffer, size, VK_BUFFER_USAGE_TRANSFER_DST_BIT)) {
		return false;
	}
	bool right = read_back(vk, picture, &buffer);
	if (right) {
		pack(picture, buffer.mapped);
		right = write_png(picture, buffer.mapped, errands, number);
	}
	vk_host_buffer_finish(vk, &buffer);
	return right;
}
