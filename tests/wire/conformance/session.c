/* SPDX-License-Identifier: MIT */
#include <linux/virtio_gpu.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conformance.h"
#include "gpu.h"
#include "vhost/ring.h"

/* The life of a session: what is offered, rings that start, stop and go on, memory that changes. */

static void note_names(const char *what, uint64_t bits, const char *(*name)(uint64_t))
{
	char text[512] = "";
	for (unsigned i = 0; i < 64; i++) {
		size_t used = strlen(text);
		if ((bits & 1ull << i) != 0) {
			snprintf(text + used, sizeof(text) - used, "%s%s", used > 0 ? ", " : "",
				 name(1ull << i));
		}
	}
	conformance_note("%s: %s (%#llx)", what, text, (unsigned long long)bits);
}

static const char *short_name(uint64_t bit)
{
	static char number[16];
	const char *name = feature_name(bit);
	if (strcmp(name, "a feature") == 0) {
		snprintf(number, sizeof(number), "bit %d", __builtin_ctzll(bit));
		return number;
	}
	return name;
}

static const char *short_protocol_name(uint64_t bit)
{
	static char number[16];
	const char *name = protocol_feature_name(bit);
	if (strcmp(name, "a protocol feature") == 0) {
		snprintf(number, sizeof(number), "bit %d", __builtin_ctzll(bit));
		return number;
	}
	return name;
}

static void
	requires(uint64_t offered, unsigned feature, unsigned other)
{
	if ((offered & 1ull << feature) != 0 && (offered & 1ull << other) == 0) {
		conformance_fail("%s is offered without %s, which it requires",
				 feature_name(1ull << feature), feature_name(1ull << other));
	}
}

static void features(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	uint64_t offered = wire_get_u64(front, VHOST_USER_GET_FEATURES);
	note_names("offers", offered, short_name);
	wire_check_equal(wire_get_u64(front, VHOST_USER_GET_FEATURES), offered);
	if ((offered & VIRTIO_F_VERSION_1) == 0) {
		conformance_fail("VIRTIO_F_VERSION_1 is not offered");
	}
	requires(offered, VIRTIO_GPU_F_CONTEXT_INIT, VIRTIO_GPU_F_VIRGL);
	requires(offered, VIRTIO_GPU_F_BLOB_ALIGNMENT, VIRTIO_GPU_F_RESOURCE_BLOB);
}

/* Before SET_FEATURES, on a connection on which nothing else was said. */
static void protocol_features(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	if ((wire_get_u64(front, VHOST_USER_GET_FEATURES) & VHOST_USER_F_PROTOCOL_FEATURES) == 0) {
		conformance_skip("the back end does not offer VHOST_USER_F_PROTOCOL_FEATURES");
	}
	uint64_t offered = wire_get_u64(front, VHOST_USER_GET_PROTOCOL_FEATURES);
	note_names("offers", offered, short_protocol_name);
	wire_check_equal(wire_get_u64(front, VHOST_USER_GET_PROTOCOL_FEATURES), offered);
	if ((offered & VHOST_USER_PROTOCOL_SHMEM) != 0 &&
	    (offered & VHOST_USER_PROTOCOL_BACKEND_REQ) == 0) {
		conformance_note("the window's requests need VHOST_USER_PROTOCOL_F_BACKEND_REQ");
	}
}

static void two_queues(struct subject *subject, const void *data)
{
	if (wire_get_u64(&subject->front, VHOST_USER_GET_QUEUE_NUM) < 2) {
		conformance_fail("a GPU has two queues");
	}
}

static void config(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	struct virtio_gpu_config first = {0};
	struct virtio_gpu_config second = {0};
	bool aligned = (front->offered & 1ull << VIRTIO_GPU_F_BLOB_ALIGNMENT) != 0;
	uint32_t size = aligned ? 20 : 16;
	wire_get_config(front, 0, &first, size);
	wire_get_config(front, 0, &second, size);
	if (memcmp(&first, &second, size) != 0) {
		conformance_fail("two reads of the configuration differ");
	}
	if (front->display >= 0 && first.num_scanouts == 0) {
		conformance_note("num_scanouts is left to the front end, as with QEMU's "
				 "vhost-user-gpu");
	} else if (first.num_scanouts < 1 || first.num_scanouts > 16) {
		conformance_fail("num_scanouts is %u, which is not 1 to 16", first.num_scanouts);
	}
	if (aligned && (first.blob_alignment & (first.blob_alignment - 1)) != 0) {
		conformance_fail("blob_alignment is %u, no power of two", first.blob_alignment);
	}
	conformance_note("%u scanouts, %u capsets", first.num_scanouts, first.num_capsets);
}

