/* SPDX-License-Identifier: MIT */
/*
 * A scanout holds a frame of its own: a reference to the memory, so that a guest which drops the
 * resource while it is shown frees nothing that a viewer reads.
 *
 * Linux disables a scanout in the middle of every modeset, so a disable waits a little for an
 * enable before the screen goes blank.
 *
 * A fenced flush completes when every viewer has read the pixels (released); an unfenced one, as
 * Linux sends for Venus blobs, at once: pacing.c says how such pictures are kept from tearing.
 */
#include "gpu/state.h"

#include <endian.h>
#include <string.h>

#include "util/counters.h"
#include "util/log.h"
#include "util/trace.h"

#define DISABLE_DELAY_MS 100

static void count_blob_path(struct gpu *gpu, struct gpu_scanout *scanout, bool blob)
{
	if (blob == scanout->blob) {
		return;
	}
	scanout->blob = blob;
	if (blob && gpu->blob_scanouts++ == 0) {
		gpu->copied_mark = counter_read(COUNTER_CPU_COPIED_BYTES);
	} else if (!blob && --gpu->blob_scanouts == 0) {
		gpu->copied_on_blob_path +=
			counter_read(COUNTER_CPU_COPIED_BYTES) - gpu->copied_mark;
	}
}

void scanout_excuse_copy(struct gpu *gpu, uint32_t resource, uint64_t bytes)
{
	for (unsigned i = 0; i < gpu->options.heads; i++) {
		if (gpu->scanouts[i].resource == resource && gpu->scanouts[i].blob) {
			return;
		}
	}
	gpu->copied_mark += bytes;
}

uint64_t gpu_copied_on_blob_path(const struct gpu *gpu)
{
	uint64_t copied = gpu->copied_on_blob_path;
	if (gpu->blob_scanouts > 0) {
		copied += counter_read(COUNTER_CPU_COPIED_BYTES) - gpu->copied_mark;
	}
	return copied;
}

unsigned scanout_head(const struct gpu_scanout *scanout)
{
	return (unsigned)(scanout - scanout->gpu->scanouts);
}

/* Without a monitor the guest may go on drawing, but nobody sees it. */
static bool visible(const struct gpu_scanout *scanout)
{
	return scanout->mode.width != 0;
}

static void show_frame(struct gpu_scanout *scanout)
{
	struct display_server *display = scanout->gpu->options.display;
	if (visible(scanout)) {
		display_server_set_size(display, scanout_head(scanout), scanout->frame.width,
					scanout->frame.height);
		display_server_scanout(display, scanout_head(scanout), &scanout->frame);
	}
}

static void blank(struct gpu_scanout *scanout)
{
	struct gpu *gpu = scanout->gpu;
	memory_unref(scanout->frame.memory);
	scanout->frame = (struct frame){0};
	scanout->resource = 0;
	pacing_flip(scanout);
	count_blob_path(gpu, scanout, false);
	display_server_disable(gpu->options.display, scanout_head(scanout));
}

static void handle_disable_timer(uv_timer_t *timer)
{
	blank(timer->data);
}

void scanout_init(struct gpu *gpu, unsigned head)
{
	struct gpu_scanout *scanout = &gpu->scanouts[head];
	scanout->gpu = gpu;
	scanout->mode = gpu->options.outputs[head].mode;
	display_server_set_enabled(gpu->options.display, head, visible(scanout));
	uv_timer_init(gpu->loop, &scanout->disable_timer);
	scanout->disable_timer.data = scanout;
	if (trace_on()) {
		tracing_name(head);
	}
}

void scanout_reset(struct gpu *gpu, unsigned head)
{
	struct gpu_scanout *scanout = &gpu->scanouts[head];
	uv_timer_stop(&scanout->disable_timer);
	scanout->cursor_resource = 0;
	display_server_cursor_define(gpu->options.display, head, 0, 0, 0, 0, NULL);
	blank(scanout);
}

void scanout_forget_resource(struct gpu *gpu, uint32_t resource)
{
	for (unsigned i = 0; i < gpu->options.heads; i++) {
		if (gpu->scanouts[i].resource == resource) {
			gpu->scanouts[i].resource = 0;
		}
	}
}

