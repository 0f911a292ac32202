/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_CLIENT_H
#define HESPER_DISPLAY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "display/input.h"
#include "frame/frame.h"

/*
 * org.qemu.Display1, the viewing end: one connection to a machine (hesperd's, or any QEMU's), all
 * of its consoles. Pictures come for those that display_client_listen asked for. Everything on the
 * thread of `loop`; nothing blocks.
 */
struct display_client;

/* An Update that waits for its reply: the reply tells the server that the pixels were read. */
struct display_update;

struct display_console {
	unsigned id;
	const char *label; /* valid during the callback */
	bool graphic; /* false: a text console of QEMU's own, such as its monitor */
	bool enabled; /* always true for a server that does not tell */
	uint32_t width; /* pixels */
	uint32_t height;
	bool has_touch;
	bool has_monitor; /* org.hesper.Display1.Console: smooth scrolling, refresh rates */
};

struct display_client_callbacks {
	/*
	 * A console is there, or something of it changed. Comes once for each console before
	 * any picture of it. May be NULL.
	 */
	void (*console)(void *data, const struct display_console *console);
	/*
	 * A new picture source. The frame's memory carries one reference that the callee now
	 * owns. The same buffer comes again and again: tell it by the (st_dev, st_ino) of its
	 * fd, offset, stride and format, not by the memory's id.
	 */
	void (*scanout)(void *data, unsigned console, struct frame *frame);
	/*
	 * The rect has new content. Answer with display_update_done exactly once, from any time
	 * on, as soon as the pixels have been read.
	 */
	void (*update)(void *data, unsigned console, const struct rect *rect,
		       struct display_update *update);
	void (*disable)(void *data, unsigned console);
	/* ARGB8888 pixels, valid during the call. */
	void (*cursor_define)(void *data, unsigned console, uint32_t width, uint32_t height,
			      int32_t hot_x, int32_t hot_y, const uint32_t *pixels);
	void (*mouse_set)(void *data, unsigned console, int32_t x, int32_t y, bool visible);
	/* The keyboard's LEDs, DISPLAY_LED_*: the machine's, whatever console. May be NULL. */
	void (*leds)(void *data, uint32_t leds);
	/* Whether the pointer takes positions (else motions): the machine's. May be NULL. */
	void (*absolute)(void *data, bool absolute);
	/*
	 * The server is gone, broke the protocol, or could not be reached (said in the log);
	 * negative errno. Last callback.
	 */
	void (*disconnected)(void *data, int error);
};

enum display_client_way {
	DISPLAY_PEER, /* fd: connected to a display socket of hesperd */
	/*
	 * fd: connected to a QMP socket of a QEMU with -display dbus,p2p=yes, which is asked for
	 * a display connection (getfd, add_client) and then let go.
	 */
	DISPLAY_QMP,
	/* address: of a message bus ("unix:path=…") that a QEMU with -display dbus is on. */
	DISPLAY_BUS,
};

struct display_client_options {
	enum display_client_way way;
	int fd; /* DISPLAY_PEER, DISPLAY_QMP: owned on success */
	const char *address; /* DISPLAY_BUS: used during the call */
	const struct display_client_callbacks *callbacks;
	void *data;
};

/* Negative errno when not even the attempt could be made. */
int display_client_create(uv_loop_t *loop, const struct display_client_options *options,
			  struct display_client **out);

/* No callback but done(data) afterwards, which runs when the loop's handles are closed. */
void display_client_destroy(struct display_client *client, void (*done)(void *data), void *data);

/*
 * Pictures and the cursor of a console, from now on; also before the server has told which
 * consoles it has. A console that it does not have ends the connection (-ENXIO). Twice is harmless.
 */
void display_client_listen(struct display_client *client, unsigned console);

/* No scanout, update, disable or cursor of it any more. Its updates may still be answered. */
void display_client_ignore(struct display_client *client, unsigned console);

/* Loop thread. Accepted after the client or the listening has ended, too (then it only frees). */
void display_update_done(struct display_update *update);

/* The frame as traces call it (trace_frame_id), for the server, too; 0 when nothing is traced. */
uint64_t display_update_frame_id(const struct display_update *update);

/*
 * Sends what the user does with a console to the machine; does not wait for it. Keys, buttons and
 * fingers that this client has not put down are not released. While the server does not read,
 * everything but releases is dropped.
 */
void display_client_input(struct display_client *client, unsigned console,
			  const struct display_input *input);

/* SetMonitor where the server has it, else SetUIInfo. */
void display_client_set_monitor(struct display_client *client, unsigned console,
				const struct display_monitor *monitor);

#endif
