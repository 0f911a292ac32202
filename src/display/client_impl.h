/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_CLIENT_IMPL_H
#define HESPER_DISPLAY_CLIENT_IMPL_H

#include "display/bus_loop.h"
#include "display/client.h"
#include "display/names.h"
#include "util/list.h"

/*
 * Private to the viewing end: client.c (the connection), client_console.c and
 * client_properties.c (what the machine tells of its consoles), client_input.c (what we tell it),
 * client_listener.c (the connection that pictures come over), client_picture.c and client_bytes.c
 * (the calls that come over it). All on the loop's thread.
 */

/* One console. Lives as long as the client. */
struct client_console {
	struct list link; /* in client->consoles */
	struct display_client *client;
	struct display_console info; /* label points to `label` */
	char label[64];
	unsigned questions; /* not yet answered */
	bool told;   /* to the callback */
	bool wanted; /* listened to, as soon as that is possible */
	struct client_listener *listener;

	/* What we hold down. */
	bool keys[DISPLAY_KEYS];
	bool buttons[DISPLAY_BUTTONS];
	bool touches[DISPLAY_MAX_TOUCH_SLOTS];
	int32_t scroll_x; /* less than a click, to a server without smooth scrolling */
	int32_t scroll_y;
};

/* The listener that a console has been given: our end of a socketpair. */
struct client_listener {
	struct list link; /* in client->listeners, until it is closed */
	struct display_client *client;
	struct client_console *console;
	struct bus_loop bus;
	sd_bus_slot *registration; /* the call that hands it over, until it is answered */
	bool closing;
	struct list updates; /* struct display_update without an answer */
	/* The source that Update* calls are about; its memory pointer is not used. */
	bool has_source;
	struct frame source;
	struct memory *copy; /* what Scanout and Update with bytes draw into; owned */
};

struct display_client {
	uv_loop_t *loop;
	const struct display_client_callbacks *callbacks;
	void *data;
	struct bus_loop server; /* bus NULL until it is connected */
	const char *destination; /* NULL between peers */
	bool by_qmp;
	struct qmp *qmp;  /* until it is closed */
	int ours;  /* our end of what QEMU is asked to serve, until it does */
	uv_timer_t again; /* the introduction: QEMU may still be putting its objects there */
	unsigned attempts;
	struct list consoles;
	struct list listeners;
	bool introduced; /* the server has told which consoles there are */
	bool gone;  /* no callback any more */
	unsigned open;  /* connections, and the client itself until it is destroyed */
	void (*done)(void *data);
	void *done_data;
};

/* client.c */
/* The client is of no use any more: tells so, once. */
void client_fail(struct display_client *client, int error);
/* False inside of the answers that sd-bus makes up when a connection ends. */
bool client_alive(struct display_client *client);
/* One of client->open is closed; the last frees the client. */
void client_leave(struct display_client *client);
/* A call of a console's method, to be appended to and sent; negative errno. */
int client_call_new(struct client_console *console, const char *interface, const char *member,
		    sd_bus_message **out);

/* client_console.c */
struct client_console *client_console_find(struct display_client *client, unsigned id);
struct client_console *client_console_add(struct display_client *client, unsigned id);
/* Asks what consoles there are and what they are like, and follows changes. */
int client_introduce(struct display_client *client);
int client_ask_consoles(struct display_client *client);

/* The console is known, or has changed. */
void client_console_tell(struct client_console *console);

/* client_properties.c */
int client_ask_properties(struct client_console *console);
int client_on_changed(sd_bus_message *signal, void *data, sd_bus_error *error);

/* client_listener.c */
/* Offers the server a listener on the console. Failures end the client. */
void client_listener_create(struct client_console *console);
/* No callback from it any more; it is freed when its handles are closed. */
void client_listener_close(struct client_listener *listener);

/* client_picture.c */
/* The object /org/qemu/Display1/Listener. Negative errno. */
int client_listener_add_object(struct client_listener *listener);
/* Updates that wait for an answer do without it. */
void client_listener_forget_updates(struct client_listener *listener);
int client_refuse(sd_bus_error *error, const char *why);
/* The callbacks of the same names; 1, as the call is answered later. memory is taken over. */
int client_tell_update(struct client_listener *listener, sd_bus_message *call,
		       const struct rect *rect);
void client_tell_scanout(struct client_listener *listener, struct memory *memory,
			 const struct frame *shape);
/* Four numbers of a peer; false: they are no rect, or *r says that they are not there. */
bool client_read_rect(sd_bus_message *call, struct rect *rect, int *r);

/* client_bytes.c: Listener.Scanout and .Update. */
int client_on_scanout(sd_bus_message *call, void *data, sd_bus_error *error);
int client_on_update(sd_bus_message *call, void *data, sd_bus_error *error);

#endif