/* frame borrows its memory; rect is its part of the resource. */
static void show(struct gpu_command *command, struct gpu_scanout *scanout,
		 struct gpu_resource *resource, const struct frame *frame, const struct rect *rect,
		 bool blob)
{
	struct gpu *gpu = scanout->gpu;
	uv_timer_stop(&scanout->disable_timer);
	memory_ref(frame->memory);
	memory_unref(scanout->frame.memory);
	scanout->frame = *frame;
	scanout->rect = *rect;
	scanout->resource = resource->id;
	pacing_flip(scanout);
	count_blob_path(gpu, scanout, blob);
	if (trace_on()) {
		tracing_scanout(scanout, command);
	}
	show_frame(scanout);
}

/*
 * A guest that does not care about the event sets no mode again, so what it shows meanwhile comes
 * back with the monitor.
 */
void scanout_set_connected(struct gpu *gpu, unsigned head, bool connected)
{
	struct gpu_scanout *scanout = &gpu->scanouts[head];
	display_server_set_enabled(gpu->options.display, head, connected);
	if (!connected) {
		display_server_disable(gpu->options.display, head);
	} else if (scanout->frame.memory != NULL) {
		const struct rect all = {0, 0, scanout->frame.width, scanout->frame.height};
		show_frame(scanout);
		display_server_update(gpu->options.display, head, &all, NULL, NULL);
	}
}

/* NULL and an answered command when the id is bad, or the scanout was told to go dark. */
static struct gpu_scanout *begin_set(struct gpu_command *command, uint32_t head,
				     uint32_t resource_id, struct gpu_resource **resource)
{
	struct gpu *gpu = command->gpu;
	if (head >= gpu->options.heads) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "scanout %u", head);
		return NULL;
	}
	struct gpu_scanout *scanout = &gpu->scanouts[head];
	if (resource_id == 0) {
		uv_timer_start(&scanout->disable_timer, handle_disable_timer, DISABLE_DELAY_MS, 0);
		scanout->resource = 0;
		command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
		return NULL;
	}
	*resource = resource_find(gpu, resource_id);
	if (*resource == NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
			     "there is no resource %u", resource_id);
		return NULL;
	}
	return scanout;
}

static struct rect read_rect(const struct virtio_gpu_rect *rect)
{
	return (struct rect){le32toh(rect->x), le32toh(rect->y), le32toh(rect->width),
			     le32toh(rect->height)};
}

void scanout_set(struct gpu_command *command)
{
	const struct virtio_gpu_set_scanout *request = &command->request.set_scanout;
	struct gpu_resource *resource;
	counter_add(COUNTER_SET_SCANOUT, 1);
	struct gpu_scanout *scanout = begin_set(command, le32toh(request->scanout_id),
						le32toh(request->resource_id), &resource);
	if (scanout == NULL) {
		return;
	}
	struct rect rect = read_rect(&request->r);
	if (resource->kind != GPU_RESOURCE_2D) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
			     "resource %u is a blob: SET_SCANOUT_BLOB shows those", resource->id);
		return;
	}
	if (!rect_inside(&rect, resource->width, resource->height)) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "%ux%u+%u+%u of a %ux%u resource", rect.width, rect.height, rect.x,
			     rect.y, resource->width, resource->height);
		return;
	}
	const struct frame whole = {
		.memory = resource->memory,
		.format = resource->format,
		.width = resource->width,
		.height = resource->height,
		.stride = resource->width * FORMAT_PIXEL_BYTES,
	};
	struct frame frame = frame_crop(&whole, &rect);
	show(command, scanout, resource, &frame, &rect, false);
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
}

/*
 * Guest pages have no fd of their own: they are gathered at each flush, which is a CPU copy. False and
 * an answered command when it cannot be.
 */
static bool make_guest_blob_visible(struct gpu_command *command, struct gpu_resource *resource)
{
	if (resource->kind == GPU_RESOURCE_GUEST && resource->memory == NULL) {
		if (!resource_hold(command, resource, resource->size, 1)) {
			return false;
		}
		log_limited(LOG_WARN,
			    "resource %u: its frames are copied by the CPU, because the guest's "
			    "scattered pages have no fd of their own",
			    resource->id);
		resource->memory = memory_create_shm("hesper-guest-blob", resource->size);
	}
	if (resource->memory == NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_UNSPEC,
			     "resource %u: its memory cannot be shared with a viewer",
			     resource->id);
		return false;
	}
	return true;
}

