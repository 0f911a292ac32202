/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_SESSION_H
#define HESPER_VHOST_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "util/list.h"
#include "util/mailbox.h"
#include "vhost/message.h"
#include "vhost/ring.h"
#include "vhost/vhost.h"
#include "vhost/watch.h"

/*
 * The two halves of a session and the letters between them. Private to src/vhost.
 *
 * struct front belongs to the front thread, struct vhost to the device thread; neither reads the
 * other's. Letters:
 *   ask     front → device → front   one at most; the front end's message waits for its answer
 *   note    front → device           needs no answer
 *   request device → front → device  window; one at most at the front thread
 *   change  device → front           new config bytes
 */
struct front;

/* One ring as the front end has set it so far. */
struct ring_setup {
	bool started; /* has a kick fd */
	bool enabled;
	bool anew; /* its base was set while the device was stopped */
	struct virtqueue_setup setup;
};

enum ask_kind {
	ASK_RINGS, /* rings started, stopped, enabled or disabled */
	ASK_MEMORY, /* RAM changed */
	ASK_CONFIG, /* the guest wrote config */
};

struct ask {
	struct letter letter;
	struct vhost *vhost;
	enum ask_kind kind;
	union {
		struct {
			struct ring_setup setup[VHOST_MAX_QUEUES];
			bool running; /* false: suspend all; cleared if a ring fails */
			int stop; /* the ring to stop for GET_VRING_BASE, or -1 */
			uint64_t features; /* acknowledged */
			/* What tells a pause from a reset; since the last stop. */
			bool had_mappings;
			bool windows_gone; /* a table came, with none of the windows */
			bool config_read;
		} rings;
		struct guest_memory *memory; /* a reference for the device thread */
		struct vhost_user_config config;
	};
	/* The answer. */
	int status;
	bool reset; /* the device starts afresh: the front end dropped all mappings */
	unsigned forgotten; /* rings, as bits, that a reset ended: not started any more */
	uint16_t base;
};

enum note_kind {
	NOTE_KICK,
	NOTE_CALL,
	NOTE_ERR,
	NOTE_DISCONNECTED,
};

struct note {
	struct letter letter;
	struct vhost *vhost;
	enum note_kind kind;
	unsigned index;
	int fd; /* owned by the letter */
	int error;
};

struct window_request {
	struct letter letter;
	/* Device thread. */
	struct vhost *vhost;
	struct list link;
	vhost_window_done done; /* NULL once answered */
	void *data;
	/* Whoever holds the letter. */
	struct front *front;
	bool map;
	bool writable;
	int fd; /* owned */
	uint64_t fd_offset;
	uint64_t offset;
	uint64_t size;
	int status;
};

struct config_change {
	struct letter letter;
	struct front *front;
	uint32_t offset;
	uint32_t size;
	bool notify;
	uint8_t bytes[VHOST_MAX_CONFIG];
};

/* Device thread. */
struct vhost {
	struct vhost_options options;
	uv_loop_t *loop;
	struct mailbox inbox;
	struct front *front;
	pthread_t thread;
	struct letter front_gone; /* the front thread's last */
	uv_timer_t hungry; /* kicks the queues that were starved */
	unsigned handles; /* of ours that are open in the loop */
	bool closing;
	bool connected;
	void (*destroyed)(void *data);
	void *destroyed_data;

	bool running;
	bool ever_started;
	uint64_t features;
	uint64_t features_started; /* at the last start */
	struct guest_memory *memory;
	struct virtqueue queues[VHOST_MAX_QUEUES];
	struct kick {
		struct vhost *vhost;
		unsigned index;
		struct watch *watch;
		int error; /* why there is none: the ring cannot start */
		struct letter again; /* vhost_kick_later's, to ourselves */
		bool again_posted;
	} kicks[VHOST_MAX_QUEUES];

	struct list requests; /* struct window_request, in order, not sent yet */
	struct window_request *sent; /* at the front thread */
	struct list unmaps; /* struct window_request, not used yet: one for each mapping */
	struct letter window_wake; /* to ourselves: the first request is a refused one */
	bool waking; /* that letter is on its way */
	bool failing; /* all requests are being answered: nothing is sent */
};

/* vhost.c, called through letters. */
void vhost_answer_ask(struct letter *letter);
void vhost_take_note(struct letter *letter);
void vhost_discard_note(struct letter *letter);
void vhost_front_gone(struct letter *letter);

/* window.c, device thread. */
void window_init(struct vhost *vhost);
/* Answers every request that is not answered yet with status. */
void window_fail_all(struct vhost *vhost, int status);
void window_returned(struct letter *letter);
void window_discard(struct letter *letter);

#endif
