/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_CLIENT_IMPL_H
#define HESPER_DISPLAY_CLIENT_IMPL_H

#include "display/bus_loop.h"
#include "display/client.h"
#include "util/list.h"

/* Private to client.c (connections) and client_listener.c (the server's calls). */

struct display_client {
	uv_loop_t *loop;
	const struct display_client_callbacks *callbacks;
	void *data;
	unsigned head;
	struct bus_loop server;
	struct bus_loop listener;
	int offer;  /* the listener's other end, until it is handed over */
	struct list updates; /* struct display_update without an answer */
	/* The source that Update* calls are about; its memory pointer is not used. */
	bool has_source;
	struct frame source;
	struct memory *copy; /* what Scanout and Update with bytes draw into; owned */
	bool gone;  /* no callback any more */
	unsigned open;  /* connections, and the client itself until it is destroyed */
	void (*done)(void *data);
	void *done_data;
};

/* The object /org/qemu/Display1/Listener. Negative errno. */
int client_add_listener(struct display_client *client);

/* Updates that wait for an answer do without it. */
void client_forget_updates(struct display_client *client);

#endif
