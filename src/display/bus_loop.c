/* SPDX-License-Identifier: MIT */
#include "display/bus_loop.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "display/names.h"
#include "util/fd.h"
#include "util/log.h"

/*
 * THEORY OF OPERATION
 *
 * sd-bus wants what its own event loop does: before each wait, ask the bus for the events and the
 * time it waits for; after each wake-up, process until nothing is left. libuv's prepare handles
 * run before each wait, so the first half is one of these, and no sender has to remember to arm
 * anything. The bus owns a duplicate of the socket: it closes it whenever it likes, also inside
 * of sd_bus_process, while libuv polls a descriptor that only we close.
 *
 * Between peers the bus reads what bus_input.c has checked; a message bus checks by itself.
 *
 * A peer that calls but never reads the replies would make the bus queue replies without end.
 * Above MAX_QUEUED messages the connection is therefore polled for writing only: what the peer
 * does not read, it pays for with silence.
 */

#define MAX_QUEUED 256
/* Messages of one connection in one loop iteration; the others wait for the next one. */
#define MAX_BURST 64

/* Viewers send numbers; servers send pictures, if they cannot share their memory. */
static const struct bus_input_limits from_client = {.body = 64 * 1024, .fds = 1};
static const struct bus_input_limits from_server = {.body = DISPLAY_MAX_ARRAY_BYTES + 64 * 1024,
						    .fds = BUS_INPUT_MAX_FDS};

static void tell_broken(struct bus_loop *loop, int error)
{
	if (!loop->broken_told && !loop->closing) {
		loop->broken_told = true;
		uv_poll_stop(&loop->poll);
		uv_idle_stop(&loop->more);
		uv_prepare_stop(&loop->prepare);
		uv_timer_stop(&loop->timer);
		loop->broken(loop->data, error);
	}
}

/* Not when the peer is gone: what is queued for it stays, and the bus has to be told so. */
static bool congested(struct bus_loop *loop)
{
	uint64_t queued = 0;
	return sd_bus_is_open(loop->bus) > 0 &&
	       sd_bus_get_n_queued_write(loop->bus, &queued) >= 0 && queued > MAX_QUEUED;
}

static void pump(struct bus_loop *loop)
{
	const char *why = "";
	int r = bus_input_pump(&loop->input, &why);
	loop->input_waits = r == -EAGAIN;
	if (r == -EPROTO) {
		log_limited(LOG_WARN, "display: a connection is closed: its other end sent %s",
			    why);
	}
}

static void on_more(uv_idle_t *more);

static void process(struct bus_loop *loop)
{
	int r = 1;
	loop->processing = true;
	if (bus_input_is_open(&loop->input) && !congested(loop)) {
		pump(loop);
	}
	for (int i = 0; i < MAX_BURST && r > 0 && !loop->closing && !congested(loop); i++) {
		r = sd_bus_process(loop->bus, NULL);
	}
	if (r > 0 && !loop->closing && congested(loop)) {
		r = sd_bus_process(loop->bus, NULL);
	}
	loop->processing = false;
	if (loop->closing) {
		sd_bus_close(loop->bus);
	} else if (r < 0) {
		tell_broken(loop, r);
	} else if ((r > 0 || loop->input_waits) && !congested(loop)) {
		uv_idle_start(&loop->more, on_more);
	} else {
		uv_idle_stop(&loop->more);
	}
}

