/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_BUS_IMPL_H
#define HESPER_VIEW_BUS_IMPL_H

#include <pthread.h>
#include <uv.h>

#include "display/client.h"
#include "util/mailbox.h"
#include "view/bus.h"

#define VIEW_BUS_SIGNALS 4

/* What bus.c (the thread, and what goes to the server) and bus_news.c (what it says) share. */
struct view_bus {
	/* Constant while the thread runs. */
	struct view_bus_options options;
	pthread_t thread;

	/* Bus thread. */
	uv_loop_t loop;
	struct mailbox mailbox;
	uv_signal_t signals[VIEW_BUS_SIGNALS];
	int watched; /* of these */
	uv_timer_t retry;
	uint64_t give_up_ns;
	struct display_client *client;
	uint32_t listening; /* a bit for each console, also while there is no client */
	struct frame sources[VIEW_MAX_CONSOLES]; /* what updates are about; with a reference each */
	struct letter stop;

	pthread_mutex_t lock; /* guards what follows; never held over a call that can block */
	pthread_cond_t changed;
	bool pending; /* something to take */
	struct view_event next;
	uint64_t dropped;
};

struct view_update {
	struct letter letter; /* the answer, made with the update so that answering cannot fail */
	struct display_update *update;
	uint64_t frame_id; /* as in view_console_event */
};

/* Bus thread: an answer for the server. */
void view_bus_deliver_answer(struct letter *letter);

/* With the lock held: the main thread has something to take. Unlocks. */
void view_bus_unlock_and_wake(struct view_bus *bus);

void view_bus_tell_gone(struct view_bus *bus, int error);

/* Bus thread. Forgets a console's source and what waits of it; a waiting update is answered. */
void view_bus_forget(struct view_bus *bus, unsigned console);

extern const struct display_client_callbacks view_bus_callbacks;

#endif
