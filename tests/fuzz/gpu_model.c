/* SPDX-License-Identifier: MIT */
#include "gpu_model.h"

#include <endian.h>
#include <string.h>

#include "fuzz.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define UNSPEC VIRTIO_GPU_RESP_ERR_UNSPEC
#define BAD_SCANOUT VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID
#define BAD_ID VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define BAD_CONTEXT VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER

#define HEADER sizeof(struct virtio_gpu_ctrl_hdr)
#define MAX_SIDE 16384u
#define MAX_2D (512ull << 20)
#define MAX_ENTRIES 65536u
#define MAX_SUBMIT (64u << 20)
#define MAX_HOST_BLOB (1ull << 30) /* of the renderer of these tests */
#define CURSOR_BLOB (64u * 64 * 4)
#define CAPSET 4

void model_reset(struct model *model)
{
	memset(model->resources, 0, sizeof(model->resources));
	memset(model->contexts, 0, sizeof(model->contexts));
}

struct model_resource *model_resource(struct model *model, uint32_t id)
{
	for (size_t i = 0; i < MODEL_IDS; i++) {
		struct model_resource *resource = &model->resources[i];
		if (resource->id == id || (resource->id == 0 && !resource->exists)) {
			resource->id = id;
			return resource;
		}
	}
	fuzz_fail(__FILE__, __LINE__, "room", "the target uses too many ids");
}

struct model_context *model_context(struct model *model, uint32_t id)
{
	for (size_t i = 0; i < MODEL_IDS; i++) {
		struct model_context *context = &model->contexts[i];
		if (context->id == id || (context->id == 0 && !context->exists)) {
			context->id = id;
			return context;
		}
	}
	fuzz_fail(__FILE__, __LINE__, "room", "the target uses too many ids");
}

uint32_t model_fixed_size(unsigned queue, uint32_t type)
{
	if (queue == 1) {
		return type == VIRTIO_GPU_CMD_UPDATE_CURSOR || type == VIRTIO_GPU_CMD_MOVE_CURSOR
			       ? sizeof(struct virtio_gpu_update_cursor)
			       : 0;
	}
	switch (type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		return sizeof(struct virtio_gpu_resource_create_2d);
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
		return sizeof(struct virtio_gpu_resource_unref);
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		return sizeof(struct virtio_gpu_set_scanout);
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		return sizeof(struct virtio_gpu_resource_flush);
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		return sizeof(struct virtio_gpu_transfer_to_host_2d);
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		return sizeof(struct virtio_gpu_resource_attach_backing);
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
		return sizeof(struct virtio_gpu_resource_detach_backing);
	case VIRTIO_GPU_CMD_GET_CAPSET_INFO:
		return sizeof(struct virtio_gpu_get_capset_info);
	case VIRTIO_GPU_CMD_GET_CAPSET:
		return sizeof(struct virtio_gpu_get_capset);
	case VIRTIO_GPU_CMD_GET_EDID:
		return sizeof(struct virtio_gpu_cmd_get_edid);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		return sizeof(struct virtio_gpu_resource_create_blob);
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
		return sizeof(struct virtio_gpu_set_scanout_blob);
	case VIRTIO_GPU_CMD_CTX_CREATE:
		return sizeof(struct virtio_gpu_ctx_create);
	case VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE:
	case VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE:
		return sizeof(struct virtio_gpu_ctx_resource);
	case VIRTIO_GPU_CMD_SUBMIT_3D:
		return sizeof(struct virtio_gpu_cmd_submit);
	case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
		return sizeof(struct virtio_gpu_resource_map_blob);
	case VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB:
		return sizeof(struct virtio_gpu_resource_unmap_blob);
	default:
		return (type >= VIRTIO_GPU_CMD_GET_DISPLAY_INFO &&
			type <= VIRTIO_GPU_CMD_SET_SCANOUT_BLOB) ||
				       (type >= VIRTIO_GPU_CMD_CTX_CREATE &&
					type <= VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB)
			       ? HEADER
			       : 0;
	}
}

/* --- what the numbers of a command allow ----------------------------------------------------- */

static bool is_format(uint32_t format)
{
	switch (format) {
	case VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM:
	case VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM:
	case VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM:
	case VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM:
	case VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM:
	case VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM:
	case VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM:
	case VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM:
		return true;
	default:
		return false;
	}
}

static bool rect_fits(const struct virtio_gpu_rect *rect, uint64_t width, uint64_t height)
{
	return rect->width > 0 && rect->height > 0 && rect->x <= width && rect->y <= height &&
	       rect->width <= width - rect->x && rect->height <= height - rect->y;
}

