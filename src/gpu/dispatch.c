/* SPDX-License-Identifier: MIT */
/*
 * Commands are taken in order. One that needs a resource on which an answer is still awaited
 * (a blob being made or mapped) waits behind it, with all later ones for that resource; the others
 * go on. So a slow context delays its own resources only.
 *
 * Attaching and detaching does not wait: the renderer keeps the order of all that a context's process is
 * told, and there another context may have to wait for what it attaches (render.h).
 */
#include "gpu/state.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "util/counters.h"
#include "util/log.h"

/* Commands in a row before others have their turn: QEMU may be waiting for a stop. */
#define BATCH 256

static void answer_virgl_only(struct gpu_command *command)
{
	command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC,
		     "OpenGL (virgl) is not offered; the guest needs Mesa's Venus driver");
}

static void answer_no_uuid(struct gpu_command *command)
{
	command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC, "resource UUIDs were not negotiated");
}

static void get_capset_info(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	struct virtio_gpu_resp_capset_info response = {0};
	if (le32toh(command->request.capset_info.capset_index) != 0 || gpu->capset.id == 0) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "there is no capset %u",
			     le32toh(command->request.capset_info.capset_index));
		return;
	}
	response.capset_id = htole32(gpu->capset.id);
	response.capset_max_version = htole32(gpu->capset.version);
	response.capset_max_size = htole32(gpu->capset.size);
	command_finish_with(command, &response, sizeof(response), VIRTIO_GPU_RESP_OK_CAPSET_INFO);
}

static void get_capset(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	struct {
		struct virtio_gpu_ctrl_hdr hdr;
		uint8_t data[RENDER_MAX_CAPSET];
	} response = {0};
	if (gpu->capset.id == 0 || le32toh(command->request.capset.capset_id) != gpu->capset.id ||
	    le32toh(command->request.capset.capset_version) > gpu->capset.version) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "there is no capset with id %u",
			     le32toh(command->request.capset.capset_id));
		return;
	}
	memcpy(response.data, gpu->capset.data, gpu->capset.size);
	command_finish_with(command, &response, sizeof(response.hdr) + gpu->capset.size,
			    VIRTIO_GPU_RESP_OK_CAPSET);
}