static void config_offset(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	uint32_t whole[4];
	wire_get_config(front, 0, whole, sizeof(whole));
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t part;
		wire_get_config(front, 4 * i, &part, sizeof(part));
		if (part != whole[i]) {
			conformance_fail("4 bytes at offset %u are %#x when they are read alone, "
					 "and %#x in the whole",
					 4 * i, part, whole[i]);
		}
	}
}

/* As QEMU does it: the whole, of which one field was written. */
static void config_write(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	struct virtio_gpu_config before = {0};
	struct virtio_gpu_config written;
	struct virtio_gpu_config after = {0};
	wire_get_config(front, 0, &before, 16);
	written = before;
	written.events_clear = ~0u;
	wire_set_config(front, 0, &written, 16);
	written.events_clear = 0;
	written.num_scanouts = 99;
	written.num_capsets = 99;
	const struct vhost_user_config message = {.size = 16};
	struct vhost_user_config copy = message;
	memcpy(copy.bytes, &written, 16);
	if (wire_acked(front, VHOST_USER_SET_CONFIG, &copy, VHOST_USER_CONFIG_HEADER + 16, NULL,
		       0) != 0) {
		conformance_note("a write of read-only fields is refused");
	}
	wire_get_config(front, 0, &after, 16);
	wire_check_equal(after.num_scanouts, before.num_scanouts);
	wire_check_equal(after.num_capsets, before.num_capsets);
	wire_check_equal(after.events_read, 0);
}

static void window_sizes(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	struct vhost_user_shmem_config again;
	wire_send(front, VHOST_USER_GET_SHMEM_CONFIG, 0, NULL, 0, NULL, 0);
	wire_check_equal(wire_receive(front, VHOST_USER_GET_SHMEM_CONFIG, &again, sizeof(again)),
			 sizeof(again));
	if (memcmp(&again, &front->shmem, sizeof(again)) != 0) {
		conformance_fail("the regions are others when they are asked for again");
	}
	unsigned count = 0;
	for (unsigned i = 0; i < VHOST_USER_MAX_SHMEM_REGIONS; i++) {
		count += again.sizes[i] != 0;
		if (again.sizes[i] % (uint64_t)getpagesize() != 0) {
			conformance_fail("region %u has %llu bytes, no multiple of a page", i,
					 (unsigned long long)again.sizes[i]);
		}
		if (again.sizes[i] != 0 && i != 1) {
			conformance_fail("region %u: a GPU has 1 only, the host-visible one", i);
		}
	}
	wire_check_equal(again.count, count);
}

static void commands(struct subject *subject, const void *data)
{
	const struct scenario_echo echo = subject_echo(subject);
	scenario_many_commands(&subject->front, subject->features, &echo, 1000);
}

static void feature_sets(struct subject *subject, const void *data)
{
	const struct scenario_echo echo = subject_echo(subject);
	scenario_feature_sets(&subject->front, subject->features, &echo, 300);
}

static void ring_sizes(struct subject *subject, const void *data)
{
	const struct scenario_echo echo = subject_echo(subject);
	scenario_ring_sizes(&subject->front, subject->features, &echo);
}

static void look_at_disabled(void *data)
{
	struct subject *subject = data;
	struct wire_front *front = &subject->front;
	for (unsigned i = 0; i < 20; i++) {
		wire_get_u64(front, VHOST_USER_GET_FEATURES);
		usleep(1000);
	}
	if (((volatile uint16_t *)wire_at(front, front->rings[0].used_gpa))[1] != 0) {
		conformance_note("chains of a ring that is started and disabled are used");
	}
}

