/* SPDX-License-Identifier: MIT */
#include "display/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "display/names.h"
#include "util/fd.h"
#include "util/log.h"

/*
 * A connection that asks for objects. What changes is told when it happens; to a peer that does not
 * read it is told, as of then, when it has read what is queued for it: `stale` remembers what.
 *
 * A connection that is one too many has no objects: whatever it calls is answered by why, and then it is
 * closed. A few of these wait for their call; the oldest makes room for the newest.
 */

/* Signals to a peer that reads nothing would pile up: above this many, none are sent. */
#define MAX_QUEUED_SIGNALS 16

struct news {
	unsigned bit;
	const char *interface;
	char *properties[3]; /* NULL-terminated */
};

static const struct news all_news[] = {
	{PEER_NEWS_SIZE, DISPLAY_CONSOLE, {"Width", "Height", NULL}},
	{PEER_NEWS_ENABLED, DISPLAY_HESPER, {"Enabled", NULL}},
	{PEER_NEWS_LEDS, DISPLAY_KEYBOARD, {"Modifiers", NULL}},
	{PEER_NEWS_ABSOLUTE, DISPLAY_MOUSE, {"IsAbsolute", NULL}},
};

static void console_path(unsigned head, char path[DISPLAY_CONSOLE_PATH_MAX])
{
	snprintf(path, DISPLAY_CONSOLE_PATH_MAX, DISPLAY_CONSOLE_PATH "%u", head);
}

static bool takes_signals(struct peer *peer)
{
	uint64_t queued = 0;
	return sd_bus_get_n_queued_write(peer->bus.bus, &queued) >= 0 &&
	       queued < MAX_QUEUED_SIGNALS;
}

static void tell_news(struct peer_console *console)
{
	struct peer *peer = console->peer;
	char path[DISPLAY_CONSOLE_PATH_MAX];
	if (sd_bus_is_ready(peer->bus.bus) <= 0) {
		console->stale = 0; /* it has asked for nothing yet */
		return;
	}
	console_path(console->head->index, path);
	for (size_t i = 0; i < sizeof(all_news) / sizeof(all_news[0]); i++) {
		const struct news *news = &all_news[i];
		if ((console->stale & news->bit) != 0 && takes_signals(peer)) {
			int r = sd_bus_emit_properties_changed_strv(
				peer->bus.bus, path, news->interface, (char **)news->properties);
			console->stale &= r < 0 ? ~0u : ~news->bit; /* on_drained tries again */
		}
	}
}

void peers_tell(struct display_server *server, unsigned head, enum peer_news news)
{
	struct list *item;
	list_for_each (item, &server->peers) {
		struct peer *peer = container_of(item, struct peer, link);
		peer->consoles[head].stale |= news;
		tell_news(&peer->consoles[head]);
	}
}

static void on_closed(void *data)
{
	struct peer *peer = data;
	struct display_server *server = peer->server;
	free(peer);
	server_leave(server);
}

static void peer_close(struct peer *peer)
{
	list_remove(&peer->link);
	if (peer->refused) {
		peer->server->refused_count--;
	} else {
		peer->server->peer_count--;
	}
	console_release_all(peer);
	bus_loop_close(&peer->bus, on_closed);
}

static void on_drained(void *data)
{
	struct peer *peer = data;
	if (peer->refused) {
		if (peer->answered) {
			peer_close(peer);
		}
		return;
	}
	for (unsigned i = 0; i < peer->server->head_count; i++) {
		if (peer->consoles[i].stale != 0) {
			tell_news(&peer->consoles[i]);
		}
	}
}

static void on_broken(void *data, int error)
{
	log_debug("display: a viewer's connection ended: %s", strerror(-error));
	peer_close(data);
}

static int add_objects(struct peer *peer)
{
	int r = sd_bus_add_object_manager(peer->bus.bus, NULL, DISPLAY_ROOT_PATH);
	if (r >= 0) {
		r = console_add_vm(peer);
	}
	for (unsigned i = 0; r >= 0 && i < peer->server->head_count; i++) {
		struct peer_console *console = &peer->consoles[i];
		char path[DISPLAY_CONSOLE_PATH_MAX];
		console_path(i, path);
		console->peer = peer;
		console->head = &peer->server->heads[i];
		r = console_add(console, path);
		if (r >= 0) {
			r = console_add_input(console, path);
		}
	}
	return r;
}

static int on_refused_call(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct peer *peer = data;
	uint8_t kind;
	if (sd_bus_message_get_type(call, &kind) < 0 || kind != SD_BUS_MESSAGE_METHOD_CALL) {
		return 0;
	}
	peer->answered = true;
	int r = sd_bus_reply_method_errorf(call, SD_BUS_ERROR_LIMITS_EXCEEDED,
					   "%u viewers are connected, and there may be no more",
					   MAX_PEERS);
	return r < 0 ? r : 1;
}

/* fd is owned on success. add: what its connection is to have. */
static int create(struct display_server *server, int fd, bool refused, struct list *among,
		  unsigned *count, int (*add)(struct peer *peer))
{
	struct peer *peer = calloc(1, sizeof(*peer));
	if (peer == NULL) {
		return -ENOMEM;
	}
	peer->server = server;
	peer->refused = refused;
	int own = fd_dup(fd);
	if (own < 0) {
		free(peer);
		return own;
	}
	int r = bus_loop_init(&peer->bus, server->loop, own, BUS_SERVER, on_broken, peer);
	if (r < 0) {
		fd_close(&own);
		free(peer);
		return r;
	}
	peer->bus.drained = on_drained;
	list_append(among, &peer->link);
	(*count)++;
	server->living++;
	r = add(peer);
	if (r >= 0) {
		r = bus_loop_start(&peer->bus);
	}
	if (r < 0) {
		peer_close(peer);
		return r;
	}
	fd_close(&fd);
	return 0;
}

int peer_create(struct display_server *server, int fd)
{
	return create(server, fd, false, &server->peers, &server->peer_count, add_objects);
}

static int add_refusal(struct peer *peer)
{
	return sd_bus_add_filter(peer->bus.bus, NULL, on_refused_call, peer);
}

int peer_refuse(struct display_server *server, int fd)
{
	if (server->refused_count >= MAX_REFUSED) {
		peer_close(container_of(server->refused.next, struct peer, link));
	}
	return create(server, fd, true, &server->refused, &server->refused_count, add_refusal);
}

static void close_all(struct list *peers)
{
	struct list *item;
	struct list *tmp;
	list_for_each_safe (item, tmp, peers) {
		peer_close(container_of(item, struct peer, link));
	}
}

void peers_close(struct display_server *server)
{
	close_all(&server->peers);
	close_all(&server->refused);
}
