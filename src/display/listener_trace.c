/* SPDX-License-Identifier: MIT */
#include "display/listener.h"

#include <stdio.h>

#include "util/clock.h"
#include "util/trace.h"

/*
 * The device's part of a frame's way, for traces: the arrow from the guest's flip through the Update
 * to the viewer. Its id is one that the viewer finds out, too, without being told: the connection's,
 * which the serving end has chosen, and the cookie that sd-bus has given the call.
 */

void listener_trace_open(struct listener *listener)
{
	char name[64];
	snprintf(name, sizeof(name), "notify, head %u, viewer %u", listener->head->index,
		 listener->place);
	trace_name(TRACE_NOTIFY + listener->place, name);
}

void listener_trace_sent(struct listener *listener, uint64_t begin_ns)
{
	const struct head *head = listener->head;
	sd_id128_t connection;
	listener->flight_id = 0;
	/* It does not wait: the connection is there, or nothing could have been sent. */
	if (sd_bus_get_bus_id(listener->bus.bus, &connection) < 0) {
		return;
	}
	listener->flight_id = trace_frame_id(connection.bytes, listener->cookie);
	listener->flight_ns = begin_ns;
	listener->flight_update = listener->damaged_update;
	if (listener->flight_update != 0) {
		trace_flow(TRACE_FLOW_OUT, TRACE_FLIP + head->index, head->updated_ns,
			   listener->flight_id);
	}
}

void listener_trace_answered(struct listener *listener)
{
	if (listener->flight_id != 0) {
		trace_frame_slice(listener->flight_update != 0 ? TRACE_FLOW_THROUGH
							       : TRACE_FLOW_OUT,
				  TRACE_NOTIFY + listener->place, "notify", listener->flight_id,
				  listener->flight_ns, clock_now_ns(),
				  TRACE_ARGS(TRACE_NUMBER("head", listener->head->index),
					     TRACE_NUMBER("flush", listener->flight_update),
					     TRACE_NUMBER("late", listener->late)));
		listener->flight_id = 0;
	}
}

void listener_trace_lost(struct listener *listener, const char *what, uint64_t update,
			 const char *why)
{
	trace_mark(TRACE_NOTIFY + listener->place, what, clock_now_ns(),
		   TRACE_ARGS(TRACE_NUMBER("head", listener->head->index),
			      TRACE_NUMBER("flush", update), TRACE_TEXT("reason", why)));
}
