/* SPDX-License-Identifier: MIT */
#include "vhost/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/fd.h"
#include "util/log.h"

/*
 * A window request takes two round trips. The front end replies to SHMEM_MAP before the mapping
 * is in the guest's address space, but it works on our messages strictly one after the other: the
 * reply to any later message proves that the mapping is there. That later message is the barrier
 * (SHARED_OBJECT_REMOVE of an object nobody has; its reply's value means nothing). It is QEMU's to
 * need that: a front end that does not acknowledge VHOST_USER_PROTOCOL_F_SHARED_OBJECT is taken at its
 * word, which by the specification is given when the mapping is there.
 *
 * A stop can come at any moment of this. What is not sent yet waits for the next start, and so does
 * what the front end has not begun to read (revocable.c). What it has read it acts on before it
 * stops, so its reply comes, and the barrier follows after the start. The barrier itself is harmless
 * at any time. If that start turns out to be a reset the mappings are gone: the request is given back
 * as cancelled and a reply still to come is skipped.
 */

struct mapping {
	struct list link;
	uint64_t offset;
	uint64_t size;
	struct window_file file;
	bool confirmed;
};

static void channel_pump(struct channel *channel);

void channel_init(struct channel *channel, uv_loop_t *loop, uint8_t window_id,
		  struct window_files *files)
{
	*channel = (struct channel){.loop = loop, .window_id = window_id, .files = files};
	message_init(&channel->incoming);
	list_init(&channel->mappings);
}

static struct mapping *find_mapping(const struct channel *channel, uint64_t offset, uint64_t size)
{
	struct list *item;
	list_for_each (item, &channel->mappings) {
		struct mapping *mapping = container_of(item, struct mapping, link);
		if (mapping->confirmed && mapping->offset == offset && mapping->size == size) {
			return mapping;
		}
	}
	return NULL;
}

static void forget_mapping(struct channel *channel, struct mapping *mapping)
{
	if (mapping != NULL) {
		window_files_remove(channel->files, &mapping->file);
		list_remove(&mapping->link);
		free(mapping);
	}
}

static void forget_all(struct channel *channel)
{
	while (!list_empty(&channel->mappings)) {
		forget_mapping(channel, container_of(channel->mappings.next, struct mapping, link));
	}
}

/* Before the message is sent: its echo may come at any time after. */
static int remember_mapping(struct channel *channel, const struct window_request *request,
			    struct mapping **out)
{
	struct stat info;
	if (fstat(request->fd, &info) < 0) {
		return -errno;
	}
	struct mapping *mapping = calloc(1, sizeof(*mapping));
	if (mapping == NULL) {
		return -ENOMEM;
	}
	mapping->offset = request->offset;
	mapping->size = request->size;
	mapping->file = (struct window_file){
		.device = info.st_dev,
		.inode = info.st_ino,
		.offset = request->fd_offset,
		.size = request->size,
	};
	if (window_files_add(channel->files, &mapping->file) < 0) {
		free(mapping);
		return -ENOMEM;
	}
	list_append(&channel->mappings, &mapping->link);
	*out = mapping;
	return 0;
}

size_t channel_mapped(const struct channel *channel)
{
	size_t count = 0;
	struct list *item;
	list_for_each (item, &channel->mappings) {
		count += container_of(item, struct mapping, link)->confirmed;
	}
	return count;
}

bool channel_is_window(const struct channel *channel, const struct guest_region *region, int fd)
{
	struct stat info;
	if (list_empty(&channel->mappings) || fstat(fd, &info) < 0) {
		return window_files_have(channel->files, region, fd);
	}
	struct list *item;
	list_for_each (item, &channel->mappings) {
		const struct mapping *mapping = container_of(item, struct mapping, link);
		if (window_file_covers(&mapping->file, region, info.st_dev, info.st_ino)) {
			return true;
		}
	}
	return window_files_have(channel->files, region, fd);
}

/* Ends the request and gives its letter back. */
static void give_back(struct channel *channel, int status)
{
	struct window_request *request = channel->request;
	channel->request = NULL;
	channel->mapping = NULL;
	channel->stage = CHANNEL_NOTHING;
	if (request != NULL) {
		fd_close(&request->fd);
		request->status = status;
		request->letter.deliver = window_returned;
		mailbox_post(&request->vhost->inbox, &request->letter);
	}
}

static void close_channel(struct channel *channel)
{
	revocable_finish(&channel->revocable);
	watch_destroy(channel->watch, NULL, NULL);
	channel->watch = NULL;
	channel->outstanding = 0;
	message_clear(&channel->incoming);
	give_back(channel, -ENOTCONN);
}

