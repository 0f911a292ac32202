/* SPDX-License-Identifier: MIT */
#include "display/client_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "util/fd.h"
#include "util/log.h"

static void on_broken(void *data, int error)
{
	struct client_listener *listener = data;
	client_fail(listener->client, error);
}

static void on_closed(void *data)
{
	struct client_listener *listener = data;
	struct display_client *client = listener->client;
	memory_unref(listener->copy);
	free(listener);
	client_leave(client);
}

void client_listener_close(struct client_listener *listener)
{
	if (listener->closing) {
		return;
	}
	listener->closing = true;
	listener->console->listener = NULL;
	list_remove(&listener->link);
	client_listener_forget_updates(listener);
	listener->registration = sd_bus_slot_unref(listener->registration);
	bus_loop_close(&listener->bus, on_closed);
}

static int on_registered(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct client_listener *listener = data;
	const sd_bus_error *refusal = sd_bus_message_get_error(reply);
	listener->registration = sd_bus_slot_unref(listener->registration);
	if (refusal != NULL && client_alive(listener->client)) {
		log_error("the server does not let us show console %u: %s",
			  listener->console->info.id, bus_refusal(refusal));
		client_fail(listener->client, -EPROTO);
	}
	return 0;
}

/* theirs stays the caller's: the message has a duplicate. */
static int register_listener(struct client_listener *listener, struct client_console *console,
			     int theirs)
{
	sd_bus_message *call = NULL;
	int r = client_call_new(console, DISPLAY_CONSOLE, "RegisterListener", &call);
	if (r >= 0) {
		r = sd_bus_message_append(call, "h", theirs);
	}
	if (r >= 0) {
		/* A machine that is stopped in a debugger answers when it goes on. */
		r = sd_bus_call_async(listener->client->server.bus, &listener->registration, call,
				      on_registered, listener, UINT64_MAX);
	}
	sd_bus_message_unref(call);
	return r;
}

static int start(struct client_listener *listener, struct client_console *console, int theirs)
{
	int r = client_listener_add_object(listener);
	if (r >= 0) {
		r = bus_loop_start(&listener->bus);
	}
	return r >= 0 ? register_listener(listener, console, theirs) : r;
}

void client_listener_create(struct client_console *console)
{
	struct display_client *client = console->client;
	struct client_listener *listener = calloc(1, sizeof(*listener));
	int pair[2] = {-1, -1};
	int r = listener == NULL ? -ENOMEM : 0;
	if (r >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		r = -errno;
	}
	if (r >= 0) {
		listener->client = client;
		listener->console = console;
		list_init(&listener->updates);
		r = bus_loop_init(&listener->bus, client->loop, pair[0], BUS_CLIENT, on_broken,
				  listener);
	}
	if (r < 0) {
		fd_close_all(pair, 2);
		free(listener);
		client_fail(client, r);
		return;
	}
	list_append(&client->listeners, &listener->link);
	client->open++;
	console->listener = listener;
	r = start(listener, console, pair[1]);
	fd_close(&pair[1]);
	if (r < 0) {
		client_fail(client, r);
	}
}
