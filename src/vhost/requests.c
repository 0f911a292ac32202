/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "util/fd.h"
#include "util/log.h"
#include "vhost/front.h"

/*
 * The vhost-user requests (protocols §1.2), one function each. A function returns 0 or negative
 * errno, or WAITS when the device thread was asked: then requests_answered goes on. Sizes and fd
 * counts were checked against the table before; a function takes the fds it wants out of the
 * message (take_fd), the rest is closed after it.
 */
#define WAITS 1

static int take_fd(struct message *message)
{
	int fd = message->fds[0];
	message->fds[0] = -1;
	return fd;
}

static void reply_bytes(struct front *front, const void *bytes, uint32_t size)
{
	memcpy(front->reply.payload.bytes, bytes, size);
	front->reply.header.size = size;
}

static void reply_u64(struct front *front, uint64_t value)
{
	reply_bytes(front, &value, sizeof(value));
}

static bool bad_index(const struct front *front, uint64_t index)
{
	return index >= front->queue_count;
}

/* Session. */

static int get_features(struct front *front, struct message *message)
{
	reply_u64(front, front->features_offered);
	return 0;
}

static int set_owner(struct front *front, struct message *message)
{
	return 0;
}

static int get_protocol_features(struct front *front, struct message *message)
{
	reply_u64(front, front->protocol_offered);
	return 0;
}

static int set_protocol_features(struct front *front, struct message *message)
{
	log_debug("the front end acknowledges protocol features %#llx",
		  (unsigned long long)message->payload.u64);
	channel_set_features(&front->channel, message->payload.u64 & front->protocol_offered);
	return 0;
}

static int get_queue_num(struct front *front, struct message *message)
{
	reply_u64(front, front->queue_count);
	return 0;
}

static int set_backend_req_fd(struct front *front, struct message *message)
{
	int fd = take_fd(message);
	int error = channel_set_fd(&front->channel, fd);
	if (error < 0) {
		fd_close(&fd);
	}
	return error;
}

static int get_shmem_config(struct front *front, struct message *message)
{
	static struct vhost_user_shmem_config none;
	reply_bytes(front, &none, sizeof(none));
	if (front->window_size > 0) {
		front->reply.payload.shmem.count = 1;
		front->reply.payload.shmem.sizes[front->window_id] = front->window_size;
	}
	return 0;
}

/* It was negotiated for the barrier (channel.c): the device exports no object, and sends no fd. */
static int get_shared_object(struct front *front, struct message *message)
{
	reply_bytes(front, message->payload.bytes, VHOST_USER_UUID_BYTES);
	return 0;
}

/* Config. */

static_assert(VHOST_USER_CONFIG_BYTES == VHOST_MAX_CONFIG, "any valid read is inside the copy");

static bool bad_config(const struct message *message)
{
	const struct vhost_user_config *config = &message->payload.config;
	return config->size > VHOST_USER_CONFIG_BYTES ||
	       config->offset > VHOST_USER_CONFIG_BYTES - config->size ||
	       message->header.size != VHOST_USER_CONFIG_HEADER + config->size;
}

static int get_config(struct front *front, struct message *message)
{
	if (bad_config(message)) {
		return -EINVAL;
	}
	/* QEMU's config_size may be larger than ours: what we do not have reads as zero. */
	const struct vhost_user_config *asked = &message->payload.config;
	reply_bytes(front, asked, message->header.size);
	memcpy(front->reply.payload.config.bytes, front->config + asked->offset, asked->size);
	front->config_read = true;
	return 0;
}

static int set_config(struct front *front, struct message *message)
{
	if (bad_config(message)) {
		return -EINVAL;
	}
	/* What the write means must be in the very next read (protocols §6.1). */
	if (front->select_config != NULL) {
		const struct vhost_user_config *config = &message->payload.config;
		front->select_config(front->select_data, front->config, config->offset,
				     config->bytes, config->size);
		return 0;
	}
	front->ask.config = message->payload.config;
	front_ask(front, ASK_CONFIG);
	return WAITS;
}

/* Memory. */

/* Leaves only RAM in regions and fds; the fds stay the message's. */
static size_t sort_out_windows(struct front *front, const struct message *message,
			       struct guest_region *regions, int *fds)
{
	size_t count = message->payload.memory.count;
	size_t ram = 0;
	for (size_t i = 0; i < count; i++) {
		struct guest_region region = message->payload.memory.regions[i];
		if (!channel_is_window(&front->channel, &region, message->fds[i])) {
			regions[ram] = region;
			fds[ram] = message->fds[i];
			ram++;
		}
	}
	front->windows_gone = ram == count;
	return ram;
}

