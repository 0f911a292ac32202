/* SPDX-License-Identifier: MIT */
#include "gpu.h"

#include <string.h>

#include "vhost/ring.h"

const char *gpu_answer_name(uint32_t type)
{
	static const struct {
		uint32_t type;
		const char *name;
	} names[] = {
		{0, "no answer"},
		{VIRTIO_GPU_RESP_OK_NODATA, "OK_NODATA"},
		{VIRTIO_GPU_RESP_OK_DISPLAY_INFO, "OK_DISPLAY_INFO"},
		{VIRTIO_GPU_RESP_OK_CAPSET_INFO, "OK_CAPSET_INFO"},
		{VIRTIO_GPU_RESP_OK_CAPSET, "OK_CAPSET"},
		{VIRTIO_GPU_RESP_OK_EDID, "OK_EDID"},
		{VIRTIO_GPU_RESP_OK_RESOURCE_UUID, "OK_RESOURCE_UUID"},
		{VIRTIO_GPU_RESP_OK_MAP_INFO, "OK_MAP_INFO"},
		{VIRTIO_GPU_RESP_ERR_UNSPEC, "ERR_UNSPEC"},
		{VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "ERR_OUT_OF_MEMORY"},
		{VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "ERR_INVALID_SCANOUT_ID"},
		{VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, "ERR_INVALID_RESOURCE_ID"},
		{VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID, "ERR_INVALID_CONTEXT_ID"},
		{VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "ERR_INVALID_PARAMETER"},
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].type == type) {
			return names[i].name;
		}
	}
	return "an answer without a name";
}

bool gpu_is_error(uint32_t type)
{
	return type >= VIRTIO_GPU_RESP_ERR_UNSPEC && type <= VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
}

uint32_t gpu_command(struct wire_front *front, const void *request, uint32_t size, void *response,
		     uint32_t response_size)
{
	struct virtio_gpu_ctrl_hdr hdr;
	if (response == NULL) {
		response = &hdr;
		response_size = sizeof(hdr);
	}
	memset(response, 0, response_size);
	uint32_t written =
		wire_command(front, GPU_CONTROL_QUEUE, request, size, response, response_size);
	if (written < sizeof(hdr)) {
		wire_fail("command %#x has an answer of %u bytes: a header has %zu",
			  *(const uint32_t *)request, written, sizeof(hdr));
	}
	return ((struct virtio_gpu_ctrl_hdr *)response)->type;
}

uint32_t gpu_simple(struct wire_front *front, uint32_t type)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = type};
	return gpu_command(front, &request, sizeof(request), NULL, 0);
}

uint32_t gpu_create_2d(struct wire_front *front, uint32_t id, uint32_t format, uint32_t width,
		       uint32_t height)
{
	const struct virtio_gpu_resource_create_2d request = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		.resource_id = id,
		.format = format,
		.width = width,
		.height = height,
	};
	return gpu_command(front, &request, sizeof(request), NULL, 0);
}

uint32_t gpu_attach(struct wire_front *front, uint32_t id, uint64_t gpa, uint32_t len)
{
	const struct {
		struct virtio_gpu_resource_attach_backing head;
		struct virtio_gpu_mem_entry entry;
	} request = {
		.head.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
		.head.resource_id = id,
		.head.nr_entries = 1,
		.entry = {.addr = gpa, .length = len},
	};
	return gpu_command(front, &request, sizeof(request), NULL, 0);
}

uint32_t gpu_transfer(struct wire_front *front, uint32_t id, uint32_t x, uint32_t y, uint32_t width,
		      uint32_t height, uint64_t offset)
{
	const struct virtio_gpu_transfer_to_host_2d request = {
		.hdr.type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
		.r = {x, y, width, height},
		.offset = offset,
		.resource_id = id,
	};
	return gpu_command(front, &request, sizeof(request), NULL, 0);
}

