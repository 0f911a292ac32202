/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_FRONT_PRIVATE_H
#define HESPER_TESTS_WIRE_FRONT_PRIVATE_H

#include "front.h"

/* Between the files of the scripted front end. */

void wire_send_on(int socket, uint32_t request, uint32_t flags, const void *payload, uint32_t size,
		  const int *fds, size_t fd_count);

/* As a driver that starts makes it: zeroed, every descriptor free, index 0. */
void wire_ring_fresh(struct wire_front *front, unsigned queue);

/* As a virtio reset does in QEMU: silently. */
void wire_drop_windows(struct wire_front *front);

#endif
