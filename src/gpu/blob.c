/* SPDX-License-Identifier: MIT */
#include "gpu/state.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "util/counters.h"
#include "util/log.h"
#include "util/trace.h"

#define KNOWN_BLOB_FLAGS                                                                           \
	(VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE | VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE |                  \
	 VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE)

static void create_guest_blob(struct gpu_command *command)
{
	const struct virtio_gpu_resource_create_blob *request = &command->request.create_blob;
	struct gpu *gpu = command->gpu;
	struct gpu_resource *resource = resource_add(command, le32toh(request->resource_id));
	if (resource == NULL) {
		return;
	}
	resource->kind = GPU_RESOURCE_GUEST;
	resource->size = le64toh(request->size);
	resource->blob_flags = le32toh(request->blob_flags);
	/* Without pages: RESOURCE_ATTACH_BACKING brings them. A command that was answered is gone. */
	bool later =
		request->nr_entries == 0 && command->chain->readable_bytes == command->request_size;
	if (!later && !backing_read(command, resource, le32toh(request->nr_entries))) {
		resource_drop(gpu, resource);
		return;
	}
	counter_add(COUNTER_BLOBS_CREATED, 1);
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
}

static void blob_created(void *data, int status, struct memory *memory, uint32_t map_info)
{
	struct gpu_command *command = data;
	struct gpu *gpu = command->gpu;
	uint32_t id = le32toh(command->request.create_blob.resource_id);
	if (!command_resume(command)) {
		memory_unref(memory);
		return;
	}
	if (trace_on()) {
		tracing_worked(command, status);
	}
	struct gpu_resource *resource = resource_find(gpu, id);
	resource->busy = false;
	if (status == 0) {
		resource->memory = memory;
		resource->map_info = map_info;
		counter_add(COUNTER_BLOBS_CREATED, 1);
		command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
		dispatch_resource_idle(gpu, id);
		return;
	}
	command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC, "blob %u: the renderer refused it: %s",
		     id, strerror(-status));
	context_forget_resource(gpu, id, false);
	resource_drop(gpu, resource);
}

static void create_host_blob(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	const struct virtio_gpu_resource_create_blob *request = &command->request.create_blob;
	uint32_t context_id = le32toh(request->hdr.ctx_id);
	struct gpu_context *context = context_find(gpu, context_id);
	if (context == NULL || context->lost) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID, "context %u",
			     context_id);
		return;
	}
	if (le32toh(request->nr_entries) != 0) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "guest pages for a host blob");
		return;
	}
	struct gpu_resource *resource = resource_add(command, le32toh(request->resource_id));
	if (resource == NULL) {
		return;
	}
	resource->kind = GPU_RESOURCE_HOST3D;
	resource->size = le64toh(request->size);
	resource->blob_flags = le32toh(request->blob_flags);
	if (!limit_allows(command, GPU_LIMIT_CONTEXT_MEMORY, context->bytes, resource->size) ||
	    !resource_hold(command, resource, resource->size, 1)) {
		/* The command is answered, and gone. */
		resource_drop(gpu, resource);
		return;
	}
	context->bytes += resource->size;
	resource->context = context_id;
	resource->context_serial = context->serial;
	resource->busy = true;
	if (trace_on()) {
		tracing_work(command, resource->size, resource->id);
	}
	command_suspend(command);
	render_blob_create(gpu->render,
			   &(struct render_blob){
				   .resource = resource->id,
				   .context = context_id,
				   .flags = resource->blob_flags,
				   .blob_id = le64toh(request->blob_id),
				   .size = resource->size,
			   },
			   blob_created, command);
}

void blob_create(struct gpu_command *command)
{
	const struct virtio_gpu_resource_create_blob *request = &command->request.create_blob;
	uint64_t size = le64toh(request->size);
	uint32_t flags = le32toh(request->blob_flags);
	if (size == 0 || size % GPU_BLOB_ALIGNMENT != 0 || (flags & ~KNOWN_BLOB_FLAGS) != 0) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "a blob of %llu bytes with flags 0x%x", (unsigned long long)size,
			     flags);
		return;
	}
	switch (le32toh(request->blob_mem)) {
	case VIRTIO_GPU_BLOB_MEM_GUEST:
		create_guest_blob(command);
		return;
	case VIRTIO_GPU_BLOB_MEM_HOST3D:
		create_host_blob(command);
		return;
	default:
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "blob_mem %u",
			     le32toh(request->blob_mem));
	}
}

