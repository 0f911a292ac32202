/* SPDX-License-Identifier: MIT */
#ifndef HESPER_HESPERD_SOCKET_H
#define HESPER_HESPERD_SOCKET_H

#include "hesperd/keeper.h"

/*
 * fd_listen, with a line in the log that says what to do when it fails. *fd is -1 then; otherwise the
 * socket's name is removed by errands_remove.
 */
int socket_open(struct errands *errands, unsigned path, int *fd);

#endif
