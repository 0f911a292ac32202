/* SPDX-License-Identifier: MIT */
#ifndef HESPER_UTIL_MAILBOX_H
#define HESPER_UTIL_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <uv.h>

#include "util/list.h"

/*
 * The only way from one thread to another: a queue of letters that any thread posts to and the
 * thread of one libuv loop reads. Letters of one sender arrive in the order they were posted.
 */
struct letter {
	struct list link;
	/* Called once, on the reading thread. The letter belongs to the callee. */
	void (*deliver)(struct letter *letter);
	/*
	 * Called instead of deliver when the mailbox is finished with the letter unread. May be
	 * NULL when there is nothing to free.
	 */
	void (*discard)(struct letter *letter);
};

struct mailbox {
	pthread_mutex_t lock;  /* guards letters, pending, closed; never held over a call */
	struct list letters;
	bool closed;
	uv_async_t wake;
	void (*on_closed)(void *data); /* loop thread */
	void *closed_data;
};

/* On the reading thread (or before it runs). The loop stays alive while the mailbox is open. */
int mailbox_init(struct mailbox *mailbox, uv_loop_t *loop);

/* Any thread. Never blocks. After mailbox_close the letter is discarded at once. */
void mailbox_post(struct mailbox *mailbox, struct letter *letter);

/*
 * Reading thread: letters still waiting are discarded, later ones too. The storage must live
 * until on_closed(data) has run (in a later loop iteration); on_closed may be NULL.
 */
void mailbox_close(struct mailbox *mailbox, void (*on_closed)(void *data), void *data);

#endif
