/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conformance.h"
#include "malformed.h"

/*
 * Messages that are wrong. The specification lets a back end close the connection ("in exceptional
 * circumstances") and does not ask it to check every field, so a message may be refused, taken, or
 * the connection's end. What must not be: no answer where one is due, an answer that is none, or
 * a process that dies of it.
 */
#define LAST_REQUEST 45 /* of the specification's, as of QEMU 11.1 */

struct outcome {
	struct subject *subject;
	unsigned refused;
	unsigned taken;
	unsigned closed;
	const char *taken_what; /* the first */
	uint32_t taken_request;
};

/* The protocol feature that a request belongs to; 0: none. */
static uint64_t feature_of(uint32_t request)
{
	switch (request) {
	case VHOST_USER_GET_QUEUE_NUM:
		return VHOST_USER_PROTOCOL_MQ;
	case VHOST_USER_SET_BACKEND_REQ_FD:
		return VHOST_USER_PROTOCOL_BACKEND_REQ;
	case VHOST_USER_GET_CONFIG:
	case VHOST_USER_SET_CONFIG:
		return VHOST_USER_PROTOCOL_CONFIG;
	case VHOST_USER_GET_SHARED_OBJECT:
		return VHOST_USER_PROTOCOL_SHARED_OBJECT;
	case VHOST_USER_GET_SHMEM_CONFIG:
		return VHOST_USER_PROTOCOL_SHMEM;
	default:
		return 0;
	}
}

static void count(struct outcome *outcome, const struct malformed *message, int64_t size,
		  const uint8_t *reply)
{
	uint64_t value = 0;
	memcpy(&value, reply, size >= 8 ? 8 : 0);
	if (message->replies ? size == 0 : value != 0) {
		outcome->refused++;
		return;
	}
	/* One that this suite does not know may well be known to the back end, with a reply of its own. */
	bool foreign = strcmp(malformed_request_name(message->request), "request") == 0 &&
		       message->request > 0 && message->request <= LAST_REQUEST;
	if (!message->replies && size != 8 && !foreign) {
		conformance_fail("%s (%u), %s: the answer has %lld bytes, not 8",
				 malformed_request_name(message->request), message->request,
				 message->what, (long long)size);
	}
	if (outcome->taken++ == 0) {
		outcome->taken_what = message->what;
		outcome->taken_request = message->request;
	}
}

static void try(void *data, const struct malformed *message)
{
	struct outcome *outcome = data;
	struct subject *subject = outcome->subject;
	struct wire_front *front = &subject->front;
	uint8_t reply[VHOST_USER_MAX_PAYLOAD];
	if ((feature_of(message->request) & ~front->protocol_features) != 0) {
		return;
	}
	front->tolerant = true;
	bool ack = (front->protocol_features & VHOST_USER_PROTOCOL_REPLY_ACK) != 0;
	bool there = wire_try(front, message->request,
			      ack && !message->replies ? VHOST_USER_NEED_REPLY : 0,
			      message->payload, message->size, message->fds, message->fd_count);
	if (there && (ack || message->replies)) {
		int64_t size = wire_answer(front, message->request, reply, sizeof(reply));
		there = size >= 0;
		if (there) {
			count(outcome, message, size, reply);
		}
	}
	if (!there || !subject_still_there(subject)) {
		subject_close(subject);
		char words[128];
		if (backend_crashed(subject->backend, words, sizeof(words))) {
			conformance_fail("%s (%u), %s: %s",
					 malformed_request_name(message->request), message->request,
					 message->what, words);
		}
		outcome->closed++;
		subject_open(subject, GREETED);
	}
}

static void malformed(struct subject *subject, const void *data)
{
	void (*const *make)(const struct malformed_rig *rig) = data;
	struct outcome outcome = {.subject = subject};
	/* The front end may be another one in between; the file stays. */
	int ram_fd = dup(subject->front.ram_fd);
	(*make)(&(struct malformed_rig){2, ram_fd, subject->front.ram_size, try, &outcome});
	close(ram_fd);
	conformance_note("%u refused, %u taken, %u closed the connection", outcome.refused,
			 outcome.taken, outcome.closed);
	if (outcome.taken > 0) {
		conformance_note("the first that was taken: %s (%u), %s",
				 malformed_request_name(outcome.taken_request),
				 outcome.taken_request, outcome.taken_what);
	}
	/* And a machine can still be run on what is there now. */
	wire_start(&subject->front, subject->features);
	const struct scenario_echo echo = subject_echo(subject);
	echo.command(echo.data, 0);
}