static void blob_mapped(void *data, int status)
{
	struct gpu_command *command = data;
	struct gpu *gpu = command->gpu;
	uint32_t id = le32toh(command->request.map_blob.resource_id);
	if (!command_resume(command)) {
		return;
	}
	if (trace_on()) {
		tracing_worked(command, status);
	}
	struct gpu_resource *resource = resource_find(gpu, id);
	resource->busy = false;
	resource->mapping = false;
	if (status == 0) {
		resource->mapped = true;
		log_debug("resource %u of context %u is mapped: %llu KiB, flags 0x%x", id,
			  resource->context, (unsigned long long)resource->size / 1024,
			  resource->blob_flags);
		struct virtio_gpu_resp_map_info response = {.map_info =
								    htole32(resource->map_info)};
		counter_add(COUNTER_MAPS, 1);
		command_finish_with(command, &response, sizeof(response),
				    VIRTIO_GPU_RESP_OK_MAP_INFO);
	} else {
		counter_add(COUNTER_MAP_FAILURES, 1);
		limit_give(gpu, GPU_LIMIT_MAPPINGS, 1);
		command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC,
			     "resource %u: QEMU did not map it: %s", id, strerror(-status));
	}
	dispatch_resource_idle(gpu, id);
}

void blob_map(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	const struct virtio_gpu_resource_map_blob *request = &command->request.map_blob;
	struct gpu_resource *resource = resource_find(gpu, le32toh(request->resource_id));
	uint64_t offset = le64toh(request->offset);
	if (resource->kind != GPU_RESOURCE_HOST3D || resource->mapped || resource->memory == NULL ||
	    resource->map_info == 0 ||
	    (resource->blob_flags & VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE) == 0) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC, "resource %u cannot be mapped%s",
			     resource->id, resource->mapped ? " twice" : "");
		return;
	}
	if (offset % GPU_BLOB_ALIGNMENT != 0 || offset > gpu->options.window_size ||
	    resource->size > gpu->options.window_size - offset) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "offset %llu of the window for %llu bytes", (unsigned long long)offset,
			     (unsigned long long)resource->size);
		return;
	}
	if (!limit_take(command, GPU_LIMIT_MAPPINGS, 1)) {
		return;
	}
	resource->busy = true;
	resource->mapping = true;
	resource->map_offset = offset;
	if (trace_on()) {
		tracing_work(command, resource->size, resource->id);
	}
	command_suspend(command);
	int error = vhost_window_map(gpu->vhost, offset, resource->size, resource->memory->fd, 0,
				     true, blob_mapped, command);
	if (error < 0) {
		blob_mapped(command, error);
	}
}

/* Nobody waits for it: requests keep their order, so a later map at the same place is safe. */
static void unmap_done(void *data, int status)
{
	if (status < 0 && status != -ECANCELED) {
		log_limited(LOG_WARN, "QEMU did not unmap a blob: %s", strerror(-status));
	}
}

void blob_release_mapping(struct gpu *gpu, struct gpu_resource *resource)
{
	resource->mapped = false;
	limit_give(gpu, GPU_LIMIT_MAPPINGS, 1);
	counter_add(COUNTER_UNMAPS, 1);
	int error = vhost_window_unmap(gpu->vhost, resource->map_offset, resource->size, unmap_done,
				       NULL);
	if (error < 0) {
		unmap_done(NULL, error);
	}
}

void blob_unmap(struct gpu_command *command)
{
	struct gpu_resource *resource =
		resource_find(command->gpu, le32toh(command->request.unmap_blob.resource_id));
	if (!resource->mapped) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC, "resource %u is not mapped",
			     resource->id);
		return;
	}
	blob_release_mapping(command->gpu, resource);
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
}
