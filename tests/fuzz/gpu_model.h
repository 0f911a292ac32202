/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_FUZZ_GPU_MODEL_H
#define HESPER_TESTS_FUZZ_GPU_MODEL_H

#include "gpu/state.h"

/*
 * What a virtio-gpu device has to answer, from what was asked before: resources, contexts and what
 * is mapped, without any of the memory behind it. The same rules as in src/gpu, written a second
 * time and from the outside.
 */
#define MODEL_IDS 48

/* Any answer is right. */
#define MODEL_ANY 0

struct model_resource {
	uint32_t id;
	bool exists;
	enum gpu_resource_kind kind;
	uint32_t width; /* 2D */
	uint32_t height;
	uint64_t size;
	uint32_t flags;
	bool opaque; /* has no memory */
	bool backing;
	uint64_t backing_bytes;
	bool mapped;
	uint64_t map_offset;
};

struct model_context {
	uint32_t id;
	bool exists;
	bool lost;
};

struct model {
	unsigned heads;
	uint64_t window_size;
	struct model_resource resources[MODEL_IDS];
	struct model_context contexts[MODEL_IDS];
};

/* A command as it was sent. */
struct model_command {
	unsigned queue;
	union gpu_request request;
	uint32_t size; /* bytes that the device could read */
	bool pages_hold; /* the memory entries behind it are all in RAM */
	uint64_t page_bytes; /* of these entries */
};

void model_reset(struct model *model);
/* The response's type; or MODEL_ANY. Assumes that nothing before it waits for anybody. */
uint32_t model_predict(struct model *model, const struct model_command *command);
/* The device answered with that type. */
void model_apply(struct model *model, const struct model_command *command, uint32_t type);

/* Bytes of the fixed part of a command; 0: there is none of that type in that queue. */
uint32_t model_fixed_size(unsigned queue, uint32_t type);
struct model_resource *model_resource(struct model *model, uint32_t id);
struct model_context *model_context(struct model *model, uint32_t id);

/* The model and the device's own tables agree about what exists. */
void model_compare(struct model *model, const struct gpu *gpu);
/* Takes what exists from the device's tables. */
void model_copy(struct model *model, const struct gpu *gpu);

#endif
