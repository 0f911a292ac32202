/* SPDX-License-Identifier: MIT */
#include <linux/virtio_gpu.h>

#include "conformance.h"
#include "gpu.h"

/*
 * The host-visible memory region: RESOURCE_MAP_BLOB on one side, SHMEM_MAP on the other. The front end
 * itself fails a test on requests that QEMU would refuse: overlaps, what is past the region or no
 * mapping, and anything while the device is suspended.
 */
#define OK VIRTIO_GPU_RESP_OK_NODATA
#define MAPPED VIRTIO_GPU_RESP_OK_MAP_INFO
#define BLOB_BYTES 65536u

static void expect(const char *what, uint32_t answer, uint32_t wanted)
{
	if (answer != wanted) {
		conformance_fail("%s: %s, not %s", what, gpu_answer_name(answer),
				 gpu_answer_name(wanted));
	}
}

/*
 * A blob of the host's. What its blob_id has to be is the context's own matter: 0 is memory without
 * more to it for Venus, and nothing for others.
 */
static void make_blob(struct subject *subject, uint32_t id)
{
	struct wire_front *front = &subject->front;
	uint32_t answer =
		gpu_create_blob(front, 1, id, VIRTIO_GPU_BLOB_MEM_HOST3D, 0, BLOB_BYTES, 0);
	if (answer != OK) {
		conformance_skip("the back end makes no host blob without a command stream: %s",
				 gpu_answer_name(answer));
	}
}

static void make_context(struct subject *subject)
{
	struct virtio_gpu_resp_capset_info info;
	const struct virtio_gpu_get_capset_info ask = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO};
	struct wire_front *front = &subject->front;
	if (subject->capsets == 0) {
		conformance_skip("the back end has no capset");
	}
	expect("GET_CAPSET_INFO", gpu_command(front, &ask, sizeof(ask), &info, sizeof(info)),
	       VIRTIO_GPU_RESP_OK_CAPSET_INFO);
	expect("CTX_CREATE", gpu_create_context(front, 1, info.capset_id), OK);
}

static void map_at(struct subject *subject, uint32_t id, uint64_t offset)
{
	uint32_t map_info;
	struct wire_front *front = &subject->front;
	expect("RESOURCE_MAP_BLOB", gpu_map(front, id, offset, &map_info), MAPPED);
	if ((map_info & 0xf) == 0) {
		conformance_note("map_info is %#x: no kind of caching", map_info);
	}
	uint8_t *bytes = wire_window_at(front, offset, BLOB_BYTES);
	if (bytes == NULL) {
		conformance_fail("the command is answered before the memory is there");
	}
	bytes[0] = 1;
	bytes[BLOB_BYTES - 1] = 2;
}

static void unmap(struct subject *subject, uint32_t id, uint64_t offset)
{
	struct wire_front *front = &subject->front;
	unsigned unmaps = front->unmaps;
	expect("RESOURCE_UNMAP_BLOB", gpu_unmap(front, id), OK);
	if (front->unmaps == unmaps) {
		wire_pump_until(front, &front->unmaps, unmaps + 1);
	}
	if (wire_window_at(front, offset, BLOB_BYTES) != NULL) {
		conformance_fail("the memory is still there after RESOURCE_UNMAP_BLOB");
	}
}

static void map_and_unmap(struct subject *subject, const void *data)
{
	make_context(subject);
	make_blob(subject, 1);
	for (unsigned i = 0; i < 10; i++) {
		map_at(subject, 1, i * (uint64_t)BLOB_BYTES);
		unmap(subject, 1, i * (uint64_t)BLOB_BYTES);
	}
	expect("RESOURCE_UNREF", gpu_unref(&subject->front, 1), OK);
}

static void many(struct subject *subject, const void *data)
{
	make_context(subject);
	for (uint32_t id = 1; id <= 16; id++) {
		make_blob(subject, id);
		map_at(subject, id, id * (uint64_t)BLOB_BYTES);
	}
	for (uint32_t id = 1; id <= 16; id++) {
		unmap(subject, id, id * (uint64_t)BLOB_BYTES);
		expect("RESOURCE_UNREF", gpu_unref(&subject->front, id), OK);
	}
}

