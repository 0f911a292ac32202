/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_CLIENT_H
#define HESPER_DISPLAY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "frame/frame.h"

/*
 * org.qemu.Display1, the viewing end: connects to a server peer to peer, registers a listener on
 * one console, and turns its calls into callbacks. Everything on the thread of `loop`.
 */
struct display_client;

/* An Update that waits for its reply: the reply tells the server that the pixels were read. */
struct display_update;

struct display_client_callbacks {
	/*
	 * A new picture source. The frame's memory carries one reference that the callee now
	 * owns. The same buffer comes again and again: tell it by the (st_dev, st_ino) of its
	 * fd, offset, stride and format, not by the memory's id.
	 */
	void (*scanout)(void *data, struct frame *frame);
	/*
	 * The rect has new content. Answer with display_update_done exactly once, from any time
	 * on, as soon as the pixels have been read.
	 */
	void (*update)(void *data, const struct rect *rect, struct display_update *update);
	void (*disable)(void *data);
	/* ARGB8888 pixels, valid during the call. */
	void (*cursor_define)(void *data, uint32_t width, uint32_t height, int32_t hot_x,
			      int32_t hot_y, const uint32_t *pixels);
	void (*mouse_set)(void *data, int32_t x, int32_t y, bool visible);
	/* The server is gone or broke the protocol; negative errno. Last callback. */
	void (*disconnected)(void *data, int error);
};

/* Connects (fd: a connected socket, owned on success) and registers on console `head`. */
int display_client_create(uv_loop_t *loop, int fd, unsigned head,
			  const struct display_client_callbacks *callbacks, void *data,
			  struct display_client **out);
void display_client_destroy(struct display_client *client, void (*done)(void *data), void *data);

/* Loop thread. Accepted after the client is gone, too (then it only frees). */
void display_update_done(struct display_update *update);

void display_client_set_ui_info(struct display_client *client, uint32_t width, uint32_t height,
				uint32_t width_mm, uint32_t height_mm);

#endif
