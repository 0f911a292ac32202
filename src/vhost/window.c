/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/fd.h"
#include "vhost/front.h"

/*
 * The device thread's side of the window: requests wait here in order, one is at the front thread
 * at a time. A reset answers them all at once; the one that is away comes back later and is only
 * freed then.
 */

void window_init(struct vhost *vhost)
{
	list_init(&vhost->requests);
	vhost->sent = NULL;
}

static void free_request(struct window_request *request)
{
	fd_close(&request->fd);
	free(request);
}

void window_discard(struct letter *letter)
{
	free_request(container_of(letter, struct window_request, letter));
}

static void answer(struct window_request *request, int status)
{
	vhost_window_done done = request->done;
	request->done = NULL;
	if (done != NULL && !request->vhost->closing) {
		done(request->data, status);
	}
}

static void send_next(struct vhost *vhost)
{
	if (vhost->sent != NULL || list_empty(&vhost->requests)) {
		return;
	}
	struct window_request *request =
		container_of(vhost->requests.next, struct window_request, link);
	list_remove(&request->link);
	vhost->sent = request;
	request->letter.deliver = front_take_request;
	mailbox_post(&vhost->front->inbox, &request->letter);
}

void window_returned(struct letter *letter)
{
	struct window_request *request = container_of(letter, struct window_request, letter);
	struct vhost *vhost = request->vhost;
	vhost->sent = NULL;
	if (!vhost->closing) {
		/* The next one goes before the answer, which may take the device a while. */
		send_next(vhost);
		answer(request, request->status);
	}
	free_request(request);
}

void window_fail_all(struct vhost *vhost, int status)
{
	/* An answer may make new requests: those are not meant. */
	struct list failed;
	list_init(&failed);
	list_splice(&failed, &vhost->requests);
	if (vhost->sent != NULL) {
		answer(vhost->sent, status);
	}
	while (!list_empty(&failed)) {
		struct window_request *request =
			container_of(failed.next, struct window_request, link);
		list_remove(&request->link);
		answer(request, status);
		free_request(request);
	}
}

void window_finish(struct vhost *vhost)
{
	while (!list_empty(&vhost->requests)) {
		struct window_request *request =
			container_of(vhost->requests.next, struct window_request, link);
		list_remove(&request->link);
		free_request(request);
	}
}

/* A request that never gets to the front thread is answered by letter too: never in the call. */
static void deliver_refusal(struct letter *letter)
{
	struct window_request *request = container_of(letter, struct window_request, letter);
	answer(request, request->status);
	free_request(request);
}

static int check(const struct vhost *vhost, uint64_t offset, uint64_t size, uint64_t fd_offset)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t window = vhost->options.window_size;
	if (size == 0 || ((offset | size | fd_offset) & (page - 1)) != 0 || size > window ||
	    offset > window - size) {
		return -EINVAL;
	}
	return vhost->connected ? 0 : -ENOTCONN;
}

static void submit(struct vhost *vhost, struct window_request request, int fd)
{
	struct window_request *copy = malloc(sizeof(*copy));
	if (copy == NULL) {
		/* Nothing can be told without memory; a device that waits forever is worse. */
		abort();
	}
	*copy = request;
	copy->vhost = vhost;
	copy->front = vhost->front;
	copy->letter.discard = window_discard;
	copy->fd = -1;
	copy->status = check(vhost, request.offset, request.size, request.fd_offset);
	list_init(&copy->link);
	if (copy->status == 0 && request.map) {
		copy->fd = fd_dup(fd);
		copy->status = copy->fd < 0 ? copy->fd : 0;
	}
	if (copy->status < 0) {
		copy->letter.deliver = deliver_refusal;
		mailbox_post(&vhost->inbox, &copy->letter);
		return;
	}
	list_append(&vhost->requests, &copy->link);
	send_next(vhost);
}

void vhost_window_map(struct vhost *vhost, uint64_t offset, uint64_t size, int fd,
		      uint64_t fd_offset, bool writable, vhost_window_done done, void *data)
{
	const struct window_request request = {
		.map = true,
		.offset = offset,
		.size = size,
		.fd_offset = fd_offset,
		.writable = writable,
		.done = done,
		.data = data,
	};
	submit(vhost, request, fd);
}

void vhost_window_unmap(struct vhost *vhost, uint64_t offset, uint64_t size, vhost_window_done done,
			void *data)
{
	const struct window_request request = {
		.offset = offset,
		.size = size,
		.done = done,
		.data = data,
	};
	submit(vhost, request, -1);
}
