/* SPDX-License-Identifier: MIT */
#include "util/mailbox.h"

static void take_all(struct mailbox *mailbox, struct list *out)
{
	list_init(out);
	pthread_mutex_lock(&mailbox->lock);
	list_splice(out, &mailbox->letters);
	pthread_mutex_unlock(&mailbox->lock);
}

static void discard(struct letter *letter)
{
	if (letter->discard != NULL) {
		letter->discard(letter);
	}
}

static void handle_wake(uv_async_t *wake)
{
	struct mailbox *mailbox = wake->data;
	struct list batch;
	take_all(mailbox, &batch);
	while (!list_empty(&batch)) {
		struct letter *letter = container_of(batch.next, struct letter, link);
		list_remove(&letter->link);
		/* A letter before this one may have closed the mailbox. */
		if (mailbox->closed) {
			discard(letter);
		} else {
			letter->deliver(letter);
		}
	}
}

int mailbox_init(struct mailbox *mailbox, uv_loop_t *loop)
{
	list_init(&mailbox->letters);
	mailbox->closed = false;
	mailbox->on_closed = NULL;
	int error = pthread_mutex_init(&mailbox->lock, NULL);
	if (error != 0) {
		return -error;
	}
	error = uv_async_init(loop, &mailbox->wake, handle_wake);
	if (error < 0) {
		pthread_mutex_destroy(&mailbox->lock);
		return error;
	}
	mailbox->wake.data = mailbox;
	return 0;
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
	pthread_mutex_lock(&mailbox->lock);
	bool closed = mailbox->closed;
	if (!closed) {
		bool first = list_empty(&mailbox->letters);
		list_append(&mailbox->letters, &letter->link);
		/* Under the lock: the handle cannot be closed meanwhile. It is one write(2). */
		if (first) {
			uv_async_send(&mailbox->wake);
		}
	}
	pthread_mutex_unlock(&mailbox->lock);
	if (closed) {
		list_init(&letter->link);
		discard(letter);
	}
}

static void handle_closed(uv_handle_t *handle)
{
	struct mailbox *mailbox = handle->data;
	if (mailbox->on_closed != NULL) {
		mailbox->on_closed(mailbox->closed_data);
	}
}

void mailbox_close(struct mailbox *mailbox, void (*on_closed)(void *data), void *data)
{
	struct list rest;
	pthread_mutex_lock(&mailbox->lock);
	mailbox->closed = true;
	list_init(&rest);
	list_splice(&rest, &mailbox->letters);
	pthread_mutex_unlock(&mailbox->lock);
	while (!list_empty(&rest)) {
		struct letter *letter = container_of(rest.next, struct letter, link);
		list_remove(&letter->link);
		discard(letter);
	}
	mailbox->on_closed = on_closed;
	mailbox->closed_data = data;
	uv_close((uv_handle_t *)&mailbox->wake, handle_closed);
}
