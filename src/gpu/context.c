/* SPDX-License-Identifier: MIT */
#include "gpu/pages.h"
#include "gpu/state.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/counters.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/trace.h"

/* The fd that stands for them, and one that waits in it. */
#define FILES_OF_PAGES 2

struct gpu_context *context_find(struct gpu *gpu, uint32_t id)
{
	return idmap_get(&gpu->contexts, id);
}

struct gpu_context *context_find_same(struct gpu *gpu, uint32_t id, uint64_t serial)
{
	struct gpu_context *context = serial != 0 ? context_find(gpu, id) : NULL;
	return context != NULL && context->serial == serial ? context : NULL;
}

static void free_context(struct gpu *gpu, struct gpu_context *context)
{
	limit_give(gpu, GPU_LIMIT_CONTEXTS, 1);
	list_remove(&context->dying_link);
	idmap_finish(&context->attached);
	free(context);
}

void context_signal_all(struct gpu *gpu, struct gpu_context *context)
{
	for (unsigned i = 0; i < RENDER_MAX_RINGS; i++) {
		timeline_signal(gpu, &context->rings[i], UINT64_MAX);
	}
}

void context_forget_resource(struct gpu *gpu, uint32_t resource, bool detach)
{
	size_t cursor = 0;
	struct gpu_context *context;
	while ((context = idmap_next(&gpu->contexts, &cursor)) != NULL) {
		if (idmap_remove(&context->attached, resource) != NULL && detach) {
			render_context_detach(gpu->render, context->id, resource);
		}
	}
}

void context_drop_all(struct gpu *gpu)
{
	size_t cursor = 0;
	struct gpu_context *context;
	while ((context = idmap_next(&gpu->contexts, &cursor)) != NULL) {
		free_context(gpu, context);
	}
	idmap_finish(&gpu->contexts);
	idmap_init(&gpu->contexts);
	while (!list_empty(&gpu->dying)) {
		free_context(gpu, container_of(gpu->dying.next, struct gpu_context, dying_link));
	}
}

static void context_created(void *data, int status)
{
	struct gpu_command *command = data;
	struct gpu *gpu = command->gpu;
	uint32_t id = le32toh(command->request.hdr.ctx_id);
	if (!command_resume(command)) {
		return;
	}
	if (status == 0) {
		counter_add(COUNTER_CONTEXTS_CREATED, 1);
	}
	/* Cancelled: the guest has ended it since. There may be another with its id. */
	if (status == 0 || status == -ECANCELED) {
		command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
		return;
	}
	struct gpu_context *context = context_find(gpu, id);
	if (context != NULL) {
		/* It stays, so that the guest's CTX_DESTROY finds it; all else fails. */
		context->lost = true;
		context_signal_all(gpu, context);
	}
	command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC, "the renderer made no context %u: %s", id,
		     strerror(-status));
}

void context_create(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	const struct virtio_gpu_ctx_create *request = &command->request.ctx_create;
	uint32_t id = le32toh(request->hdr.ctx_id);
	uint32_t capset = le32toh(request->context_init) & VIRTIO_GPU_CONTEXT_INIT_CAPSET_ID_MASK;
	uint32_t name_length = le32toh(request->nlen);
	if (id == 0 || context_find(gpu, id) != NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
			     id == 0 ? "context id %u" : "context %u exists already", id);
		return;
	}
	if (gpu->capset.id == 0 || capset != gpu->capset.id) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "capset %u: only Vulkan contexts (Venus, capset 4) are offered",
			     capset);
		return;
	}
	if (!limit_take(command, GPU_LIMIT_CONTEXTS, 1)) {
		return;
	}
	struct gpu_context *context = calloc(1, sizeof(*context));
	if (context == NULL || idmap_set(&gpu->contexts, id, context) < 0) {
		free(context);
		limit_give(gpu, GPU_LIMIT_CONTEXTS, 1);
		command_fail(command, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "out of memory");
		return;
	}
	context->id = id;
	context->serial = ++gpu->last_serial;
	idmap_init(&context->attached);
	list_init(&context->dying_link);
	for (unsigned i = 0; i < RENDER_MAX_RINGS; i++) {
		timeline_init(&context->rings[i]);
	}
	command_suspend(command);
	render_context_create(gpu->render, id, capset, request->debug_name,
			      name_length < sizeof(request->debug_name)
				      ? name_length
				      : (uint32_t)sizeof(request->debug_name),
			      context_created, command);
}

static void context_destroyed(void *data, int status)
{
	struct gpu_command *command = data;
	struct gpu_context *context = command->dying;
	if (!command_resume(command)) {
		return;
	}
	/* The renderer signals no fence of a destroyed context: the guest must not wait on. */
	context_signal_all(command->gpu, context);
	for (unsigned i = 0; i < RENDER_MAX_RINGS; i++) {
		timeline_move(&context->rings[i], &command->gpu->global);
	}
	free_context(command->gpu, context);
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
}

void context_destroy(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	uint32_t id = le32toh(command->request.hdr.ctx_id);
	struct gpu_context *context = context_find(gpu, id);
	if (context == NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID, "context %u", id);
		return;
	}
	/* The guest may use the id again at once. */
	idmap_remove(&gpu->contexts, id);
	list_append(&gpu->dying, &context->dying_link);
	command->dying = context;
	/* A fence of this command on the context that goes has nothing left to wait for. */
	command->ring_fence = false;
	command_suspend(command);
	render_context_destroy(gpu->render, id, context_destroyed, command);
}