static uint32_t create_2d(struct model *model, const struct virtio_gpu_resource_create_2d *c)
{
	uint64_t bytes = 4ull * c->width * c->height;
	if (!is_format(c->format) || c->width == 0 || c->height == 0 || c->width > MAX_SIDE ||
	    c->height > MAX_SIDE || bytes > MAX_2D) {
		return BAD_PARAMETER;
	}
	return c->resource_id == 0 || model_resource(model, c->resource_id)->exists ? BAD_ID : OK;
}

static uint32_t transfer(const struct model_resource *resource,
			 const struct virtio_gpu_transfer_to_host_2d *c)
{
	if (resource->kind != GPU_RESOURCE_2D) {
		return OK;
	}
	if (!resource->backing) {
		return UNSPEC;
	}
	if (!rect_fits(&c->r, resource->width, resource->height) ||
	    c->offset > resource->backing_bytes) {
		return BAD_PARAMETER;
	}
	uint64_t last = 4ull * resource->width * (c->r.height - 1) + 4ull * c->r.width;
	return last <= resource->backing_bytes - c->offset ? OK : BAD_PARAMETER;
}

static bool entries_right(const struct model_command *command, uint32_t count)
{
	uint64_t fixed = model_fixed_size(0, command->request.hdr.type);
	return count > 0 && count <= MAX_ENTRIES &&
	       command->size == fixed + count * sizeof(struct virtio_gpu_mem_entry) &&
	       command->pages_hold;
}

/* A blob may get its pages later. */
static bool no_entries(const struct model_command *command, uint32_t count)
{
	return count == 0 && command->size == model_fixed_size(0, command->request.hdr.type);
}

static uint32_t create_blob(struct model *model, const struct model_command *command)
{
	const struct virtio_gpu_resource_create_blob *c = &command->request.create_blob;
	bool id_right = c->resource_id != 0 && !model_resource(model, c->resource_id)->exists;
	if (c->size == 0 || c->size % 4096 != 0 || c->blob_flags > 7) {
		return BAD_PARAMETER;
	}
	if (c->blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST) {
		return !id_right ? BAD_ID
		       : no_entries(command, c->nr_entries) ||
				       (entries_right(command, c->nr_entries) &&
					command->page_bytes >= c->size)
			       ? OK
			       : BAD_PARAMETER;
	}
	if (c->blob_mem != VIRTIO_GPU_BLOB_MEM_HOST3D) {
		return BAD_PARAMETER;
	}
	const struct model_context *context = model_context(model, c->hdr.ctx_id);
	if (!context->exists || context->lost) {
		return BAD_CONTEXT;
	}
	if (c->nr_entries != 0) {
		return BAD_PARAMETER;
	}
	return !id_right ? BAD_ID : c->size <= MAX_HOST_BLOB ? OK : UNSPEC;
}

static uint32_t set_scanout(struct model *model, const struct virtio_gpu_set_scanout *c)
{
	if (c->scanout_id >= model->heads) {
		return BAD_SCANOUT;
	}
	if (c->resource_id == 0) {
		return OK;
	}
	const struct model_resource *resource = model_resource(model, c->resource_id);
	if (!resource->exists || resource->kind != GPU_RESOURCE_2D) {
		return BAD_ID;
	}
	return rect_fits(&c->r, resource->width, resource->height) ? OK : BAD_PARAMETER;
}

static uint32_t set_scanout_blob(struct model *model, const struct virtio_gpu_set_scanout_blob *c)
{
	if (c->scanout_id >= model->heads) {
		return BAD_SCANOUT;
	}
	if (c->resource_id == 0) {
		return OK;
	}
	const struct model_resource *resource = model_resource(model, c->resource_id);
	if (!resource->exists) {
		return BAD_ID;
	}
	uint64_t row = 4ull * c->width;
	uint64_t stride = c->strides[0];
	if (!is_format(c->format) || resource->kind == GPU_RESOURCE_2D || c->width == 0 ||
	    c->height == 0 || c->width > MAX_SIDE || c->height > MAX_SIDE || stride % 4 != 0 ||
	    c->offsets[0] % 4 != 0 || stride < row ||
	    c->offsets[0] + stride * (c->height - 1) + row > resource->size ||
	    !rect_fits(&c->r, c->width, c->height)) {
		return BAD_PARAMETER;
	}
	return resource->opaque ? UNSPEC : OK;
}

