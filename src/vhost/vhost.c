/* SPDX-License-Identifier: MIT */
#include "vhost/vhost.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/log.h"
#include "vhost/front.h"

/*
 * The device thread's half of a session: the rings, and the letters of the front thread.
 *
 * Pause or reset. Both look the same when the rings stop, so the queues keep everything, and the
 * next start decides (protocols §1.5). It is the same guest going on only if all of this holds:
 * every ring comes back at the index we gave, at the same place, with the used index we left
 * there; the features are the same; and, if the guest had mappings, no memory table came without
 * them. A ring that was given back at index 0 proves nothing: a fresh one starts there, too. If
 * that is so for all rings and there was no mapping, then either no chain was ever taken, and a
 * reset loses nothing; or a multiple of 65536 were, and then it counts whether the guest's driver
 * has read config since the stop, as a starting driver does and a paused guest cannot.
 */

static void kicked(struct vhost *vhost, unsigned index)
{
	if (vhost->queues[index].state == VIRTQUEUE_RUNNING && !vhost->closing) {
		vhost->options.callbacks->kicked(vhost->options.data, index);
	}
}

/* Handles. */

static void finish_destroying(struct vhost *vhost)
{
	void (*destroyed)(void *data) = vhost->destroyed;
	void *data = vhost->destroyed_data;
	free(vhost);
	destroyed(data);
}

static void handle_closed(void *data)
{
	struct vhost *vhost = data;
	vhost->handles--;
	if (vhost->handles == 0 && vhost->destroyed != NULL) {
		finish_destroying(vhost);
	}
}

static void handle_timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

static void close_kick(struct kick *kick)
{
	watch_destroy(kick->watch, handle_closed, kick->vhost);
	kick->watch = NULL;
	kick->error = 0;
}

static void handle_kick(void *data)
{
	struct kick *kick = data;
	uint64_t count;
	ssize_t got = read(kick->watch->fd, &count, sizeof(count));
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
		log_warn("queue %u: its kick fd is dead", kick->index);
		watch_events(kick->watch, 0);
	}
	kicked(kick->vhost, kick->index);
}

static void set_kick(struct kick *kick, int fd)
{
	struct vhost *vhost = kick->vhost;
	close_kick(kick);
	kick->error = watch_create(vhost->loop, fd, handle_kick, kick, &kick->watch);
	if (kick->error < 0) {
		log_error("queue %u: its kick fd cannot be polled: %s", kick->index,
			  strerror(-kick->error));
		fd_close(&fd);
		return;
	}
	vhost->handles++;
}

static void kick_again(struct letter *letter)
{
	struct kick *kick = container_of(letter, struct kick, again);
	kick->again_posted = false;
	kicked(kick->vhost, kick->index);
}

#define HUNGRY_MS 10

static void handle_hungry(uv_timer_t *timer)
{
	struct vhost *vhost = timer->data;
	for (unsigned i = 0; i < vhost->options.queue_count; i++) {
		if (vhost->queues[i].starved) {
			kicked(vhost, i);
		}
	}
}

static void handle_starving(void *data)
{
	struct vhost *vhost = data;
	uv_timer_start(&vhost->hungry, handle_hungry, HUNGRY_MS, 0);
}

void vhost_kick_later(struct vhost *vhost, unsigned index)
{
	struct kick *kick = &vhost->kicks[index];
	if (!kick->again_posted) {
		kick->again_posted = true;
		kick->again.deliver = kick_again;
		mailbox_post(&vhost->inbox, &kick->again);
	}
}

/* Stopping and starting. */

static void suspend_queues(struct vhost *vhost)
{
	for (unsigned i = 0; i < vhost->options.queue_count; i++) {
		virtqueue_suspend(&vhost->queues[i]);
	}
}

static void stop_device(struct vhost *vhost)
{
	if (!vhost->running) {
		return;
	}
	vhost->running = false;
	suspend_queues(vhost);
	if (!vhost->closing) {
		vhost->options.callbacks->stopped(vhost->options.data);
	}
}

