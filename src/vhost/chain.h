/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_CHAIN_H
#define HESPER_VHOST_CHAIN_H

#include "vhost/ring.h"

/* What ring.c, virtqueue.c and walk.c share. Private to src/vhost; device thread. */

struct chain_storage {
	struct virtqueue_chain chain;
	struct list link; /* in virtqueue.kept */
	uint32_t written;
	struct iovec iov[];
};

/* The guest broke the rules: the queue does nothing more until reset, and the front end is told. */
void virtqueue_break(struct virtqueue *queue, const char *why);

void virtqueue_signal_call(struct virtqueue *queue);

/*
 * Reads the chain at head into a new *out. 0; -EPROTO: the chain breaks the queue (*why says how);
 * other negative errno: the chain is to be completed with length 0.
 */
int virtqueue_walk(struct virtqueue *queue, uint16_t head, struct virtqueue_chain **out,
		   const char **why);

#endif
