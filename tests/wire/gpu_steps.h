/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_GPU_STEPS_H
#define HESPER_TESTS_WIRE_GPU_STEPS_H

#include "gpu.h"

/*
 * Sequences of virtio-gpu commands with what is to be answered, for hesper's own tests, which want
 * exactly `answer`, and for the conformance suite, which wants what the specification says:
 */
enum gpu_rule {
	GPU_SUCCEEDS, /* answer, and no other */
	GPU_FAILS, /* any error */
	GPU_FAILS_AS, /* any error; answer is the one whose name fits */
	GPU_OPEN, /* any answer at all */
	GPU_HOUSE, /* not for others: not sent to them */
};

#define GPU_STEP_RAM (WIRE_RAM_GPA + (2ull << 20)) /* 64 KiB that sequences use as backing */
#define GPU_STEP_CAPSET 0xff /* in CTX_CREATE: stands for a capset that the device has */
#define GPU_NO_SCANOUT 16 /* one more than any device has */

struct gpu_step {
	const char *what;
	enum gpu_rule rule;
	uint32_t answer;
	uint32_t size;
	union {
		struct virtio_gpu_ctrl_hdr hdr;
		struct virtio_gpu_resource_create_2d create_2d;
		struct virtio_gpu_resource_unref unref;
		struct virtio_gpu_set_scanout scanout;
		struct virtio_gpu_resource_flush flush;
		struct virtio_gpu_transfer_to_host_2d transfer;
		struct {
			struct virtio_gpu_resource_attach_backing head;
			struct virtio_gpu_mem_entry entries[2];
		} attach;
		struct {
			struct virtio_gpu_resource_create_blob head;
			struct virtio_gpu_mem_entry entry;
		} blob;
		struct virtio_gpu_set_scanout_blob scanout_blob;
		struct virtio_gpu_ctx_create context;
		struct virtio_gpu_ctx_resource context_resource;
		struct virtio_gpu_cmd_submit submit;
	} request;
};

/* A sequence; the device has at least the features, and no resource or context, when it begins. */
struct gpu_sequence {
	const char *name;
	const char *spec;
	uint64_t features;
	const struct gpu_step *steps;
	size_t count;
};

extern const struct gpu_sequence gpu_sequences[];
extern const size_t gpu_sequence_count;

/* NULL when there is none of that name. */
const struct gpu_sequence *gpu_sequence_find(const char *name);

/* Sends one step, with capset where it has GPU_STEP_CAPSET; the type of the answer. */
uint32_t gpu_step_run(struct wire_front *front, const struct gpu_step *step, uint32_t capset);

#endif