static void on_more(uv_idle_t *more)
{
	process(more->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	process(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
	process(timer->data);
}

static void arm_timer(struct bus_loop *loop)
{
	uint64_t until;
	int r = sd_bus_get_timeout(loop->bus, &until);
	if (r < 0) {
		tell_broken(loop, r);
		return;
	}
	if (r == 0 || until == UINT64_MAX || congested(loop)) {
		uv_timer_stop(&loop->timer);
		return;
	}
	uint64_t now = uv_hrtime() / 1000;
	uint64_t wait_ms = until > now ? (until - now + 999) / 1000 : 0;
	uv_timer_start(&loop->timer, on_timer, wait_ms, 0);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct bus_loop *loop = prepare->data;
	uint64_t queued;
	if (loop->drained != NULL && sd_bus_get_n_queued_write(loop->bus, &queued) >= 0 &&
	    queued == 0) {
		loop->drained(loop->data);
	}
	int wanted = sd_bus_get_events(loop->bus);
	if (wanted < 0) {
		tell_broken(loop, wanted);
		return;
	}
	int events = (wanted & POLLOUT) != 0 ? UV_WRITABLE : 0;
	bool takes = !loop->checks || (bus_input_is_open(&loop->input) && !loop->input_waits);
	if ((wanted & POLLIN) != 0 && !congested(loop) && takes) {
		events |= UV_READABLE;
	}
	if (events != loop->events) {
		int r = uv_poll_start(&loop->poll, events, on_poll);
		if (r < 0) {
			tell_broken(loop, r);
			return;
		}
		loop->events = events;
	}
	arm_timer(loop);
}

/* The descriptors are the bus's, whatever comes of it. */
static int configure(sd_bus *bus, int input, int output, enum bus_role role)
{
	int r = sd_bus_set_fd(bus, input, output);
	if (r < 0) {
		fd_close(&input);
		fd_close(&output);
		return r;
	}
	if (role == BUS_SERVER) {
		sd_id128_t id;
		r = sd_id128_randomize(&id);
		if (r >= 0) {
			r = sd_bus_set_server(bus, 1, id);
		}
		if (r >= 0) {
			r = sd_bus_set_anonymous(bus, 1);
		}
	}
	if (r >= 0) {
		r = sd_bus_set_trusted(bus, 1);
	}
	return r < 0 ? r : sd_bus_negotiate_fds(bus, 1);
}

static void attach(struct bus_loop *loop, uv_loop_t *uv)
{
	uv_prepare_init(uv, &loop->prepare);
	uv_timer_init(uv, &loop->timer);
	uv_idle_init(uv, &loop->more);
	loop->open_handles = 4;
	loop->poll.data = loop;
	loop->more.data = loop;
	loop->prepare.data = loop;
	loop->timer.data = loop;
}

static int make_bus(struct bus_loop *loop, enum bus_role role)
{
	bool serves = role == BUS_SERVER;
	int input;
	int r = bus_input_init(&loop->input, loop->fd, serves, serves ? &from_client : &from_server,
			       &input);
	if (r < 0) {
		return r;
	}
	loop->checks = true;
	int output = fd_dup(loop->fd);
	r = output < 0 ? output : sd_bus_new(&loop->bus);
	if (r < 0) {
		fd_close(&input);
		fd_close(&output);
		return r;
	}
	return configure(loop->bus, input, output, role);
}

int bus_loop_init(struct bus_loop *loop, uv_loop_t *uv, int fd, enum bus_role role,
		  void (*broken)(void *data, int error), void *data)
{
	*loop = (struct bus_loop){.fd = fd, .input = {.feed = -1}, .broken = broken, .data = data};
	int r = make_bus(loop, role);
	if (r >= 0) {
		r = uv_poll_init(uv, &loop->poll, fd);
	}
	if (r < 0) {
		bus_input_finish(&loop->input);
		loop->bus = sd_bus_unref(loop->bus);
		return r;
	}
	attach(loop, uv);
	return 0;
}

/* Connected, as far as that goes without waiting. */
static int connect_address(sd_bus *bus, const char *address)
{
	int r = sd_bus_set_address(bus, address);
	if (r >= 0) {
		r = sd_bus_set_bus_client(bus, 1);
	}
	if (r >= 0) {
		r = sd_bus_negotiate_fds(bus, 1);
	}
	return r < 0 ? r : sd_bus_start(bus);
}

int bus_loop_init_address(struct bus_loop *loop, uv_loop_t *uv, const char *address,
			  void (*broken)(void *data, int error), void *data)
{
	*loop = (struct bus_loop){.fd = -1, .input = {.feed = -1}, .broken = broken, .data = data};
	int r = sd_bus_new(&loop->bus);
	if (r < 0) {
		return r;
	}
	r = connect_address(loop->bus, address);
	if (r >= 0) {
		loop->started = true;
		r = sd_bus_get_fd(loop->bus);
	}
	if (r >= 0) {
		r = fd_dup(r);
	}
	if (r >= 0) {
		loop->fd = r;
		r = uv_poll_init(uv, &loop->poll, loop->fd);
	}
	if (r < 0) {
		fd_close(&loop->fd);
		loop->bus = sd_bus_close_unref(loop->bus);
		return r;
	}
	attach(loop, uv);
	return 0;
}

int bus_loop_start(struct bus_loop *loop)
{
	int r = loop->started ? 0 : sd_bus_start(loop->bus);
	if (r < 0) {
		return r;
	}
	uv_prepare_start(&loop->prepare, on_prepare);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct bus_loop *loop = handle->data;
	if (--loop->open_handles > 0) {
		return;
	}
	loop->bus = sd_bus_close_unref(loop->bus);
	if (loop->closed != NULL) {
		loop->closed(loop->data);
	}
}

void bus_loop_close(struct bus_loop *loop, void (*closed)(void *data))
{
	if (loop->closing) {
		return;
	}
	loop->closing = true;
	loop->closed = closed;
	uv_close((uv_handle_t *)&loop->poll, on_closed);
	uv_close((uv_handle_t *)&loop->more, on_closed);
	uv_close((uv_handle_t *)&loop->prepare, on_closed);
	uv_close((uv_handle_t *)&loop->timer, on_closed);
	bus_input_finish(&loop->input);
	fd_close(&loop->fd);
	if (!loop->processing) {
		sd_bus_close(loop->bus);
	}
}
