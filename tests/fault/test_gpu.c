/* SPDX-License-Identifier: MIT */
/*
 * The device with the renderer that draws nothing, in one thread: the front half of its session,
 * the guest's driver and time are those of the fuzz targets (tests/fuzz/half.c).
 */
#include <endian.h>
#include <linux/virtio_gpu.h>
#include <string.h>

#include "../fuzz/half.h"
#include "fault.h"
#include "gpu/gpu.h"
#include "render/render_impl.h"
#include "util/fd.h"

#define PAGE 4096u
#define SIDE 64u
#define PICTURE (SIDE * SIDE * 4u)
#define WINDOW (1ull << 30)

enum { PICTURE_2D = 1, GUEST_BLOB, HOST_BLOB, CONTEXT = 1 };

static struct {
	struct display_server *display;
	struct gpu *gpu;
	struct render *render;
	struct render_options render_options;
	struct half half;
	bool ready;
	bool attached;
	bool closed;
	uint64_t fence;
} fx;

static void handle_ready(void *data, int error)
{
	fx.ready = true;
}

static void handle_disconnected(void *data, int error)
{
}

/* --- the driver ------------------------------------------------------------------------------ */

/* Once each: one may start itself again, while memory is short. */
static void let_time_pass(void)
{
	for (unsigned left = fuzz_timers(); left > 0; left--) {
		fuzz_fire_timer(0);
	}
}

/* Until the chain is used, which has to come: every command is answered. */
static void wait_for(const struct half_chain *chain, uint32_t type)
{
	for (unsigned i = 0; chain->pending; i++) {
		FAULT_CHECK(i < 1000, "command 0x%x is not answered", type);
		/* Without memory it waits. */
		if (i == 10) {
			fault_relent();
		}
		if (i > 5) {
			let_time_pass();
		}
		half_settle(&fx.half);
		half_answer_window(&fx.half, 0);
		while (half_next_used(&fx.half) != NULL) {
		}
	}
}

static void command(unsigned queue, void *request, uint32_t size, uint32_t expected)
{
	struct virtio_gpu_ctrl_hdr *hdr = request;
	struct virtio_gpu_ctrl_hdr answer;
	uint32_t type = le32toh(hdr->type);
	struct half_chain *chain = half_submit(&fx.half, queue, request, size, 1200, 2, true);
	FAULT_CHECK(chain != NULL, "the rings are full");
	half_kick(&fx.half, queue);
	wait_for(chain, type);
	memcpy(&answer, half_response(&fx.half, chain), sizeof(answer));
	uint32_t got = chain->written < sizeof(answer) ? 0 : le32toh(answer.type);
	if (got != expected) {
		FAULT_CHECK(fault_excuses() && got >= VIRTIO_GPU_RESP_ERR_UNSPEC,
			    "command 0x%x was answered 0x%x", type, got);
	}
	FAULT_CHECK((answer.flags & htole32(VIRTIO_GPU_FLAG_FENCE)) ==
			    (hdr->flags & htole32(VIRTIO_GPU_FLAG_FENCE)),
		    "the fence of command 0x%x is lost", type);
}

#define SEND(request, expected) command(0, &(request), sizeof(request), (expected))
#define OK VIRTIO_GPU_RESP_OK_NODATA

static struct virtio_gpu_ctrl_hdr header(uint32_t type)
{
	return (struct virtio_gpu_ctrl_hdr){.type = htole32(type), .ctx_id = htole32(CONTEXT)};
}

static struct virtio_gpu_ctrl_hdr fenced(uint32_t type, bool ring)
{
	struct virtio_gpu_ctrl_hdr hdr = header(type);
	hdr.flags = htole32(VIRTIO_GPU_FLAG_FENCE | (ring ? VIRTIO_GPU_FLAG_INFO_RING_IDX : 0));
	hdr.fence_id = htole64(++fx.fence);
	hdr.ring_idx = ring ? 1 : 0;
	return hdr;
}

static void simple(uint32_t type, uint32_t expected)
{
	struct virtio_gpu_ctrl_hdr request = header(type);
	SEND(request, expected);
}

