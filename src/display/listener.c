/* SPDX-License-Identifier: MIT */
#include "display/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "display/names.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/trace.h"

/*
 * THEORY OF OPERATION
 *
 * A listener has at most one Update in flight and at most one waiting. What comes while one waits
 * is folded into it: the picture sent is always the head's newest one, the rect the union. So a
 * listener costs a bounded number of messages, whatever the guest does and the viewer does not.
 *
 * Each of the two holds a release (server.c). The deadline timer bounds for how long: when the
 * reply does not come within hold_ms of the update's arrival, the listener is late and lets go of
 * both; until it answers, nothing is held for it at all, so a stopped viewer does not slow the
 * guest down. It is not disconnected: when it goes on, its reply sends it the newest picture. One that
 * was late has to be on time for a few updates before anything is held for it again: one that is always
 * a little late would else take hold_ms of the guest for each of its pictures.
 *
 * A listener whose Interfaces are not known yet only collects damage. One that answers a Scanout*
 * with an error gets the picture another way.
 */

#define TIMELY_ENOUGH 4 /* updates */

static void pump(struct listener *listener);

static struct rect rect_union(const struct rect *a, const struct rect *b)
{
	uint32_t left = a->x < b->x ? a->x : b->x;
	uint32_t top = a->y < b->y ? a->y : b->y;
	uint32_t right = a->x + a->width > b->x + b->width ? a->x + a->width : b->x + b->width;
	uint32_t bottom = a->y + a->height > b->y + b->height ? a->y + a->height : b->y + b->height;
	return (struct rect){left, top, right - left, bottom - top};
}

static void let_go(struct listener *listener, struct release **release)
{
	release_drop(listener->server, *release);
	*release = NULL;
}

static void on_handle_closed(struct listener *listener)
{
	if (--listener->open == 0) {
		struct display_server *server = listener->server;
		free(listener);
		server_leave(server);
	}
}

static void on_bus_closed(void *data)
{
	on_handle_closed(data);
}

static void on_timer_closed(uv_handle_t *handle)
{
	on_handle_closed(handle->data);
}

static void tell_count(struct display_server *server)
{
	if (!server->destroying && server->callbacks != NULL &&
	    server->callbacks->listeners != NULL) {
		server->callbacks->listeners(server->data, server->ready_count);
	}
}

static void listener_close(struct listener *listener)
{
	if (listener->closing) {
		return;
	}
	listener->closing = true;
	if (trace_on() && listener->in_flight) {
		listener_trace_lost(listener, "unanswered", listener->flight_update,
				    "the viewer left");
	}
	list_remove(&listener->link);
	let_go(listener, &listener->flight_release);
	let_go(listener, &listener->damage_release);
	uv_close((uv_handle_t *)&listener->deadline, on_timer_closed);
	bus_loop_close(&listener->bus, on_bus_closed);
	if (listener->registered) {
		listener->server->listener_count--;
		listener->server->places &= ~(1ull << listener->place);
	}
	if (listener->ready) {
		listener->server->ready_count--;
		tell_count(listener->server);
	}
}

static void on_broken(void *data, int error)
{
	struct listener *listener = data;
	struct display_server *server = listener->server;
	log_info("display: a viewer of head %u left: %s", listener->head->index, strerror(-error));
	listener_close(listener);
	server_settle(server);
}

static void on_deadline(uv_timer_t *timer)
{
	struct listener *listener = timer->data;
	listener->late = true;
	listener->timely = 0;
	if (trace_on()) {
		listener_trace_lost(listener, "late", listener->flight_update,
				    "no answer in time: nothing is held for it");
	}
	let_go(listener, &listener->flight_release);
	let_go(listener, &listener->damage_release);
	server_settle(listener->server);
}

static void damage_whole(struct listener *listener)
{
	listener->damaged = true;
	listener->damaged_ms = uv_now(listener->server->loop);
	listener->damaged_update = 0;
	listener->damage =
		(struct rect){0, 0, listener->head->shown.width, listener->head->shown.height};
}

static int on_updated(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct listener *listener = data;
	if (trace_on()) {
		listener_trace_answered(listener);
	}
	uv_timer_stop(&listener->deadline);
	listener->in_flight = false;
	listener->timely += !listener->late && listener->timely < TIMELY_ENOUGH;
	listener->late = false;
	let_go(listener, &listener->flight_release);
	pump(listener);
	server_settle(listener->server);
	return 0;
}

