/* SPDX-License-Identifier: MIT */
#include "gpu/state.h"

#include <endian.h>

#include "util/counters.h"

bool backing_copy(const struct gpu_backing *backing, struct gpu_place *place, uint64_t offset,
		  void *to, uint64_t len)
{
	if (offset > backing->bytes || len > backing->bytes - offset) {
		return false;
	}
	if (offset < place->start) {
		*place = (struct gpu_place){0};
	}
	while (place->piece < backing->count &&
	       offset - place->start >= backing->iov[place->piece].iov_len) {
		place->start += backing->iov[place->piece].iov_len;
		place->piece++;
	}
	char *at = to;
	uint64_t skip = offset - place->start;
	for (size_t i = place->piece; i < backing->count && len > 0; i++) {
		const struct iovec *piece = &backing->iov[i];
		uint64_t here = piece->iov_len - skip;
		here = here < len ? here : len;
		counter_copy_pixels(at, (const char *)piece->iov_base + skip, here);
		at += here;
		len -= here;
		skip = 0;
	}
	return true;
}

/*
 * offset is where the rect's first pixel is in the backing, whose rows are as long as the
 * resource's (virtio 1.4, 5.7.6.8, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D).
 */
void transfer_to_host_2d(struct gpu_command *command)
{
	const struct virtio_gpu_transfer_to_host_2d *request = &command->request.transfer_2d;
	struct gpu_resource *resource = resource_find(command->gpu, le32toh(request->resource_id));
	struct rect rect = {le32toh(request->r.x), le32toh(request->r.y), le32toh(request->r.width),
			    le32toh(request->r.height)};
	uint64_t offset = le64toh(request->offset);
	if (resource->kind != GPU_RESOURCE_2D) {
		/* Guests do this for blobs too; their pages are read at the flush. */
		command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
		return;
	}
	if (resource->backing.memory == NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC, "resource %u has no backing",
			     resource->id);
		return;
	}
	uint64_t stride = (uint64_t)resource->width * FORMAT_PIXEL_BYTES;
	uint64_t row = (uint64_t)rect.width * FORMAT_PIXEL_BYTES;
	if (!rect_inside(&rect, resource->width, resource->height) ||
	    offset > resource->backing.bytes ||
	    stride * (rect.height - 1) + row > resource->backing.bytes - offset) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "%ux%u+%u+%u at offset %llu is not in resource %u", rect.width,
			     rect.height, rect.x, rect.y, (unsigned long long)offset, resource->id);
		return;
	}
	char *to = (char *)resource->memory->mapping + rect.y * stride +
		   (uint64_t)rect.x * FORMAT_PIXEL_BYTES;
	struct gpu_place place = {0};
	if (row == stride) {
		backing_copy(&resource->backing, &place, offset, to, stride * rect.height);
	} else {
		for (uint32_t y = 0; y < rect.height; y++) {
			backing_copy(&resource->backing, &place, offset + y * stride,
				     to + y * stride, row);
		}
	}
	counter_add(COUNTER_TRANSFERS_2D, 1);
	scanout_excuse_copy(command->gpu, resource->id, row * rect.height);
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
}
