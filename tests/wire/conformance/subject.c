/* SPDX-License-Identifier: MIT */
#include <linux/virtio_gpu.h>
#include <string.h>

#include "conformance.h"
#include "gpu.h"
#include "vhost/ring.h"

#define RAM_BYTES (16ull << 20)

/* What this suite can be a driver of. Not packed rings, not UUIDs. */
#define DRIVER_FEATURES                                                                            \
	(VIRTIO_F_VERSION_1 | VIRTIO_RING_F_EVENT_IDX | VIRTIO_RING_F_INDIRECT_DESC |              \
	 1ull << VIRTIO_GPU_F_VIRGL | 1ull << VIRTIO_GPU_F_EDID |                                  \
	 1ull << VIRTIO_GPU_F_RESOURCE_BLOB | 1ull << VIRTIO_GPU_F_CONTEXT_INIT |                  \
	 1ull << VIRTIO_GPU_F_BLOB_ALIGNMENT)

static const struct {
	uint64_t bit;
	const char *name;
} feature_names[] =
	{
		{1ull << VIRTIO_GPU_F_VIRGL, "VIRTIO_GPU_F_VIRGL"},
		{1ull << VIRTIO_GPU_F_EDID, "VIRTIO_GPU_F_EDID"},
		{1ull << VIRTIO_GPU_F_RESOURCE_BLOB, "VIRTIO_GPU_F_RESOURCE_BLOB"},
		{1ull << VIRTIO_GPU_F_CONTEXT_INIT, "VIRTIO_GPU_F_CONTEXT_INIT"},
		{1ull << VIRTIO_GPU_F_BLOB_ALIGNMENT, "VIRTIO_GPU_F_BLOB_ALIGNMENT"},
		{VIRTIO_RING_F_INDIRECT_DESC, "VIRTIO_F_INDIRECT_DESC"},
		{VIRTIO_RING_F_EVENT_IDX, "VIRTIO_F_EVENT_IDX"},
		{VHOST_USER_F_PROTOCOL_FEATURES, "VHOST_USER_F_PROTOCOL_FEATURES"},
		{VIRTIO_F_VERSION_1, "VIRTIO_F_VERSION_1"},
},
  protocol_names[] = {
	  {VHOST_USER_PROTOCOL_MQ, "VHOST_USER_PROTOCOL_F_MQ"},
	  {VHOST_USER_PROTOCOL_REPLY_ACK, "VHOST_USER_PROTOCOL_F_REPLY_ACK"},
	  {VHOST_USER_PROTOCOL_BACKEND_REQ, "VHOST_USER_PROTOCOL_F_BACKEND_REQ"},
	  {VHOST_USER_PROTOCOL_CONFIG, "VHOST_USER_PROTOCOL_F_CONFIG"},
	  {VHOST_USER_PROTOCOL_BACKEND_SEND_FD, "VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD"},
	  {VHOST_USER_PROTOCOL_SHARED_OBJECT, "VHOST_USER_PROTOCOL_F_SHARED_OBJECT"},
	  {VHOST_USER_PROTOCOL_SHMEM, "VHOST_USER_PROTOCOL_F_SHMEM"},
};

const char *feature_name(uint64_t bit)
{
	for (size_t i = 0; i < sizeof(feature_names) / sizeof(feature_names[0]); i++) {
		if (feature_names[i].bit == bit) {
			return feature_names[i].name;
		}
	}
	return "a feature";
}

const char *protocol_feature_name(uint64_t bit)
{
	for (size_t i = 0; i < sizeof(protocol_names) / sizeof(protocol_names[0]); i++) {
		if (protocol_names[i].bit == bit) {
			return protocol_names[i].name;
		}
	}
	return "a protocol feature";
}

static void greet(struct subject *subject)
{
	struct wire_front *front = &subject->front;
	wire_hello(front);
	subject->features = front->offered & DRIVER_FEATURES;
	subject->scanouts = 1;
	subject->capsets = 0;
	if ((front->protocol_features & VHOST_USER_PROTOCOL_CONFIG) != 0) {
		struct virtio_gpu_config config = {0};
		/* The part that all versions of the specification have. */
		wire_get_config(front, 0, &config, 16);
		subject->scanouts = config.num_scanouts;
		subject->capsets = config.num_capsets;
	}
	if (subject->give_display) {
		if (wire_give_display(front) != 0) {
			conformance_fail("VHOST_USER_GPU_SET_SOCKET is refused");
		}
		/* Whose monitors they are. */
		subject->scanouts = 1;
	}
}

void subject_open(struct subject *subject, enum conformance_stage stage)
{
	int socket = backend_connect(subject->backend);
	if (socket < 0) {
		conformance_fail("%s: %s",
				 subject->backend->command == NULL ? subject->backend->path
								   : "the back end does not start",
				 strerror(-socket));
	}
	wire_open(&subject->front, socket, 2, RAM_BYTES);
	subject->front.protocol_unwanted = subject->protocol_unwanted;
	subject->open = true;
	if (stage != CONNECTED) {
		greet(subject);
	}
	if (stage == RUNNING) {
		wire_start(&subject->front, subject->features);
	}
}

void subject_close(struct subject *subject)
{
	if (subject->open) {
		wire_close(&subject->front);
		subject->open = false;
	}
	backend_finish(subject->backend);
}

bool subject_still_there(struct subject *subject)
{
	char words[128];
	struct wire_front *front = &subject->front;
	uint64_t features;
	bool there = wire_try(front, VHOST_USER_GET_FEATURES, 0, NULL, 0, NULL, 0) &&
		     wire_answer(front, VHOST_USER_GET_FEATURES, &features, sizeof(features)) ==
			     sizeof(features);
	if (there) {
		return true;
	}
	subject_close(subject);
	if (backend_crashed(subject->backend, words, sizeof(words))) {
		conformance_fail("%s", words);
	}
	return false;
}

static void echo(void *data, unsigned queue)
{
	struct subject *subject = data;
	struct wire_front *front = &subject->front;
	if (queue == GPU_CONTROL_QUEUE) {
		struct virtio_gpu_resp_display_info info;
		const struct virtio_gpu_ctrl_hdr ask = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
		uint32_t type = gpu_command(front, &ask, sizeof(ask), &info, sizeof(info));
		wire_check_equal(type, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
		return;
	}
	const struct virtio_gpu_update_cursor move = {.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR};
	wire_command(front, queue, &move, sizeof(move), NULL, 0);
}

struct scenario_echo subject_echo(struct subject *subject)
{
	return (struct scenario_echo){echo, subject};
}
