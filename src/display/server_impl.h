/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_SERVER_IMPL_H
#define HESPER_DISPLAY_SERVER_IMPL_H

#include "display/bus_loop.h"
#include "display/server.h"
#include "util/list.h"

/* Private to the serving end: server.c, peer.c, console*.c, listener.c, listener_send.c. */

/* Beyond these a peer is turned away: every one costs descriptors and memory. */
#define MAX_PEERS 32
#define MAX_LISTENERS 64
/* Of those who are turned away and have not read why. */
#define MAX_REFUSED 4
#define MAX_CURSOR_SIDE 512

/* One display_server_update: counts those that still read the picture. */
struct release {
	struct list link; /* in server->released, when nobody is left */
	unsigned holders;
	void (*released)(void *data);
	void *data;
};

struct cursor {
	uint32_t *pixels; /* owned; NULL: hidden or never told */
	uint32_t width;
	uint32_t height;
	int32_t hot_x;
	int32_t hot_y;
	int32_t x;
	int32_t y;
	bool visible;
};

/* How many peers hold each key, button and touch slot down. */
struct held {
	uint8_t keys[DISPLAY_KEYS];
	uint8_t buttons[DISPLAY_BUTTONS];
	uint8_t touches[DISPLAY_MAX_TOUCH_SLOTS]; /* at most 1 */
};

struct head {
	struct display_server *server;
	unsigned index;
	char *name; /* owned */
	uint32_t width;  /* Console.Width, pixels */
	uint32_t height;
	bool enabled;
	struct frame next; /* told by display_server_scanout; memory NULL: nothing */
	struct frame shown; /* next, as of the last update: what listeners get */
	uint64_t updates; /* so far */
	uint64_t updated_ns; /* the last one, while it is traced */
	struct cursor cursor;
};

struct display_server {
	uv_loop_t *loop;
	const struct display_server_callbacks *callbacks;
	void *data;
	char *vm_name;
	uint32_t hold_ms;
	unsigned head_count;
	struct head heads[DISPLAY_MAX_HEADS];
	uint32_t leds;
	bool absolute;
	struct held held;
	struct list acceptors;
	struct list peers;
	struct list refused; /* struct peer, oldest first; not among peers */
	unsigned refused_count;
	struct list listeners;
	struct list released; /* struct release whose turn has come; see server_settle */
	bool settling;
	unsigned peer_count;
	unsigned listener_count; /* without those that are closing */
	unsigned ready_count;  /* of these, the ones that can be sent pictures */
	uint64_t places; /* bits: of listeners, in traces */
	unsigned living; /* acceptors, peers and listeners with open handles */
	bool destroying;
	void (*destroyed)(void *data);
	void *destroyed_data;
};

/* server.c */
void release_hold(struct release *release);
/* NULL is accepted. The callback runs in the next server_settle. */
void release_drop(struct display_server *server, struct release *release);
/* Runs the callbacks of finished releases. Last call of whatever entered the server. */
void server_settle(struct display_server *server);
void head_tell_monitor(struct head *head, const struct display_monitor *monitor);
void head_tell_input(struct head *head, const struct display_input *input);
/* Something with open handles is gone. */
void server_leave(struct display_server *server);

/* peer.c: a connection that asks for objects. */
int peer_create(struct display_server *server, int fd);
/* One too many: told so when it asks for something, and closed. fd is owned on success. */
int peer_refuse(struct display_server *server, int fd);
void peers_close(struct display_server *server);
enum peer_news {
	PEER_NEWS_SIZE = 1,
	PEER_NEWS_ENABLED = 2,
	PEER_NEWS_LEDS = 4,
	PEER_NEWS_ABSOLUTE = 8,
};
void peers_tell(struct display_server *server, unsigned head, enum peer_news news);

/* listener.c: a connection that gets pictures. */
struct listener;
/* fd is owned on success. */
int listener_create(struct head *head, int fd);
void listeners_close(struct display_server *server);
/* The head's shown frame has new content in rect; takes a hold on release while it needs it. */
void listener_update(struct listener *listener, const struct rect *rect, struct release *release);
/* For each listener of the head. */
void listeners_update(struct head *head, const struct rect *rect, struct release *release);
void listeners_disable(struct head *head);
void listeners_cursor(struct head *head, bool shape);

#endif