static uint32_t map_blob(struct model *model, const struct virtio_gpu_resource_map_blob *c)
{
	const struct model_resource *resource = model_resource(model, c->resource_id);
	if (resource->kind != GPU_RESOURCE_HOST3D || resource->mapped || resource->opaque ||
	    (resource->flags & VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE) == 0) {
		return UNSPEC;
	}
	if (c->offset % 4096 != 0 || c->offset > model->window_size ||
	    resource->size > model->window_size - c->offset) {
		return BAD_PARAMETER;
	}
	/* QEMU has no room for two mappings at one place. */
	for (size_t i = 0; i < MODEL_IDS; i++) {
		const struct model_resource *other = &model->resources[i];
		if (other->exists && other->mapped && c->offset < other->map_offset + other->size &&
		    other->map_offset < c->offset + resource->size) {
			return UNSPEC;
		}
	}
	return VIRTIO_GPU_RESP_OK_MAP_INFO;
}

static uint32_t update_cursor(struct model *model, const struct virtio_gpu_update_cursor *c)
{
	if (c->resource_id == 0) {
		return OK;
	}
	const struct model_resource *resource = model_resource(model, c->resource_id);
	if (!resource->exists) {
		return BAD_ID;
	}
	switch (resource->kind) {
	case GPU_RESOURCE_2D:
		return resource->width <= 512 && resource->height <= 512 ? OK : BAD_ID;
	case GPU_RESOURCE_GUEST:
		return resource->backing_bytes >= CURSOR_BLOB ? OK : BAD_ID;
	default:
		return !resource->opaque && resource->size >= CURSOR_BLOB ? OK : BAD_ID;
	}
}

static uint32_t predict_resource(struct model *model, const struct model_command *command)
{
	const union gpu_request *r = &command->request;
	/* Of all these it is the first word behind the header, but for the rects'. */
	uint32_t id = r->unref.resource_id;
	switch (r->hdr.type) {
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		id = r->flush.resource_id;
		break;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		id = r->transfer_2d.resource_id;
		break;
	default:
		break;
	}
	const struct model_resource *resource = model_resource(model, id);
	const struct model_context *context = model_context(model, r->hdr.ctx_id);
	if (!resource->exists) {
		return BAD_ID;
	}
	switch (r->hdr.type) {
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		return resource->kind == GPU_RESOURCE_2D &&
				       !rect_fits(&r->flush.r, resource->width, resource->height)
			       ? BAD_PARAMETER
			       : OK;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		return transfer(resource, &r->transfer_2d);
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		return resource->kind == GPU_RESOURCE_HOST3D || resource->backing ? UNSPEC
		       : entries_right(command, r->attach_backing.nr_entries) &&
				       (resource->kind == GPU_RESOURCE_2D ||
					command->page_bytes >= resource->size)
			       ? OK
			       : BAD_PARAMETER;
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
		return resource->backing ? OK : UNSPEC;
	case VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE:
	case VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE:
		return context->exists ? OK : BAD_CONTEXT;
	case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
		return map_blob(model, &r->map_blob);
	case VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB:
		return resource->mapped ? OK : UNSPEC;
	default:
		return OK; /* UNREF */
	}
}

static uint32_t predict_context(struct model *model, const struct model_command *command)
{
	const union gpu_request *r = &command->request;
	const struct model_context *context = model_context(model, r->hdr.ctx_id);
	switch (r->hdr.type) {
	case VIRTIO_GPU_CMD_CTX_CREATE:
		return r->hdr.ctx_id == 0 || context->exists           ? BAD_CONTEXT
		       : (r->ctx_create.context_init & 0xff) != CAPSET ? BAD_PARAMETER
								       : OK;
	case VIRTIO_GPU_CMD_CTX_DESTROY:
		return context->exists ? OK : BAD_CONTEXT;
	default: /* SUBMIT_3D */
		return !context->exists || context->lost ? BAD_CONTEXT
		       : r->submit.size % 4 != 0 || r->submit.size > MAX_SUBMIT ||
				       command->size - sizeof(r->submit) < r->submit.size
			       ? BAD_PARAMETER
			       : OK;
	}
}

