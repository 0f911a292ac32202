/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GPU_GPU_H
#define HESPER_GPU_GPU_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "display/server.h"
#include "gpu/limits.h"
#include "render/render.h"
#include "vhost/vhost.h"

/*
 * The virtio-gpu device (virtio 1.4, 5.7): decodes the guest's commands, owns its resources,
 * contexts, scanouts and fences. One thread, the device thread: the one of `loop`.
 */
struct gpu;

#define GPU_MAX_HEADS DISPLAY_MAX_HEADS
#define GPU_CONFIG_BYTES 24 /* struct virtio_gpu_config, padded to what QEMU is told */
#define GPU_BLOB_ALIGNMENT 4096

/* Limits of a mode. Callers keep to them; edid.h says why. */
#define GPU_MIN_PIXELS 64
#define GPU_MAX_PIXELS 8192
#define GPU_MIN_REFRESH_MHZ 1000
#define GPU_MAX_REFRESH_MHZ 1000000
#define GPU_MAX_MM 4095 /* a detailed timing has 12 bits for it */
/* No monitor is smaller, EDID has no smaller size in cm, and 4x3 and 16x9 mm are taken for ratios. */
#define GPU_MIN_MM 10

/* What a monitor is. */
struct gpu_mode {
	uint32_t width; /* pixels; 0: no monitor is connected */
	uint32_t height; /* pixels */
	uint32_t refresh_mhz; /* millihertz; the rate that the guest draws at */
	uint32_t width_mm; /* 0: unknown */
	uint32_t height_mm;
};

struct gpu_output {
	struct gpu_mode mode; /* at first */
	const char *name; /* the monitor's, 1..13 printable ASCII characters */
};

/* What a renderer's context gets of a 2D resource or guest blob that it is to import. */
enum gpu_pages {
	GPU_PAGES_LIST, /* the guest's own pages, as hesper's Vulkan layer takes them */
	GPU_PAGES_DMA_BUF, /* the guest's own pages, by /dev/udmabuf */
	GPU_PAGES_REFUSE, /* VK_ERROR_INVALID_EXTERNAL_HANDLE */
};

struct gpu_options {
	unsigned heads; /* outputs that may have a monitor, 1..GPU_MAX_HEADS */
	struct gpu_output outputs[GPU_MAX_HEADS];
	uint64_t window_size; /* bytes; power of two */
	enum gpu_pages pages;
	struct gpu_limits limits;
	/* Contexts do not draw into what a viewer still reads. */
	bool pace;
	struct display_server *display; /* must outlive the gpu */
	/* The renderer is up, and a vhost may be attached; or error is negative errno. */
	void (*ready)(void *data, int error);
	/* The front end is gone. */
	void (*disconnected)(void *data, int error);
	void *data;
};

/* Negative errno. */
int gpu_create(const struct gpu_options *options, uv_loop_t *loop, struct gpu **out);

/* Callbacks for the renderer; their data is the gpu. */
extern const struct render_callbacks gpu_render_callbacks;

/* Before the renderer is ready. */
void gpu_set_render(struct gpu *gpu, struct render *render);

/* Features, config and callbacks for vhost_create. Valid once the renderer is ready. */
void gpu_vhost_options(struct gpu *gpu, struct vhost_options *options);

/* After vhost_create. */
void gpu_attach(struct gpu *gpu, struct vhost *vhost);

/* Before vhost_destroy: no command is completed any more. */
void gpu_detach(struct gpu *gpu);

/*
 * Changes a head's monitor and tells the guest (hot-plug, COUNTER_HOT_PLUG_EVENTS). Width or height 0
 * takes the monitor away: the head goes dark, and DISPLAY_INFO says so; refresh_mhz is kept for the
 * next one. Changes that come fast are told together.
 */
void gpu_set_mode(struct gpu *gpu, unsigned head, const struct gpu_mode *mode);

/* Valid until the next gpu_set_mode. */
const struct gpu_mode *gpu_mode(const struct gpu *gpu, unsigned head);

/*
 * Where a head is in the layout that DISPLAY_INFO suggests: heads with a monitor side by side,
 * left to right, tops aligned. A head without one is 0 pixels wide.
 */
struct rect gpu_layout(const struct gpu *gpu, unsigned head);
struct rect gpu_layout_bounds(const struct gpu *gpu);

/*
 * Drops all state without a word to guest or renderer: both are destroyed before. done(data) runs
 * when the loop's handles are closed.
 */
void gpu_destroy(struct gpu *gpu, void (*done)(void *data), void *data);

/* How far the guest is from a limit. */
void gpu_limit_usage(const struct gpu *gpu, enum gpu_limit limit, struct gpu_limit_usage *out);

/*
 * Bytes of pixels the CPU copied while a head showed a blob: the figure that has to be 0 on the
 * blob path. What was copied before, such as the boot console, is in the counter alone.
 */
uint64_t gpu_copied_on_blob_path(const struct gpu *gpu);

#endif
