/* SPDX-License-Identifier: MIT */
#include "gpu/state.h"

#include <endian.h>

/* QEMU's own device and Linux use 64 x 64; larger ones would be a guest's mischief. */
#define CURSOR_MAX 512

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

void cursor_update(struct gpu_command *command)
{
	const struct virtio_gpu_update_cursor *request = &command->request.cursor;
	struct gpu *gpu = command->gpu;
	unsigned head;
	struct gpu_scanout *scanout = scanout_of(command, &head);
	if (scanout == NULL) {
		return;
	}
	uint32_t id = le32toh(request->resource_id);
	struct gpu_resource *resource = id == 0 ? NULL : resource_find(gpu, id);
	if (id != 0 && (resource == NULL || resource->kind != GPU_RESOURCE_2D ||
			resource->width > CURSOR_MAX || resource->height > CURSOR_MAX)) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
			     "resource %u is no cursor", id);
		return;
	}
	scanout->cursor_resource = id;
	display_server_cursor_define(
		gpu->options.display, head, resource == NULL ? 0 : resource->width,
		resource == NULL ? 0 : resource->height, (int32_t)le32toh(request->hot_x),
		(int32_t)le32toh(request->hot_y),
		resource == NULL ? NULL : resource->memory->mapping);
	move(command, head, resource != NULL);
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
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
