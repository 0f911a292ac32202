/* SPDX-License-Identifier: MIT */
#include "hesperd/socket.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/log.h"

int socket_open(struct errands *errands, unsigned which, int *fd)
{
	const char *path = errands->paths[which];
	int result = fd_listen(path, 4);
	*fd = result < 0 ? -1 : result;
	if (result == -EADDRINUSE) {
		log_error("%s is in use by another process. Fix: choose another path, or end that "
			  "process",
			  path);
	} else if (result < 0) {
		log_error("cannot make the socket %s: %s", path, strerror(-result));
	}
	if (result < 0) {
		return result;
	}
	int error = errands_made(errands, which);
	if (error < 0) {
		log_error("nobody can be told to remove %s: %s", path, strerror(-error));
		unlink(path);
		fd_close(fd);
	}
	return error;
}
