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
	if (!limit_take(command, GPU_LIMIT_RESOURCES, 1)) {
		return NULL;
	}
	struct gpu_resource *resource = calloc(1, sizeof(*resource));
	if (resource != NULL && idmap_set(&gpu->resources, id, resource) < 0) {
		free(resource);
		resource = NULL;
	}
	if (resource == NULL) {
		limit_give(gpu, GPU_LIMIT_RESOURCES, 1);
		command_fail(command, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	resource->id = id;
	list_init(&resource->waiters);
	return resource;
}

bool resource_hold(struct gpu_command *command, struct gpu_resource *resource, uint64_t bytes,
		   uint32_t files)
{
	struct gpu *gpu = command->gpu;
	if (!limit_take(command, GPU_LIMIT_MEMORY, bytes)) {
		return false;
	}
	if (!limit_take(command, GPU_LIMIT_DESCRIPTORS, files)) {
		/* The command is answered, and gone. */
		limit_give(gpu, GPU_LIMIT_MEMORY, bytes);
		return false;
	}
	resource->held += bytes;
	resource->files += files;
	return true;
}

static void free_resource(struct gpu *gpu, struct gpu_resource *resource)
{
	struct gpu_context *context =
		context_find_same(gpu, resource->context, resource->context_serial);
	if (context != NULL) {
		context->bytes -= resource->size;
	}
	if (resource->mapped || resource->mapping) {
		limit_give(gpu, GPU_LIMIT_MAPPINGS, 1);
	}
	memory_unref(resource->memory);
	backing_finish(gpu, resource);
	limit_give(gpu, GPU_LIMIT_MEMORY, resource->held);
	limit_give(gpu, GPU_LIMIT_DESCRIPTORS, resource->files);
	limit_give(gpu, GPU_LIMIT_RESOURCES, 1);
	free(resource);
}

void resource_drop(struct gpu *gpu, struct gpu_resource *resource)
{
	struct list waiters;
	list_init(&waiters);
	list_splice(&waiters, &resource->waiters);
	idmap_remove(&gpu->resources, resource->id);
	free_resource(gpu, resource);
	dispatch_again(&waiters);
}

void resource_drop_all(struct gpu *gpu)
{
	size_t cursor = 0;
	struct gpu_resource *resource;
	while ((resource = idmap_next(&gpu->resources, &cursor)) != NULL) {
		free_resource(gpu, resource);
	}
	idmap_finish(&gpu->resources);
	idmap_init(&gpu->resources);
}

void resource_create_2d(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
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
	if (!resource_hold(command, resource, resource->size, 1)) {
		/* The command is answered, and gone. */
		resource_drop(gpu, resource);
		return;
	}
	resource->memory = memory_create_shm("hesper-2d", resource->size);
	if (resource->memory == NULL) {
		resource_drop(gpu, resource);
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
	context_forget_resource(gpu, resource->id, true);
	scanout_forget_resource(gpu, resource->id);
	if (resource->kind == GPU_RESOURCE_HOST3D || resource->imported) {
		render_resource_unref(gpu->render, resource->id);
	}
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
	resource_drop(gpu, resource);
}

void backing_finish(struct gpu *gpu, struct gpu_resource *resource)
{
	struct gpu_backing *backing = &resource->backing;
	limit_give(gpu, GPU_LIMIT_MEMORY, backing->held);
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

bool backing_read(struct gpu_command *command, struct gpu_resource *resource, uint32_t count)
{
	struct gpu *gpu = command->gpu;
	struct gpu_backing *backing = &resource->backing;
	size_t bytes = (size_t)count * sizeof(struct virtio_gpu_mem_entry);
	if (count == 0 || command->chain->readable_bytes != command->request_size + bytes) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "%u memory entries in %zu bytes", count,
			     command->chain->readable_bytes - command->request_size);
		return false;
	}
	/* One at least for each entry; more where one crosses a border of guest memory. */
	if (!limit_allows(command, GPU_LIMIT_ENTRIES, 0, count) ||
	    !limit_take(command, GPU_LIMIT_MEMORY, count * sizeof(struct iovec))) {
		return false;
	}
	backing->held = count * sizeof(struct iovec);
	struct virtio_gpu_mem_entry *entries = malloc(bytes);
	if (entries == NULL || vhost_memory(gpu->vhost) == NULL) {
		free(entries);
		backing_finish(gpu, resource);
		command_fail(command, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "out of memory");
		return false;
	}
	virtqueue_read(command->chain, command->request_size, entries, bytes);
	backing->memory = guest_memory_ref(vhost_memory(gpu->vhost));
	int error = resolve(backing, entries, count);
	free(entries);
	if (error < 0) {
		backing_finish(gpu, resource);
		command_fail(command,
			     error == -ENOMEM ? VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
					      : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "the memory entries are not all in the guest's RAM");
		return false;
	}
	if (resource->kind == GPU_RESOURCE_GUEST && backing->bytes < resource->size) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "%llu bytes of pages for a blob of %llu",
			     (unsigned long long)backing->bytes,
			     (unsigned long long)resource->size);
		backing_finish(gpu, resource);
		return false;
	}
	return true;
}

void resource_attach_backing(struct gpu_command *command)
{
	const struct virtio_gpu_resource_attach_backing *request = &command->request.attach_backing;
	struct gpu_resource *resource = resource_find(command->gpu, le32toh(request->resource_id));
	if (resource->kind == GPU_RESOURCE_HOST3D || resource->backing.memory != NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC,
			     "resource %u cannot take (more) backing", resource->id);
		return;
	}
	if (backing_read(command, resource, le32toh(request->nr_entries))) {
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
	backing_finish(command->gpu, resource);
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
}
