/* SPDX-License-Identifier: MIT */
#include "gpu/state.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "util/counters.h"
#include "util/fd.h"
#include "util/log.h"

#define GPU_FEATURES                                                                               \
	(1ull << VIRTIO_GPU_F_VIRGL | 1ull << VIRTIO_GPU_F_EDID |                                  \
	 1ull << VIRTIO_GPU_F_RESOURCE_BLOB | 1ull << VIRTIO_GPU_F_CONTEXT_INIT |                  \
	 1ull << VIRTIO_GPU_F_BLOB_ALIGNMENT)
/* INDIRECT_DESC, EVENT_IDX, VERSION_1 (virtio 1.4, 6). */
#define RING_FEATURES (1ull << 28 | 1ull << 29 | 1ull << 32)

/*
 * VHOST_MEMORY_BASELINE_NREGIONS less one region of RAM: without memory slots, which have worse
 * faults, QEMU starts no vhost-user device with more (seen with 11.1.3).
 */
#define QEMU_RESUMES_MAPPINGS 7

/* VIRTIO_GPU_SHM_ID_HOST_VISIBLE. */
#define WINDOW_ID 1

static void reset(struct gpu *gpu)
{
	command_drop_all(gpu);
	context_drop_all(gpu);
	for (unsigned i = 0; i < gpu->options.heads; i++) {
		scanout_reset(gpu, i);
	}
	resource_drop_all(gpu);
	timeline_init(&gpu->global);
	limits_reset(gpu);
	gpu->config.events_read = 0;
	gpu->mode_changed = false;
}

static void handle_started(void *data, bool resumed)
{
	struct gpu *gpu = data;
	log_info("the guest's driver %s", resumed ? "goes on" : "starts");
	render_pause(gpu->render, false);
	if (!resumed) {
		reset(gpu);
		render_reset(gpu->render);
		vhost_set_config(gpu->vhost, 0, &gpu->config, sizeof(gpu->config), false);
	}
}

static void handle_stopped(void *data)
{
	struct gpu *gpu = data;
	unsigned mapped = 0;
	size_t cursor = 0;
	struct gpu_resource *resource;
	render_pause(gpu->render, true);
	while ((resource = idmap_next(&gpu->resources, &cursor)) != NULL) {
		mapped += resource->mapped;
	}
	log_info("the guest's driver stopped (paused, reset or unplugged)");
	if (mapped > QEMU_RESUMES_MAPPINGS) {
		log_warn("the guest has %u pieces of memory mapped. If this is a pause: QEMU 11.1 "
			 "cannot "
			 "resume the display with more than %d ('Error starting vhost-user-base: "
			 "105'); it works again after a reboot of the guest",
			 mapped, QEMU_RESUMES_MAPPINGS);
	}
}

static void handle_kicked(void *data, unsigned queue)
{
	struct gpu *gpu = data;
	if (queue < 2) {
		dispatch_queue(gpu, queue);
	}
}

/*
 * QEMU sends the whole config with one field changed and the rest stale: only events_clear is
 * the guest's to write (virtio 1.4, 5.7.4).
 */
static void handle_config_written(void *data, uint32_t offset, const uint8_t *bytes, uint32_t size)
{
	struct gpu *gpu = data;
	size_t at = offsetof(struct virtio_gpu_config, events_clear);
	uint32_t clear;
	if (offset > at || size < at - offset + sizeof(clear)) {
		return;
	}
	memcpy(&clear, bytes + (at - offset), sizeof(clear));
	if (clear == 0) {
		return;
	}
	gpu->config.events_read &= ~clear;
	vhost_set_config(gpu->vhost, 0, &gpu->config, sizeof(gpu->config), false);
	monitor_event_cleared(gpu);
}

static void handle_disconnected(void *data, int error)
{
	struct gpu *gpu = data;
	gpu->options.disconnected(gpu->options.data, error);
}

static const struct vhost_callbacks vhost_handlers = {
	.started = handle_started,
	.stopped = handle_stopped,
	.kicked = handle_kicked,
	.config_written = handle_config_written,
	.disconnected = handle_disconnected,
};

static void handle_render_ready(void *data, int error, const struct render_capset *capset)
{
	struct gpu *gpu = data;
	if (error == 0) {
		gpu->capset = *capset;
		gpu->config.num_capsets = htole32(capset->id != 0 ? 1 : 0);
	}
	gpu->options.ready(gpu->options.data, error);
}

static void handle_render_fence(void *data, uint32_t context_id, uint32_t ring, uint64_t fence_id)
{
	struct gpu *gpu = data;
	struct gpu_context *context = context_find(gpu, context_id);
	if (context != NULL && ring < RENDER_MAX_RINGS) {
		timeline_signal(gpu, &context->rings[ring], fence_id);
	}
}