static bool queues_continue(const struct vhost *vhost, const struct ask *ask)
{
	for (unsigned i = 0; i < vhost->options.queue_count; i++) {
		const struct virtqueue *queue = &vhost->queues[i];
		bool was_there = queue->setup.num != 0;
		if (queue->state == VIRTQUEUE_STOPPED && was_there &&
		    !virtqueue_continues(queue, vhost->memory, &ask->rings.setup[i].setup)) {
			return false;
		}
	}
	return true;
}

/* True when the rings alone cannot tell a fresh start: all of them stopped at index 0. */
static bool queues_at_zero(const struct vhost *vhost, bool *any_popped)
{
	*any_popped = false;
	for (unsigned i = 0; i < vhost->options.queue_count; i++) {
		const struct virtqueue *queue = &vhost->queues[i];
		*any_popped = *any_popped || queue->popped > 0;
		if (queue->state != VIRTQUEUE_STOPPED || queue->last_avail != 0) {
			return false;
		}
	}
	return true;
}

static bool device_resumes(const struct vhost *vhost, const struct ask *ask)
{
	if (!vhost->ever_started || vhost->features != vhost->features_started ||
	    !queues_continue(vhost, ask)) {
		return false;
	}
	if (ask->rings.had_mappings) {
		return !ask->rings.windows_gone;
	}
	bool any_popped;
	return !queues_at_zero(vhost, &any_popped) || (any_popped && !ask->rings.config_read);
}

/*
 * A ring can be disabled and never given back: QEMU wants no base of one whose addresses are 0, which a
 * guest can make them by a reset of that queue, offered or not. When it is set up anew it is another
 * ring; when it is not, a reset of the device is its end.
 */
static void stop_renewed_rings(struct vhost *vhost, const struct ask *ask)
{
	for (unsigned i = 0; i < vhost->options.queue_count; i++) {
		struct virtqueue *queue = &vhost->queues[i];
		if (queue->state == VIRTQUEUE_SUSPENDED && ask->rings.setup[i].anew) {
			virtqueue_stop(queue);
		}
	}
}

static void forget_suspended_rings(struct vhost *vhost, struct ask *ask)
{
	for (unsigned i = 0; i < vhost->options.queue_count; i++) {
		struct virtqueue *queue = &vhost->queues[i];
		if (queue->state == VIRTQUEUE_SUSPENDED) {
			close_kick(&vhost->kicks[i]);
			virtqueue_stop(queue);
			ask->rings.setup[i].started = false;
			ask->forgotten |= 1u << i;
		}
	}
}

static void reset_device(struct vhost *vhost)
{
	for (unsigned i = 0; i < vhost->options.queue_count; i++) {
		virtqueue_reset(&vhost->queues[i]);
	}
	window_fail_all(vhost, -ECANCELED);
}

/* Starts the queues that are to run and do not; returns them as bits. ask->status on failure. */
static unsigned start_queues(struct vhost *vhost, struct ask *ask)
{
	unsigned fresh = 0;
	for (unsigned i = 0; i < vhost->options.queue_count; i++) {
		const struct ring_setup *ring = &ask->rings.setup[i];
		struct virtqueue *queue = &vhost->queues[i];
		if (!ring->started || !ring->enabled || queue->state == VIRTQUEUE_RUNNING) {
			continue;
		}
		int error = vhost->kicks[i].error;
		if (error == 0) {
			error = virtqueue_start(queue, vhost->memory, &ring->setup,
						vhost->features);
		}
		if (error < 0) {
			log_error("queue %u cannot start: %s", i,
				  error == -EINVAL ? "its ring is not in guest RAM"
						   : strerror(-error));
			ask->status = error;
		} else {
			fresh |= 1u << i;
		}
	}
	return fresh;
}

/* A ring cannot start. The front end gives the start up, so nothing may run. */
static void refuse_start(struct vhost *vhost, struct ask *ask, bool first)
{
	ask->rings.running = false;
	if (first) {
		vhost->running = false;
		suspend_queues(vhost);
		vhost->ever_started = vhost->ever_started && !ask->reset;
	} else {
		stop_device(vhost);
	}
	front_answer(ask);
}

