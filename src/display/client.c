/* SPDX-License-Identifier: MIT */
#include "display/client_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "display/qmp.h"
#include "util/fd.h"
#include "util/log.h"

/*
 * THEORY OF OPERATION
 *
 * One connection, `server`, on which we ask for objects; and for each console that is listened to
 * another one, over a socketpair whose other end RegisterListener hands over. The serving end
 * authenticates all of them. sd-bus blocks when a descriptor is sent before the connection is known
 * to carry them, so no listener is offered before the server has answered something.
 *
 * Order: connect, ask VM for its consoles, ask each console for its properties (all at once);
 * a console is told when its answers are in, and a wanted one is registered then.
 */

static void close_listeners(struct display_client *client)
{
	struct list *item;
	struct list *tmp;
	list_for_each_safe (item, tmp, &client->listeners) {
		client_listener_close(container_of(item, struct client_listener, link));
	}
}

void client_fail(struct display_client *client, int error)
{
	if (!client->gone) {
		client->gone = true;
		uv_timer_stop(&client->again);
		close_listeners(client);
		client->callbacks->disconnected(client->data, error);
	}
}

bool client_alive(struct display_client *client)
{
	return !client->gone && client->server.bus != NULL &&
	       sd_bus_is_open(client->server.bus) > 0;
}

void client_leave(struct display_client *client)
{
	if (--client->open > 0) {
		return;
	}
	void (*done)(void *data) = client->done;
	void *done_data = client->done_data;
	struct list *item;
	struct list *tmp;
	list_for_each_safe (item, tmp, &client->consoles) {
		free(container_of(item, struct client_console, link));
	}
	free(client);
	if (done != NULL) {
		done(done_data);
	}
}

int client_call_new(struct client_console *console, const char *interface, const char *member,
		    sd_bus_message **out)
{
	struct display_client *client = console->client;
	char path[DISPLAY_CONSOLE_PATH_MAX];
	snprintf(path, sizeof(path), DISPLAY_CONSOLE_PATH "%u", console->info.id);
	return sd_bus_message_new_method_call(client->server.bus, out, client->destination, path,
					      interface, member);
}

static void on_broken(void *data, int error)
{
	struct display_client *client = data;
	if (client->by_qmp && !client->gone) {
		log_info("the machine has ended, or another viewer has taken its display: QEMU "
			 "serves the last one that asked over QMP");
	}
	client_fail(client, error);
}

static void on_server_closed(void *data)
{
	client_leave(data);
}

/* fd is owned on success. */
static int connect_peer(struct display_client *client, int fd)
{
	int r = bus_loop_init(&client->server, client->loop, fd, BUS_CLIENT, on_broken, client);
	if (r < 0) {
		return r;
	}
	client->open++;
	r = bus_loop_start(&client->server);
	return r < 0 ? r : client_introduce(client);
}

static void on_qmp_closed(void *data)
{
	client_leave(data);
}

static void on_qmp_done(void *data, int error)
{
	struct display_client *client = data;
	qmp_destroy(client->qmp, on_qmp_closed);
	client->qmp = NULL;
	if (error == 0) {
		int fd = client->ours;
		client->ours = -1;
		error = connect_peer(client, fd);
		if (error < 0 && client->server.bus == NULL) {
			fd_close(&fd);
		}
	}
	if (error < 0) {
		client_fail(client, error);
	}
}

/* fd is owned on success. */
static int connect_qmp(struct display_client *client, int fd)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		return -errno;
	}
	int r = qmp_create(client->loop, fd, pair[1], on_qmp_done, client, &client->qmp);
	if (r < 0) {
		fd_close_all(pair, 2);
		return r;
	}
	client->ours = pair[0];
	client->by_qmp = true;
	client->open++;
	return 0;
}

/* The machine's name on the bus has another owner. */
static int on_owner(sd_bus_message *signal, void *data, sd_bus_error *error)
{
	const char *name;
	const char *before;
	const char *now;
	if (sd_bus_message_read(signal, "sss", &name, &before, &now) > 0 && before[0] != '\0') {
		client_fail(data, -ECONNRESET);
	}
	return 0;
}

static int connect_bus(struct display_client *client, const char *address)
{
	int r = bus_loop_init_address(&client->server, client->loop, address, on_broken, client);
	if (r < 0) {
		return r;
	}
	client->open++;
	client->destination = DISPLAY_BUS_NAME;
	r = bus_loop_start(&client->server);
	if (r >= 0) {
		r = sd_bus_add_match_async(client->server.bus, NULL,
					   "type='signal',sender='org.freedesktop.DBus',"
					   "interface='org.freedesktop.DBus',"
					   "member='NameOwnerChanged',arg0='" DISPLAY_BUS_NAME "'",
					   on_owner, NULL, client);
	}
	return r < 0 ? r : client_introduce(client);
}

/* Each takes over a descriptor only on success. */
static int connect_way(struct display_client *client, const struct display_client_options *options)
{
	if (options->way == DISPLAY_BUS) {
		return connect_bus(client, options->address);
	}
	int own = fd_dup(options->fd);
	if (own < 0) {
		return own;
	}
	int r = options->way == DISPLAY_QMP ? connect_qmp(client, own) : connect_peer(client, own);
	if (r < 0 && client->server.bus == NULL) {
		fd_close(&own);
	}
	return r;
}

static void on_again_closed(uv_handle_t *handle)
{
	client_leave(handle->data);
}

int display_client_create(uv_loop_t *loop, const struct display_client_options *options,
			  struct display_client **out)
{
	struct display_client *client = calloc(1, sizeof(*client));
	if (client == NULL) {
		return -ENOMEM;
	}
	*client = (struct display_client){.loop = loop,
					  .callbacks = options->callbacks,
					  .data = options->data,
					  .ours = -1,
					  .open = 2}; /* itself and `again` */
	list_init(&client->consoles);
	list_init(&client->listeners);
	uv_timer_init(loop, &client->again);
	client->again.data = client;
	int r = connect_way(client, options);
	if (r < 0) {
		display_client_destroy(client, NULL, NULL);
		return r;
	}
	if (options->way != DISPLAY_BUS) {
		int fd = options->fd;
		fd_close(&fd);
	}
	*out = client;
	return 0;
}

void display_client_destroy(struct display_client *client, void (*done)(void *data), void *data)
{
	client->gone = true;
	client->done = done;
	client->done_data = data;
	close_listeners(client);
	fd_close(&client->ours);
	uv_close((uv_handle_t *)&client->again, on_again_closed);
	if (client->qmp != NULL) {
		qmp_destroy(client->qmp, on_qmp_closed);
		client->qmp = NULL;
	}
	if (client->server.bus != NULL) {
		bus_loop_close(&client->server, on_server_closed);
	}
	client_leave(client);
}

void display_client_listen(struct display_client *client, unsigned console)
{
	struct client_console *found = client_console_find(client, console);
	if (found == NULL && !client->introduced) {
		found = client_console_add(client, console);
	}
	if (found == NULL) {
		log_error("there is no console %u", console);
		client_fail(client, -ENXIO);
		return;
	}
	found->wanted = true;
	if (found->told && found->listener == NULL && client_alive(client)) {
		client_listener_create(found);
	}
}

void display_client_ignore(struct display_client *client, unsigned console)
{
	struct client_console *found = client_console_find(client, console);
	if (found == NULL) {
		return;
	}
	found->wanted = false;
	if (found->listener != NULL) {
		client_listener_close(found->listener);
	}
}