#define HANDLER(member, function)                                                                  \
	{#function, sizeof(((union gpu_request *)NULL)->member), function, 0, false}
#define RESOURCE_HANDLER(member, function)                                                         \
	{#function, sizeof(((union gpu_request *)NULL)->member), function,                         \
	 offsetof(union gpu_request, member.resource_id), true}
/* Resource 0 means none. */
#define SCANOUT_HANDLER(member, function)                                                          \
	{#function, sizeof(((union gpu_request *)NULL)->member), function,                         \
	 offsetof(union gpu_request, member.resource_id), false}

static const struct gpu_handler handlers_2d[] = {
	[VIRTIO_GPU_CMD_GET_DISPLAY_INFO & 0xff] = HANDLER(hdr, monitor_get_display_info),
	[VIRTIO_GPU_CMD_RESOURCE_CREATE_2D & 0xff] = HANDLER(create_2d, resource_create_2d),
	[VIRTIO_GPU_CMD_RESOURCE_UNREF & 0xff] = RESOURCE_HANDLER(unref, resource_unref),
	[VIRTIO_GPU_CMD_SET_SCANOUT & 0xff] = SCANOUT_HANDLER(set_scanout, scanout_set),
	[VIRTIO_GPU_CMD_RESOURCE_FLUSH & 0xff] = RESOURCE_HANDLER(flush, scanout_flush),
	[VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D & 0xff] =
		RESOURCE_HANDLER(transfer_2d, transfer_to_host_2d),
	[VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING & 0xff] =
		RESOURCE_HANDLER(attach_backing, resource_attach_backing),
	[VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING & 0xff] =
		RESOURCE_HANDLER(detach_backing, resource_detach_backing),
	[VIRTIO_GPU_CMD_GET_CAPSET_INFO & 0xff] = HANDLER(capset_info, get_capset_info),
	[VIRTIO_GPU_CMD_GET_CAPSET & 0xff] = HANDLER(capset, get_capset),
	[VIRTIO_GPU_CMD_GET_EDID & 0xff] = HANDLER(edid, monitor_get_edid),
	[VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID & 0xff] = HANDLER(hdr, answer_no_uuid),
	[VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB & 0xff] = HANDLER(create_blob, blob_create),
	[VIRTIO_GPU_CMD_SET_SCANOUT_BLOB & 0xff] =
		SCANOUT_HANDLER(set_scanout_blob, scanout_set_blob),
};

static const struct gpu_handler handlers_3d[] = {
	[VIRTIO_GPU_CMD_CTX_CREATE & 0xff] = HANDLER(ctx_create, context_create),
	[VIRTIO_GPU_CMD_CTX_DESTROY & 0xff] = HANDLER(hdr, context_destroy),
	[VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE & 0xff] =
		RESOURCE_HANDLER(ctx_resource, context_attach_resource),
	[VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE & 0xff] =
		RESOURCE_HANDLER(ctx_resource, context_detach_resource),
	[VIRTIO_GPU_CMD_RESOURCE_CREATE_3D & 0xff] = HANDLER(hdr, answer_virgl_only),
	[VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D & 0xff] = HANDLER(hdr, answer_virgl_only),
	[VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D & 0xff] = HANDLER(hdr, answer_virgl_only),
	[VIRTIO_GPU_CMD_SUBMIT_3D & 0xff] = HANDLER(submit, context_submit),
	[VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB & 0xff] = RESOURCE_HANDLER(map_blob, blob_map),
	[VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB & 0xff] = RESOURCE_HANDLER(unmap_blob, blob_unmap),
};

static const struct gpu_handler handlers_cursor[] = {
	[VIRTIO_GPU_CMD_UPDATE_CURSOR & 0xff] = HANDLER(cursor, cursor_update),
	[VIRTIO_GPU_CMD_MOVE_CURSOR & 0xff] = HANDLER(cursor, cursor_move),
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct gpu_handler *handler_for(unsigned queue, uint32_t type)
{
	const struct gpu_handler *table = NULL;
	size_t count = 0;
	uint32_t index = type & 0xff;
	if (queue == 1) {
		table = (type >> 8) == 3 ? handlers_cursor : NULL;
		count = COUNT(handlers_cursor);
	} else if ((type >> 8) == 1) {
		table = handlers_2d;
		count = COUNT(handlers_2d);
	} else if ((type >> 8) == 2) {
		table = handlers_3d;
		count = COUNT(handlers_3d);
	}
	if (table == NULL || index >= count || table[index].run == NULL) {
		return NULL;
	}
	return &table[index];
}

static uint32_t named_resource(const struct gpu_command *command)
{
	size_t at = command->handler->resource_at;
	uint32_t id = 0;
	if (at != 0) {
		memcpy(&id, (const char *)&command->request + at, sizeof(id));
	}
	return le32toh(id);
}

/* The command may be freed. */
static void execute(struct gpu_command *command)
{
	uint32_t id = named_resource(command);
	if (command->handler->needs_resource &&
	    (id == 0 || resource_find(command->gpu, id) == NULL)) {
		context_name_missing(command, id);
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
			     "there is no resource %u", id);
	} else {
		command->handler->run(command);
	}
}

static bool must_wait(const struct gpu_command *command, const struct gpu_resource *resource)
{
	bool attaches = command->handler->run == context_attach_resource ||
			command->handler->run == context_detach_resource;
	return attaches ? resource->leaving : resource->busy || !list_empty(&resource->waiters);
}

static void run(struct gpu_command *command)
{
	uint32_t id = named_resource(command);
	struct gpu_resource *resource = id == 0 ? NULL : resource_find(command->gpu, id);
	if (resource != NULL && must_wait(command, resource)) {
		resource->leaving |= command->handler->run == resource_unref;
		list_append(&resource->waiters, &command->wait_link);
		return;
	}
	execute(command);
}

void dispatch_again(struct list *commands)
{
	while (!list_empty(commands)) {
		struct gpu_command *command =
			container_of(commands->next, struct gpu_command, wait_link);
		list_remove(&command->wait_link);
		run(command);
	}
}

void dispatch_resource_idle(struct gpu *gpu, uint32_t resource_id)
{
	/* Each step may make it busy again, or remove it: look it up every time. */
	for (;;) {
		struct gpu_resource *resource = resource_find(gpu, resource_id);
		if (resource == NULL || resource->busy || list_empty(&resource->waiters)) {
			return;
		}
		struct gpu_command *command =
			container_of(resource->waiters.next, struct gpu_command, wait_link);
		list_remove(&command->wait_link);
		execute(command);
	}
}

static void dispatch(struct gpu *gpu, unsigned queue, struct virtqueue_chain *chain)
{
	struct gpu_command *command = command_create(gpu, queue, chain);
	counter_add(COUNTER_COMMANDS, 1);
	if (command->request_size < sizeof(command->request.hdr)) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC, "only %zu bytes",
			     command->request_size);
		return;
	}
	uint32_t type = le32toh(command->request.hdr.type);
	command->handler = handler_for(queue, type);
	if (command->handler == NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC,
			     "there is no command 0x%x on queue %u", type, queue);
	} else if (command->request_size < command->handler->size) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "%zu bytes instead of %zu", command->request_size,
			     command->handler->size);
	} else if (command->timeline == NULL || limit_take(command, GPU_LIMIT_FENCES, 1)) {
		command->fence_counted = command->timeline != NULL;
		command->request_size = command->handler->size;
		run(command);
	}
}

void dispatch_queue(struct gpu *gpu, unsigned queue)
{
	struct virtqueue *vq = vhost_queue(gpu->vhost, queue);
	struct virtqueue_chain *chain;
	unsigned budget = BATCH;
	do {
		while (command_reserve(gpu, vq) && (chain = virtqueue_pop(vq)) != NULL) {
			dispatch(gpu, queue, chain);
			if (--budget == 0) {
				vhost_kick_later(gpu->vhost, queue);
				pacing_send(gpu);
				return;
			}
		}
	} while (virtqueue_rearm(vq) || (pacing_hold(gpu) && virtqueue_rearm(vq)));
	pacing_send(gpu);
}
