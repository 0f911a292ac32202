/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/fd.h"
#include "vhost/front.h"

/*
 * The device thread's side of the window. All requests that are not answered yet are in one list,
 * in order; the first goes to the front thread, one at a time. A request that can never be made
 * (status < 0) waits in the same list, so that answers come in order and a reset finds it. A reset
 * answers all of them before the device hears of it: their data may not outlive it. The one that is
 * at the front thread comes back later and is only freed then.
 *
 * What is mapped has to be unmapped, or QEMU would refuse the next one there for good. So each
 * mapping comes with the memory for its end.
 */

static void handle_wake(struct letter *letter);

void window_init(struct vhost *vhost)
{
	list_init(&vhost->requests);
	list_init(&vhost->unmaps);
	vhost->window_wake.deliver = handle_wake;
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

static struct window_request *take_unmap(struct vhost *vhost)
{
	if (list_empty(&vhost->unmaps)) {
		return NULL;
	}
	struct window_request *request =
		container_of(vhost->unmaps.next, struct window_request, link);
	list_remove(&request->link);
	return request;
}

static void answer(struct window_request *request, int status)
{
	vhost_window_done done = request->done;
	request->done = NULL;
	if (done != NULL && request->map && status < 0) {
		free(take_unmap(request->vhost));
	}
	if (done != NULL && !request->vhost->closing) {
		done(request->data, status);
	}
}

static struct window_request *first_request(const struct vhost *vhost)
{
	return list_empty(&vhost->requests)
		       ? NULL
		       : container_of(vhost->requests.next, struct window_request, link);
}

static void send_next(struct vhost *vhost)
{
	struct window_request *request = first_request(vhost);
	if (request == NULL || vhost->sent != NULL || vhost->failing) {
		return;
	}
	if (request->status < 0) {
		/* Never answered inside the call that made it. */
		if (!vhost->waking) {
			vhost->waking = true;
			mailbox_post(&vhost->inbox, &vhost->window_wake);
		}
		return;
	}
	list_remove(&request->link);
	vhost->sent = request;
	request->letter.deliver = front_take_request;
	mailbox_post(&vhost->front->inbox, &request->letter);
}

static void answer_first(struct vhost *vhost, int status)
{
	struct window_request *request = first_request(vhost);
	list_remove(&request->link);
	answer(request, request->status < 0 ? request->status : status);
	free_request(request);
}

static void handle_wake(struct letter *letter)
{
	struct vhost *vhost = container_of(letter, struct vhost, window_wake);
	vhost->waking = false;
	if (vhost->sent == NULL && first_request(vhost) != NULL &&
	    first_request(vhost)->status < 0) {
		answer_first(vhost, 0);
	}
	send_next(vhost);
}

void window_returned(struct letter *letter)
{
	struct window_request *request = container_of(letter, struct window_request, letter);
	struct vhost *vhost = request->vhost;
	vhost->sent = NULL;
	/* The next one goes before the answer, which may take the device a while. */
	send_next(vhost);
	answer(request, request->status);
	free_request(request);
}

void window_fail_all(struct vhost *vhost, int status)
{
	/* An answer may make a new request, which is as futile: it fails here, too. */
	vhost->failing = true;
	if (vhost->sent != NULL) {
		answer(vhost->sent, status);
	}
	while (first_request(vhost) != NULL) {
		answer_first(vhost, status);
	}
	/* Nor is anything mapped any more. */
	while (!list_empty(&vhost->unmaps)) {
		free(take_unmap(vhost));
	}
	vhost->failing = false;
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

static struct window_request *allocate(struct vhost *vhost, bool map)
{
	if (!map && !list_empty(&vhost->unmaps)) {
		return take_unmap(vhost);
	}
	struct window_request *request = malloc(sizeof(*request));
	struct window_request *unmap = map ? malloc(sizeof(*unmap)) : NULL;
	if (request == NULL || (map && unmap == NULL)) {
		free(request);
		free(unmap);
		return NULL;
	}
	if (map) {
		list_append(&vhost->unmaps, &unmap->link);
	}
	return request;
}

static int submit(struct vhost *vhost, struct window_request request, int fd)
{
	struct window_request *copy = allocate(vhost, request.map);
	if (copy == NULL) {
		return -ENOMEM;
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
	list_append(&vhost->requests, &copy->link);
	send_next(vhost);
	return 0;
}

int vhost_window_map(struct vhost *vhost, uint64_t offset, uint64_t size, int fd,
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
	return submit(vhost, request, fd);
}

int vhost_window_unmap(struct vhost *vhost, uint64_t offset, uint64_t size, vhost_window_done done,
		       void *data)
{
	const struct window_request request = {
		.offset = offset,
		.size = size,
		.done = done,
		.data = data,
	};
	return submit(vhost, request, -1);
}