void scanout_set_blob(struct gpu_command *command)
{
	const struct virtio_gpu_set_scanout_blob *request = &command->request.set_scanout_blob;
	struct gpu_resource *resource;
	counter_add(COUNTER_SET_SCANOUT_BLOB, 1);
	struct gpu_scanout *scanout = begin_set(command, le32toh(request->scanout_id),
						le32toh(request->resource_id), &resource);
	if (scanout == NULL) {
		return;
	}
	struct rect rect = read_rect(&request->r);
	struct frame whole = {
		.format = format_from_virtio(le32toh(request->format)),
		.width = le32toh(request->width),
		.height = le32toh(request->height),
		.stride = le32toh(request->strides[0]),
		.offset = le32toh(request->offsets[0]),
	};
	if (whole.format == NULL) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "format %u",
			     le32toh(request->format));
		return;
	}
	if (resource->kind == GPU_RESOURCE_2D || whole.width > GPU_MAX_SIZE ||
	    whole.height > GPU_MAX_SIZE ||
	    !frame_fits(whole.width, whole.height, whole.stride, whole.offset, resource->size) ||
	    !rect_inside(&rect, whole.width, whole.height)) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "%ux%u, stride %u, offset %llu, part %ux%u+%u+%u of resource %u",
			     whole.width, whole.height, whole.stride,
			     (unsigned long long)whole.offset, rect.width, rect.height, rect.x,
			     rect.y, resource->id);
		return;
	}
	if (!make_guest_blob_visible(command, resource)) {
		return;
	}
	whole.memory = resource->memory;
	struct frame frame = frame_crop(&whole, &rect);
	show(command, scanout, resource, &frame, &rect, true);
	command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
}

static void flush_released(void *data)
{
	struct gpu_command *command = data;
	if (command_resume(command) && command->pending == 0) {
		command_finish(command, VIRTIO_GPU_RESP_OK_NODATA);
	}
}

static void gather(const struct gpu_resource *resource, const struct frame *frame,
		   const struct rect *rect)
{
	struct gpu_place place = {0};
	for (uint32_t y = 0; y < rect->height; y++) {
		uint64_t at = frame->offset + (uint64_t)(rect->y + y) * frame->stride +
			      (uint64_t)rect->x * FORMAT_PIXEL_BYTES;
		backing_copy(&resource->backing, &place, at, (char *)resource->memory->mapping + at,
			     (uint64_t)rect->width * FORMAT_PIXEL_BYTES);
	}
}

void scanout_flush(struct gpu_command *command)
{
	const struct virtio_gpu_resource_flush *request = &command->request.flush;
	struct gpu *gpu = command->gpu;
	struct gpu_resource *resource = resource_find(gpu, le32toh(request->resource_id));
	struct rect rect = read_rect(&request->r);
	if (resource->kind == GPU_RESOURCE_2D &&
	    !rect_inside(&rect, resource->width, resource->height)) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
			     "%ux%u+%u+%u of a %ux%u resource", rect.width, rect.height, rect.x,
			     rect.y, resource->width, resource->height);
		return;
	}
	counter_add(COUNTER_FLUSHES, 1);
	bool wait = command->timeline != NULL;
	/* One more than the callbacks, so that one that comes at once does not finish it early. */
	command_suspend(command);
	for (unsigned i = 0; i < gpu->options.heads; i++) {
		struct gpu_scanout *scanout = &gpu->scanouts[i];
		struct rect part;
		if (scanout->resource != resource->id || !visible(scanout) ||
		    !rect_intersect(&rect, &scanout->rect, &part)) {
			continue;
		}
		part.x -= scanout->rect.x;
		part.y -= scanout->rect.y;
		if (resource->kind == GPU_RESOURCE_GUEST) {
			gather(resource, &scanout->frame, &part);
		}
		if (wait) {
			command_suspend(command);
		}
		pacing_update(scanout, &part, command, wait ? flush_released : NULL);
	}
	flush_released(command);
}
