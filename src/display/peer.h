/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_PEER_H
#define HESPER_DISPLAY_PEER_H

#include "display/server_impl.h"

/*
 * Private to the connections that ask for objects: peer.c (their life, what they are told of
 * changes), console.c (VM and Console), console_input.c (Keyboard, Mouse, MultiTouch, hesper's).
 */

/* What a vtable's handler gets: who asks, and of which console. */
struct peer_console {
	struct peer *peer;
	struct head *head;
	unsigned stale; /* enum peer_news that the peer has not been told yet */
};

struct peer {
	struct list link;
	struct display_server *server;
	struct bus_loop bus;
	bool refused; /* one too many; in server->refused, without objects */
	bool answered; /* and has been told so */
	struct peer_console consoles[DISPLAY_MAX_HEADS];
	/* What this peer holds down; server->held counts all peers. */
	bool keys[DISPLAY_KEYS];
	bool buttons[DISPLAY_BUTTONS];
	struct peer_console *touches[DISPLAY_MAX_TOUCH_SLOTS]; /* NULL: not down */
};

/* console.c, console_input.c: add the objects to the peer's connection. Negative errno. */
int console_add_vm(struct peer *peer);
int console_add(struct peer_console *console, const char *path);
int console_add_input(struct peer_console *console, const char *path);

/* console_input.c: releases what the peer holds down. */
void console_release_all(struct peer *peer);

#endif
