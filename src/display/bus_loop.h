/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_BUS_LOOP_H
#define HESPER_DISPLAY_BUS_LOOP_H

#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <uv.h>

#include "display/bus_input.h"

enum bus_role {
	BUS_CLIENT, /* authenticates itself */
	BUS_SERVER, /* authenticates the peer; lets anonymous ones in: the socket's mode decides */
};

/*
 * One sd-bus connection, between peers or to a message bus, in a libuv loop. Everything on the loop's thread. Calls and
 * replies may be sent at any time: what the socket does not take at once goes out from the loop.
 */
struct bus_loop {
	sd_bus *bus;
	uv_prepare_t prepare;
	uv_poll_t poll;
	uv_idle_t more; /* runs while there is more to process than one turn has time for */
	uv_timer_t timer;
	int fd; /* polled; the bus has a duplicate of its own */
	struct bus_input input; /* what the bus reads instead, between peers */
	bool input_waits; /* for the bus to read */
	int events; /* what poll waits for now */
	bool checks; /* input is in use */
	bool started;
	bool processing;
	bool closing;
	bool broken_told;
	unsigned open_handles;
	void (*broken)(void *data, int error);
	void (*closed)(void *data);
	/*
	 * May be set after bus_loop_init: runs before each wait of the loop while all that was sent
	 * is out; may send.
	 */
	void (*drained)(void *data);
	void *data;
};

/*
 * Takes a connected stream socket: fd is owned on success. Add objects to loop->bus, then start.
 * broken(data, negative errno) runs at most once, from the loop, when the connection ends.
 */
int bus_loop_init(struct bus_loop *loop, uv_loop_t *uv, int fd, enum bus_role role,
		  void (*broken)(void *data, int error), void *data);
int bus_loop_start(struct bus_loop *loop);

/*
 * The same, connecting to a message bus by its address, as in DBUS_SESSION_BUS_ADDRESS. Does not
 * wait for it. Of several addresses the first that answers at all.
 */
int bus_loop_init_address(struct bus_loop *loop, uv_loop_t *uv, const char *address,
			  void (*broken)(void *data, int error), void *data);

/*
 * Closes the connection; no callback of the bus runs afterwards, pending calls stay unanswered.
 * The storage must live until closed(data) has run, in a later loop iteration. Twice is harmless.
 */
void bus_loop_close(struct bus_loop *loop, void (*closed)(void *data));

/* Why a peer refuses something, in its words; an error of D-Bus need not have any. */
static inline const char *bus_refusal(const sd_bus_error *error)
{
	return error->message != NULL ? error->message : error->name;
}

#endif
