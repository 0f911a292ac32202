/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_BUS_H
#define HESPER_VIEW_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "frame/frame.h"

/*
 * The bus thread: the display client and the signals, in a loop of their own, so that a server
 * never waits for a swapchain and a signal never for a server. The main thread takes the newest
 * picture from here and sends answers back.
 */
struct view_bus;

/* An update that the server waits for; see view_bus_answer. */
struct view_update;

struct view_cursor {
	uint32_t width;
	uint32_t height;
	int32_t hot_x;
	int32_t hot_y;
	bool visible;
	uint32_t *pixels; /* ARGB8888; owned by whoever has the struct; NULL: the shape stays */
	int32_t x; /* of the hot-spot, pixels of the console */
	int32_t y;
};

/* What happened since the last take. */
struct view_event {
	bool has_update;
	struct frame frame;  /* with a reference, when has_update */
	struct view_update *update; /* to be answered */
	uint64_t arrived_ns;
	bool disabled;   /* nothing is shown any more (before has_update, if both) */
	bool has_cursor;
	struct view_cursor cursor;
	bool quit;   /* SIGINT or SIGTERM; stays true */
	unsigned captures;  /* SIGUSR1s */
	unsigned restarts;  /* SIGUSR2s */
	bool connected;   /* to a server, at some time; stays true */
	int gone;   /* the server is: negative errno; stays; 0 while it is there */
};

struct view_bus_options {
	const char *socket;
	unsigned console;
	unsigned wait_s;
	/* Called on the bus thread when there is something to take; must not block. May be NULL. */
	void (*wake)(void *data);
	void *data;
};

int view_bus_start(const struct view_bus_options *options, struct view_bus **out);

/* Main thread. Waits until there is something to take or CLOCK_MONOTONIC reaches until_ns. */
void view_bus_wait(struct view_bus *bus, uint64_t until_ns);

/* Main thread. Never blocks. What is owned in *event is the caller's. */
void view_bus_take(struct view_bus *bus, struct view_event *event);

/* Main thread, once for each update taken: its pixels have been read. NULL is accepted. */
void view_bus_answer(struct view_bus *bus, struct view_update *update);

/* Updates that a newer one replaced before the main thread took them. Any thread. */
uint64_t view_bus_dropped(struct view_bus *bus);

/* Main thread. Ends the thread; every update taken must have been answered. */
void view_bus_stop(struct view_bus *bus);

#endif
