/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_CONSOLE_H
#define HESPER_VIEW_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "view/bus.h"
#include "view/presenter.h"
#include "view/source.h"

/* The display may keep a picture waiting for so long; then it is left out. */
#define CONSOLE_PATIENCE_NS 40000000ull

/* What the consoles of one viewer share. */
struct console_shared {
	struct presenter *presenter;
	struct view_bus *bus;
	struct source_cache *sources;
	uint64_t dropped; /* pictures that were taken from the bus and not shown */
};

/*
 * One of the machine's consoles, and where it is shown. Its newest picture waits here until the
 * display takes it, so that one display that does not cannot hold up the others. Main thread.
 */
struct console {
	struct console_shared *shared;
	unsigned id;
	bool known;  /* the server has told of it */
	struct view_console_info info;
	bool closed; /* by the user, until it is enabled anew */
	struct screen *screen; /* NULL: not shown */

	bool waiting; /* next is to be shown, and update to be answered */
	struct frame next; /* with a reference */
	struct view_update *update;
	uint64_t arrived_ns;
	uint64_t frame_id;  /* as in view_console_event */
	bool tried;  /* to draw it */
	bool dirty;  /* what is shown must be drawn again */
	uint64_t busy_since_ns; /* its display takes no picture; 0: it does */
	bool stalled; /* and that for too long */
	uint64_t retry_ns; /* not to be drawn before */

	struct frame shown; /* the newest one, with a reference; memory NULL: nothing is shown */
	uint32_t width; /* of the last picture, also when nothing is shown any more */
	uint32_t height;
	const struct format *format;
	uint64_t presented;
	uint64_t presented_ns; /* the last one; 0: none since the figures began */
	uint64_t live_presented;
};

/* False after words in the log. */
bool console_open(struct console *console);

/* The screen goes; no pictures come any more. Nothing happens when there is none. */
void console_close(struct console *console);

/* Takes over what is owned in *event. */
void console_event(struct console *console, struct view_console_event *event);

/*
 * Gives back a picture that came for a console without a screen, as one that was on its way when
 * the screen was closed. Not before screens had their chance to open: the first picture may come in
 * the same event as the console.
 */
void console_drop_unseen(struct console *console);

enum console_drawn {
	CONSOLE_NOTHING, /* was to be drawn, or could be */
	CONSOLE_REDRAWN,
	CONSOLE_PRESENTED, /* a new picture; it arrived at *arrived_ns */
	CONSOLE_FAILED,
};

/* Draws what is to be drawn, if the display takes it within timeout_ns. */
enum console_drawn console_draw(struct console *console, uint64_t timeout_ns, uint64_t *arrived_ns);

/* Whether there is something to draw; and from when on. */
bool console_has_work(struct console *console);
uint64_t console_due_ns(struct console *console);

#endif