static int set_mem_table(struct front *front, struct message *message)
{
	uint32_t count = message->payload.memory.count;
	if (count == 0 || count > VHOST_USER_MAX_REGIONS || message->fd_count != count ||
	    message->header.size != 8 + count * sizeof(struct guest_region)) {
		return -EINVAL;
	}
	struct guest_region regions[VHOST_USER_MAX_REGIONS];
	int fds[VHOST_USER_MAX_REGIONS];
	size_t ram = sort_out_windows(front, message, regions, fds);
	log_debug("memory table: %u regions, %zu of them RAM", count, ram);
	if (front->memory != NULL && guest_memory_same(front->memory, regions, fds, ram)) {
		return 0;
	}
	int error;
	struct guest_memory *memory = guest_memory_create(regions, fds, ram, &error);
	if (memory == NULL) {
		log_error("guest RAM cannot be mapped: %s", strerror(-error));
		return error;
	}
	guest_memory_unref(front->memory);
	front->memory = memory;
	front->ask.memory = guest_memory_ref(memory);
	front_ask(front, ASK_MEMORY);
	return WAITS;
}

/* Rings. */

/* Tells the device thread how the rings are now. stop: see struct ask. */
static int tell_rings(struct front *front, int stop)
{
	struct ask *ask = &front->ask;
	memcpy(ask->rings.setup, front->rings, sizeof(ask->rings.setup));
	ask->rings.running = front->running;
	ask->rings.stop = stop;
	ask->rings.features = front->features;
	ask->rings.had_mappings = front->had_mappings;
	ask->rings.windows_gone = front->windows_gone;
	ask->rings.config_read = front->config_read;
	front_ask(front, ASK_RINGS);
	return WAITS;
}

/* The ring may have become active: the device runs from the first one on. */
static int start_ring(struct front *front, const struct ring_setup *ring)
{
	if (!ring->started || !ring->enabled) {
		return 0;
	}
	front->running = true;
	return tell_rings(front, -1);
}

static int set_features(struct front *front, struct message *message)
{
	uint64_t features = message->payload.u64;
	if ((features & ~front->features_offered) != 0) {
		log_warn("the front end acknowledges features that were not offered: %#llx",
			 (unsigned long long)(features & ~front->features_offered));
		features &= front->features_offered;
	}
	/* The device thread hears of them when a ring starts. */
	front->features = features;
	if ((features & VHOST_USER_F_PROTOCOL_FEATURES) != 0) {
		return 0;
	}
	/* Without bit 30 there is no SET_VRING_ENABLE: this enables all rings. */
	const struct ring_setup *started = NULL;
	for (unsigned i = 0; i < front->queue_count; i++) {
		front->rings[i].enabled = true;
		started = front->rings[i].started ? &front->rings[i] : started;
	}
	return started == NULL ? 0 : start_ring(front, started);
}

/* The first ring that goes stops the device. From here on nothing may be sent on the channel. */
static int stop_rings(struct front *front, int stop)
{
	if (front->running) {
		front->running = false;
		front->had_mappings = channel_mapped(&front->channel) > 0;
		front->windows_gone = false;
		front->config_read = false;
	}
	channel_set_open(&front->channel, false);
	return tell_rings(front, stop);
}

static int set_vring_num(struct front *front, struct message *message)
{
	const struct vhost_user_vring_state *state = &message->payload.state;
	if (bad_index(front, state->index) || state->num == 0 || state->num > VHOST_USER_MAX_RING ||
	    (state->num & (state->num - 1)) != 0) {
		return -EINVAL;
	}
	front->rings[state->index].setup.num = (uint16_t)state->num;
	return 0;
}

static int set_vring_addr(struct front *front, struct message *message)
{
	const struct vhost_user_vring_addr *addr = &message->payload.addr;
	if (bad_index(front, addr->index)) {
		return -EINVAL;
	}
	struct virtqueue_setup *setup = &front->rings[addr->index].setup;
	setup->desc = addr->desc;
	setup->avail = addr->avail;
	setup->used = addr->used;
	return 0;
}

static int set_vring_base(struct front *front, struct message *message)
{
	const struct vhost_user_vring_state *state = &message->payload.state;
	if (bad_index(front, state->index) || state->num > UINT16_MAX) {
		return -EINVAL;
	}
	front->rings[state->index].setup.base = (uint16_t)state->num;
	front->rings[state->index].anew = !front->running;
	return 0;
}

