/* SPDX-License-Identifier: MIT */
#include "hesperd/socket.h"

#include <errno.h>
#include <string.h>

#include "util/fd.h"
#include "util/log.h"

int socket_open(const char *path, int *fd)
{
	int result = fd_listen(path, 4);
	*fd = result < 0 ? -1 : result;
	if (result == -EADDRINUSE) {
		log_error("%s is in use by another process. Fix: choose another path, or end that "
			  "process",
			  path);
	} else if (result < 0) {
		log_error("cannot make the socket %s: %s", path, strerror(-result));
	}
	return result < 0 ? result : 0;
}