uint32_t gpu_set_scanout(struct wire_front *front, uint32_t head, uint32_t id, uint32_t x,
			 uint32_t y, uint32_t width, uint32_t height)
{
	const struct virtio_gpu_set_scanout request = {
		.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT,
		.r = {x, y, width, height},
		.scanout_id = head,
		.resource_id = id,
	};
	return gpu_command(front, &request, sizeof(request), NULL, 0);
}

uint32_t gpu_flush_part(struct wire_front *front, uint32_t id, const struct virtio_gpu_rect *part)
{
	const struct virtio_gpu_resource_flush request = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH,
		.r = *part,
		.resource_id = id,
	};
	return gpu_command(front, &request, sizeof(request), NULL, 0);
}

uint32_t gpu_flush(struct wire_front *front, uint32_t id, uint32_t width, uint32_t height)
{
	const struct virtio_gpu_rect all = {0, 0, width, height};
	return gpu_flush_part(front, id, &all);
}

uint32_t gpu_unref(struct wire_front *front, uint32_t id)
{
	const struct virtio_gpu_resource_unref request = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
		.resource_id = id,
	};
	return gpu_command(front, &request, sizeof(request), NULL, 0);
}

uint32_t gpu_create_context(struct wire_front *front, uint32_t context, uint32_t capset)
{
	const struct virtio_gpu_ctx_create request = {
		.hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = context},
		.nlen = 4,
		.context_init = capset,
		.debug_name = "test",
	};
	return gpu_command(front, &request, sizeof(request), NULL, 0);
}

uint32_t gpu_create_blob(struct wire_front *front, uint32_t context, uint32_t id, uint32_t mem,
			 uint64_t blob_id, uint64_t size, uint64_t gpa)
{
	const struct {
		struct virtio_gpu_resource_create_blob head;
		struct virtio_gpu_mem_entry entry;
	} request = {
		.head.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = context},
		.head.resource_id = id,
		.head.blob_mem = mem,
		.head.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
		.head.nr_entries = gpa != 0,
		.head.blob_id = blob_id,
		.head.size = size,
		.entry = {.addr = gpa, .length = (uint32_t)size},
	};
	uint32_t bytes = gpa != 0 ? sizeof(request) : sizeof(request.head);
	return gpu_command(front, &request, bytes, NULL, 0);
}

uint32_t gpu_map(struct wire_front *front, uint32_t id, uint64_t offset, uint32_t *map_info)
{
	const struct virtio_gpu_resource_map_blob request = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB,
		.resource_id = id,
		.offset = offset,
	};
	struct virtio_gpu_resp_map_info response;
	uint32_t type = gpu_command(front, &request, sizeof(request), &response, sizeof(response));
	*map_info = response.map_info;
	return type;
}

uint32_t gpu_unmap(struct wire_front *front, uint32_t id)
{
	const struct virtio_gpu_resource_unmap_blob request = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB,
		.resource_id = id,
	};
	return gpu_command(front, &request, sizeof(request), NULL, 0);
}

uint32_t gpu_set_scanout_blob(struct wire_front *front, uint32_t head, uint32_t id, uint32_t format,
			      uint32_t width, uint32_t height, uint32_t stride, uint32_t offset,
			      const struct virtio_gpu_rect *part)
{
	const struct virtio_gpu_set_scanout_blob request = {
		.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT_BLOB,
		.r = *part,
		.scanout_id = head,
		.resource_id = id,
		.width = width,
		.height = height,
		.format = format,
		.strides = {stride},
		.offsets = {offset},
	};
	return gpu_command(front, &request, sizeof(request), NULL, 0);
}

uint16_t gpu_post(struct wire_front *front, const void *request, uint32_t size, uint32_t len,
		  uint64_t *answer)
{
	uint64_t gpa = wire_alloc(front, size);
	*answer = wire_alloc(front, len);
	memcpy(wire_at(front, gpa), request, size);
	const struct wire_buffer buffers[] = {
		{.gpa = gpa, .len = size},
		{.gpa = *answer, .len = len, .writable = true},
	};
	bool indirect = (front->features & VIRTIO_RING_F_INDIRECT_DESC) != 0;
	return wire_submit(front, GPU_CONTROL_QUEUE, buffers, 2, indirect);
}