static void ask_around(void)
{
	struct virtio_gpu_cmd_get_edid edid = {.hdr = header(VIRTIO_GPU_CMD_GET_EDID)};
	struct virtio_gpu_get_capset_info info = {.hdr = header(VIRTIO_GPU_CMD_GET_CAPSET_INFO)};
	struct virtio_gpu_get_capset capset = {
		.hdr = header(VIRTIO_GPU_CMD_GET_CAPSET),
		.capset_id = htole32(RENDER_CAPSET_VENUS),
	};
	simple(VIRTIO_GPU_CMD_GET_DISPLAY_INFO, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	SEND(edid, VIRTIO_GPU_RESP_OK_EDID);
	SEND(info, VIRTIO_GPU_RESP_OK_CAPSET_INFO);
	SEND(capset, VIRTIO_GPU_RESP_OK_CAPSET);
}

static const struct virtio_gpu_rect whole = {0, 0, SIDE, SIDE};

/* Two pieces, in the wrong order. */
struct entries {
	struct virtio_gpu_mem_entry piece[2];
};

static const struct entries pages = {{
	{HALF_GPA + HALF_PAGES + 2 * PAGE, 2 * PAGE, 0},
	{HALF_GPA + HALF_PAGES, 2 * PAGE, 0},
}};

static void flush(uint32_t resource)
{
	struct virtio_gpu_resource_flush request = {
		.hdr = fenced(VIRTIO_GPU_CMD_RESOURCE_FLUSH, false),
		.r = whole,
		.resource_id = htole32(resource),
	};
	SEND(request, OK);
}

static void point(uint32_t resource)
{
	struct virtio_gpu_update_cursor request = {
		.hdr = header(VIRTIO_GPU_CMD_UPDATE_CURSOR),
		.resource_id = htole32(resource),
	};
	command(1, &request, sizeof(request), OK);
	request.hdr = header(VIRTIO_GPU_CMD_MOVE_CURSOR);
	command(1, &request, sizeof(request), OK);
}

static void draw_2d(void)
{
	struct virtio_gpu_resource_create_2d create = {
		.hdr = header(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D),
		.resource_id = htole32(PICTURE_2D),
		.format = htole32(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM),
		.width = htole32(SIDE),
		.height = htole32(SIDE),
	};
	struct {
		struct virtio_gpu_resource_attach_backing head;
		struct entries entries;
	} attach = {
		.head = {header(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING), htole32(PICTURE_2D), 2},
		.entries = pages,
	};
	struct virtio_gpu_transfer_to_host_2d transfer = {
		.hdr = header(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D),
		.r = whole,
		.resource_id = htole32(PICTURE_2D),
	};
	struct virtio_gpu_set_scanout show = {
		.hdr = header(VIRTIO_GPU_CMD_SET_SCANOUT),
		.r = whole,
		.resource_id = htole32(PICTURE_2D),
	};
	SEND(create, OK);
	SEND(attach, OK);
	SEND(transfer, OK);
	SEND(show, OK);
	flush(PICTURE_2D);
	point(PICTURE_2D);
}

static void create_blob(uint32_t id, uint32_t mem)
{
	bool guest = mem == VIRTIO_GPU_BLOB_MEM_GUEST;
	struct {
		struct virtio_gpu_resource_create_blob head;
		struct entries entries;
	} create = {
		.head =
			{
				.hdr = header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB),
				.resource_id = htole32(id),
				.blob_mem = htole32(mem),
				.blob_flags = htole32(VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE),
				.nr_entries = htole32(guest ? 2 : 0),
				.blob_id = htole64(id),
				.size = htole64(PICTURE),
			},
		.entries = pages,
	};
	command(0, &create, guest ? sizeof(create) : sizeof(create.head), OK);
}

static void show_blob(uint32_t id)
{
	struct virtio_gpu_set_scanout_blob show = {
		.hdr = header(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB),
		.r = whole,
		.resource_id = htole32(id),
		.width = htole32(SIDE),
		.height = htole32(SIDE),
		.format = htole32(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM),
		.strides = {htole32(SIDE * 4)},
	};
	SEND(show, OK);
	flush(id);
	point(id);
}

static void of_resource(uint32_t type, uint32_t id)
{
	struct virtio_gpu_ctx_resource request = {header(type), htole32(id), 0};
	SEND(request, OK);
}

static void render_something(void)
{
	struct virtio_gpu_ctx_create create = {
		.hdr = header(VIRTIO_GPU_CMD_CTX_CREATE),
		.nlen = htole32(4),
		.context_init = htole32(RENDER_CAPSET_VENUS),
		.debug_name = "test",
	};
	struct virtio_gpu_resource_map_blob map = {
		.hdr = header(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB),
		.resource_id = htole32(HOST_BLOB),
	};
	struct {
		struct virtio_gpu_cmd_submit head;
		uint32_t commands[16];
	} submit = {.head = {fenced(VIRTIO_GPU_CMD_SUBMIT_3D, true), htole32(64), 0}};
	SEND(create, OK);
	create_blob(GUEST_BLOB, VIRTIO_GPU_BLOB_MEM_GUEST);
	show_blob(GUEST_BLOB);
	create_blob(HOST_BLOB, VIRTIO_GPU_BLOB_MEM_HOST3D);
	SEND(map, VIRTIO_GPU_RESP_OK_MAP_INFO);
	of_resource(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, HOST_BLOB);
	of_resource(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, GUEST_BLOB);
	SEND(submit, OK);
	show_blob(HOST_BLOB);
}

