/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_BUS_H
#define HESPER_VIEW_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "display/input.h"
#include "frame/frame.h"
#include "view/options.h"

/*
 * The bus thread: the display client and the signals, in a loop of their own, so that a server
 * never waits for a swapchain and a signal never for a server. The main thread takes the newest
 * pictures from here, and sends answers, input and wishes back.
 */
struct view_bus;

/* An update that the server waits for; see view_bus_answer. */
struct view_update;

/* The guest's pointer on a console. */
struct view_cursor {
	uint32_t width;
	uint32_t height;
	int32_t hot_x;
	int32_t hot_y;
	bool visible;
	uint32_t *pixels; /* ARGB8888; owned by whoever has the struct; NULL: the shape stays */
	int32_t x; /* of its upper left corner, pixels of the console; may be outside */
	int32_t y;
};

struct view_console_info {
	char label[64];
	bool graphic;
	bool enabled; /* the guest sees a monitor there */
	bool has_monitor; /* the server takes a monitor's refresh rate, too */
	uint32_t width; /* pixels; 0: unknown */
	uint32_t height;
};

/* What happened on one console. */
struct view_console_event {
	bool told;   /* info is new */
	struct view_console_info info;
	bool disabled;   /* nothing is shown any more (before has_update, if both) */
	bool has_update;
	struct frame frame;  /* with a reference, when has_update */
	struct view_update *update; /* to be answered */
	uint64_t arrived_ns;
	uint64_t frame_id;  /* as in trace_frame_id; 0: nothing is traced */
	bool has_cursor;
	struct view_cursor cursor;
};

/* What happened since the last take. */
struct view_event {
	uint32_t consoles;  /* a bit for each entry of console[] that is set */
	struct view_console_event console[VIEW_MAX_CONSOLES];
	bool has_leds;
	uint32_t leds;   /* DISPLAY_LED_* */
	bool has_absolute;
	bool absolute;
	bool quit;   /* SIGINT or SIGTERM; stays true */
	unsigned captures;  /* SIGUSR1s */
	unsigned restarts;  /* SIGUSR2s */
	bool connected;   /* to a server, at some time; stays true */
	int gone;   /* the server is: negative errno; stays; 0 while it is there */
};

struct view_bus_options {
	const char *socket; /* one of the three; see display/client.h */
	const char *qmp;
	const char *bus;
	unsigned wait_s;
	/* Called on the bus thread when there is something to take; must not block. May be NULL. */
	void (*wake)(void *data);
	void *data;
};

/* Negative errno. */
int view_bus_start(const struct view_bus_options *options, struct view_bus **out);

/* All that follows: main thread; nothing blocks but view_bus_wait and view_bus_stop. */

/* Waits until there is something to take or CLOCK_MONOTONIC reaches until_ns. */
void view_bus_wait(struct view_bus *bus, uint64_t until_ns);

/* What is owned in *event is the caller's. */
void view_bus_take(struct view_bus *bus, struct view_event *event);

/* Once for each update taken: its pixels have been read. NULL is accepted. */
void view_bus_answer(struct view_bus *bus, struct view_update *update);

/* Whether pictures of a console come. */
void view_bus_listen(struct view_bus *bus, unsigned console, bool on);

void view_bus_input(struct view_bus *bus, unsigned console, const struct display_input *input);
void view_bus_monitor(struct view_bus *bus, unsigned console,
		      const struct display_monitor *monitor);

/* Updates that a newer one replaced before they were taken. */
uint64_t view_bus_dropped(struct view_bus *bus);

/* Ends the thread; every update taken must have been answered. */
void view_bus_stop(struct view_bus *bus);

#endif
