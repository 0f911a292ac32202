/* SPDX-License-Identifier: MIT */
#include "vhost/front.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "util/fd.h"
#include "util/log.h"

/*
 * The front thread: a loop with the socket, the back-end channel and an inbox. QEMU waits for our
 * replies with its big lock held (protocols Q12), so nothing here waits, for anybody.
 *
 * A message is read, handled and replied to before the next one is read. While its ask is with
 * the device thread, or its reply does not fit into the socket, the socket is not read: what the
 * front end sends meanwhile queues in the kernel.
 */

/* Messages handled in one turn, so that the inbox and the channel get theirs. */
#define MESSAGES_PER_TURN 32

static void discard_nothing(struct letter *letter)
{
}

static void disconnect(struct front *front, int error)
{
	if (front->watch == NULL) {
		return;
	}
	watch_destroy(front->watch, NULL, NULL);
	front->watch = NULL;
	front->reply.size = 0;
	message_clear(&front->incoming);
	channel_finish(&front->channel);
	front->farewell.error = error;
	mailbox_post(&front->vhost->inbox, &front->farewell.letter);
}

/* What the socket is polled for follows from what has to happen next. */
static void update_events(struct front *front)
{
	if (front->watch == NULL) {
		return;
	}
	int error = watch_events(front->watch, front->asking           ? 0
					       : front->reply.size > 0 ? UV_WRITABLE
								       : UV_READABLE);
	if (error < 0) {
		log_error("the vhost-user socket cannot be polled: %s", strerror(-error));
		disconnect(front, error);
	}
}

/* The reply is sent from its header on. */
static_assert(offsetof(struct front, reply.payload) ==
		      offsetof(struct front, reply.header) + sizeof(struct vhost_user_header),
	      "no gap between header and payload");

static void flush_reply(struct front *front)
{
	while (front->watch != NULL && front->reply.sent < front->reply.size) {
		const uint8_t *bytes = (const uint8_t *)&front->reply.header + front->reply.sent;
		ptrdiff_t sent = message_send(front->watch->fd, bytes,
					      front->reply.size - front->reply.sent, -1);
		if (sent == -EAGAIN) {
			return;
		}
		if (sent < 0) {
			disconnect(front, sent == -EPIPE ? 0 : (int)sent);
			return;
		}
		front->reply.sent += (size_t)sent;
	}
	front->reply.size = 0;
	front->reply.sent = 0;
}

static void end_session(struct front *front, int error)
{
	if (error == -ENODATA) {
		error = 0;
	} else if (error == -EPROTO) {
		log_error("the vhost-user socket is closed: message %u with flags %#x and %u bytes "
			  "makes no sense",
			  front->incoming.header.request, front->incoming.header.flags,
			  front->incoming.header.size);
	} else {
		log_error("the vhost-user socket is closed: %s", strerror(-error));
	}
	disconnect(front, error);
}

static void handle_socket(void *data)
{
	struct front *front = data;
	flush_reply(front);
	for (unsigned i = 0; i < MESSAGES_PER_TURN && front->watch != NULL && !front->asking &&
			     front->reply.size == 0;
	     i++) {
		int result = message_read(front->watch->fd, &front->incoming);
		if (result == 0) {
			break;
		}
		if (result < 0) {
			end_session(front, result);
			break;
		}
		requests_handle(front);
		flush_reply(front);
	}
	update_events(front);
}

static void handle_answer(struct letter *letter)
{
	struct front *front = container_of(letter, struct front, ask.letter);
	front->asking = false;
	requests_answered(front);
	flush_reply(front);
	update_events(front);
}

void front_answer(struct ask *ask)
{
	struct front *front = container_of(ask, struct front, ask);
	ask->letter.deliver = handle_answer;
	ask->letter.discard = discard_nothing;
	mailbox_post(&front->inbox, &ask->letter);
}

void front_ask(struct front *front, enum ask_kind kind)
{
	front->asking = true;
	front->ask.kind = kind;
	front->ask.status = 0;
	front->ask.reset = false;
	front->ask.forgotten = 0;
	front->ask.letter.deliver = vhost_answer_ask;
	front->ask.letter.discard = discard_nothing;
	mailbox_post(&front->vhost->inbox, &front->ask.letter);
}

int front_note(struct front *front, enum note_kind kind, unsigned index, int fd)
{
	struct note *note = calloc(1, sizeof(*note));
	if (note == NULL) {
		return -ENOMEM;
	}
	note->letter.deliver = vhost_take_note;
	note->letter.discard = vhost_discard_note;
	note->vhost = front->vhost;
	note->kind = kind;
	note->index = index;
	note->fd = fd;
	mailbox_post(&front->vhost->inbox, &note->letter);
	return 0;
}