static void handle_render_lost(void *data, uint32_t context_id)
{
	struct gpu *gpu = data;
	struct gpu_context *context = context_find(gpu, context_id);
	counter_add(COUNTER_CONTEXTS_LOST, 1);
	if (context != NULL) {
		context->lost = true;
		context_signal_all(gpu, context);
	}
}

const struct render_callbacks gpu_render_callbacks = {
	.ready = handle_render_ready,
	.fence = handle_render_fence,
	.context_lost = handle_render_lost,
};

/* Before the loop sleeps: one interrupt for all completions, those of timers included. */
static void handle_prepare(uv_prepare_t *prepare)
{
	struct gpu *gpu = prepare->data;
	if (gpu->vhost == NULL) {
		return;
	}
	pacing_send(gpu);
	for (unsigned i = 0; i < 2; i++) {
		if (gpu->notify[i]) {
			gpu->notify[i] = false;
			virtqueue_notify(vhost_queue(gpu->vhost, i));
		}
	}
}

int gpu_create(const struct gpu_options *options, uv_loop_t *loop, struct gpu **out)
{
	if (options->heads == 0 || options->heads > GPU_MAX_HEADS) {
		return -EINVAL;
	}
	struct gpu *gpu = calloc(1, sizeof(*gpu));
	if (gpu == NULL) {
		return -ENOMEM;
	}
	gpu->loop = loop;
	gpu->options = *options;
	limits_init(gpu, &options->limits);
	gpu->config.num_scanouts = htole32(options->heads);
	gpu->config.blob_alignment = htole32(GPU_BLOB_ALIGNMENT);
	gpu->udmabuf = -1;
	if (options->pages == GPU_PAGES_DMA_BUF) {
		gpu->udmabuf = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	}
	idmap_init(&gpu->resources);
	idmap_init(&gpu->contexts);
	list_init(&gpu->dying);
	list_init(&gpu->commands);
	list_init(&gpu->flushed);
	list_init(&gpu->readings);
	timeline_init(&gpu->global);
	for (unsigned i = 0; i < options->heads; i++) {
		scanout_init(gpu, i);
	}
	uv_timer_init(loop, &gpu->hot_plug_timer);
	gpu->hot_plug_timer.data = gpu;
	uv_prepare_init(loop, &gpu->prepare);
	gpu->prepare.data = gpu;
	uv_prepare_start(&gpu->prepare, handle_prepare);
	*out = gpu;
	return 0;
}

void gpu_limit_usage(const struct gpu *gpu, enum gpu_limit limit, struct gpu_limit_usage *out)
{
	*out = gpu->usage[limit];
}

void gpu_set_render(struct gpu *gpu, struct render *render)
{
	gpu->render = render;
}

void gpu_vhost_options(struct gpu *gpu, struct vhost_options *options)
{
	_Static_assert(sizeof(gpu->config) <= GPU_CONFIG_BYTES, "config fits what QEMU is told");
	*options = (struct vhost_options){
		.features = GPU_FEATURES | RING_FEATURES,
		.queue_count = 2,
		.config_size = GPU_CONFIG_BYTES,
		.window_size = gpu->options.window_size,
		.window_id = WINDOW_ID,
		.callbacks = &vhost_handlers,
		.data = gpu,
	};
	memcpy(options->config, &gpu->config, sizeof(gpu->config));
}

void gpu_attach(struct gpu *gpu, struct vhost *vhost)
{
	gpu->vhost = vhost;
}

void gpu_detach(struct gpu *gpu)
{
	command_drop_all(gpu);
	pacing_finish(gpu);
	gpu->vhost = NULL;
}

static void handle_closed(uv_handle_t *handle)
{
	struct gpu *gpu = handle->data;
	if (--gpu->closing > 0) {
		return;
	}
	if (gpu->destroy_done != NULL) {
		gpu->destroy_done(gpu->destroy_data);
	}
	free(gpu);
}

void gpu_destroy(struct gpu *gpu, void (*done)(void *data), void *data)
{
	gpu->destroy_done = done;
	gpu->destroy_data = data;
	reset(gpu);
	idmap_finish(&gpu->resources);
	idmap_finish(&gpu->contexts);
	free(gpu->spare_command);
	fd_close(&gpu->udmabuf);
	gpu->closing = gpu->options.heads + 2;
	for (unsigned i = 0; i < gpu->options.heads; i++) {
		gpu->scanouts[i].disable_timer.data = gpu;
		uv_close((uv_handle_t *)&gpu->scanouts[i].disable_timer, handle_closed);
	}
	uv_close((uv_handle_t *)&gpu->hot_plug_timer, handle_closed);
	uv_close((uv_handle_t *)&gpu->prepare, handle_closed);
}
