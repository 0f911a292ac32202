/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_PROGRAM_SERVER_H
#define HESPER_RENDER_PROGRAM_SERVER_H

/*
 * The render server (virgl_render_server): started by us, so that we see its end. It gets our
 * environment and our process group, and ends by itself when the last socket to it closes.
 */

/* Where distributions put it; NULL when there is none. Static string. */
const char *server_find(void);

/*
 * Starts `path --socket-fd 3`. Returns the connected SOCK_SEQPACKET socket, which the caller owns,
 * or negative errno. *pidfd: readable once it has ended; the caller's. While we have one thread.
 */
int server_start(const char *path, int *pidfd);

#endif
