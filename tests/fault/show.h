/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_FAULT_SHOW_H
#define HESPER_TESTS_FAULT_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "display/client.h"
#include "display/server.h"
#include "fault.h"

/*
 * Both ends of the display in one loop, of which any call may fail. What a fault may cost is
 * said here once: a viewer gets what it waits for, or is told that its connection has ended; it
 * never waits in vain. What the machine is told is released exactly once. And a viewer that comes
 * when the fault is over gets everything.
 */

struct show {
	uv_loop_t loop;
	uv_timer_t guard;
	struct display_server *server;
	unsigned updates; /* given to the server with a callback */
	unsigned released;
	unsigned monitors; /* as the machine was told */
	unsigned inputs;
	unsigned listeners;
	bool keys[DISPLAY_KEYS];
	bool closed;
};

struct viewer {
	const char *name;
	struct display_client *client;
	bool maps; /* what it is shown */
	bool slow; /* answers in the next turn */
	struct display_update *pending;
	unsigned consoles;
	unsigned scanouts;
	unsigned updates;
	unsigned disables;
	unsigned cursors;
	unsigned mouse_sets;
	unsigned leds;
	struct frame frame; /* with a reference */
	int gone; /* negative errno */
	bool closed;
};

/* False: a fault has hit; nothing is left to finish. */
bool show_init(struct show *show, bool serves);
void show_finish(struct show *show);

/* One turn of the loop, which does not wait longer than a millisecond. */
void show_turn(struct show *show);

/* A frame of the kind, filled; false: a fault has hit. frame.memory is the caller's. */
bool show_frame(struct frame *frame, enum memory_kind kind, uint64_t offset);
/* Draws: the head shows frame, all of it new. */
void show_draw(struct show *show, unsigned head, const struct frame *frame);

/* False: a fault has hit, fd is closed. */
bool viewer_connect(struct show *show, struct viewer *viewer, enum display_client_way way, int fd,
		    const char *address);
/* Over a socket pair. */
bool viewer_join(struct show *show, struct viewer *viewer);
void viewer_leave(struct show *show, struct viewer *viewer);

/*
 * Does action again and again until condition holds or the viewer is told that it has lost the
 * connection. A fault that lasts is over after a while. Fails when the viewer waits in vain all the
 * same, and when it is lost for nothing.
 */
#define show_until(show, viewer, condition, action)                                                \
	do {                                                                                       \
		uint64_t since_ = uv_hrtime();                                                     \
		while (!(condition) && (viewer)->gone == 0) {                                      \
			action;                                                                    \
			show_turn(show);                                                           \
			FAULT_CHECK(show_is_patient(since_), "%s waits in vain for: %s",           \
				    (viewer)->name, #condition);                                   \
		}                                                                                  \
		FAULT_CHECK((viewer)->gone == 0 || show_may_lose(), "%s was lost for nothing: %d", \
			    (viewer)->name, (viewer)->gone);                                       \
	} while (0)

/* False: it has waited too long. */
bool show_is_patient(uint64_t since_ns);
/* Whether a connection may be lost in this run. */
bool show_may_lose(void);

#endif
