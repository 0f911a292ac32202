/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_SERVER_PROCESS_H
#define HESPER_RENDER_SERVER_PROCESS_H

#include <sys/types.h>

/*
 * The render server (virgl_render_server): started by us, so that we decide its environment. It
 * ends by itself when the last socket to it closes.
 */

/* Where distributions put it; NULL when there is none. Static string. */
const char *server_process_find(void);

/*
 * Starts `path --socket-fd 3` with our environment plus extra ("NAME=VALUE", NULL-terminated, or
 * NULL). Returns the connected SOCK_SEQPACKET socket, which the caller owns, or negative errno.
 * *pid: to be reaped by the caller. Any thread.
 */
int server_process_start(const char *path, char *const *extra, pid_t *pid);

#endif
