/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "display/server.h"
#include "util/counters.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/options.h"

/*
 * A stand-in for hesperd: serves org.qemu.Display1 with generated pictures, so that a viewer can
 * be tested without a VM. Picture number N (from 0) has, at pixel (x, y):
 *   r = x + 5 N, g = y + 3 N, b = x ^ y, a = 255 - (x + y), each modulo 256.
 * view_golden.py knows the same formula.
 */

#define MAX_BUFFERS 8

struct fake {
	uv_loop_t loop;
	struct display_server *server;
	uv_signal_t signals[2];
	uv_timer_t timer;
	struct memory *memory[MAX_BUFFERS];
	struct frame frames[MAX_BUFFERS];
	bool free_again[MAX_BUFFERS];
	uint32_t number; /* of the next picture */
	unsigned listeners;
	struct display_monitor monitors[DISPLAY_MAX_HEADS]; /* that a viewer asked for last */
};

static struct {
	const char *socket;
	struct option_size size;
	uint32_t format;
	uint32_t padding;
	uint32_t offset;
	uint32_t crop;
	uint32_t buffers;
	uint32_t heads;
	uint32_t frames;
	uint32_t interval_ms;
	bool exit_after;
	bool cursor;
	bool still;
	bool patient;
} options = {.size = {64, 48}, .buffers = 3, .heads = 1, .interval_ms = 0};

/* The server's timers (by the linker's --wrap). */
int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t ms, uint64_t repeat);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t ms, uint64_t repeat);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t ms, uint64_t repeat)
{
	return __real_uv_timer_start(timer, callback, options.patient ? 1000 * ms : ms, repeat);
}

static const struct option_spec specs[] = {
	{"socket", 's', OPTION_STRING, &options.socket, "PATH", "Serve the display here", 0, 0},
	{"size", 0, OPTION_SIZE, &options.size, "WxH", "Size of the picture", 1, 8192},
	{"format", 0, OPTION_UINT, &options.format, "INDEX", "Row of the format table", 0, 0},
	{"padding", 0, OPTION_UINT, &options.padding, "BYTES", "Stride beyond the width", 0, 65536},
	{"offset", 0, OPTION_UINT, &options.offset, "BYTES", "Where the buffer starts", 0, 0},
	{"crop", 0, OPTION_UINT, &options.crop, "PIXELS", "Show the buffer without this border", 0,
	 256},
	{"buffers", 0, OPTION_UINT, &options.buffers, "N", "Buffers to flip", 1, MAX_BUFFERS},
	{"heads", 0, OPTION_UINT, &options.heads, "N", "Show each picture on so many consoles", 1,
	 DISPLAY_MAX_HEADS},
	{"frames", 0, OPTION_UINT, &options.frames, "N", "Pictures to show; 0 for no end", 0, 0},
	{"interval", 0, OPTION_UINT, &options.interval_ms, "MS",
	 "Time between pictures; 0: as soon as a buffer is released", 0, 0},
	{"exit-after", 0, OPTION_FLAG, &options.exit_after, NULL, "Exit after the last picture", 0,
	 0},
	{"cursor", 0, OPTION_FLAG, &options.cursor, NULL, "Define a pointer shape", 0, 0},
	{"still", 0, OPTION_FLAG, &options.still, NULL, "Draw picture 0 only, flip all the same", 0,
	 0},
	{"patient", 0, OPTION_FLAG, &options.patient, NULL,
	 "Give a late viewer a thousand times as long as the server does", 0, 0},
};

static const struct option_table table = {
	.program = "fake_scanout",
	.operands = "",
	.summary = "A stand-in for hesperd's display",
	.specs = specs,
	.count = sizeof(specs) / sizeof(specs[0]),
};

static void draw(const struct frame *frame, uint32_t number)
{
	const struct format *format = frame->format;
	uint8_t *base = frame->memory->mapping;
	for (uint32_t y = 0; y < frame->height; y++) {
		uint8_t *row = base + frame->offset + (size_t)y * frame->stride;
		for (uint32_t x = 0; x < frame->width; x++) {
			const uint8_t rgba[4] = {(uint8_t)(x + 5 * number),
						 (uint8_t)(y + 3 * number), (uint8_t)(x ^ y),
						 (uint8_t)(255 - (x + y))};
			/* The name says which channel each byte is. */
			for (int i = 0; i < 4; i++) {
				char channel = format->name[2 * i];
				const char *at = strchr("RGBA", channel);
				row[4 * x + i] = at != NULL ? rgba[at - "RGBA"] : 0x5a;
			}
		}
	}
}

static void next(struct fake *fake);

struct showing {
	struct fake *fake;
	unsigned buffer;
	unsigned heads; /* that have not released it */
};

static void finish(struct fake *fake)
{
	for (int i = 0; i < 2; i++) {
		uv_close((uv_handle_t *)&fake->signals[i], NULL);
	}
	uv_close((uv_handle_t *)&fake->timer, NULL);
	display_server_destroy(fake->server, NULL, NULL);
	fake->server = NULL;
}

static void on_timer(uv_timer_t *timer)
{
	next(timer->data);
}

static void on_released(void *data)
{
	struct showing *showing = data;
	struct fake *fake = showing->fake;
	if (--showing->heads > 0) {
		return;
	}
	fake->free_again[showing->buffer] = true;
	free(showing);
	if (fake->server == NULL || options.interval_ms != 0) {
		return;
	}
	/* From the loop, not from here: without viewers the release is immediate. */
	uv_timer_start(&fake->timer, on_timer, 0, 0);
}