uint32_t model_predict(struct model *model, const struct model_command *command)
{
	const union gpu_request *r = &command->request;
	if (command->size < HEADER) {
		return UNSPEC;
	}
	uint32_t fixed = model_fixed_size(command->queue, r->hdr.type);
	if (fixed == 0) {
		return UNSPEC;
	}
	if (command->size < fixed) {
		return BAD_PARAMETER;
	}
	if (command->queue == 1) {
		return r->cursor.pos.scanout_id >= model->heads ? BAD_SCANOUT
		       : r->hdr.type == VIRTIO_GPU_CMD_MOVE_CURSOR
			       ? OK
			       : update_cursor(model, &r->cursor);
	}
	switch (r->hdr.type) {
	case VIRTIO_GPU_CMD_GET_DISPLAY_INFO:
		return VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		return create_2d(model, &r->create_2d);
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		return set_scanout(model, &r->set_scanout);
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
		return set_scanout_blob(model, &r->set_scanout_blob);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		return create_blob(model, command);
	case VIRTIO_GPU_CMD_GET_CAPSET_INFO:
		return r->capset_info.capset_index == 0 ? VIRTIO_GPU_RESP_OK_CAPSET_INFO
							: BAD_PARAMETER;
	case VIRTIO_GPU_CMD_GET_CAPSET:
		return r->capset.capset_id == CAPSET && r->capset.capset_version == 0
			       ? VIRTIO_GPU_RESP_OK_CAPSET
			       : BAD_PARAMETER;
	case VIRTIO_GPU_CMD_GET_EDID:
		return r->edid.scanout < model->heads ? VIRTIO_GPU_RESP_OK_EDID : BAD_SCANOUT;
	case VIRTIO_GPU_CMD_CTX_CREATE:
	case VIRTIO_GPU_CMD_CTX_DESTROY:
	case VIRTIO_GPU_CMD_SUBMIT_3D:
		return predict_context(model, command);
	case VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID:
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D:
	case VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D:
		return UNSPEC;
	default:
		return predict_resource(model, command);
	}
}

static void make_resource(struct model *model, uint32_t id, const struct model_resource *values)
{
	struct model_resource *resource = model_resource(model, id);
	*resource = *values;
	resource->id = id;
	resource->exists = true;
}

void model_apply(struct model *model, const struct model_command *command, uint32_t type)
{
	const union gpu_request *r = &command->request;
	if (type >= VIRTIO_GPU_RESP_ERR_UNSPEC || command->queue == 1) {
		return;
	}
	switch (r->hdr.type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		make_resource(model, r->create_2d.resource_id,
			      &(struct model_resource){.kind = GPU_RESOURCE_2D,
						       .width = r->create_2d.width,
						       .height = r->create_2d.height,
						       .size = 4ull * r->create_2d.width *
							       r->create_2d.height});
		break;
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB: {
		const struct virtio_gpu_resource_create_blob *c = &r->create_blob;
		bool guest = c->blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST;
		make_resource(model, c->resource_id,
			      &(struct model_resource){
				      .kind = guest ? GPU_RESOURCE_GUEST : GPU_RESOURCE_HOST3D,
				      .size = c->size,
				      .flags = c->blob_flags,
				      .backing = guest && c->nr_entries > 0,
				      .backing_bytes = guest && c->nr_entries > 0
							       ? command->page_bytes
							       : 0});
		break;
	}
	case VIRTIO_GPU_CMD_RESOURCE_UNREF: {
		uint32_t id = r->unref.resource_id;
		*model_resource(model, id) = (struct model_resource){.id = id};
		break;
	}
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING: {
		struct model_resource *resource = model_resource(model, r->unref.resource_id);
		resource->backing = r->hdr.type == VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING;
		resource->backing_bytes = resource->backing ? command->page_bytes : 0;
		break;
	}
	case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
	case VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB: {
		struct model_resource *resource = model_resource(model, r->unref.resource_id);
		resource->mapped = r->hdr.type == VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB;
		resource->map_offset = resource->mapped ? r->map_blob.offset : 0;
		break;
	}
	case VIRTIO_GPU_CMD_CTX_CREATE:
		*model_context(model, r->hdr.ctx_id) =
			(struct model_context){.id = r->hdr.ctx_id, .exists = true};
		break;
	case VIRTIO_GPU_CMD_CTX_DESTROY:
		*model_context(model, r->hdr.ctx_id) = (struct model_context){.id = r->hdr.ctx_id};
		break;
	default:
		break;
	}
}

/* --- the device's tables --------------------------------------------------------------------- */

