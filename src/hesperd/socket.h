/* SPDX-License-Identifier: MIT */
#ifndef HESPER_HESPERD_SOCKET_H
#define HESPER_HESPERD_SOCKET_H

/* fd_listen, with a line in the log that says what to do when it fails. *fd is -1 then. */
int socket_open(const char *path, int *fd);

#endif
