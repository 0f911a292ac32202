/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_FRONT_PRIVATE_H
#define HESPER_TESTS_WIRE_FRONT_PRIVATE_H

#include "front.h"

/* Between the files of the scripted front end. */

void wire_send_on(int socket, uint32_t request, uint32_t flags, const void *payload, uint32_t size,
		  const int *fds, size_t fd_count);

/*
 * Waits until there is something to read at fd or, if that is not -1, at other, at most ms; meanwhile
 * answers on the display's socket. False when nothing came.
 */
bool wire_poll(struct wire_front *front, int fd, int other, int ms);

/* As a driver that starts makes it: zeroed, every descriptor free, index 0. */
void wire_ring_fresh(struct wire_front *front, unsigned queue);

/* As a virtio reset does in QEMU: silently. */
void wire_drop_windows(struct wire_front *front);

#endif
