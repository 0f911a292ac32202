/* SPDX-License-Identifier: MIT */
#ifndef HESPER_HESPERD_SEAT_H
#define HESPER_HESPERD_SEAT_H

#include <limits.h>
#include <uv.h>

#include "display/server.h"
#include "gpu/gpu.h"
#include "hesperd/keeper.h"
#include "input/input.h"

/*
 * Where a person sits: the sockets of the machine's input devices, and what viewers say, put into
 * the devices' terms. The thread of the loop.
 */
struct seat {
	uv_loop_t *loop;
	struct input *input;
	struct errands *errands; /* remove sockets */
	struct gpu *gpu; /* where its monitors are */
	struct display_server *display; /* is told of LEDs */
	bool absolute; /* the pointer was last moved to somewhere, not by something */
	unsigned sessions; /* connected devices */
	void (*ended)(void *data); /* a device's session did */
	void *data;
	struct seat_socket {
		struct seat *seat;
		enum input_kind kind;
		char path[PATH_MAX]; /* empty: none */
		int fd; /* listening; -1: no more */
		uv_poll_t poll;
		bool polling;
	} sockets[INPUT_KINDS];
};

/*
 * Names the sockets keyboard.sock, tablet.sock, mouse.sock and touch.sock in directory, which may be
 * NULL for none, to errands, as KEEPER_INPUT and the ones after it. seat may not
 * move afterwards.
 */
void seat_name(struct seat *seat, const char *directory, struct errands *errands);

/*
 * Makes the sockets that were named. window_files as for input_create. Negative errno, with a line in the log; then
 * nothing is left. The caller has set gpu, display, ended and data, or does before seat_serve; seat
 * may not move afterwards.
 */
int seat_open(struct seat *seat, uv_loop_t *loop, struct window_files *window_files);

/* From now on QEMU is let in, once at each socket. */
int seat_serve(struct seat *seat);

/* What a viewer said; head is the console that it was said to. */
void seat_input(struct seat *seat, unsigned head, const struct display_input *input);

/* Ends it all; done(data) runs in the loop when the devices' sessions are closed. */
void seat_close(struct seat *seat, void (*done)(void *data), void *data);

/* Removes the sockets that nobody has connected to. For an end before the loop has run. */
void seat_unlink(struct seat *seat);

#endif
