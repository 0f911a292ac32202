/* SPDX-License-Identifier: MIT */
#include "display/client_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "display/names.h"
#include "util/fd.h"
#include "util/log.h"

/*
 * Two connections: `server`, on which we ask for objects, and `listener`, one end of a socketpair
 * whose other end RegisterListener hands over. The serving end authenticates both. sd-bus blocks
 * when a descriptor is sent before the connection is known to carry them, so the registration
 * waits for the answer to a Ping.
 */

static void tell_gone(struct display_client *client, int error)
{
	if (!client->gone) {
		client->gone = true;
		client->callbacks->disconnected(client->data, error);
	}
}

static void on_broken(void *data, int error)
{
	tell_gone(data, error);
}

static int on_registered(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct display_client *client = data;
	const sd_bus_error *refusal = sd_bus_message_get_error(reply);
	if (refusal != NULL && sd_bus_is_open(client->server.bus) > 0) {
		log_error("the server does not let us show console %u: %s", client->head,
			  refusal->message);
		tell_gone(client, -EPROTO);
	}
	return 0;
}

static int register_listener(struct display_client *client)
{
	char path[sizeof(DISPLAY_CONSOLE_PATH) + 12];
	snprintf(path, sizeof(path), DISPLAY_CONSOLE_PATH "%u", client->head);
	sd_bus *bus = client->server.bus;
	sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(bus, &call, NULL, path, DISPLAY_CONSOLE,
					       "RegisterListener");
	if (r >= 0) {
		r = sd_bus_message_append(call, "h", client->offer);
	}
	if (r >= 0) {
		r = sd_bus_call_async(bus, NULL, call, on_registered, client, 0);
	}
	sd_bus_message_unref(call);
	fd_close(&client->offer);
	return r;
}

static int on_ping(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct display_client *client = data;
	if (sd_bus_is_open(client->server.bus) > 0) {
		int r = register_listener(client);
		if (r < 0) {
			tell_gone(client, r);
		}
	}
	return 0;
}

static int ping(struct display_client *client)
{
	return sd_bus_call_method_async(client->server.bus, NULL, NULL, DISPLAY_ROOT_PATH,
					"org.freedesktop.DBus.Peer", "Ping", on_ping, client, NULL);
}

static void leave(void *data)
{
	struct display_client *client = data;
	if (--client->open > 0) {
		return;
	}
	void (*done)(void *data) = client->done;
	void *done_data = client->done_data;
	memory_unref(client->copy);
	fd_close(&client->offer);
	free(client);
	if (done != NULL) {
		done(done_data);
	}
}

/* *fd is owned, and set to -1, on success. */
static int open_bus(struct display_client *client, struct bus_loop *bus, int *fd)
{
	int r = bus_loop_init(bus, client->loop, *fd, BUS_CLIENT, on_broken, client);
	if (r >= 0) {
		*fd = -1;
		client->open++;
	}
	return r;
}

int display_client_create(uv_loop_t *loop, int fd, unsigned head,
			  const struct display_client_callbacks *callbacks, void *data,
			  struct display_client **out)
{
	struct display_client *client = calloc(1, sizeof(*client));
	if (client == NULL) {
		return -ENOMEM;
	}
	*client = (struct display_client){.loop = loop,
					  .callbacks = callbacks,
					  .data = data,
					  .head = head,
					  .open = 1,
					  .offer = -1};
	list_init(&client->updates);
	int pair[2] = {-1, -1};
	int own = fd_dup(fd);
	int r = own < 0 ? own : 0;
	if (r >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		r = -errno;
	}
	if (r >= 0) {
		r = open_bus(client, &client->server, &own);
	}
	if (r >= 0) {
		r = open_bus(client, &client->listener, &pair[0]);
	}
	if (r >= 0) {
		r = client_add_listener(client);
	}
	if (r >= 0) {
		r = bus_loop_start(&client->listener);
	}
	if (r >= 0) {
		r = bus_loop_start(&client->server);
	}
	if (r >= 0) {
		r = ping(client);
	}
	fd_close(&own);
	fd_close(&pair[0]);
	client->offer = pair[1];
	if (r < 0) {
		display_client_destroy(client, NULL, NULL);
		return r;
	}
	fd_close(&fd);
	*out = client;
	return 0;
}

void display_client_destroy(struct display_client *client, void (*done)(void *data), void *data)
{
	client->gone = true;
	client->done = done;
	client->done_data = data;
	client_forget_updates(client);
	if (client->server.bus != NULL) {
		bus_loop_close(&client->server, leave);
	}
	if (client->listener.bus != NULL) {
		bus_loop_close(&client->listener, leave);
	}
	leave(client);
}

void display_client_set_ui_info(struct display_client *client, uint32_t width, uint32_t height,
				uint32_t width_mm, uint32_t height_mm)
{
	char path[sizeof(DISPLAY_CONSOLE_PATH) + 12];
	snprintf(path, sizeof(path), DISPLAY_CONSOLE_PATH "%u", client->head);
	sd_bus *bus = client->server.bus;
	sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(bus, &call, NULL, path, DISPLAY_CONSOLE,
					       "SetUIInfo");
	if (r >= 0) {
		uint16_t mm_x = width_mm > UINT16_MAX ? UINT16_MAX : (uint16_t)width_mm;
		uint16_t mm_y = height_mm > UINT16_MAX ? UINT16_MAX : (uint16_t)height_mm;
		r = sd_bus_message_append(call, "qqiiuu", mm_x, mm_y, 0, 0, width, height);
	}
	if (r >= 0) {
		r = sd_bus_message_set_expect_reply(call, 0);
	}
	if (r >= 0) {
		r = sd_bus_send(bus, call, NULL);
	}
	sd_bus_message_unref(call);
	if (r < 0) {
		log_debug("SetUIInfo was not sent: %s", strerror(-r));
	}
}