static int get_vring_base(struct front *front, struct message *message)
{
	const struct vhost_user_vring_state *state = &message->payload.state;
	if (bad_index(front, state->index)) {
		return -EINVAL;
	}
	reply_bytes(front, state, sizeof(*state));
	front->rings[state->index].started = false;
	return stop_rings(front, (int)state->index);
}

static int set_vring_enable(struct front *front, struct message *message)
{
	const struct vhost_user_vring_state *state = &message->payload.state;
	if (bad_index(front, state->index) || state->num > 1) {
		return -EINVAL;
	}
	struct ring_setup *ring = &front->rings[state->index];
	ring->enabled = state->num == 1;
	return ring->enabled ? start_ring(front, ring) : stop_rings(front, -1);
}

/* The fd of a KICK, CALL or ERR message: *fd is -1 when it says that there is none. */
static int vring_fd(struct front *front, struct message *message, unsigned *index, int *fd)
{
	uint64_t value = message->payload.u64;
	bool none = (value & VHOST_USER_VRING_NO_FD) != 0;
	*index = (unsigned)(value & VHOST_USER_VRING_INDEX_MASK);
	if (bad_index(front, *index) || none != (message->fd_count == 0)) {
		return -EINVAL;
	}
	*fd = none ? -1 : take_fd(message);
	/* The device thread must never wait in a write to it. */
	int error = none ? 0 : fd_set_nonblock(*fd, true);
	if (error < 0) {
		fd_close(fd);
	}
	return error;
}

static int pass_vring_fd(struct front *front, struct message *message, enum note_kind kind,
			 unsigned *index)
{
	int fd;
	int error = vring_fd(front, message, index, &fd);
	if (error < 0) {
		return error;
	}
	error = front_note(front, kind, *index, fd);
	if (error < 0) {
		fd_close(&fd);
	}
	return error;
}

static int set_vring_kick(struct front *front, struct message *message)
{
	unsigned index;
	if (message->fd_count == 0) {
		log_limited(LOG_WARN, "a queue without a kick fd is not supported");
		return -EOPNOTSUPP;
	}
	int error = pass_vring_fd(front, message, NOTE_KICK, &index);
	if (error < 0) {
		return error;
	}
	struct ring_setup *ring = &front->rings[index];
	ring->started = true;
	return start_ring(front, ring);
}

static int set_vring_call(struct front *front, struct message *message)
{
	unsigned index;
	return pass_vring_fd(front, message, NOTE_CALL, &index);
}

static int set_vring_err(struct front *front, struct message *message)
{
	unsigned index;
	return pass_vring_fd(front, message, NOTE_ERR, &index);
}

/* The table. */

struct request {
	const char *name;
	int (*handle)(struct front *front, struct message *message);
	uint32_t min_size;
	uint32_t max_size;
	uint8_t min_fds;
	uint8_t max_fds;
	bool replies; /* has a reply of its own */
};

#define REQUEST(id, function, ...) [VHOST_USER_##id] = {#id, function, __VA_ARGS__}
#define SIZE(size) (size), (size)
#define STATE sizeof(struct vhost_user_vring_state)
#define ADDR sizeof(struct vhost_user_vring_addr)
#define U64 sizeof(uint64_t)
#define CONFIG VHOST_USER_CONFIG_HEADER, sizeof(struct vhost_user_config)
#define TABLE 8, sizeof(struct vhost_user_memory_table)