static int on_scanout(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct listener *listener = data;
	const sd_bus_error *refusal = sd_bus_message_get_error(reply);
	if (refusal == NULL || !listener->told || sd_bus_is_open(listener->bus.bus) <= 0) {
		return 0;
	}
	if (listener->path == LISTENER_DATA) {
		log_limited(LOG_WARN, "display: a viewer refuses the picture: %s",
			    bus_refusal(refusal));
		return 0;
	}
	if (listener->path == LISTENER_MAP) {
		listener->map_refused = true;
	} else {
		listener->dmabuf_refused = true;
	}
	log_warn("display: a viewer cannot use the %s: %s",
		 listener->path == LISTENER_MAP ? "shared memory" : "dma-buf",
		 bus_refusal(refusal));
	listener->told = false;
	if (listener->head->shown.memory != NULL) {
		damage_whole(listener);
	}
	pump(listener);
	server_settle(listener->server);
	return 0;
}

static int on_small_reply(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct listener *listener = data;
	listener->small_calls--;
	pump(listener);
	server_settle(listener->server);
	return 0;
}

static void send_frame(struct listener *listener)
{
	const struct frame *frame = &listener->head->shown;
	struct rect whole = {0, 0, frame->width, frame->height};
	struct rect rect;
	struct release *release = listener->damage_release;
	listener->damage_release = NULL;
	listener->damaged = false;
	if (!rect_intersect(&listener->damage, &whole, &rect)) {
		release_drop(listener->server, release);
		return;
	}
	uint64_t begin_ns = trace_on() ? clock_now_ns() : 0;
	int r = listener_send_frame(listener, frame, &rect, on_scanout, on_updated);
	if (r < 0) {
		log_limited(LOG_WARN, "display: a frame could not be sent: %s", strerror(-r));
		counter_add(COUNTER_FRAMES_DROPPED, 1);
		if (trace_on()) {
			listener_trace_lost(listener, "dropped", listener->damaged_update,
					    strerror(-r));
		}
		release_drop(listener->server, release);
		listener->damaged = true; /* with the next one */
		return;
	}
	counter_add(COUNTER_FRAMES_SENT, 1);
	listener->in_flight = true;
	if (trace_on()) {
		listener_trace_sent(listener, begin_ns);
	}
	listener->flight_release = release;
	listener->sent_ms = listener->damaged_ms;
	uint64_t age = uv_now(listener->server->loop) - listener->sent_ms;
	uint64_t hold = listener->server->hold_ms;
	uv_timer_start(&listener->deadline, on_deadline, age < hold ? hold - age : 0, 0);
}

/* One of the calls that are not pictures. What could not be sent stays due. */
static void send_small(struct listener *listener, bool *due,
		       int (*send)(struct listener *, sd_bus_message_handler_t))
{
	if (*due) {
		int r = send(listener, on_small_reply);
		*due = r < 0 && r != -ENODATA;
		listener->small_calls += r >= 0;
	}
}

/*
 * Sends what is due and may be sent. Safe to call at any time. Of the small calls one of each kind
 * is on its way: a pointer that changes its shape all the time still moves.
 */
static void pump(struct listener *listener)
{
	if (!listener->ready || listener->closing || sd_bus_is_open(listener->bus.bus) <= 0) {
		return;
	}
	bool idle = listener->small_calls == 0;
	if (idle) {
		send_small(listener, &listener->disable, listener_send_disable);
	}
	if (listener->damaged && !listener->in_flight && listener->head->shown.memory != NULL) {
		send_frame(listener);
	}
	if (idle) {
		send_small(listener, &listener->shape, listener_send_shape);
		send_small(listener, &listener->pointer, listener_send_pointer);
	}
}

void listener_update(struct listener *listener, const struct rect *rect, struct release *release)
{
	struct release *left_out = listener->damage_release;
	listener->damage_release = NULL;
	listener->disable = false;
	if (listener->damaged) {
		counter_add(COUNTER_FRAMES_DROPPED, listener->ready);
		if (trace_on()) {
			listener_trace_lost(listener, "folded", listener->damaged_update,
					    !listener->ready ? "the viewer is not ready"
					    : listener->late ? "the viewer is late"
							     : "the one before is on its way");
		}
		listener->damage = rect_union(&listener->damage, rect);
	} else {
		listener->damaged = true;
		listener->damage = *rect;
	}
	listener->damaged_ms = uv_now(listener->server->loop);
	listener->damaged_update = listener->head->updates;
	if (release != NULL && listener->ready && listener->timely == TIMELY_ENOUGH) {
		release_hold(release);
		listener->damage_release = release;
	}
	release_drop(listener->server, left_out);
	pump(listener);
}