void front_take_request(struct letter *letter)
{
	struct window_request *request = container_of(letter, struct window_request, letter);
	channel_request(&request->front->channel, request);
}

void front_take_config(struct letter *letter)
{
	struct config_change *change = container_of(letter, struct config_change, letter);
	struct front *front = change->front;
	memcpy(front->config + change->offset, change->bytes, change->size);
	if (change->notify) {
		channel_notify_config(&front->channel);
	}
	free(change);
}

static void handle_quit(struct letter *letter)
{
	struct front *front = container_of(letter, struct front, quit);
	disconnect(front, -ECANCELED);
	mailbox_close(&front->inbox, NULL, NULL);
}

static void *front_thread(void *data)
{
	struct front *front = data;
	/* Returns when quit has closed every handle. */
	/* Its own: of another thread it takes a file. */
	pthread_setname_np(pthread_self(), "front");
	uv_run(&front->loop, UV_RUN_DEFAULT);
	uv_loop_close(&front->loop);
	struct vhost *vhost = front->vhost;
	mailbox_post(&vhost->inbox, &vhost->front_gone);
	return NULL;
}

static void set_up(struct front *front, struct vhost *vhost)
{
	const struct vhost_options *options = &vhost->options;
	front->vhost = vhost;
	front->features_offered = options->features | VHOST_USER_F_PROTOCOL_FEATURES;
	front->protocol_offered = VHOST_USER_PROTOCOL_MQ | VHOST_USER_PROTOCOL_REPLY_ACK |
				  VHOST_USER_PROTOCOL_BACKEND_REQ | VHOST_USER_PROTOCOL_CONFIG |
				  VHOST_USER_PROTOCOL_BACKEND_SEND_FD;
	if (options->window_size > 0) {
		front->protocol_offered |=
			VHOST_USER_PROTOCOL_SHMEM | VHOST_USER_PROTOCOL_SHARED_OBJECT;
	}
	front->queue_count = options->queue_count;
	front->window_size = options->window_size;
	front->window_id = options->window_id;
	front->config_size = options->config_size;
	memcpy(front->config, options->config, sizeof(front->config));
	front->select_config = options->select_config;
	front->select_data = options->select_data;
	front->quit.deliver = handle_quit;
	front->quit.discard = discard_nothing;
	front->ask.vhost = vhost;
	front->farewell = (struct note){
		.letter = {.deliver = vhost_take_note, .discard = discard_nothing},
		.vhost = vhost,
		.kind = NOTE_DISCONNECTED,
		.fd = -1,
	};
	message_init(&front->incoming);
	channel_init(&front->channel, &front->loop, options->window_id, options->window_files);
}

static int start_thread(struct front *front, pthread_t *thread)
{
	/* Signals are for the program's main loop. */
	sigset_t all;
	sigset_t old;
	sigfillset(&all);
	/* How a refused system call is told (sandbox/refuse.h); blocked, it would end us. */
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int error = pthread_create(thread, NULL, front_thread, front);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -error;
}

/* The thread never ran: its loop is emptied here. */
static void abandon_loop(struct front *front)
{
	uv_run(&front->loop, UV_RUN_DEFAULT);
	uv_loop_close(&front->loop);
}

int front_create(struct vhost *vhost, int fd, struct front **out, pthread_t *thread)
{
	struct front *front = calloc(1, sizeof(*front));
	if (front == NULL) {
		return -ENOMEM;
	}
	set_up(front, vhost);
	int error = uv_loop_init(&front->loop);
	if (error < 0) {
		goto fail;
	}
	error = mailbox_init(&front->inbox, &front->loop);
	if (error < 0) {
		goto fail_loop;
	}
	error = watch_create(&front->loop, fd, handle_socket, front, &front->watch);
	if (error < 0) {
		goto fail_inbox;
	}
	error = start_thread(front, thread);
	if (error < 0) {
		goto fail_watch;
	}
	*out = front;
	return 0;
fail_watch:
	front->watch->fd = -1; /* stays the caller's */
	watch_destroy(front->watch, NULL, NULL);
fail_inbox:
	mailbox_close(&front->inbox, NULL, NULL);
fail_loop:
	abandon_loop(front);
fail:
	free(front);
	return error;
}

void front_destroy(struct front *front)
{
	guest_memory_unref(front->memory);
	if (front->asking && front->ask.kind == ASK_MEMORY) {
		guest_memory_unref(front->ask.memory);
	}
	free(front);
}
