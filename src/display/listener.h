/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_LISTENER_H
#define HESPER_DISPLAY_LISTENER_H

#include "display/server_impl.h"

/* Private to listener.c (when to send), listener_send.c (what to send) and listener_trace.c. */

/* How pixels reach a listener, best first. */
enum listener_path {
	LISTENER_MAP,  /* Unix.Map: the fd of shared memory */
	LISTENER_DMABUF, /* the fd of a dma-buf */
	LISTENER_DMABUF2, /* the same, with an offset */
	LISTENER_DATA,  /* bytes in messages: counted and warned about */
};

struct listener {
	struct list link;
	struct display_server *server;
	struct head *head;
	struct bus_loop bus;
	uv_timer_t deadline;
	bool registered; /* counted in server->listener_count */
	bool closing;
	unsigned open;  /* bus and timer, until closed */

	bool ready;  /* its Interfaces are known */
	bool has_map;
	bool has_dmabuf2;
	bool map_refused; /* it answered a Scanout* with an error: do not ask again */
	bool dmabuf_refused;
	bool warned;

	/* The source told last; identified by the memory's id, holds no reference. */
	bool told;
	enum listener_path path;
	uint64_t memory_id;
	struct frame source; /* its memory pointer is not used */

	bool in_flight;  /* an Update waits for its reply */
	bool late;  /* … and has done so beyond the deadline: nothing is held for it */
	unsigned timely; /* answers in a row, up to what is enough to hold something for it */
	uint64_t sent_ms; /* arrival of the update in flight, loop time */
	struct release *flight_release;

	bool damaged;  /* something to send when nothing is in flight */
	struct rect damage;
	uint64_t damaged_ms;
	struct release *damage_release;

	bool disable;  /* Disable is to be sent */
	bool shape;  /* CursorDefine is to be sent */
	bool pointer;  /* MouseSet is to be sent */
	unsigned small_calls; /* cursor and disable calls without reply */

	/* For traces. */
	unsigned place; /* its track's number */
	uint64_t cookie; /* of the call that was sent last */
	uint64_t flight_id; /* of the update in flight, as in trace_frame_id; 0: it is not traced */
	uint64_t flight_ns;
	uint64_t
		flight_update; /* its number; 0: none, the viewer had to be told what was there before */
	uint64_t damaged_update; /* the newest one that waits, likewise */
};

/*
 * Sends what makes the listener show `rect` of the frame: a Scanout* when the source is another
 * one, and the Update, whose reply goes to on_updated. Negative errno, and then nothing waits.
 */
int listener_send_frame(struct listener *listener, const struct frame *frame,
			const struct rect *rect, sd_bus_message_handler_t on_scanout,
			sd_bus_message_handler_t on_updated);

int listener_send_disable(struct listener *listener, sd_bus_message_handler_t on_reply);
int listener_send_shape(struct listener *listener, sd_bus_message_handler_t on_reply);
int listener_send_pointer(struct listener *listener, sd_bus_message_handler_t on_reply);

/* listener_trace.c: what became of an update. To be called while trace_on(). */
void listener_trace_open(struct listener *listener);
/* begin_ns: before it was sent. */
void listener_trace_sent(struct listener *listener, uint64_t begin_ns);
void listener_trace_answered(struct listener *listener);
/* An update that is not shown, or not yet; what: a word. */
void listener_trace_lost(struct listener *listener, const char *what, uint64_t update,
			 const char *why);

#endif
