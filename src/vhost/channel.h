/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_CHANNEL_H
#define HESPER_VHOST_CHANNEL_H

#include "vhost/revocable.h"
#include "vhost/session.h"
#include "vhost/window_files.h"

/*
 * The back-end channel: our requests to the front end. Front thread. At most one message is
 * outstanding; none is sent unless the channel is open, that is between the first ring's enabling
 * and its disabling: outside of that QEMU 11.1 crashes (protocols Q1). What the front end has not
 * begun to read by then is taken back.
 */
struct mapping;

enum channel_stage {
	CHANNEL_NOTHING, /* no request */
	CHANNEL_REQUEST_DUE,
	CHANNEL_REQUEST_SENT,
	CHANNEL_BARRIER_DUE,
	CHANNEL_BARRIER_SENT,
};

struct channel {
	uv_loop_t *loop;
	struct watch *watch; /* NULL: no channel */
	struct revocable revocable; /* what is on its way, if a stop can take it back */
	struct message incoming;
	bool open;
	bool acked; /* requests can be made and are replied to */
	bool windows; /* SHMEM and fds were negotiated */
	uint8_t window_id;
	uint32_t outstanding; /* request id that a reply is expected for, or 0 */
	bool config_due;
	bool barriers; /* SHARED_OBJECT was negotiated: a mapping is proved by one */
	bool config_replies; /* REPLY_ACK: CONFIG_CHANGE counts as outstanding */
	enum channel_stage stage;
	struct window_request *request; /* of stage */
	struct mapping *mapping; /* that the request makes or ends */
	struct list mappings; /* struct mapping */
	struct window_files *files; /* of all of the machine's sessions; may be NULL */
};

void channel_init(struct channel *channel, uv_loop_t *loop, uint8_t window_id,
		  struct window_files *files);
/* Closes it all; the request goes back with -ENOTCONN. */
void channel_finish(struct channel *channel);

/* Protocol features that the front end acknowledged. */
void channel_set_features(struct channel *channel, uint64_t features);

/* Takes fd on success only. */
int channel_set_fd(struct channel *channel, int fd);

/* Opens or closes. Closed keeps what is due; it is sent when the device goes on. */
void channel_set_open(struct channel *channel, bool open);

/* The device was reset: the front end has dropped every mapping. */
void channel_reset(struct channel *channel);

/* Takes the letter. */
void channel_request(struct channel *channel, struct window_request *request);

void channel_notify_config(struct channel *channel);

/* How many mappings the front end has confirmed and not dropped since. */
size_t channel_mapped(const struct channel *channel);

/* Whether a region of a memory table is a window's, ours or another session's, that is echoed. */
bool channel_is_window(const struct channel *channel, const struct guest_region *region, int fd);

#endif
