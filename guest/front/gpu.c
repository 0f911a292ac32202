/* SPDX-License-Identifier: MIT */
#include "gpu.h"

#include <string.h>

#define COMMAND(name, queue, type, zeros, ones)                                                    \
	{#name, VIRTIO_GPU_CMD_##name, sizeof(struct type), queue, zeros, ones}

const struct gpu_command gpu_commands[] = {
	COMMAND(GET_DISPLAY_INFO, 0, virtio_gpu_ctrl_hdr, VIRTIO_GPU_RESP_OK_DISPLAY_INFO,
		VIRTIO_GPU_RESP_OK_DISPLAY_INFO),
	COMMAND(RESOURCE_CREATE_2D, 0, virtio_gpu_resource_create_2d, BAD_PARAMETER, BAD_PARAMETER),
	COMMAND(RESOURCE_UNREF, 0, virtio_gpu_resource_unref, BAD_RESOURCE, BAD_RESOURCE),
	COMMAND(SET_SCANOUT, 0, virtio_gpu_set_scanout, OK, BAD_SCANOUT),
	COMMAND(RESOURCE_FLUSH, 0, virtio_gpu_resource_flush, BAD_RESOURCE, BAD_RESOURCE),
	COMMAND(TRANSFER_TO_HOST_2D, 0, virtio_gpu_transfer_to_host_2d, BAD_RESOURCE, BAD_RESOURCE),
	COMMAND(RESOURCE_ATTACH_BACKING, 0, virtio_gpu_resource_attach_backing, BAD_RESOURCE,
		BAD_RESOURCE),
	COMMAND(RESOURCE_DETACH_BACKING, 0, virtio_gpu_resource_detach_backing, BAD_RESOURCE,
		BAD_RESOURCE),
	COMMAND(GET_CAPSET_INFO, 0, virtio_gpu_get_capset_info, VIRTIO_GPU_RESP_OK_CAPSET_INFO,
		BAD_PARAMETER),
	COMMAND(GET_CAPSET, 0, virtio_gpu_get_capset, BAD_PARAMETER, BAD_PARAMETER),
	COMMAND(GET_EDID, 0, virtio_gpu_cmd_get_edid, VIRTIO_GPU_RESP_OK_EDID, BAD_SCANOUT),
	COMMAND(RESOURCE_ASSIGN_UUID, 0, virtio_gpu_resource_assign_uuid, UNSPEC, UNSPEC),
	COMMAND(RESOURCE_CREATE_BLOB, 0, virtio_gpu_resource_create_blob, BAD_PARAMETER,
		BAD_PARAMETER),
	COMMAND(SET_SCANOUT_BLOB, 0, virtio_gpu_set_scanout_blob, OK, BAD_SCANOUT),
	COMMAND(CTX_CREATE, 0, virtio_gpu_ctx_create, BAD_CONTEXT, BAD_PARAMETER),
	COMMAND(CTX_DESTROY, 0, virtio_gpu_ctx_destroy, BAD_CONTEXT, BAD_CONTEXT),
	COMMAND(CTX_ATTACH_RESOURCE, 0, virtio_gpu_ctx_resource, BAD_RESOURCE, BAD_RESOURCE),
	COMMAND(CTX_DETACH_RESOURCE, 0, virtio_gpu_ctx_resource, BAD_RESOURCE, BAD_RESOURCE),
	COMMAND(RESOURCE_CREATE_3D, 0, virtio_gpu_resource_create_3d, UNSPEC, UNSPEC),
	COMMAND(TRANSFER_TO_HOST_3D, 0, virtio_gpu_transfer_host_3d, UNSPEC, UNSPEC),
	COMMAND(TRANSFER_FROM_HOST_3D, 0, virtio_gpu_transfer_host_3d, UNSPEC, UNSPEC),
	COMMAND(SUBMIT_3D, 0, virtio_gpu_cmd_submit, BAD_CONTEXT, BAD_CONTEXT),
	COMMAND(RESOURCE_MAP_BLOB, 0, virtio_gpu_resource_map_blob, BAD_RESOURCE, BAD_RESOURCE),
	COMMAND(RESOURCE_UNMAP_BLOB, 0, virtio_gpu_resource_unmap_blob, BAD_RESOURCE, BAD_RESOURCE),
	COMMAND(UPDATE_CURSOR, 1, virtio_gpu_update_cursor, OK, BAD_SCANOUT),
	COMMAND(MOVE_CURSOR, 1, virtio_gpu_update_cursor, OK, BAD_SCANOUT),
};
const unsigned gpu_command_count = sizeof(gpu_commands) / sizeof(gpu_commands[0]);

void gpu_expect(struct front *front, unsigned long long want, unsigned long long got,
		const char *call, int line)
{
	if (got != want) {
		front_fail(front, "%s: %#llx instead of %#llx (line %d)", call, got, want, line);
	}
}

uint32_t gpu_ask(struct front *front, const void *request, uint32_t size, void *response,
		 uint32_t response_size)
{
	struct virtio_gpu_ctrl_hdr *hdr = response;
	memset(response, 0, response_size);
	uint32_t written = front_command(front, 0, request, size, response, response_size);
	return written >= sizeof(*hdr) ? hdr->type : 0;
}

uint32_t gpu_send(struct front *front, const void *request, uint32_t size)
{
	struct virtio_gpu_resp_edid response; /* the largest there is */
	return gpu_ask(front, request, size, &response, sizeof(response));
}

uint32_t gpu_simple(struct front *front, uint32_t type, uint32_t context)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = type, .ctx_id = context};
	return gpu_send(front, &request, sizeof(request));
}