static void read_interfaces(struct listener *listener, sd_bus_message *reply)
{
	const char *name;
	if (sd_bus_message_get_error(reply) != NULL ||
	    sd_bus_message_enter_container(reply, 'v', "as") < 0 ||
	    sd_bus_message_enter_container(reply, 'a', "s") < 0) {
		return;
	}
	while (sd_bus_message_read_basic(reply, 's', &name) > 0) {
		listener->has_map |= strcmp(name, DISPLAY_LISTENER_MAP) == 0;
		listener->has_dmabuf2 |= strcmp(name, DISPLAY_LISTENER_DMABUF2) == 0;
	}
}

static int on_interfaces(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct listener *listener = data;
	struct head *head = listener->head;
	if (sd_bus_is_open(listener->bus.bus) <= 0) {
		return 0; /* it left before it answered; on_broken follows */
	}
	read_interfaces(listener, reply);
	listener->ready = true;
	listener->server->ready_count++;
	tell_count(listener->server);
	log_info("display: a viewer shows head %u%s%s", head->index,
		 listener->has_map ? ", shared memory" : "",
		 listener->has_dmabuf2 ? ", dma-buf with offsets" : "");
	pump(listener);
	server_settle(listener->server);
	return 0;
}

static int ask_interfaces(struct listener *listener)
{
	sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(listener->bus.bus, &call, NULL,
					       DISPLAY_LISTENER_PATH,
					       "org.freedesktop.DBus.Properties", "Get");
	if (r >= 0) {
		r = sd_bus_message_append(call, "ss", DISPLAY_LISTENER, "Interfaces");
	}
	if (r >= 0) {
		r = sd_bus_call_async(listener->bus.bus, NULL, call, on_interfaces, listener,
				      UINT64_MAX);
	}
	sd_bus_message_unref(call);
	return r;
}

/* A listener that comes late gets all there is, at once. */
static void catch_up(struct listener *listener)
{
	struct head *head = listener->head;
	if (head->next.memory != NULL) {
		struct memory *old = head->shown.memory;
		head->shown = head->next;
		memory_ref(head->shown.memory);
		memory_unref(old);
		damage_whole(listener);
	}
	listener->shape = head->cursor.pixels != NULL;
	listener->pointer = head->cursor.pixels != NULL;
}

int listener_create(struct head *head, int fd)
{
	struct display_server *server = head->server;
	if (server->listener_count >= MAX_LISTENERS) {
		return -EUSERS;
	}
	struct listener *listener = calloc(1, sizeof(*listener));
	if (listener == NULL) {
		return -ENOMEM;
	}
	listener->server = server;
	listener->head = head;
	listener->timely = TIMELY_ENOUGH;
	list_init(&listener->link);
	int own = fd_dup(fd);
	int r = own;
	if (own >= 0) {
		r = bus_loop_init(&listener->bus, server->loop, own, BUS_SERVER, on_broken,
				  listener);
	}
	if (r < 0) {
		fd_close(&own);
		free(listener);
		return r;
	}
	uv_timer_init(server->loop, &listener->deadline);
	listener->deadline.data = listener;
	listener->open = 2;
	server->living++;
	r = bus_loop_start(&listener->bus);
	if (r >= 0) {
		r = ask_interfaces(listener);
	}
	if (r < 0) {
		listener_close(listener);
		return r;
	}
	fd_close(&fd);
	list_append(&server->listeners, &listener->link);
	listener->registered = true;
	server->listener_count++;
	listener->place = (unsigned)ffsll((long long)~server->places) - 1;
	server->places |= 1ull << listener->place;
	if (trace_on()) {
		listener_trace_open(listener);
	}
	catch_up(listener);
	return 0;
}

void listeners_close(struct display_server *server)
{
	struct list *item;
	struct list *tmp;
	list_for_each_safe (item, tmp, &server->listeners) {
		listener_close(container_of(item, struct listener, link));
	}
}

void listeners_update(struct head *head, const struct rect *rect, struct release *release)
{
	struct list *item;
	list_for_each (item, &head->server->listeners) {
		struct listener *listener = container_of(item, struct listener, link);
		if (listener->head == head) {
			listener_update(listener, rect, release);
		}
	}
}

void listeners_disable(struct head *head)
{
	struct list *item;
	list_for_each (item, &head->server->listeners) {
		struct listener *listener = container_of(item, struct listener, link);
		if (listener->head == head) {
			let_go(listener, &listener->damage_release);
			listener->damaged = false;
			listener->disable = listener->told;
			pump(listener);
		}
	}
}

void listeners_cursor(struct head *head, bool shape)
{
	struct list *item;
	list_for_each (item, &head->server->listeners) {
		struct listener *listener = container_of(item, struct listener, link);
		if (listener->head == head) {
			listener->shape |= shape;
			listener->pointer = true;
			pump(listener);
		}
	}
}
