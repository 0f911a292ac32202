/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_FRONT_H
#define HESPER_VHOST_FRONT_H

#include "vhost/channel.h"
#include "vhost/session.h"

/*
 * The front thread's half of a session. Everything here belongs to that thread, but for creating
 * and for posting to its inbox.
 */
struct front {
	struct vhost *vhost; /* only its inbox may be touched */
	uv_loop_t loop;
	struct mailbox inbox;
	struct letter quit;
	struct watch *watch; /* the vhost-user socket; NULL when it is closed */
	struct message incoming;
	struct {
		size_t size;
		size_t sent;
		struct vhost_user_header header;
		union vhost_user_payload payload;
	} reply;
	struct note farewell; /* NOTE_DISCONNECTED */
	struct ask ask;
	bool asking; /* the device thread has the ask; the message waits */
	struct channel channel;

	/* What the front end has been told, or has told. */
	uint64_t features_offered;
	uint64_t protocol_offered;
	unsigned queue_count;
	uint64_t window_size;
	uint8_t window_id;
	uint32_t config_size;
	uint8_t config[VHOST_MAX_CONFIG];
	vhost_select_config select_config;
	const void *select_data;
	uint64_t features;
	struct ring_setup rings[VHOST_MAX_QUEUES];
	struct guest_memory *memory; /* its own reference */
	bool running;

	/* Since the last stop: see struct ask. */
	bool had_mappings;
	bool windows_gone;
	bool config_read;
};

/* Device thread. Takes fd and starts the thread on success only. */
int front_create(struct vhost *vhost, int fd, struct front **out, pthread_t *thread);

/* Device thread, after the thread was joined. */
void front_destroy(struct front *front);

/* Posts the ask, whose content is set; the message is answered when it comes back. */
void front_ask(struct front *front, enum ask_kind kind);

/* Sends a note. Takes fd on success only; -ENOMEM. */
int front_note(struct front *front, enum note_kind kind, unsigned index, int fd);

/* Device thread: gives the ask back, answered. */
void front_answer(struct ask *ask);

/* Deliver functions of the device thread's letters. */
void front_take_request(struct letter *letter);
void front_take_config(struct letter *letter);

/*
 * requests.c: what front.c calls for a whole message, and for one whose ask came back. The reply,
 * if there is to be one, is in front->reply afterwards.
 */
void requests_handle(struct front *front);
void requests_answered(struct front *front);

#endif