static bool all_free(const struct fake *fake)
{
	for (unsigned i = 0; i < options.buffers; i++) {
		if (!fake->free_again[i]) {
			return false;
		}
	}
	return true;
}

static void next(struct fake *fake)
{
	if (options.frames != 0 && fake->number == options.frames) {
		if (options.exit_after && all_free(fake)) {
			finish(fake);
		}
		return;
	}
	unsigned buffer = fake->number % options.buffers;
	if (fake->listeners == 0 || !fake->free_again[buffer]) {
		return;
	}
	struct frame *frame = &fake->frames[buffer];
	if (!options.still || fake->number < options.buffers) {
		draw(frame, options.still ? 0 : fake->number);
	}
	fake->number++;
	fake->free_again[buffer] = false;
	struct frame shown = *frame;
	if (options.crop > 0) {
		struct rect part = {options.crop, options.crop, frame->width - 2 * options.crop,
				    frame->height - 2 * options.crop};
		shown = frame_crop(frame, &part);
	}
	struct showing *showing = malloc(sizeof(*showing));
	*showing = (struct showing){fake, buffer, options.heads};
	struct rect whole = {0, 0, shown.width, shown.height};
	for (uint32_t head = 0; head < options.heads; head++) {
		display_server_scanout(fake->server, head, &shown);
		display_server_update(fake->server, head, &whole, on_released, showing);
	}
}

static void on_listeners(void *data, unsigned count)
{
	struct fake *fake = data;
	fake->listeners = count;
	if (count > 0) {
		uv_timer_start(&fake->timer, on_timer, 0, options.interval_ms);
	}
}

static void on_signal(uv_signal_t *handle, int number)
{
	finish(handle->data);
}

static void on_monitor(void *data, unsigned head, const struct display_monitor *monitor)
{
	struct fake *fake = data;
	fake->monitors[head] = *monitor;
}

static const struct display_server_callbacks callbacks = {.monitor = on_monitor,
							  .listeners = on_listeners};

static int make_buffers(struct fake *fake)
{
	uint32_t stride = options.size.width * FORMAT_PIXEL_BYTES + options.padding;
	for (unsigned i = 0; i < options.buffers; i++) {
		uint64_t bytes = options.offset + (uint64_t)stride * options.size.height;
		fake->memory[i] = memory_create_shm("fake-scanout", (bytes + 4095) & ~4095ull);
		if (fake->memory[i] == NULL) {
			return -ENOMEM;
		}
		fake->frames[i] = (struct frame){.memory = fake->memory[i],
						 .format = format_at(options.format),
						 .width = options.size.width,
						 .height = options.size.height,
						 .stride = stride,
						 .offset = options.offset};
		fake->free_again[i] = true;
	}
	return 0;
}

static int serve(struct fake *fake)
{
	int fd = fd_listen(options.socket, 8);
	if (fd < 0) {
		return fd;
	}
	const struct display_server_options server = {
		.vm_name = "fake", .heads = options.heads, .callbacks = &callbacks, .data = fake};
	int r = display_server_create(&fake->loop, &server, &fake->server);
	if (r >= 0) {
		r = display_server_listen(fake->server, fd);
	}
	if (r < 0) {
		return r;
	}
	for (uint32_t head = 0; head < options.heads; head++) {
		display_server_set_size(fake->server, head, options.size.width,
					options.size.height);
	}
	if (options.cursor) {
		static uint32_t shape[16 * 16];
		for (int i = 0; i < 16 * 16; i++) {
			shape[i] = 0xffff0000;
		}
		display_server_cursor_define(fake->server, 0, 16, 16, 1, 1, shape);
		display_server_cursor_move(fake->server, 0, 10, 10, true);
	}
	return 0;
}

static void say(const struct fake *fake)
{
	printf("{\"pictures\": %u, \"sent\": %llu, \"dropped\": %llu, \"copied\": %llu, "
	       "\"monitors\": [",
	       fake->number, (unsigned long long)counter_read(COUNTER_FRAMES_SENT),
	       (unsigned long long)counter_read(COUNTER_FRAMES_DROPPED),
	       (unsigned long long)counter_read(COUNTER_CPU_COPIED_BYTES));
	for (uint32_t head = 0; head < options.heads; head++) {
		const struct display_monitor *monitor = &fake->monitors[head];
		printf("%s[%u, %u, %u, %u, %u]", head == 0 ? "" : ", ", monitor->width,
		       monitor->height, monitor->width_mm, monitor->height_mm,
		       monitor->refresh_mhz);
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	static struct fake fake;
	log_init("fake_scanout", LOG_WARN);
	if (options_parse(&table, argc, argv) < 0 || options.socket == NULL ||
	    format_at(options.format) == NULL) {
		return 2;
	}
	uv_loop_init(&fake.loop);
	uv_timer_init(&fake.loop, &fake.timer);
	fake.timer.data = &fake;
	const int numbers[2] = {SIGINT, SIGTERM};
	for (int i = 0; i < 2; i++) {
		uv_signal_init(&fake.loop, &fake.signals[i]);
		fake.signals[i].data = &fake;
		uv_signal_start(&fake.signals[i], on_signal, numbers[i]);
	}
	int r = make_buffers(&fake);
	if (r >= 0) {
		r = serve(&fake);
	}
	if (r < 0) {
		log_error("cannot serve %s: %s", options.socket, strerror(-r));
		return 1;
	}
	uv_run(&fake.loop, UV_RUN_DEFAULT);
	for (unsigned i = 0; i < options.buffers; i++) {
		memory_unref(fake.memory[i]);
	}
	say(&fake);
	unlink(options.socket);
	return uv_loop_close(&fake.loop) == 0 ? 0 : 1;
}