static void answer_start(struct vhost *vhost, struct ask *ask)
{
	bool first = !vhost->running;
	if (first) {
		stop_renewed_rings(vhost, ask);
	}
	bool resumed = first && device_resumes(vhost, ask);
	if (first && !resumed) {
		ask->reset = true;
		forget_suspended_rings(vhost, ask);
		reset_device(vhost);
	}
	vhost->running = true;
	unsigned fresh = start_queues(vhost, ask);
	if (ask->status < 0) {
		refuse_start(vhost, ask, first);
		return;
	}
	/* The front end is waiting: it gets its answer before the device gets to work. */
	front_answer(ask);
	if (first) {
		log_debug("the device %s", resumed ? "goes on" : "starts");
		vhost->ever_started = true;
		vhost->features_started = vhost->features;
		vhost->options.callbacks->started(vhost->options.data, resumed);
	}
	for (unsigned i = 0; i < vhost->options.queue_count; i++) {
		if ((fresh & (1u << i)) != 0) {
			kicked(vhost, i);
		}
	}
}

static void answer_stop(struct vhost *vhost, struct ask *ask)
{
	stop_device(vhost);
	if (ask->rings.stop >= 0) {
		unsigned index = (unsigned)ask->rings.stop;
		struct virtqueue *queue = &vhost->queues[index];
		close_kick(&vhost->kicks[index]);
		ask->base = virtqueue_stop(queue);
		if (queue->setup.num == 0) {
			/* Never ran: the front end gets back what it set. */
			ask->base = ask->rings.setup[index].setup.base;
		}
	}
	front_answer(ask);
}

static void answer_memory(struct vhost *vhost, struct ask *ask)
{
	guest_memory_unref(vhost->memory);
	vhost->memory = ask->memory;
	ask->memory = NULL;
	for (unsigned i = 0; i < vhost->options.queue_count; i++) {
		virtqueue_set_memory(&vhost->queues[i], vhost->memory);
	}
	front_answer(ask);
}

static void answer_config(struct vhost *vhost, struct ask *ask)
{
	const struct vhost_user_config *config = &ask->config;
	vhost->options.callbacks->config_written(vhost->options.data, config->offset, config->bytes,
						 config->size);
	/* After the device's own vhost_set_config: the next read sees it. */
	front_answer(ask);
}

void vhost_answer_ask(struct letter *letter)
{
	struct ask *ask = container_of(letter, struct ask, letter);
	struct vhost *vhost = ask->vhost;
	if (vhost->closing) {
		return;
	}
	switch (ask->kind) {
	case ASK_RINGS:
		vhost->features = ask->rings.features & ~VHOST_USER_F_PROTOCOL_FEATURES;
		if (ask->rings.running) {
			answer_start(vhost, ask);
		} else {
			answer_stop(vhost, ask);
		}
		break;
	case ASK_MEMORY:
		answer_memory(vhost, ask);
		break;
	case ASK_CONFIG:
		answer_config(vhost, ask);
		break;
	}
}

/* Notes. */

static void handle_disconnected(struct vhost *vhost, int error)
{
	vhost->connected = false;
	if (vhost->closing) {
		return;
	}
	stop_device(vhost);
	for (unsigned i = 0; i < vhost->options.queue_count; i++) {
		close_kick(&vhost->kicks[i]);
		virtqueue_stop(&vhost->queues[i]);
	}
	window_fail_all(vhost, -ENOTCONN);
	vhost->options.callbacks->disconnected(vhost->options.data, error);
}

void vhost_take_note(struct letter *letter)
{
	struct note *note = container_of(letter, struct note, letter);
	struct vhost *vhost = note->vhost;
	if (note->kind == NOTE_DISCONNECTED) {
		/* Part of struct front. */
		handle_disconnected(vhost, note->error);
		return;
	}
	if (vhost->closing) {
		vhost_discard_note(letter);
		return;
	}
	switch (note->kind) {
	case NOTE_KICK:
		set_kick(&vhost->kicks[note->index], note->fd);
		break;
	case NOTE_CALL:
		virtqueue_set_call(&vhost->queues[note->index], note->fd);
		break;
	default:
		virtqueue_set_err(&vhost->queues[note->index], note->fd);
		break;
	}
	free(note);
}

void vhost_discard_note(struct letter *letter)
{
	struct note *note = container_of(letter, struct note, letter);
	fd_close(&note->fd);
	free(note);
}