static void chains_before_enable(struct subject *subject, const void *data)
{
	scenario_chains_before_enable(&subject->front, subject->features, look_at_disabled,
				      subject);
}

static void without_protocol_features(struct subject *subject, const void *data)
{
	const struct scenario_echo echo = subject_echo(subject);
	scenario_without_protocol_features(&subject->front, subject->features, &echo);
}

static void features_after_rings(struct subject *subject, const void *data)
{
	const struct scenario_echo echo = subject_echo(subject);
	scenario_features_after_rings(&subject->front, subject->features, &echo);
}

/* In either order, and in QEMU's with the time between that a busy host may take. */
static const int call_first = -1;
static const int call_late = 50;

static void pause_and_go_on(struct subject *subject, const void *data)
{
	const struct scenario_echo echo = subject_echo(subject);
	subject->front.call_delay_ms = *(const int *)data;
	scenario_pause(&subject->front, subject->features, &echo);
}

static void reset(struct subject *subject, const void *data)
{
	const struct scenario_echo echo = subject_echo(subject);
	scenario_reset(&subject->front, subject->features, &echo);
}

/* vhost-user does not tell a reset from a pause: what a device makes of it is its own business. */
static void reset_and_resources(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	wire_check_equal(gpu_create_2d(front, 1, 1, 64, 64), VIRTIO_GPU_RESP_OK_NODATA);
	wire_stop(front);
	wire_reset(front);
	wire_start(front, subject->features);
	if (gpu_create_2d(front, 1, 1, 64, 64) != VIRTIO_GPU_RESP_OK_NODATA) {
		conformance_note("resources are kept when the rings start again from 0");
	}
}

static void disable_one_queue(struct subject *subject, const void *data)
{
	const struct scenario_echo echo = subject_echo(subject);
	scenario_disable_one_queue(&subject->front, subject->features, &echo);
}

static void memory_changes(struct subject *subject, const void *data)
{
	const struct scenario_echo echo = subject_echo(subject);
	scenario_memory_changes(&subject->front, subject->features, &echo);
}

static void stop_without_start(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	for (uint32_t i = 0; i < 2; i++) {
		struct vhost_user_vring_state state = {i, 0};
		wire_send(front, VHOST_USER_GET_VRING_BASE, 0, &state, sizeof(state), NULL, 0);
		wire_check_equal(
			wire_receive(front, VHOST_USER_GET_VRING_BASE, &state, sizeof(state)),
			sizeof(state));
		wire_check_equal(state.index, i);
		wire_check_equal(state.num, 0);
	}
	wire_start(front, subject->features);
	const struct scenario_echo echo = subject_echo(subject);
	echo.command(echo.data, 0);
}

static void header_then_payload(struct subject *subject, const void *data)
{
	if (!scenario_in_pieces(&subject->front, sizeof(struct vhost_user_header))) {
		conformance_fail("the connection is closed when header and payload come apart");
	}
}

/* A stream has no borders, but no front end is known to send less than a header. */
static void byte_by_byte(struct subject *subject, const void *data)
{
	if (!scenario_in_pieces(&subject->front, 1)) {
		conformance_note("the connection is closed when a header comes in pieces");
	}
}

/* For a request with a reply of its own the flag means nothing. */
static void need_reply(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	uint64_t features = 0;
	wire_send(front, VHOST_USER_GET_FEATURES, VHOST_USER_NEED_REPLY, NULL, 0, NULL, 0);
	wire_check_equal(wire_receive(front, VHOST_USER_GET_FEATURES, &features, 8), 8);
	wire_check_equal(features, front->offered);
}

static void late_reader(struct subject *subject, const void *data)
{
	scenario_late_reader(&subject->front, VHOST_USER_GET_FEATURES, 2000);
}

static void reconnect(struct subject *subject, const void *data)
{
	const struct scenario_echo echo = subject_echo(subject);
	echo.command(echo.data, 0);
	wire_close(&subject->front);
	subject->open = false;
	/* A process that ends with its connection has been given the time to. */
	for (unsigned i = 0; i < 100 && subject->backend->command != NULL; i++) {
		if (!backend_lives(subject->backend)) {
			conformance_skip("the back end serves one connection and ends");
		}
		usleep(5000);
	}
	subject_open(subject, RUNNING);
	echo.command(echo.data, 0);
	echo.command(echo.data, 1);
}

