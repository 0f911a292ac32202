/* SPDX-License-Identifier: MIT */
/*
 * The monitors that the guest is told of: which outputs have one, its mode, its place.
 *
 * Hot-plug. A change raises the display event (virtio 1.4, 5.7.4); the guest reads every EDID and
 * DISPLAY_INFO and clears it. A change meanwhile must not be lost, as the guest may have read that
 * output already, so it raises the event again once it is cleared. And it must not become a
 * storm, as a viewer may ask for a size per mouse motion and each event makes the guest set a mode:
 * events keep a distance, the first after a rest comes at once, and the last state is always
 * told.
 */
#include "gpu/state.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "util/counters.h"
#include "util/log.h"

#define HOT_PLUG_DISTANCE_MS 100

static bool connected(const struct gpu *gpu, unsigned head)
{
	return gpu->scanouts[head].mode.width != 0;
}

struct rect gpu_layout(const struct gpu *gpu, unsigned head)
{
	struct rect rect = {0};
	for (unsigned i = 0; i < head; i++) {
		rect.x += gpu->scanouts[i].mode.width;
	}
	rect.width = gpu->scanouts[head].mode.width;
	rect.height = gpu->scanouts[head].mode.height;
	return rect;
}

struct rect gpu_layout_bounds(const struct gpu *gpu)
{
	struct rect bounds = {0};
	for (unsigned i = 0; i < gpu->options.heads; i++) {
		const struct gpu_mode *mode = &gpu->scanouts[i].mode;
		bounds.width += mode->width;
		bounds.height = mode->height > bounds.height ? mode->height : bounds.height;
	}
	return bounds;
}

const struct gpu_mode *gpu_mode(const struct gpu *gpu, unsigned head)
{
	return &gpu->scanouts[head].mode;
}

void monitor_get_display_info(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	struct virtio_gpu_resp_display_info response = {0};
	for (unsigned i = 0; i < gpu->options.heads; i++) {
		if (!connected(gpu, i)) {
			continue;
		}
		struct rect place = gpu_layout(gpu, i);
		response.pmodes[i].enabled = htole32(1);
		response.pmodes[i].r.x = htole32(place.x);
		response.pmodes[i].r.width = htole32(place.width);
		response.pmodes[i].r.height = htole32(place.height);
	}
	command_finish_with(command, &response, sizeof(response), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
}

/* An output without a monitor has an EDID of 0 bytes: Linux then drops the one it had. */
void monitor_get_edid(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	uint32_t head = le32toh(command->request.edid.scanout);
	struct virtio_gpu_resp_edid response = {0};
	_Static_assert(sizeof(response.edid) == EDID_MAX_BYTES, "virtio 1.4, 5.7.6.8");
	if (head >= gpu->options.heads) {
		command_fail(command, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, "scanout %u", head);
		return;
	}
	if (connected(gpu, head)) {
		const struct gpu_mode *mode = &gpu->scanouts[head].mode;
		struct edid_monitor monitor = {
			.width = mode->width,
			.height = mode->height,
			.refresh_mhz = mode->refresh_mhz,
			.width_mm = mode->width_mm,
			.height_mm = mode->height_mm,
			.serial = head + 1,
		};
		snprintf(monitor.name, sizeof(monitor.name), "%s", gpu->options.outputs[head].name);
		response.size = htole32((uint32_t)edid_write(&monitor, response.edid));
	}
	command_finish_with(command, &response, sizeof(response), VIRTIO_GPU_RESP_OK_EDID);
}

static void announce(struct gpu *gpu)
{
	if (!gpu->mode_changed || gpu->vhost == NULL || gpu->config.events_read != 0 ||
	    uv_is_active((uv_handle_t *)&gpu->hot_plug_timer)) {
		return;
	}
	gpu->mode_changed = false;
	gpu->config.events_read = htole32(VIRTIO_GPU_EVENT_DISPLAY);
	counter_add(COUNTER_HOT_PLUG_EVENTS, 1);
	vhost_set_config(gpu->vhost, 0, &gpu->config, sizeof(gpu->config), true);
	uv_timer_start(&gpu->hot_plug_timer, monitor_hot_plug_rested, HOT_PLUG_DISTANCE_MS, 0);
}

void monitor_hot_plug_rested(uv_timer_t *timer)
{
	announce(timer->data);
}

void monitor_event_cleared(struct gpu *gpu)
{
	announce(gpu);
}

void gpu_set_mode(struct gpu *gpu, unsigned head, const struct gpu_mode *mode)
{
	struct gpu_mode next = *mode;
	if (next.width == 0 || next.height == 0) {
		next = (struct gpu_mode){.refresh_mhz = mode->refresh_mhz};
	}
	if (head >= gpu->options.heads ||
	    memcmp(&gpu->scanouts[head].mode, &next, sizeof(next)) == 0) {
		return;
	}
	bool was_connected = connected(gpu, head);
	gpu->scanouts[head].mode = next;
	log_info("output %u: %ux%u at %u.%03u Hz, %ux%u mm", head, next.width, next.height,
		 next.refresh_mhz / 1000, next.refresh_mhz % 1000, next.width_mm, next.height_mm);
	if (connected(gpu, head) != was_connected) {
		scanout_set_connected(gpu, head, !was_connected);
	}
	gpu->mode_changed = true;
	announce(gpu);
}
