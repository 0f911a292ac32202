/* SPDX-License-Identifier: MIT */
#ifndef HESPER_UTIL_FD_H
#define HESPER_UTIL_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* fds are -1 when empty. Any thread. */

/* Closes *fd when it is one, and sets it to -1. */
void fd_close(int *fd);

/* Closes each of count fds. */
void fd_close_all(int *fds, size_t count);

/* A CLOEXEC duplicate, or negative errno. */
int fd_dup(int fd);

int fd_set_nonblock(int fd, bool on);

/* Size in bytes by lseek(END): right for memfds, files and dma-bufs. Negative errno on failure. */
int64_t fd_size(int fd);

/*
 * A sealed (SHRINK|GROW|SEAL, never WRITE) memfd of size bytes, CLOEXEC; the caller owns it.
 * Negative errno.
 */
int fd_memfd(const char *name, uint64_t size);

/*
 * A listening, non-blocking, CLOEXEC stream socket at path. A dead socket file left there by a
 * process that is gone is replaced; a live one gives -EADDRINUSE. Negative errno.
 */
int fd_listen(const char *path, int backlog);

/* A connected CLOEXEC stream socket. Blocks for a local connect only. Negative errno. */
int fd_connect(const char *path);

/* Raises RLIMIT_NOFILE's soft limit to the hard one. */
void fd_raise_limit(void);

#endif
