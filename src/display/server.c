/* SPDX-License-Identifier: MIT */
#include "display/server_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/trace.h"

/*
 * THEORY OF OPERATION
 *
 * A head keeps two frames: `next` is what the guest pointed the head at, `shown` is what it was
 * at the last update. Listeners only ever get `shown`, so that none sees a picture that the guest
 * has not finished. Each listener decides on its own when it sends (listener.c).
 *
 * One update makes one struct release, which every listener that will read the picture holds.
 * When the last one drops it the callback is due, but it does not run right there: callbacks may
 * call back into the server, so they run at the end of the outermost entry, from server_settle.
 */

struct acceptor {
	struct list link;
	struct display_server *server;
	uv_poll_t poll;
	int fd;
};

void release_hold(struct release *release)
{
	release->holders++;
}

void release_drop(struct display_server *server, struct release *release)
{
	if (release != NULL && --release->holders == 0) {
		list_append(&server->released, &release->link);
	}
}

void server_settle(struct display_server *server)
{
	if (server->settling) {
		return;
	}
	server->settling = true;
	while (!list_empty(&server->released)) {
		struct release *release = container_of(server->released.next, struct release, link);
		list_remove(&release->link);
		if (release->released != NULL) {
			release->released(release->data);
		}
		free(release);
	}
	server->settling = false;
}

static void server_free(struct display_server *server)
{
	for (unsigned i = 0; i < server->head_count; i++) {
		free(server->heads[i].name);
	}
	free(server->vm_name);
	free(server);
}

void server_leave(struct display_server *server)
{
	if (--server->living > 0 || !server->destroying) {
		return;
	}
	void (*destroyed)(void *data) = server->destroyed;
	void *data = server->destroyed_data;
	server_free(server);
	if (destroyed != NULL) {
		destroyed(data);
	}
}

int display_server_create(uv_loop_t *loop, const struct display_server_options *options,
			  struct display_server **out)
{
	if (options->heads == 0 || options->heads > DISPLAY_MAX_HEADS) {
		return -EINVAL;
	}
	struct display_server *server = calloc(1, sizeof(*server));
	if (server == NULL) {
		return -ENOMEM;
	}
	server->loop = loop;
	server->callbacks = options->callbacks;
	server->data = options->data;
	server->absolute = true;
	server->hold_ms = options->hold_ms != 0 ? options->hold_ms : DISPLAY_HOLD_MS;
	server->head_count = options->heads;
	server->vm_name = strdup(options->vm_name != NULL ? options->vm_name : "");
	bool complete = server->vm_name != NULL;
	for (unsigned i = 0; i < options->heads; i++) {
		const char *name = options->output_names[i];
		struct head *head = &server->heads[i];
		head->server = server;
		head->index = i;
		head->enabled = true;
		head->name = strdup(name != NULL ? name : "");
		complete &= head->name != NULL;
	}
	if (!complete) {
		server_free(server);
		return -ENOMEM;
	}
	list_init(&server->acceptors);
	list_init(&server->peers);
	list_init(&server->refused);
	list_init(&server->listeners);
	list_init(&server->released);
	server->living = 1; /* the server itself, until destroy */
	*out = server;
	return 0;
}

static void on_acceptor_closed(uv_handle_t *handle)
{
	struct acceptor *acceptor = handle->data;
	struct display_server *server = acceptor->server;
	fd_close(&acceptor->fd);
	free(acceptor);
	server_leave(server);
}

static void head_forget(struct head *head)
{
	memory_unref(head->next.memory);
	memory_unref(head->shown.memory);
	head->next = (struct frame){0};
	head->shown = (struct frame){0};
}

void display_server_destroy(struct display_server *server, void (*done)(void *data), void *data)
{
	server->destroying = true;
	server->destroyed = done;
	server->destroyed_data = data;
	struct list *item;
	struct list *tmp;
	list_for_each_safe (item, tmp, &server->acceptors) {
		struct acceptor *acceptor = container_of(item, struct acceptor, link);
		list_remove(&acceptor->link);
		uv_close((uv_handle_t *)&acceptor->poll, on_acceptor_closed);
	}
	peers_close(server);
	listeners_close(server);
	for (unsigned i = 0; i < server->head_count; i++) {
		head_forget(&server->heads[i]);
		free(server->heads[i].cursor.pixels);
		server->heads[i].cursor.pixels = NULL;
	}
	server_settle(server);
	server_leave(server);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct acceptor *acceptor = poll->data;
	int fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			log_limited(LOG_WARN, "display: cannot accept a viewer: %s",
				    strerror(errno));
		}
		return;
	}
	int r = display_server_add_peer(acceptor->server, fd);
	if (r < 0) {
		log_limited(LOG_WARN, "display: turned a viewer away: %s", strerror(-r));
		fd_close(&fd);
	}
}