void channel_finish(struct channel *channel)
{
	close_channel(channel);
	forget_all(channel);
}

static void lose_channel(struct channel *channel, int error)
{
	/* With one message outstanding there is always room: this is no passing state. */
	log_error("the back-end channel is lost: %s", strerror(-error));
	close_channel(channel);
}

static int send_whole(struct channel *channel, const void *bytes, size_t len)
{
	ptrdiff_t sent = message_send(channel->watch->fd, bytes, len, -1);
	return sent == (ptrdiff_t)len ? 0 : sent < 0 ? (int)sent : -EMSGSIZE;
}

static bool send_request(struct channel *channel, uint32_t id, const void *payload, uint32_t size,
			 int fd, bool need_reply)
{
	struct {
		struct vhost_user_header header;
		uint8_t payload[sizeof(struct vhost_user_shmem_map)];
	} __attribute__((packed)) message;
	static_assert(VHOST_USER_UUID_BYTES <= sizeof(message.payload), "fits");
	static_assert(sizeof(message) <= REVOCABLE_MAX_BYTES, "fits");
	message.header = (struct vhost_user_header){
		.request = id,
		.flags = VHOST_USER_VERSION | (need_reply ? VHOST_USER_NEED_REPLY : 0),
		.size = size,
	};
	memcpy(message.payload, payload, size);
	size_t len = sizeof(message.header) + size;
	int error = id == VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE
			    ? send_whole(channel, &message, len)
			    : revocable_send(&channel->revocable, &message, len, fd);
	if (error < 0) {
		lose_channel(channel, error);
		return false;
	}
	channel->outstanding = need_reply ? id : 0;
	return true;
}

static void send_window_request(struct channel *channel)
{
	const struct window_request *request = channel->request;
	bool map = request->map;
	const struct vhost_user_shmem_map payload = {
		.id = channel->window_id,
		.fd_offset = map ? request->fd_offset : 0,
		.offset = request->offset,
		.size = request->size,
		.flags = map && request->writable ? VHOST_USER_SHMEM_WRITABLE : 0,
	};
	int error = 0;
	if (map) {
		error = remember_mapping(channel, request, &channel->mapping);
	} else {
		channel->mapping = find_mapping(channel, request->offset, request->size);
		error = channel->mapping == NULL ? -EINVAL : 0;
	}
	if (error < 0) {
		give_back(channel, error);
		return;
	}
	if (send_request(channel,
			 map ? VHOST_USER_BACKEND_SHMEM_MAP : VHOST_USER_BACKEND_SHMEM_UNMAP,
			 &payload, sizeof(payload), map ? request->fd : -1, true)) {
		channel->stage = CHANNEL_REQUEST_SENT;
	}
}

static void send_barrier(struct channel *channel)
{
	static const uint8_t nobody[VHOST_USER_UUID_BYTES] = "hesper-barrier";
	if (send_request(channel, VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE, nobody, sizeof(nobody),
			 -1, true)) {
		channel->stage = CHANNEL_BARRIER_SENT;
	}
}

static void channel_pump(struct channel *channel)
{
	if (channel->request != NULL && (channel->watch == NULL || !channel->windows)) {
		give_back(channel, -ENOTCONN);
	}
	if (channel->watch == NULL || !channel->open || channel->outstanding != 0 ||
	    revocable_is_busy(&channel->revocable)) {
		return;
	}
	if (channel->stage == CHANNEL_BARRIER_DUE) {
		send_barrier(channel);
	} else if (channel->config_due && channel->acked) {
		channel->config_due = false;
		send_request(channel, VHOST_USER_BACKEND_CONFIG_CHANGE, "", 0, -1,
			     channel->config_replies);
	}
	if (channel->stage == CHANNEL_REQUEST_DUE && channel->outstanding == 0 &&
	    !revocable_is_busy(&channel->revocable)) {
		send_window_request(channel);
	}
}

/* What the front end was asked for is so. */
static void finish_request(struct channel *channel)
{
	if (!channel->request->map) {
		forget_mapping(channel, channel->mapping);
	}
	give_back(channel, 0);
}

static void handle_request_reply(struct channel *channel, uint64_t value)
{
	const struct window_request *request = channel->request;
	if (value != 0) {
		log_limited(LOG_WARN,
			    "the front end refused to %s %#llx bytes at %#llx of the window",
			    request->map ? "map" : "unmap", (unsigned long long)request->size,
			    (unsigned long long)request->offset);
		if (request->map) {
			forget_mapping(channel, channel->mapping);
		}
		give_back(channel, -EREMOTEIO);
		return;
	}
	channel->mapping->confirmed = true;
	if (channel->barriers) {
		channel->stage = CHANNEL_BARRIER_DUE;
	} else {
		finish_request(channel);
	}
}

