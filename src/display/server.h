/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_SERVER_H
#define HESPER_DISPLAY_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "display/input.h"
#include "frame/frame.h"

/*
 * org.qemu.Display1, the serving end (QEMU's ui/dbus-display1.xml is the source of every name
 * here): /org/qemu/Display1/VM and /Console_0…, peer to peer over a listening unix socket. Any
 * number of viewers. Everything on the thread of `loop`; nothing blocks: a viewer that does not
 * read costs bounded memory and loses frames, never the VM.
 */
struct display_server;

#define DISPLAY_MAX_HEADS 16

struct display_server_callbacks {
	/* A viewer asks for another monitor. Numbers of a peer, as they came. May be NULL. */
	void (*monitor)(void *data, unsigned head, const struct display_monitor *monitor);
	/*
	 * A viewer's input. Checked: keys have 8 bits, buttons and slots exist, positions are
	 * inside of the head's size. A press comes when the first viewer presses, a release when
	 * the last one that pressed releases or goes; DISPLAY_RELEASE_ALL never comes. Wheel
	 * buttons come as DISPLAY_SCROLL. May be NULL.
	 */
	void (*input)(void *data, unsigned head, const struct display_input *input);
	/* Number of listeners that take pictures changed (registered, and asked what they know). */
	void (*listeners)(void *data, unsigned count);
};

/* Three pictures at 60 Hz: no person sees a guest that waits so long, once. */
#define DISPLAY_HOLD_MS 50

struct display_server_options {
	const char *vm_name;
	unsigned heads;
	/* org.hesper.Display1.Console.Name of each head; NULL: "". Copied. */
	const char *output_names[DISPLAY_MAX_HEADS];
	/* ms that an update is held for a listener that has not answered; 0: DISPLAY_HOLD_MS. */
	uint32_t hold_ms;
	const struct display_server_callbacks *callbacks;
	void *data;
};

int display_server_create(uv_loop_t *loop, const struct display_server_options *options,
			  struct display_server **out);

/* Closes every connection; done(data) runs when the loop's handles are closed. */
void display_server_destroy(struct display_server *server, void (*done)(void *data), void *data);

/* Serves connections of a listening socket; owns fd on success. */
int display_server_listen(struct display_server *server, int fd);

/* Serves one connected peer; owns fd on success. */
int display_server_add_peer(struct display_server *server, int fd);

/*
 * The head shows frame from now on; a reference to its memory is taken. Sent to listeners with
 * the next display_server_update (so that a viewer never shows a half-drawn one), or at once to
 * listeners that come later.
 */
void display_server_scanout(struct display_server *server, unsigned head,
			    const struct frame *frame);

/*
 * The rect of the current frame (frame coordinates) has new content. released(data) is called
 * exactly once, on this thread: when every listener has answered, i.e. its GPU has read the
 * pixels; or at once when there is none; or when a listener fell behind and the frame was
 * dropped for it. released may be NULL.
 * At most one update per listener and head is on its way; when others come meanwhile, only the
 * latest picture and the union of the rects are kept (latest frame wins), and the ones left out
 * count as dropped (COUNTER_FRAMES_DROPPED) and are released at once.
 */
void display_server_update(struct display_server *server, unsigned head, const struct rect *rect,
			   void (*released)(void *data), void *data);

/* How many updates the head has had: the number of the last one, by which traces call it. */
uint64_t display_server_updates(const struct display_server *server, unsigned head);

/* The head shows nothing. */
void display_server_disable(struct display_server *server, unsigned head);

/* width x height ARGB8888 pixels (little-endian), copied; NULL pixels hide the cursor. */
void display_server_cursor_define(struct display_server *server, unsigned head, uint32_t width,
				  uint32_t height, int32_t hot_x, int32_t hot_y,
				  const uint32_t *pixels);
void display_server_cursor_move(struct display_server *server, unsigned head, int32_t x, int32_t y,
				bool visible);

/* Size of a head as told by Console.Width/Height; positions of input are within it. */
void display_server_set_size(struct display_server *server, unsigned head, uint32_t width,
			     uint32_t height);

/* Whether the guest has a monitor there: org.hesper.Display1.Console.Enabled; true at first. */
void display_server_set_enabled(struct display_server *server, unsigned head, bool enabled);

/* The keyboard's LEDs, DISPLAY_LED_*: Keyboard.Modifiers of every console. */
void display_server_set_leds(struct display_server *server, uint32_t leds);

/* Whether positions are taken, not motions: Mouse.IsAbsolute of every console; true at first. */
void display_server_set_absolute(struct display_server *server, bool absolute);

#endif