/* The device's side. */

struct virtqueue *vhost_queue(struct vhost *vhost, unsigned index)
{
	return &vhost->queues[index];
}

struct guest_memory *vhost_memory(struct vhost *vhost)
{
	return vhost->memory;
}

uint64_t vhost_features(const struct vhost *vhost)
{
	return vhost->features;
}

static void discard_config(struct letter *letter)
{
	free(container_of(letter, struct config_change, letter));
}

void vhost_set_config(struct vhost *vhost, uint32_t offset, const void *bytes, uint32_t size,
		      bool notify)
{
	struct config_change *change = calloc(1, sizeof(*change));
	if (change == NULL || size > VHOST_MAX_CONFIG || offset > VHOST_MAX_CONFIG - size) {
		log_error("config of %u bytes at %u cannot be set", size, offset);
		free(change);
		return;
	}
	change->letter.deliver = front_take_config;
	change->letter.discard = discard_config;
	change->front = vhost->front;
	change->offset = offset;
	change->size = size;
	change->notify = notify;
	memcpy(change->bytes, bytes, size);
	mailbox_post(&vhost->front->inbox, &change->letter);
}

/* Life. */

static bool options_are_sane(const struct vhost_options *options)
{
	return options->queue_count >= 1 && options->queue_count <= VHOST_MAX_QUEUES &&
	       options->config_size <= VHOST_MAX_CONFIG &&
	       (options->window_size & (options->window_size - 1)) == 0;
}

static struct vhost *allocate(const struct vhost_options *options, uv_loop_t *loop)
{
	struct vhost *vhost = calloc(1, sizeof(*vhost));
	if (vhost == NULL) {
		return NULL;
	}
	vhost->options = *options;
	vhost->loop = loop;
	vhost->connected = true;
	vhost->front_gone.deliver = vhost_front_gone;
	for (unsigned i = 0; i < VHOST_MAX_QUEUES; i++) {
		virtqueue_init(&vhost->queues[i], i);
		vhost->queues[i].starving = handle_starving;
		vhost->queues[i].starving_data = vhost;
		vhost->kicks[i].vhost = vhost;
		vhost->kicks[i].index = i;
	}
	window_init(vhost);
	return vhost;
}

static void free_vhost(void *data)
{
	free(data);
}

int vhost_create(const struct vhost_options *options, int fd, uv_loop_t *loop, struct vhost **out)
{
	if (!options_are_sane(options)) {
		return -EINVAL;
	}
	struct vhost *vhost = allocate(options, loop);
	if (vhost == NULL) {
		return -ENOMEM;
	}
	int error = mailbox_init(&vhost->inbox, loop);
	if (error < 0) {
		free(vhost);
		return error;
	}
	error = front_create(vhost, fd, &vhost->front, &vhost->thread);
	if (error < 0) {
		mailbox_close(&vhost->inbox, free_vhost, vhost);
		return error;
	}
	uv_timer_init(loop, &vhost->hungry);
	vhost->hungry.data = vhost;
	vhost->handles = 2;
	*out = vhost;
	return 0;
}

void vhost_destroy(struct vhost *vhost, void (*done)(void *data), void *data)
{
	if (vhost == NULL) {
		done(data);
		return;
	}
	/* Whoever waits for an answer has something to free. */
	window_fail_all(vhost, -ECANCELED);
	vhost->closing = true;
	vhost->destroyed = done;
	vhost->destroyed_data = data;
	stop_device(vhost);
	for (unsigned i = 0; i < vhost->options.queue_count; i++) {
		close_kick(&vhost->kicks[i]);
		virtqueue_finish(&vhost->queues[i]);
	}
	mailbox_post(&vhost->front->inbox, &vhost->front->quit);
}

void vhost_front_gone(struct letter *letter)
{
	struct vhost *vhost = container_of(letter, struct vhost, front_gone);
	/* It is returning already. */
	pthread_join(vhost->thread, NULL);
	front_destroy(vhost->front);
	guest_memory_unref(vhost->memory);
	vhost->memory = NULL;
	uv_close((uv_handle_t *)&vhost->hungry, handle_timer_closed);
	mailbox_close(&vhost->inbox, handle_closed, vhost);
}
