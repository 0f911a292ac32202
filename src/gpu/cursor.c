/* SPDX-License-Identifier: MIT */
#include "gpu/state.h"

#include <endian.h>

/* QEMU's own device and Linux use 64 x 64; larger ones would be a guest's mischief. */
#define CURSOR_MAX 512
/* A blob has no size in pixels; every guest's pointer that is one is as large as this, unpadded. */
#define BLOB_SIDE 64
#define BLOB_BYTES ((size_t)BLOB_SIDE * BLOB_SIDE * FORMAT_PIXEL_BYTES)

static struct gpu_scanout *scanout_of(struct gpu_command *command, unsigned *head)
{
	*head = le32toh(command->request.cursor.pos.scanout_id);
	if (*head < command->gpu->options.heads) {
		return &command->gpu->scanouts[*head];
	}
	command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "scanout %u", *head);
	return NULL;
}

static void move(struct gpu_command *command, unsigned head, bool visible)
{
	const struct virtio_gpu_cursor_pos *pos = &command->request.cursor.pos;
	display_server_cursor_move(command->gpu->options.display, head, (int32_t)le32toh(pos->x),
				   (int32_t)le32toh(pos->y), visible);
}

static void define(struct gpu_command *command, unsigned head, uint32_t width, uint32_t height,
		   const void *pixels)
{
	const struct virtio_gpu_update_cursor *request = &command->request.cursor;
	struct gpu *gpu = command->gpu;
	gpu->scanouts[head].cursor_resource = pixels == NULL ? 0 : le32toh(request->resource_id);
	display_server_cursor_define(gpu->options.display, head, width, height,
				     (int32_t)le32toh(request->hot_x),
				     (int32_t)le32toh(request->hot_y), pixels);
	move(command, head, pixels != NULL);
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
}

/*
 * A compositor's pointer is a picture that its GPU made. It goes to viewers as bytes, so it is the
 * one blob that is read here: when the pointer changes, not when it moves.
 */
static bool read_blob(struct gpu *gpu, const struct gpu_resource *resource, void *pixels)
{
	struct gpu_place place = {0};
	bool right = resource->kind == GPU_RESOURCE_GUEST
			     ? backing_copy(&resource->backing, &place, 0, pixels, BLOB_BYTES)
			     : resource->memory != NULL &&
				       memory_read(resource->memory, pixels, BLOB_BYTES) == 0;
	if (right) {
		scanout_excuse_copy(gpu, resource->id, BLOB_BYTES);
	}
	return right;
}

void cursor_update(struct gpu_command *command)
{
	uint32_t blob[BLOB_SIDE * BLOB_SIDE];
	unsigned head;
	if (scanout_of(command, &head) == NULL) {
		return;
	}
	uint32_t id = le32toh(command->request.cursor.resource_id);
	const struct gpu_resource *resource = id == 0 ? NULL : resource_find(command->gpu, id);
	if (id == 0) {
		define(command, head, 0, 0, NULL);
	} else if (resource != NULL && resource->kind != GPU_RESOURCE_2D &&
		   read_blob(command->gpu, resource, blob)) {
		define(command, head, BLOB_SIDE, BLOB_SIDE, blob);
	} else if (resource != NULL && resource->kind == GPU_RESOURCE_2D &&
		   resource->width <= CURSOR_MAX && resource->height <= CURSOR_MAX) {
		define(command, head, resource->width, resource->height, resource->memory->mapping);
	} else {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
			     "resource %u is no cursor", id);
	}
}

/* The resource field of a move is stale and means nothing. */
void cursor_move(struct gpu_command *command)
{
	unsigned head;
	struct gpu_scanout *scanout = scanout_of(command, &head);
	if (scanout != NULL) {
		move(command, head, scanout->cursor_resource != 0);
		command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
	}
}