/* What comes is the begin of a message, or of none; then the front end goes. */
static void begin(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	const struct vhost_user_header *header = data;
	/* An answer may come, or the end of the connection; and after ours, that. */
	if (write(front->socket, header, sizeof(*header)) != sizeof(*header)) {
		conformance_fail("the connection is closed before anything was sent");
	}
	shutdown(front->socket, SHUT_WR);
	char bytes[64];
	ssize_t got;
	size_t answered = 0;
	const struct timeval limit = {.tv_sec = WIRE_TIMEOUT_MS / 1000};
	setsockopt(front->socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while ((got = read(front->socket, bytes, sizeof(bytes))) > 0) {
		answered += (size_t)got;
	}
	if (answered > 0) {
		conformance_note("it is answered (%zu bytes)", answered);
	}
	if (got < 0) {
		conformance_note("the connection stays open behind it");
	}
}

static void half_a_header(struct subject *subject, const void *data)
{
	const struct vhost_user_header header = {VHOST_USER_GET_FEATURES, VHOST_USER_VERSION, 0};
	if (write(subject->front.socket, &header, 5) != 5) {
		conformance_fail("the connection is closed before anything was sent");
	}
}

static void nothing_at_all(struct subject *subject, const void *data)
{
}

static const struct vhost_user_header headers[] = {
	{VHOST_USER_SET_CONFIG, VHOST_USER_VERSION, VHOST_USER_MAX_PAYLOAD + 1},
	{VHOST_USER_SET_CONFIG, VHOST_USER_VERSION, 0x7fffffff},
	{VHOST_USER_SET_CONFIG, VHOST_USER_VERSION, UINT32_MAX},
	{VHOST_USER_GET_FEATURES, 2, 0},
	{VHOST_USER_GET_FEATURES, 0, 0},
	{VHOST_USER_GET_FEATURES, VHOST_USER_VERSION | VHOST_USER_REPLY, 0},
	{VHOST_USER_SET_FEATURES, VHOST_USER_VERSION, 8},
};

static void (*const makers[])(const struct malformed_rig *rig) = {
	malformed_sizes,         malformed_queues,       malformed_ring_values,
	malformed_surplus_fds,   malformed_unwanted_fds, malformed_missing_fds,
	malformed_memory_tables, malformed_configs,      malformed_requests,
};

#define COMMUNICATION "vhost-user, Communication"
static const struct conformance_test tests[] = {
	{"wrong-sizes", COMMUNICATION, GREETED, 0, 0, malformed, &makers[0]},
	{"no-such-queue", COMMUNICATION, GREETED, 0, 0, malformed, &makers[1]},
	{"ring-values", COMMUNICATION, GREETED, 0, 0, malformed, &makers[2]},
	{"surplus-files", COMMUNICATION, GREETED, 0, 0, malformed, &makers[3]},
	{"unwanted-files", COMMUNICATION, GREETED, 0, 0, malformed, &makers[4]},
	{"missing-files", COMMUNICATION, GREETED, 0, 0, malformed, &makers[5]},
	{"memory-tables", COMMUNICATION, GREETED, 0, 0, malformed, &makers[6]},
	{"configs", COMMUNICATION, GREETED, 0, VHOST_USER_PROTOCOL_CONFIG, malformed, &makers[7]},
	{"unknown-requests", COMMUNICATION, GREETED, 0, VHOST_USER_PROTOCOL_REPLY_ACK, malformed,
	 &makers[8]},
	{"nothing-at-all", COMMUNICATION, CONNECTED, 0, 0, nothing_at_all},
	{"half-a-header", COMMUNICATION, CONNECTED, 0, 0, half_a_header},
	{"payload-of-4097", COMMUNICATION, CONNECTED, 0, 0, begin, &headers[0]},
	{"payload-of-2-GiB", COMMUNICATION, CONNECTED, 0, 0, begin, &headers[1]},
	{"payload-of-4-GiB", COMMUNICATION, CONNECTED, 0, 0, begin, &headers[2]},
	{"version-2", COMMUNICATION, CONNECTED, 0, 0, begin, &headers[3]},
	{"version-0", COMMUNICATION, CONNECTED, 0, 0, begin, &headers[4]},
	{"reply-flag", COMMUNICATION, CONNECTED, 0, 0, begin, &headers[5]},
	{"end-in-a-message", COMMUNICATION, CONNECTED, 0, 0, begin, &headers[6]},
};

const struct conformance_group messages_group = {"messages", tests,
						 sizeof(tests) / sizeof(tests[0])};
