/* SPDX-License-Identifier: MIT */
#include "hesperd/seat.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hesperd/socket.h"
#include "input/config.h"
#include "input/qnum.h"
#include "util/fd.h"
#include "util/log.h"

/* Sockets. */

static void close_socket(struct seat_socket *socket)
{
	if (socket->polling) {
		uv_close((uv_handle_t *)&socket->poll, NULL);
		socket->polling = false;
	}
	if (socket->fd >= 0) {
		fd_close(&socket->fd);
		errands_remove(socket->seat->errands, KEEPER_INPUT + socket->kind);
	}
}

void seat_unlink(struct seat *seat)
{
	for (enum input_kind kind = 0; kind < INPUT_KINDS; kind++) {
		close_socket(&seat->sockets[kind]);
	}
}

/* One device, once: as for the GPU, QEMU cannot come back (protocols Q7). */
static void handle_accept(uv_poll_t *poll, int status, int events)
{
	struct seat_socket *socket = poll->data;
	struct seat *seat = socket->seat;
	int fd = accept4(socket->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0) {
		return;
	}
	close_socket(socket);
	int error = input_attach(seat->input, socket->kind, fd);
	if (error < 0) {
		log_error("cannot serve the machine's %s: %s", input_kind_name(socket->kind),
			  strerror(-error));
		fd_close(&fd);
		return;
	}
	log_info("the machine has connected its %s", input_kind_name(socket->kind));
	seat->sessions++;
}

int seat_serve(struct seat *seat)
{
	for (enum input_kind kind = 0; kind < INPUT_KINDS; kind++) {
		struct seat_socket *socket = &seat->sockets[kind];
		if (socket->fd < 0) {
			continue;
		}
		int error = uv_poll_init(seat->loop, &socket->poll, socket->fd);
		if (error < 0) {
			return error;
		}
		socket->poll.data = socket;
		socket->polling = true;
		error = uv_poll_start(&socket->poll, UV_READABLE, handle_accept);
		if (error < 0) {
			return error;
		}
	}
	return 0;
}

/* The devices. */

static void handle_leds(void *data, uint32_t leds)
{
	struct seat *seat = data;
	uint32_t out = ((leds >> LED_SCROLLL & 1) != 0 ? DISPLAY_LED_SCROLL : 0) |
		       ((leds >> LED_NUML & 1) != 0 ? DISPLAY_LED_NUM : 0) |
		       ((leds >> LED_CAPSL & 1) != 0 ? DISPLAY_LED_CAPS : 0);
	display_server_set_leds(seat->display, out);
}

static void handle_running(void *data, enum input_kind kind, bool running)
{
	struct seat *seat = data;
	log_debug("the guest %s the %s", running ? "takes" : "leaves", input_kind_name(kind));
	if (kind == INPUT_TABLET || kind == INPUT_MOUSE) {
		/* Only a guest that can do nothing else is offered motions instead of positions. */
		display_server_set_absolute(seat->display,
					    input_is_running(seat->input, INPUT_TABLET) ||
						    !input_is_running(seat->input, INPUT_MOUSE));
	}
}

static void handle_disconnected(void *data, enum input_kind kind, int error)
{
	struct seat *seat = data;
	if (error < 0) {
		log_error("the connection of the machine's %s broke: %s", input_kind_name(kind),
			  strerror(-error));
	}
	seat->sessions--;
	seat->ended(seat->data);
}

void seat_name(struct seat *seat, const char *directory, struct errands *errands)
{
	_Static_assert(KEEPER_INPUT + INPUT_KINDS <= ERRANDS_MAX_PATHS, "all have a number");
	seat->errands = errands;
	for (enum input_kind kind = 0; kind < INPUT_KINDS; kind++) {
		struct seat_socket *socket = &seat->sockets[kind];
		*socket = (struct seat_socket){.seat = seat, .kind = kind, .fd = -1};
		if (directory != NULL) {
			snprintf(socket->path, sizeof(socket->path), "%s/%s.sock", directory,
				 input_kind_name(kind));
			errands->paths[KEEPER_INPUT + kind] = socket->path;
		}
	}
}

int seat_open(struct seat *seat, uv_loop_t *loop, struct window_files *window_files)
{
	const struct input_options options = {
		.leds = handle_leds,
		.running = handle_running,
		.disconnected = handle_disconnected,
		.window_files = window_files,
		.data = seat,
	};
	seat->loop = loop;
	seat->absolute = true;
	int error = 0;
	for (enum input_kind kind = 0; kind < INPUT_KINDS && error == 0; kind++) {
		struct seat_socket *socket = &seat->sockets[kind];
		if (socket->path[0] != '\0') {
			error = socket_open(seat->errands, KEEPER_INPUT + kind, &socket->fd);
		}
	}
	if (error == 0) {
		error = input_create(loop, &options, &seat->input);
	}
	if (error < 0) {
		seat_unlink(seat);
	}
	return error;
}