static void clean_up(void)
{
	struct virtio_gpu_ctrl_hdr destroy = fenced(VIRTIO_GPU_CMD_CTX_DESTROY, true);
	of_resource(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, HOST_BLOB);
	of_resource(VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, GUEST_BLOB);
	of_resource(VIRTIO_GPU_CMD_RESOURCE_UNREF, HOST_BLOB);
	of_resource(VIRTIO_GPU_CMD_RESOURCE_UNREF, GUEST_BLOB);
	SEND(destroy, OK);
	of_resource(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, PICTURE_2D);
	of_resource(VIRTIO_GPU_CMD_RESOURCE_UNREF, PICTURE_2D);
}

static void play(void)
{
	struct vhost_options vhost;
	gpu_vhost_options(fx.gpu, &vhost);
	half_start(&fx.half, vhost.features);
	half_settle(&fx.half);
	ask_around();
	draw_2d();
	render_something();
	/* A pause, and a monitor that changes. */
	half_stop(&fx.half);
	half_resume(&fx.half);
	gpu_set_mode(fx.gpu, 0, &(struct gpu_mode){800, 600, 60000, 0, 0});
	let_time_pass();
	half_settle(&fx.half);
	clean_up();
}

/* --- the device ------------------------------------------------------------------------------ */

static int open_device(void)
{
	const struct display_server_options display = {.heads = 1};
	struct gpu_options options = {
		.heads = 1,
		.outputs = {{{640, 480, 60000, 0, 0}, "hesper-1"}},
		.window_size = WINDOW,
		.pages = GPU_PAGES_LIST,
		.ready = handle_ready,
		.disconnected = handle_disconnected,
	};
	int error = display_server_create(fuzz_loop(), &display, &fx.display);
	if (error < 0) {
		return error;
	}
	options.display = fx.display;
	error = gpu_create(&options, fuzz_loop(), &fx.gpu);
	if (error < 0) {
		return error;
	}
	fx.render_options =
		(struct render_options){.callbacks = &gpu_render_callbacks, .data = fx.gpu};
	error = render_create(&render_none, &fx.render_options, fuzz_loop(), &fx.render);
	if (error < 0) {
		return error;
	}
	gpu_set_render(fx.gpu, fx.render);
	fuzz_until(&fx.ready);
	struct vhost_options vhost;
	gpu_vhost_options(fx.gpu, &vhost);
	half_begin(&fx.half, vhost.queue_count);
	error = vhost_create(&vhost, -1, fuzz_loop(), &fx.half.vhost);
	if (error < 0) {
		fx.half.vhost = NULL;
		return error;
	}
	gpu_attach(fx.gpu, fx.half.vhost);
	return 0;
}

/* In hesperd's order. */
static void display_closed(void *data)
{
	fx.closed = true;
}

static void gpu_closed(void *data)
{
	if (fx.display == NULL) {
		display_closed(NULL);
	} else {
		display_server_destroy(fx.display, display_closed, NULL);
	}
}

static void render_closed(void *data)
{
	if (fx.gpu == NULL) {
		gpu_closed(NULL);
	} else {
		gpu_destroy(fx.gpu, gpu_closed, NULL);
	}
}

static void session_closed(void *data)
{
	if (fx.render == NULL) {
		render_closed(NULL);
	} else {
		render_destroy(fx.render, render_closed, NULL);
	}
}

static void close_device(void)
{
	if (fx.half.vhost != NULL) {
		gpu_detach(fx.gpu);
		half_end(&fx.half);
		vhost_destroy(fx.half.vhost, session_closed, NULL);
	} else {
		guest_memory_unref(fx.half.memory);
		session_closed(NULL);
	}
	fuzz_until(&fx.closed);
	/* What closed last may have said so before it freed itself. */
	fuzz_turns(2);
}

static void scenario(void *data)
{
	memset(&fx, 0, sizeof(fx));
	int error = open_device();
	if (error < 0) {
		FAULT_CHECK(fault_excuses(), "no device: %d", error);
	} else {
		play();
		/* The guest reboots. Nothing is left of what failed. */
		half_stop(&fx.half);
		fault_stop();
		play();
	}
	close_device();
}

/* tests/fuzz/fuzz.c */
int LLVMFuzzerInitialize(int *argc, char ***argv);

void fuzz_init(void)
{
	half_init();
}

void fuzz_one(const uint8_t *data, size_t size)
{
}

int main(void)
{
	fault_init("fault_gpu");
	LLVMFuzzerInitialize(NULL, NULL);
	fault_try_all(scenario, NULL);
	return fault_report();
}