void gpu_probe(struct front *front)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	struct virtio_gpu_resp_display_info info;
	EXPECT(front, VIRTIO_GPU_RESP_OK_DISPLAY_INFO,
	       gpu_ask(front, &request, sizeof(request), &info, sizeof(info)));
	CHECK(front, info.pmodes[0].enabled == 1 && info.pmodes[0].r.width >= 64);
}

uint16_t gpu_post(struct front *front, unsigned queue, const void *request, uint32_t size,
		  uint64_t *answer)
{
	uint64_t gpa = front_alloc(front, size);
	*answer = front_alloc(front, sizeof(struct virtio_gpu_resp_map_info));
	memcpy(front_at(front, gpa), request, size);
	const struct front_buffer buffers[] = {
		{gpa, size, false},
		{*answer, sizeof(struct virtio_gpu_resp_map_info), true},
	};
	return front_post(front, queue, buffers, 2, true);
}

uint32_t gpu_answer(struct front *front, uint64_t answer)
{
	return ((volatile struct virtio_gpu_ctrl_hdr *)front_at(front, answer))->type;
}

uint32_t gpu_create_2d(struct front *front, uint32_t id, uint32_t format, uint32_t width,
		       uint32_t height)
{
	const struct virtio_gpu_resource_create_2d request = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		.resource_id = id,
		.format = format,
		.width = width,
		.height = height,
	};
	return gpu_send(front, &request, sizeof(request));
}

uint32_t gpu_attach(struct front *front, uint32_t id, uint64_t gpa, uint32_t len)
{
	const struct {
		struct virtio_gpu_resource_attach_backing head;
		struct virtio_gpu_mem_entry entry;
	} request = {
		.head = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
			 .resource_id = id,
			 .nr_entries = 1},
		.entry = {.addr = gpa, .length = len},
	};
	return gpu_send(front, &request, sizeof(request));
}

uint32_t gpu_attach_list(struct front *front, uint32_t id, uint64_t gpa, uint32_t count,
			 uint32_t claimed)
{
	uint64_t at = front_alloc(front, sizeof(struct virtio_gpu_resource_attach_backing));
	uint64_t answer = front_alloc(front, sizeof(struct virtio_gpu_ctrl_hdr));
	struct virtio_gpu_resource_attach_backing *head = front_at(front, at);
	*head = (struct virtio_gpu_resource_attach_backing){
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
		.resource_id = id,
		.nr_entries = claimed,
	};
	const struct front_buffer buffers[] = {
		{at, sizeof(*head), false},
		{gpa, count * (uint32_t)sizeof(struct virtio_gpu_mem_entry), false},
		{answer, sizeof(struct virtio_gpu_ctrl_hdr), true},
	};
	front_wait_used(front, 0, front_submit(front, 0, buffers, 3, true));
	return gpu_answer(front, answer);
}

uint32_t gpu_detach(struct front *front, uint32_t id)
{
	const struct virtio_gpu_resource_detach_backing request = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, .resource_id = id};
	return gpu_send(front, &request, sizeof(request));
}

uint32_t gpu_transfer(struct front *front, uint32_t id, uint32_t x, uint32_t y, uint32_t width,
		      uint32_t height, uint64_t offset)
{
	const struct virtio_gpu_transfer_to_host_2d request = {
		.hdr.type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
		.r = {x, y, width, height},
		.offset = offset,
		.resource_id = id,
	};
	return gpu_send(front, &request, sizeof(request));
}

