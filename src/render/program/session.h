/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_PROGRAM_SESSION_H
#define HESPER_RENDER_PROGRAM_SESSION_H

#include <stdbool.h>

#include "render/wire.h"

/*
 * libvirglrenderer with one context in it, and hesperd's socket. All calls are the main thread's;
 * fences go to hesperd from a thread of the library.
 */
struct session {
	int socket; /* to hesperd */
	const char *server_path; /* NULL: the usual place */
	int server; /* pidfd of the render server */
	int worker; /* the library's socket to the context's process; not ours to close; -1: none */
	uint32_t max_commands; /* bytes that the library can hand to that process at a time */
	uint32_t context; /* 0: not made yet */
};

/* Initialises the library, starts the render server and fills capset. Negative errno. */
int session_init(struct session *session, int socket, const char *server_path,
		 struct render_capset *capset);

/*
 * Carries one message out, and answers if it is one that is answered. NULL, or why the context is
 * lost: a static string of less than 64 bytes. May block for as long as the context's process does.
 */
const char *session_execute(struct session *session, struct render_wire_buffer *buffer);

#endif