void seat_close(struct seat *seat, void (*done)(void *data), void *data)
{
	struct input *input = seat->input;
	seat_unlink(seat);
	seat->input = NULL;
	input_destroy(input, done, data);
}

/* What viewers say. */

static uint16_t button_code(enum display_button button)
{
	switch (button) {
	case DISPLAY_BUTTON_LEFT:
		return BTN_LEFT;
	case DISPLAY_BUTTON_MIDDLE:
		return BTN_MIDDLE;
	case DISPLAY_BUTTON_RIGHT:
		return BTN_RIGHT;
	case DISPLAY_BUTTON_SIDE:
		return BTN_SIDE;
	case DISPLAY_BUTTON_EXTRA:
		return BTN_EXTRA;
	default:
		/* The wheel's come as DISPLAY_SCROLL. */
		return KEY_RESERVED;
	}
}

/* A place in size pixels as 0..INPUT_ABS_MAX: each pixel has its own share of the range. */
static uint32_t scale(double at, uint32_t size)
{
	double scaled = at * (INPUT_ABS_MAX + 1.0) / size;
	return scaled < 0 ? 0 : scaled > INPUT_ABS_MAX ? INPUT_ABS_MAX : (uint32_t)scaled;
}

static double cut(double at, uint32_t size)
{
	/* The picture may be larger than the monitor while that changes. Also for what is no number. */
	return at > 0 ? (at < size ? at : size) : 0;
}

/*
 * A guest has one pointer range for all its monitors. It is assumed to have them side by side, as
 * the device suggested: what a user arranges inside of the guest nobody tells us.
 */
static bool place(const struct seat *seat, unsigned head, double x, double y, uint32_t out[2])
{
	const struct rect monitor = gpu_layout(seat->gpu, head);
	const struct rect all = gpu_layout_bounds(seat->gpu);
	if (monitor.width == 0 || monitor.height == 0) {
		return false;
	}
	out[0] = scale(monitor.x + cut(x, monitor.width), all.width);
	out[1] = scale(monitor.y + cut(y, monitor.height), all.height);
	return true;
}

static void touch(struct seat *seat, unsigned head, const struct display_input *input)
{
	static const enum input_touch kinds[] = {
		[DISPLAY_TOUCH_BEGIN] = INPUT_TOUCH_BEGIN,
		[DISPLAY_TOUCH_UPDATE] = INPUT_TOUCH_UPDATE,
		[DISPLAY_TOUCH_END] = INPUT_TOUCH_END,
		/* Linux knows no other way for a finger to go. */
		[DISPLAY_TOUCH_CANCEL] = INPUT_TOUCH_END,
	};
	enum input_touch kind = kinds[input->touch.kind];
	uint32_t at[2] = {0, 0};
	/* A finger goes up even where there is no monitor any more. */
	if (kind == INPUT_TOUCH_END || place(seat, head, input->touch.x, input->touch.y, at)) {
		input_touch(seat->input, kind, input->touch.slot, at[0], at[1]);
	}
}

static void move_to(struct seat *seat, unsigned head, const struct display_input *input)
{
	uint32_t at[2];
	/* The middle of the pixel. */
	if (place(seat, head, input->to.x + 0.5, input->to.y + 0.5, at)) {
		seat->absolute = true;
		input_move_to(seat->input, at[0], at[1]);
	}
}

void seat_input(struct seat *seat, unsigned head, const struct display_input *input)
{
	switch (input->kind) {
	case DISPLAY_KEY:
		input_key(seat->input, input_key_of_qnum(input->key.qnum), input->key.down);
		break;
	case DISPLAY_BUTTON:
		input_button(seat->input, seat->absolute, button_code(input->button.button),
			     input->button.down);
		break;
	case DISPLAY_MOVE_TO:
		move_to(seat, head, input);
		break;
	case DISPLAY_MOVE_BY:
		seat->absolute = false;
		input_move_by(seat->input, input->by.dx, input->by.dy);
		break;
	case DISPLAY_SCROLL:
		input_scroll(seat->input, seat->absolute, input->by.dx, input->by.dy);
		break;
	case DISPLAY_TOUCH:
		touch(seat, head, input);
		break;
	case DISPLAY_RELEASE_ALL:
		input_release_all(seat->input);
		break;
	}
}