uint32_t gpu_flush(struct front *front, uint32_t id, uint32_t x, uint32_t y, uint32_t width,
		   uint32_t height)
{
	const struct virtio_gpu_resource_flush request = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH,
		.r = {x, y, width, height},
		.resource_id = id,
	};
	return gpu_send(front, &request, sizeof(request));
}

uint32_t gpu_unref(struct front *front, uint32_t id)
{
	const struct virtio_gpu_resource_unref request = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
							  .resource_id = id};
	return gpu_send(front, &request, sizeof(request));
}

uint32_t gpu_set_scanout(struct front *front, uint32_t head, uint32_t id, uint32_t x, uint32_t y,
			 uint32_t width, uint32_t height)
{
	const struct virtio_gpu_set_scanout request = {
		.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT,
		.r = {x, y, width, height},
		.scanout_id = head,
		.resource_id = id,
	};
	return gpu_send(front, &request, sizeof(request));
}

uint32_t gpu_set_scanout_blob(struct front *front, uint32_t head, uint32_t id, uint32_t format,
			      uint32_t width, uint32_t height, uint32_t stride, uint32_t offset)
{
	const struct virtio_gpu_set_scanout_blob request = {
		.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT_BLOB,
		.r = {0, 0, width, height},
		.scanout_id = head,
		.resource_id = id,
		.width = width,
		.height = height,
		.format = format,
		.strides = {stride},
		.offsets = {offset},
	};
	return gpu_send(front, &request, sizeof(request));
}

uint32_t gpu_create_context(struct front *front, uint32_t context, uint32_t capset)
{
	const struct virtio_gpu_ctx_create request = {
		.hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = context},
		.nlen = 5,
		.context_init = capset,
		.debug_name = "front",
	};
	return gpu_send(front, &request, sizeof(request));
}

uint32_t gpu_destroy_context(struct front *front, uint32_t context)
{
	return gpu_simple(front, VIRTIO_GPU_CMD_CTX_DESTROY, context);
}

uint32_t gpu_context_resource(struct front *front, uint32_t type, uint32_t context, uint32_t id)
{
	const struct virtio_gpu_ctx_resource request = {.hdr = {.type = type, .ctx_id = context},
							.resource_id = id};
	return gpu_send(front, &request, sizeof(request));
}

uint32_t gpu_submit(struct front *front, uint32_t context, uint32_t size, const void *data,
		    uint32_t there)
{
	struct {
		struct virtio_gpu_cmd_submit head;
		uint8_t data[4096];
	} request = {
		.head = {.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = context},
			 .size = size},
	};
	there = there < sizeof(request.data) ? there : (uint32_t)sizeof(request.data);
	if (there > 0) {
		memcpy(request.data, data, there);
	}
	return gpu_send(front, &request, (uint32_t)sizeof(request.head) + there);
}

uint32_t gpu_create_blob(struct front *front, uint32_t context, uint32_t id, uint32_t mem,
			 uint32_t flags, uint64_t blob_id, uint64_t size, uint64_t gpa)
{
	const struct {
		struct virtio_gpu_resource_create_blob head;
		struct virtio_gpu_mem_entry entry;
	} request = {
		.head = {.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = context},
			 .resource_id = id,
			 .blob_mem = mem,
			 .blob_flags = flags,
			 .nr_entries = mem == GUEST,
			 .blob_id = blob_id,
			 .size = size},
		.entry = {.addr = gpa, .length = (uint32_t)size},
	};
	return gpu_send(front, &request, mem == GUEST ? sizeof(request) : sizeof(request.head));
}

uint32_t gpu_map(struct front *front, uint32_t id, uint64_t offset)
{
	const struct virtio_gpu_resource_map_blob request = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB,
		.resource_id = id,
		.offset = offset,
	};
	return gpu_send(front, &request, sizeof(request));
}

uint32_t gpu_unmap(struct front *front, uint32_t id)
{
	const struct virtio_gpu_resource_unmap_blob request = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, .resource_id = id};
	return gpu_send(front, &request, sizeof(request));
}

uint64_t gpu_make_picture(struct front *front, uint32_t id, uint32_t side)
{
	uint64_t gpa = front_alloc(front, side * side * 4);
	EXPECT(front, OK, gpu_create_2d(front, id, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, side, side));
	EXPECT(front, OK, gpu_attach(front, id, gpa, side * side * 4));
	return gpa;
}

void gpu_make_context(struct front *front, uint32_t id)
{
	EXPECT(front, OK, gpu_create_context(front, id, VENUS));
}

void gpu_make_blob(struct front *front, uint32_t context, uint32_t id, uint64_t size)
{
	EXPECT(front, OK, gpu_create_blob(front, context, id, HOST3D, MAPPABLE, 0, size, 0));
}
