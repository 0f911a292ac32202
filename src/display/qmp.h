/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_QMP_H
#define HESPER_DISPLAY_QMP_H

#include <uv.h>

/*
 * Asks a QEMU over its QMP socket to serve its D-Bus display on a socket of ours. Source:
 * docs/interop/qmp-spec.rst and qapi/ (qmp_capabilities, getfd, add_client) of QEMU. On the loop's
 * thread; nothing blocks.
 */
struct qmp;

/*
 * fd: connected to the QMP socket, owned on success. display: the end of a socketpair that QEMU
 * gets; owned on success. done(data, error) runs at most once, from the loop: 0, or negative errno
 * after the reason was logged. Negative errno.
 */
int qmp_create(uv_loop_t *loop, int fd, int display, void (*done)(void *data, int error),
	       void *data, struct qmp **out);

/* No done() any more; closed(data) runs when the loop's handles are closed. */
void qmp_destroy(struct qmp *qmp, void (*closed)(void *data));

#endif