static void handle_reply(struct channel *channel, const struct message *message)
{
	uint32_t id = channel->outstanding;
	channel->outstanding = 0;
	if (channel->stage == CHANNEL_REQUEST_SENT) {
		handle_request_reply(channel, message->payload.u64);
	} else if (channel->stage == CHANNEL_BARRIER_SENT) {
		finish_request(channel);
	} else {
		/* CONFIG_CHANGE, or something that a reset has cancelled. */
		log_debug("reply to back-end request %u: %llu", id,
			  (unsigned long long)message->payload.u64);
	}
}

static bool reply_makes_sense(const struct channel *channel, const struct message *message)
{
	const struct vhost_user_header *header = &message->header;
	return channel->outstanding != 0 && header->request == channel->outstanding &&
	       (header->flags & VHOST_USER_REPLY) != 0 && header->size == sizeof(uint64_t);
}

static void handle_ready(void *data)
{
	struct channel *channel = data;
	int result;
	while (channel->watch != NULL &&
	       (result = message_read(channel->watch->fd, &channel->incoming)) != 0) {
		if (result == -ENODATA) {
			/* So a front end ends, too: the socket tells. */
			log_info("the front end has closed the back-end channel");
			close_channel(channel);
			return;
		}
		if (result < 0 || !reply_makes_sense(channel, &channel->incoming)) {
			log_error("the back-end channel is lost: %s",
				  result < 0 ? strerror(-result)
					     : "a reply that was not asked for");
			close_channel(channel);
			return;
		}
		handle_reply(channel, &channel->incoming);
		message_clear(&channel->incoming);
		channel_pump(channel);
	}
}

void channel_set_features(struct channel *channel, uint64_t features)
{
	const uint64_t windows = VHOST_USER_PROTOCOL_BACKEND_REQ | VHOST_USER_PROTOCOL_REPLY_ACK |
				 VHOST_USER_PROTOCOL_BACKEND_SEND_FD | VHOST_USER_PROTOCOL_SHMEM;
	const uint64_t config = VHOST_USER_PROTOCOL_BACKEND_REQ | VHOST_USER_PROTOCOL_CONFIG;
	channel->windows = (features & windows) == windows;
	channel->acked = (features & config) == config;
	channel->barriers = (features & VHOST_USER_PROTOCOL_SHARED_OBJECT) != 0;
	channel->config_replies = (features & VHOST_USER_PROTOCOL_REPLY_ACK) != 0;
}

static void handle_sent(void *data, int error)
{
	struct channel *channel = data;
	if (error < 0) {
		lose_channel(channel, error);
	} else {
		channel_pump(channel);
	}
}

int channel_set_fd(struct channel *channel, int fd)
{
	struct watch *watch;
	close_channel(channel);
	int error = revocable_init(&channel->revocable, channel->loop, fd, handle_sent, channel);
	if (error == 0) {
		error = watch_create(channel->loop, fd, handle_ready, channel, &watch);
	}
	if (error < 0) {
		revocable_finish(&channel->revocable);
		return error;
	}
	channel->watch = watch;
	channel_pump(channel);
	return 0;
}

/* Makes due again what the front end will not read. */
static void take_back(struct channel *channel)
{
	channel->outstanding = 0;
	if (channel->stage != CHANNEL_REQUEST_SENT) {
		channel->config_due = true;
		return;
	}
	if (channel->request->map) {
		forget_mapping(channel, channel->mapping);
	}
	channel->mapping = NULL;
	channel->stage = CHANNEL_REQUEST_DUE;
}

void channel_set_open(struct channel *channel, bool open)
{
	channel->open = open;
	if (!open && revocable_revoke(&channel->revocable) && channel->watch != NULL) {
		log_debug("the front end stops before it has read a request");
		take_back(channel);
	}
	channel_pump(channel);
}

void channel_reset(struct channel *channel)
{
	forget_all(channel);
	give_back(channel, -ECANCELED);
}

void channel_request(struct channel *channel, struct window_request *request)
{
	channel->request = request;
	channel->stage = CHANNEL_REQUEST_DUE;
	channel_pump(channel);
}

void channel_notify_config(struct channel *channel)
{
	channel->config_due = true;
	channel_pump(channel);
}