/*
 * The renderer must know a resource before a command names it, or the whole context dies. So one
 * whose pages cannot be shared is, for it, memory of a kind that no Vulkan driver gets to see:
 * virglrenderer itself answers that with a clean error, and at once, while a driver's own error
 * may come after the guest went on.
 */
static void import_pages(struct gpu *gpu, struct gpu_resource *resource)
{
	uint64_t page = GPU_BLOB_ALIGNMENT;
	uint64_t size = (resource->size + page - 1) & ~(page - 1);
	enum render_memory kind = RENDER_MEMORY_DMA_BUF;
	int fd = -EOPNOTSUPP;
	if (gpu->options.pages != GPU_PAGES_REFUSE) {
		fd = pages_share(&resource->backing, resource->size, gpu->options.pages,
				 gpu->udmabuf);
	}
	if (fd >= 0) {
		counter_add(COUNTER_PAGES_SHARED, 1);
	} else {
		log_limited(LOG_INFO, "resource %u: Vulkan cannot share its pages: %s",
			    resource->id, strerror(-fd));
		counter_add(COUNTER_PAGES_REFUSED, 1);
		kind = RENDER_MEMORY_SHM;
		fd = fd_memfd("hesper-no-pages", size);
	}
	if (fd < 0) {
		log_limited(LOG_WARN, "resource %u: %s", resource->id, strerror(-fd));
		return;
	}
	resource->imported = true;
	render_resource_import(gpu->render, resource->id, kind, fd, size);
}

/*
 * A resource that could not be made, such as one of a context that was lost meanwhile, may have been handed
 * to other programs already: the guest's kernel does not wait for answers. They will name it.
 */
void context_name_missing(struct gpu_command *command, uint32_t resource)
{
	struct gpu *gpu = command->gpu;
	uint32_t id = le32toh(command->request.hdr.ctx_id);
	const struct gpu_context *context = context_find(gpu, id);
	if (context == NULL || context->lost || resource == 0) {
		return;
	}
	if (command->handler->run == context_attach_resource) {
		render_context_attach(gpu->render, id, resource);
	} else if (command->handler->run == context_detach_resource) {
		render_context_detach(gpu->render, id, resource);
	}
}

void context_attach_resource(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	uint32_t id = le32toh(command->request.hdr.ctx_id);
	struct gpu_context *context = context_find(gpu, id);
	struct gpu_resource *resource =
		resource_find(gpu, le32toh(command->request.ctx_resource.resource_id));
	if (context == NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID, "context %u", id);
		return;
	}
	bool imports = resource->kind != GPU_RESOURCE_HOST3D && !resource->imported;
	if (imports && !resource_hold(command, resource, 0, FILES_OF_PAGES)) {
		return;
	}
	if (idmap_set(&context->attached, resource->id, resource) < 0) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "out of memory");
		return;
	}
	if (imports) {
		import_pages(gpu, resource);
	}
	render_context_attach(gpu->render, id, resource->id);
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
}

void context_detach_resource(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	uint32_t id = le32toh(command->request.hdr.ctx_id);
	struct gpu_context *context = context_find(gpu, id);
	uint32_t resource = le32toh(command->request.ctx_resource.resource_id);
	if (context == NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID, "context %u", id);
		return;
	}
	idmap_remove(&context->attached, resource);
	render_context_detach(gpu->render, id, resource);
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
}

static void submitted(void *data, int status)
{
	struct gpu_command *command = data;
	if (!command_resume(command)) {
		return;
	}
	limit_give(command->gpu, GPU_LIMIT_MEMORY, le32toh(command->request.submit.size));
	if (trace_on()) {
		tracing_worked(command, status);
	}
	if (status == 0) {
		command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
		return;
	}
	command->signalled = true;
	command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC, "context %u: the renderer failed: %s",
		     le32toh(command->request.hdr.ctx_id), strerror(-status));
}

void context_submit(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	const struct virtio_gpu_cmd_submit *request = &command->request.submit;
	uint32_t id = le32toh(request->hdr.ctx_id);
	uint32_t size = le32toh(request->size);
	struct gpu_context *context = context_find(gpu, id);
	if (context == NULL || context->lost) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID, "context %u%s", id,
			     context == NULL ? "" : " is lost");
		return;
	}
	if (size % 4 != 0 || command->chain->readable_bytes < command->request_size + size) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "%u bytes of commands, %zu there", size,
			     command->chain->readable_bytes - command->request_size);
		return;
	}
	if (!limit_allows(command, GPU_LIMIT_COMMAND, 0, size) ||
	    !limit_take(command, GPU_LIMIT_MEMORY, size)) {
		return;
	}
	/* A private copy: the renderer must not see the guest change it. */
	void *commands = NULL;
	if (size > 0) {
		commands = malloc(size);
		if (commands == NULL) {
			limit_give(gpu, GPU_LIMIT_MEMORY, size);
			command_fail(command, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, "out of memory");
			return;
		}
		virtqueue_read(command->chain, command->request_size, commands, size);
	}
	counter_add(COUNTER_SUBMITS, 1);
	command->fence_requested = command->ring_fence;
	if (trace_on()) {
		tracing_work(command, size, 0);
		if (command->ring_fence) {
			tracing_fence(command);
		}
	}
	command_suspend(command);
	render_submit(gpu->render,
		      &(struct render_submit){
			      .context = id,
			      .commands = commands,
			      .size = size,
			      .fence = command->ring_fence,
			      .ring = command->ring_fence ? request->hdr.ring_idx : 0,
			      .fence_id = le64toh(request->hdr.fence_id),
		      },
		      submitted, command);
}