static void ends_at_sigterm(struct subject *subject, const void *data)
{
	struct backend *backend = subject->backend;
	if (backend->command == NULL) {
		conformance_skip("the back end was not started by the suite (--start)");
	}
	const struct scenario_echo echo = subject_echo(subject);
	echo.command(echo.data, 0);
	backend->asked = true;
	kill(backend->pid, SIGTERM);
	for (unsigned i = 0; i < 2000 && backend_lives(backend); i++) {
		usleep(5000);
	}
	if (backend_lives(backend)) {
		conformance_fail("the back end is still there 10 s after SIGTERM");
	}
}

#define CONFIG VHOST_USER_PROTOCOL_CONFIG
static const struct conformance_test tests[] = {
	{"features", "virtio 5.7.3, 6.1", CONNECTED, 0, 0, features},
	{"protocol-features", "vhost-user GET_PROTOCOL_FEATURES", CONNECTED, 0, 0,
	 protocol_features},
	{"two-queues", "virtio 5.7.2", GREETED, 0, VHOST_USER_PROTOCOL_MQ, two_queues},
	{"config", "virtio 5.7.4", GREETED, 0, CONFIG, config},
	{"config-offset", "vhost-user, Virtio device config space", GREETED, 0, CONFIG,
	 config_offset},
	{"config-write", "vhost-user SET_CONFIG", GREETED, 0, CONFIG, config_write},
	{"window-sizes", "vhost-user GET_SHMEM_CONFIG; virtio 5.7.5", GREETED, 0,
	 VHOST_USER_PROTOCOL_SHMEM, window_sizes},
	{"commands", "vhost-user, Ring states", GREETED, 0, 0, commands},
	{"feature-sets", "virtio 2.7.7, 2.7.10", GREETED, 0, 0, feature_sets},
	{"ring-sizes", "vhost-user SET_VRING_BASE; virtio 2.7", GREETED, 0, 0, ring_sizes},
	{"chains-before-enable", "vhost-user, Ring states", GREETED, 0, 0, chains_before_enable},
	{"without-protocol-features", "vhost-user, Ring states", GREETED, 0, 0,
	 without_protocol_features},
	{"features-after-rings", "vhost-user, Ring states", GREETED, 0, 0, features_after_rings},
	{"pause", "vhost-user, Suspended device state", GREETED, 0, 0, pause_and_go_on,
	 &call_first},
	{"pause-and-late-call", "vhost-user, Ring states", GREETED, 0, 0, pause_and_go_on,
	 &call_late},
	{"reset", "vhost-user GET_VRING_BASE", GREETED, 0, 0, reset},
	{"reset-and-resources", "vhost-user GET_VRING_BASE", RUNNING, 0, 0, reset_and_resources},
	{"disable-one-queue", "vhost-user SET_VRING_ENABLE", GREETED,
	 VHOST_USER_F_PROTOCOL_FEATURES, 0, disable_one_queue},
	{"memory-changes", "vhost-user SET_MEM_TABLE", GREETED, 0, 0, memory_changes},
	{"stop-without-start", "vhost-user GET_VRING_BASE", GREETED, 0, 0, stop_without_start},
	{"header-then-payload", "vhost-user, Communication", GREETED, 0, 0, header_then_payload},
	{"byte-by-byte", "vhost-user, Communication", GREETED, 0, 0, byte_by_byte},
	{"need-reply", "vhost-user, VHOST_USER_PROTOCOL_F_REPLY_ACK", GREETED, 0,
	 VHOST_USER_PROTOCOL_REPLY_ACK, need_reply},
	{"late-reader", "vhost-user, Communication", GREETED, 0, 0, late_reader},
	{"reconnect", "vhost-user, Communication", RUNNING, 0, 0, reconnect},
	{"sigterm", "vhost-user, Backend program conventions", RUNNING, 0, 0, ends_at_sigterm},
};

const struct conformance_group session_group = {"session", tests, sizeof(tests) / sizeof(tests[0])};
