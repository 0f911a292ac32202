/* SPDX-License-Identifier: MIT */
#include "gpu/state.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "util/log.h"

struct gpu_resource *resource_find(struct gpu *gpu, uint32_t id)
{
	return idmap_get(&gpu->resources, id);
}

struct gpu_resource *resource_add(struct gpu_command *command, uint32_t id)
{
	struct gpu *gpu = command->gpu;
	if (id == 0 || resource_find(gpu, id) != NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
			     id == 0 ? "resource id %u" : "resource %u exists already", id);
		return NULL;
	}
	struct gpu_resource *resource = calloc(1, sizeof(*resource));
	if (resource != NULL && idmap_set(&gpu->resources, id, resource) < 0) {
		free(resource);
		resource = NULL;
	}
	if (resource == NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	resource->id = id;
	list_init(&resource->waiters);
	return resource;
}

static void free_resource(struct gpu_resource *resource)
{
	memory_unref(resource->memory);
	backing_finish(&resource->backing);
	free(resource);
}

void resource_drop(struct gpu *gpu, struct gpu_resource *resource)
{
	struct list waiters;
	list_init(&waiters);
	list_splice(&waiters, &resource->waiters);
	idmap_remove(&gpu->resources, resource->id);
	free_resource(resource);
	dispatch_again(&waiters);
}

void resource_drop_all(struct gpu *gpu)
{
	size_t cursor = 0;
	struct gpu_resource *resource;
	while ((resource = idmap_next(&gpu->resources, &cursor)) != NULL) {
		free_resource(resource);
	}
	idmap_finish(&gpu->resources);
	idmap_init(&gpu->resources);
}

void resource_create_2d(struct gpu_command *command)
{
	const struct virtio_gpu_resource_create_2d *request = &command->request.create_2d;
	uint32_t width = le32toh(request->width);
	uint32_t height = le32toh(request->height);
	const struct format *format = format_from_virtio(le32toh(request->format));
	if (format == NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "format %u",
			     le32toh(request->format));
		return;
	}
	if (width == 0 || height == 0 || width > GPU_MAX_SIZE || height > GPU_MAX_SIZE ||
	    (uint64_t)width * height * FORMAT_PIXEL_BYTES > GPU_MAX_2D_BYTES) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "size %ux%u", width,
			     height);
		return;
	}
	struct gpu_resource *resource = resource_add(command, le32toh(request->resource_id));
	if (resource == NULL) {
		return;
	}
	resource->kind = GPU_RESOURCE_2D;
	resource->format = format;
	resource->width = width;
	resource->height = height;
	resource->size = (uint64_t)width * height * FORMAT_PIXEL_BYTES;
	resource->memory = memory_create_shm("hesper-2d", resource->size);
	if (resource->memory == NULL) {
		resource_drop(command->gpu, resource);
		command_fail(command, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "no memory for %ux%u",
			     width, height);
		return;
	}
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
}

/*
 * A scanout that shows the resource keeps its own reference to the memory, and goes on showing
 * it: guests unref right before they show the next one.
 */
void resource_unref(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	struct gpu_resource *resource =
		resource_find(gpu, le32toh(command->request.unref.resource_id));
	if (resource->mapped) {
		blob_release_mapping(gpu, resource);
	}
	context_forget_resource(gpu, resource->id);
	scanout_forget_resource(gpu, resource->id);
	if (resource->kind == GPU_RESOURCE_HOST3D || resource->imported) {
		render_resource_unref(gpu->render, resource->id);
	}
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
	resource_drop(gpu, resource);
}

void backing_finish(struct gpu_backing *backing)
{
	free(backing->iov);
	if (backing->memory != NULL) {
		guest_memory_unref(backing->memory);
	}
	*backing = (struct gpu_backing){0};
}

/* Entries may cross regions, so one may need more than one piece. */
static int resolve(struct gpu_backing *backing, const struct virtio_gpu_mem_entry *entries,
		   uint32_t count)
{
	size_t capacity = 0;
	for (uint32_t i = 0; i < count; i++) {
		for (;;) {
			ssize_t pieces = -E2BIG;
			if (backing->count < capacity) {
				pieces = guest_memory_iov(backing->memory, le64toh(entries[i].addr),
							  le32toh(entries[i].length),
							  backing->iov + backing->count,
							  capacity - backing->count);
			}
			if (pieces >= 0) {
				backing->count += (size_t)pieces;
				break;
			}
			if (pieces != -E2BIG) {
				return (int)pieces;
			}
			capacity = capacity == 0 ? count : 2 * capacity;
			struct iovec *grown = realloc(backing->iov, capacity * sizeof(*grown));
			if (grown == NULL) {
				return -ENOMEM;
			}
			backing->iov = grown;
		}
		backing->bytes += le32toh(entries[i].length);
	}
	return 0;
}

bool backing_read(struct gpu_command *command, uint32_t count, struct gpu_backing *backing)
{
	struct gpu *gpu = command->gpu;
	*backing = (struct gpu_backing){0};
	size_t bytes = (size_t)count * sizeof(struct virtio_gpu_mem_entry);
	if (count == 0 || count > GPU_MAX_ENTRIES ||
	    command->chain->readable_bytes != command->request_size + bytes) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "%u memory entries in %zu bytes", count,
			     command->chain->readable_bytes - command->request_size);
		return false;
	}
	struct virtio_gpu_mem_entry *entries = malloc(bytes);
	if (entries == NULL || vhost_memory(gpu->vhost) == NULL) {
		free(entries);
		command_fail(command, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "out of memory");
		return false;
	}
	virtqueue_read(command->chain, command->request_size, entries, bytes);
	backing->memory = guest_memory_ref(vhost_memory(gpu->vhost));
	int error = resolve(backing, entries, count);
	free(entries);
	if (error < 0) {
		backing_finish(backing);
		command_fail(command,
			     error == -ENOMEM ? VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
					      : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "the memory entries are not all in the guest's RAM");
		return false;
	}
	return true;
}

void resource_attach_backing(struct gpu_command *command)
{
	const struct virtio_gpu_resource_attach_backing *request = &command->request.attach_backing;
	struct gpu_resource *resource = resource_find(command->gpu, le32toh(request->resource_id));
	if (resource->kind != GPU_RESOURCE_2D || resource->backing.memory != NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC,
			     "resource %u cannot take (more) backing", resource->id);
		return;
	}
	if (backing_read(command, le32toh(request->nr_entries), &resource->backing)) {
		command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
	}
}

void resource_detach_backing(struct gpu_command *command)
{
	struct gpu_resource *resource =
		resource_find(command->gpu, le32toh(command->request.detach_backing.resource_id));
	if (resource->backing.memory == NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC, "resource %u has no backing",
			     resource->id);
		return;
	}
	backing_finish(&resource->backing);
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
}