/* Payload size min and max, fds min and max, own reply. */
static const struct request requests[] = {
	REQUEST(GET_FEATURES, get_features, SIZE(0), 0, 0, true),
	REQUEST(SET_FEATURES, set_features, SIZE(U64), 0, 0, false),
	REQUEST(SET_OWNER, set_owner, SIZE(0), 0, 0, false),
	REQUEST(RESET_OWNER, set_owner, SIZE(0), 0, 0, false),
	REQUEST(SET_MEM_TABLE, set_mem_table, TABLE, 0, VHOST_USER_MAX_FDS, false),
	REQUEST(SET_VRING_NUM, set_vring_num, SIZE(STATE), 0, 0, false),
	REQUEST(SET_VRING_ADDR, set_vring_addr, SIZE(ADDR), 0, 0, false),
	REQUEST(SET_VRING_BASE, set_vring_base, SIZE(STATE), 0, 0, false),
	REQUEST(GET_VRING_BASE, get_vring_base, SIZE(STATE), 0, 0, true),
	REQUEST(SET_VRING_KICK, set_vring_kick, SIZE(U64), 0, 1, false),
	REQUEST(SET_VRING_CALL, set_vring_call, SIZE(U64), 0, 1, false),
	REQUEST(SET_VRING_ERR, set_vring_err, SIZE(U64), 0, 1, false),
	REQUEST(GET_PROTOCOL_FEATURES, get_protocol_features, SIZE(0), 0, 0, true),
	REQUEST(SET_PROTOCOL_FEATURES, set_protocol_features, SIZE(U64), 0, 0, false),
	REQUEST(GET_QUEUE_NUM, get_queue_num, SIZE(0), 0, 0, true),
	REQUEST(SET_VRING_ENABLE, set_vring_enable, SIZE(STATE), 0, 0, false),
	REQUEST(SET_BACKEND_REQ_FD, set_backend_req_fd, SIZE(0), 1, 1, false),
	REQUEST(GET_CONFIG, get_config, CONFIG, 0, 0, true),
	REQUEST(SET_CONFIG, set_config, CONFIG, 0, 0, false),
	REQUEST(GET_SHARED_OBJECT, get_shared_object, SIZE(VHOST_USER_UUID_BYTES), 0, 0, true),
	REQUEST(GET_SHMEM_CONFIG, get_shmem_config, SIZE(0), 0, 0, true),
};
static_assert(sizeof(requests) / sizeof(requests[0]) == VHOST_USER_REQUEST_END,
	      "GET_SHMEM_CONFIG is the last request known");

static const struct request *find_request(uint32_t id)
{
	return id < VHOST_USER_REQUEST_END && requests[id].handle != NULL ? &requests[id] : NULL;
}

static bool well_formed(const struct request *request, const struct message *message)
{
	return message->header.size >= request->min_size &&
	       message->header.size <= request->max_size && message->fd_count >= request->min_fds &&
	       message->fd_count <= request->max_fds && !message->fds_lost &&
	       (message->header.flags & VHOST_USER_REPLY) == 0;
}

/* The message is done: makes the reply, if one is due, and clears the way for the next message. */
static void finish(struct front *front, int status)
{
	struct message *message = &front->incoming;
	const struct request *request = find_request(message->header.request);
	bool own = request != NULL && request->replies;
	bool due = own || (message->header.flags & VHOST_USER_NEED_REPLY) != 0;
	if (status < 0 && request != NULL) {
		log_limited(LOG_WARN, "vhost-user %s of %u bytes with %zu fds fails: %s",
			    request->name, message->header.size, message->fd_count,
			    strerror(-status));
	}
	if (!own) {
		reply_u64(front, status < 0 ? 1 : 0);
	} else if (status < 0) {
		/* As the spec says for GET_CONFIG: the front end sees the missing payload. */
		front->reply.header.size = 0;
	}
	front->reply.header.request = message->header.request;
	front->reply.header.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	front->reply.sent = 0;
	front->reply.size = due ? sizeof(front->reply.header) + front->reply.header.size : 0;
	message_clear(message);
}

void requests_handle(struct front *front)
{
	struct message *message = &front->incoming;
	const struct request *request = find_request(message->header.request);
	int status;
	if (request == NULL) {
		log_limited(LOG_WARN, "vhost-user request %u is unknown", message->header.request);
		status = -ENOSYS;
	} else if (!well_formed(request, message)) {
		status = -EBADMSG;
	} else {
		log_debug("vhost-user %s", request->name);
		status = request->handle(front, message);
	}
	if (status != WAITS) {
		finish(front, status);
	}
}

static void settle_rings(struct front *front)
{
	for (unsigned i = 0; i < front->queue_count; i++) {
		if ((front->ask.forgotten & (1u << i)) != 0) {
			front->rings[i].started = false;
		}
		if (front->running) {
			front->rings[i].anew = false;
		}
	}
}

void requests_answered(struct front *front)
{
	const struct ask *ask = &front->ask;
	if (front->watch == NULL) {
		return;
	}
	if (ask->kind == ASK_RINGS) {
		if (ask->reset) {
			channel_reset(&front->channel);
		}
		front->running = ask->rings.running;
		settle_rings(front);
		channel_set_open(&front->channel, front->running);
		if (ask->rings.stop >= 0) {
			front->reply.payload.state.num = ask->base;
		}
	}
	finish(front, ask->status);
}