void model_copy(struct model *model, const struct gpu *gpu)
{
	size_t cursor = 0;
	const struct gpu_resource *resource;
	const struct gpu_context *context;
	model_reset(model);
	while ((resource = idmap_next(&gpu->resources, &cursor)) != NULL) {
		make_resource(
			model, resource->id,
			&(struct model_resource){.kind = resource->kind,
						 .width = resource->width,
						 .height = resource->height,
						 .size = resource->size,
						 .flags = resource->blob_flags,
						 .opaque = resource->kind == GPU_RESOURCE_HOST3D &&
							   resource->memory == NULL,
						 .backing = resource->backing.memory != NULL,
						 .backing_bytes = resource->backing.bytes,
						 .mapped = resource->mapped,
						 .map_offset = resource->map_offset});
	}
	cursor = 0;
	while ((context = idmap_next(&gpu->contexts, &cursor)) != NULL) {
		*model_context(model, context->id) = (struct model_context){
			.id = context->id, .exists = true, .lost = context->lost};
	}
}

/* What is counted as in use is what is there, and within the limits. */
static void compare_usage(const struct gpu *gpu)
{
	uint64_t memory = 0;
	uint64_t files = 0;
	uint64_t mapped = 0;
	size_t cursor = 0;
	const struct gpu_resource *resource;
	const struct gpu_context *context;
	while ((resource = idmap_next(&gpu->resources, &cursor)) != NULL) {
		memory += resource->held + resource->backing.held;
		files += resource->files;
		mapped += resource->mapped;
	}
	const struct gpu_limit_usage *usage = gpu->usage;
	FUZZ_CHECK(usage[GPU_LIMIT_MEMORY].now == memory, "%llu bytes in use, not %llu",
		   (unsigned long long)usage[GPU_LIMIT_MEMORY].now, (unsigned long long)memory);
	FUZZ_CHECK(usage[GPU_LIMIT_DESCRIPTORS].now == files, "%llu files in use, not %llu",
		   (unsigned long long)usage[GPU_LIMIT_DESCRIPTORS].now, (unsigned long long)files);
	FUZZ_CHECK(usage[GPU_LIMIT_MAPPINGS].now == mapped, "%llu mappings in use, not %llu",
		   (unsigned long long)usage[GPU_LIMIT_MAPPINGS].now, (unsigned long long)mapped);
	FUZZ_CHECK(usage[GPU_LIMIT_FENCES].now == 0, "%llu fences in use",
		   (unsigned long long)usage[GPU_LIMIT_FENCES].now);
	cursor = 0;
	while ((context = idmap_next(&gpu->contexts, &cursor)) != NULL) {
		uint64_t bytes = 0;
		size_t inner = 0;
		while ((resource = idmap_next(&gpu->resources, &inner)) != NULL) {
			bytes += resource->context_serial == context->serial ? resource->size : 0;
		}
		FUZZ_CHECK(context->bytes == bytes, "context %u: %llu bytes in use, not %llu",
			   context->id, (unsigned long long)context->bytes,
			   (unsigned long long)bytes);
	}
	for (enum gpu_limit i = 0; i < GPU_LIMITS; i++) {
		FUZZ_CHECK(usage[i].now <= usage[i].allowed, "limit %d is passed", i);
	}
	FUZZ_CHECK(gpu->resources.count <= usage[GPU_LIMIT_RESOURCES].allowed, "resources");
	FUZZ_CHECK(gpu->contexts.count <= usage[GPU_LIMIT_CONTEXTS].allowed, "contexts");
}

void model_compare(struct model *model, const struct gpu *gpu)
{
	compare_usage(gpu);
	size_t resources = 0;
	size_t contexts = 0;
	for (size_t i = 0; i < MODEL_IDS; i++) {
		const struct model_resource *resource = &model->resources[i];
		const struct model_context *context = &model->contexts[i];
		const struct gpu_resource *real = idmap_get(&gpu->resources, resource->id);
		FUZZ_CHECK((real != NULL) == resource->exists, "resource %u", resource->id);
		if (real != NULL) {
			resources++;
			FUZZ_CHECK(real->kind == resource->kind && real->size == resource->size &&
					   real->mapped == resource->mapped &&
					   (real->backing.memory != NULL) == resource->backing &&
					   real->backing.bytes == resource->backing_bytes &&
					   !real->busy && list_empty(&real->waiters),
				   "resource %u", resource->id);
		}
		const struct gpu_context *real_context = idmap_get(&gpu->contexts, context->id);
		FUZZ_CHECK((real_context != NULL) == context->exists, "context %u", context->id);
		contexts += context->exists;
	}
	FUZZ_CHECK(gpu->resources.count == resources, "%zu resources, not %zu",
		   gpu->resources.count, resources);
	FUZZ_CHECK(gpu->contexts.count == contexts, "%zu contexts, not %zu", gpu->contexts.count,
		   contexts);
	FUZZ_CHECK(list_empty(&gpu->dying), "a context does not end");
}