int display_server_listen(struct display_server *server, int fd)
{
	struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
	if (acceptor == NULL) {
		return -ENOMEM;
	}
	int r = uv_poll_init(server->loop, &acceptor->poll, fd);
	if (r < 0) {
		free(acceptor);
		return r;
	}
	acceptor->server = server;
	acceptor->fd = fd;
	acceptor->poll.data = acceptor;
	server->living++;
	r = uv_poll_start(&acceptor->poll, UV_READABLE, on_connection);
	if (r < 0) {
		acceptor->fd = -1; /* the caller's */
		uv_close((uv_handle_t *)&acceptor->poll, on_acceptor_closed);
		return r;
	}
	list_append(&server->acceptors, &acceptor->link);
	return 0;
}

int display_server_add_peer(struct display_server *server, int fd)
{
	if (server->peer_count >= MAX_PEERS) {
		log_limited(LOG_WARN, "display: turned a viewer away: %u are connected",
			    server->peer_count);
		return peer_refuse(server, fd);
	}
	return peer_create(server, fd);
}

void display_server_scanout(struct display_server *server, unsigned head, const struct frame *frame)
{
	struct head *target = &server->heads[head];
	struct memory *old = target->next.memory;
	target->next = *frame;
	memory_ref(frame->memory);
	memory_unref(old);
}

void display_server_update(struct display_server *server, unsigned head, const struct rect *rect,
			   void (*released)(void *data), void *data)
{
	struct head *target = &server->heads[head];
	struct release *release = calloc(1, sizeof(*release));
	struct rect inside = {0};
	struct rect whole = {0, 0, target->next.width, target->next.height};
	target->updates++;
	if (trace_on()) {
		target->updated_ns = clock_now_ns();
	}
	bool visible = target->next.memory != NULL && rect_intersect(rect, &whole, &inside);
	if (release == NULL || !visible) {
		free(release);
		if (released != NULL) {
			released(data);
		}
		return;
	}
	*release = (struct release){.released = released, .data = data};
	list_init(&release->link);
	struct memory *old = target->shown.memory;
	target->shown = target->next;
	memory_ref(target->shown.memory);
	memory_unref(old);
	release_hold(release);
	listeners_update(target, &inside, release);
	release_drop(server, release);
	server_settle(server);
}

uint64_t display_server_updates(const struct display_server *server, unsigned head)
{
	return server->heads[head].updates;
}

void display_server_disable(struct display_server *server, unsigned head)
{
	head_forget(&server->heads[head]);
	listeners_disable(&server->heads[head]);
	server_settle(server);
}

void display_server_cursor_define(struct display_server *server, unsigned head, uint32_t width,
				  uint32_t height, int32_t hot_x, int32_t hot_y,
				  const uint32_t *pixels)
{
	struct cursor *cursor = &server->heads[head].cursor;
	uint32_t *copy = NULL;
	if (pixels != NULL && width > 0 && height > 0 && width <= MAX_CURSOR_SIDE &&
	    height <= MAX_CURSOR_SIDE) {
		size_t bytes = (size_t)width * height * sizeof(*pixels);
		copy = malloc(bytes);
		if (copy != NULL) {
			/* A pointer's shape is no frame: not counted. */
			memcpy(copy, pixels, bytes);
		}
	}
	free(cursor->pixels);
	cursor->pixels = copy;
	cursor->width = width;
	cursor->height = height;
	cursor->hot_x = hot_x;
	cursor->hot_y = hot_y;
	listeners_cursor(&server->heads[head], true);
}

void display_server_cursor_move(struct display_server *server, unsigned head, int32_t x, int32_t y,
				bool visible)
{
	struct cursor *cursor = &server->heads[head].cursor;
	cursor->x = x;
	cursor->y = y;
	cursor->visible = visible;
	listeners_cursor(&server->heads[head], false);
}

void head_tell_monitor(struct head *head, const struct display_monitor *monitor)
{
	struct display_server *server = head->server;
	if (!server->destroying && server->callbacks != NULL &&
	    server->callbacks->monitor != NULL) {
		server->callbacks->monitor(server->data, head->index, monitor);
	}
}

void head_tell_input(struct head *head, const struct display_input *input)
{
	struct display_server *server = head->server;
	if (!server->destroying && server->callbacks != NULL && server->callbacks->input != NULL) {
		server->callbacks->input(server->data, head->index, input);
	}
}

void display_server_set_size(struct display_server *server, unsigned head, uint32_t width,
			     uint32_t height)
{
	struct head *target = &server->heads[head];
	if (target->width != width || target->height != height) {
		target->width = width;
		target->height = height;
		peers_tell(server, head, PEER_NEWS_SIZE);
	}
}

void display_server_set_enabled(struct display_server *server, unsigned head, bool enabled)
{
	if (server->heads[head].enabled != enabled) {
		server->heads[head].enabled = enabled;
		peers_tell(server, head, PEER_NEWS_ENABLED);
	}
}

void display_server_set_leds(struct display_server *server, uint32_t leds)
{
	if (server->leds != leds) {
		server->leds = leds;
		for (unsigned i = 0; i < server->head_count; i++) {
			peers_tell(server, i, PEER_NEWS_LEDS);
		}
	}
}

void display_server_set_absolute(struct display_server *server, bool absolute)
{
	if (server->absolute != absolute) {
		server->absolute = absolute;
		for (unsigned i = 0; i < server->head_count; i++) {
			peers_tell(server, i, PEER_NEWS_ABSOLUTE);
		}
	}
}
