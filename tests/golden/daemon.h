/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_GOLDEN_DAEMON_H
#define HESPER_TESTS_GOLDEN_DAEMON_H

#include <linux/virtio_gpu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "front.h"
#include "gpu.h"

/*
 * A real hesperd, driven by the scripted front end: bytes in, answers and
 * pixels out. Anything unexpected ends the running cmocka test. One thread.
 */
#define DAEMON_RAM_BYTES (64ull << 20)
#define DAEMON_FEATURES (1ull << 32 | 1ull << 29 | 1ull << 28 | 0x3b)

struct daemon {
	pid_t pid;
	char directory[64];
	char display[96]; /* socket of the display */
	char stats[96];
	struct wire_front front;
};

/*
 * Starts hesperd (HESPERD in the environment names it) with the null renderer, probes and starts the
 * device.
 */
void daemon_open(struct daemon *daemon, unsigned outputs);
/* The same with these options, at most seven, NULL-terminated, and the renderer that they choose. */
void daemon_open_with(struct daemon *daemon, unsigned outputs, const char *const *options);
/* Ends the session; hesperd must exit 0 by itself. */
void daemon_close(struct daemon *daemon);
/* A counter of the statistics file, as of now. */
uint64_t daemon_counter(struct daemon *daemon, const char *name);

/* What the statistics say now of a limit: "allowed", "now", "most" or "refused". */
uint64_t daemon_limit(struct daemon *daemon, const char *limit, const char *what);

/* Sends a command on queue 0; the type of the answer. response may be NULL. */
uint32_t daemon_command(struct daemon *daemon, const void *request, uint32_t size, void *response,
			uint32_t response_size);

/* Wrappers that return the type of the answer. */
uint32_t daemon_create_2d(struct daemon *daemon, uint32_t id, uint32_t format, uint32_t width,
			  uint32_t height);
uint32_t daemon_attach(struct daemon *daemon, uint32_t id, uint64_t gpa, uint32_t len);
uint32_t daemon_transfer(struct daemon *daemon, uint32_t id, uint32_t x, uint32_t y, uint32_t width,
			 uint32_t height, uint64_t offset);
uint32_t daemon_set_scanout(struct daemon *daemon, uint32_t head, uint32_t id, uint32_t x,
			    uint32_t y, uint32_t width, uint32_t height);
uint32_t daemon_flush(struct daemon *daemon, uint32_t id, uint32_t width, uint32_t height);
uint32_t daemon_unref(struct daemon *daemon, uint32_t id);
uint32_t daemon_create_context(struct daemon *daemon, uint32_t context, uint32_t capset);
uint32_t daemon_create_blob(struct daemon *daemon, uint32_t context, uint32_t id, uint32_t mem,
			    uint64_t size, uint64_t gpa);
uint32_t daemon_map(struct daemon *daemon, uint32_t id, uint64_t offset);
uint32_t daemon_set_scanout_blob(struct daemon *daemon, uint32_t head, uint32_t id, uint32_t format,
				 uint32_t width, uint32_t height, uint32_t stride, uint32_t offset);
/* A part of a framebuffer of width x height. */
uint32_t daemon_set_scanout_blob_part(struct daemon *daemon, uint32_t head, uint32_t id,
				      uint32_t format, uint32_t width, uint32_t height,
				      uint32_t stride, uint32_t offset,
				      const struct virtio_gpu_rect *part);
uint32_t daemon_flush_part(struct daemon *daemon, uint32_t id, const struct virtio_gpu_rect *part);

/* A picture as a viewer sees it: r, g, b per pixel, top row first. */
struct picture {
	uint32_t width;
	uint32_t height;
	uint8_t *rgb;
};

/*
 * What hesper-view (HESPER_VIEW in the environment) shows of a head: one frame, its PNG read
 * back. picture_finish frees it.
 */
void daemon_look(struct daemon *daemon, unsigned head, struct picture *picture);
void picture_finish(struct picture *picture);

/* Reads a PNG; picture_finish frees it. */
void picture_read(struct picture *picture, const char *path);

#endif