static void bad_places(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	uint64_t size = front->shmem.sizes[1];
	const uint64_t bad[] = {size, size - 4096, UINT64_MAX - 4095, 1ull << 63};
	uint32_t map_info;
	make_context(subject);
	make_blob(subject, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t answer = gpu_map(front, 1, bad[i], &map_info);
		if (!gpu_is_error(answer)) {
			conformance_fail("offset %#llx of a region of %#llx: %s",
					 (unsigned long long)bad[i], (unsigned long long)size,
					 gpu_answer_name(answer));
		}
	}
	uint32_t answer = gpu_map(front, 77, 0, &map_info);
	if (!gpu_is_error(answer)) {
		conformance_fail("no such resource: %s", gpu_answer_name(answer));
	}
	map_at(subject, 1, size - BLOB_BYTES);
}

static void refused(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	uint32_t map_info;
	make_context(subject);
	make_blob(subject, 1);
	front->policy = WIRE_REFUSE;
	uint32_t answer = gpu_map(front, 1, 0, &map_info);
	front->policy = WIRE_ANSWER;
	if (front->maps > 0 && !gpu_is_error(answer)) {
		conformance_fail("the front end refuses the mapping, and the driver is told %s",
				 gpu_answer_name(answer));
	}
	map_at(subject, 1, 0);
}

/* The front end drops all mappings when the device is reset, and the driver begins anew. */
static void after_a_reset(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	make_context(subject);
	make_blob(subject, 1);
	map_at(subject, 1, 0);
	wire_stop(front);
	if (wire_pump(front, 50)) {
		conformance_fail("a request comes while the device is suspended");
	}
	wire_reset(front);
	wire_start(front, subject->features);
	uint32_t answer = gpu_create_context(front, 1, 0);
	if (answer != OK && gpu_unref(front, 1) == OK) {
		conformance_note("contexts and resources are kept when the rings start again from "
				 "0");
		return;
	}
	make_context(subject);
	make_blob(subject, 1);
	map_at(subject, 1, 0);
}

/* All that it needs for the window, and no more. */
static void only_negotiated(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	subject_close(subject);
	subject->protocol_unwanted = VHOST_USER_PROTOCOL_SHARED_OBJECT;
	subject_open(subject, RUNNING);
	make_context(subject);
	make_blob(subject, 1);
	map_at(subject, 1, 0);
	unmap(subject, 1, 0);
	if (front->barriers > 0) {
		conformance_fail("VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE is sent without "
				 "VHOST_USER_PROTOCOL_F_SHARED_OBJECT");
	}
}

#define NEEDS                                                                                      \
	(1ull << VIRTIO_GPU_F_VIRGL | 1ull << VIRTIO_GPU_F_RESOURCE_BLOB |                         \
	 1ull << VIRTIO_GPU_F_CONTEXT_INIT)
#define PROTOCOL                                                                                   \
	(VHOST_USER_PROTOCOL_SHMEM | VHOST_USER_PROTOCOL_BACKEND_REQ | VHOST_USER_PROTOCOL_CONFIG)
static const struct conformance_test tests[] = {
	{"map-and-unmap", "virtio 5.7.6.9; vhost-user SHMEM_MAP", RUNNING, NEEDS, PROTOCOL,
	 map_and_unmap},
	{"many", "virtio 5.7.6.9; vhost-user SHMEM_MAP", RUNNING, NEEDS, PROTOCOL, many},
	{"bad-places", "virtio 5.7.6.9", RUNNING, NEEDS, PROTOCOL, bad_places},
	{"refused", "vhost-user SHMEM_MAP", RUNNING, NEEDS, PROTOCOL, refused},
	{"after-a-reset", "vhost-user SHMEM_MAP, Suspended device state", RUNNING, NEEDS, PROTOCOL,
	 after_a_reset},
	{"only-negotiated-requests", "vhost-user, Back-end message types", RUNNING, NEEDS, PROTOCOL,
	 only_negotiated},
};

const struct conformance_group window_group = {"window", tests, sizeof(tests) / sizeof(tests[0])};
