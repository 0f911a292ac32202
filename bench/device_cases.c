/* SPDX-License-Identifier: MIT */
#include "device_cases.h"

#include <stddef.h>
#include <string.h>

#include "gpu.h"

#define PAGE 4096
#define VENUS 4
#define SUBMIT_BYTES 64
#define SIDE 64 /* pixels of pictures that only have to be there */

/* Ids of what bench_populate makes, and of what commands make. */
#define FIRST_RESOURCE 1
#define FIRST_PICTURE 100000
#define MADE 200000

struct blob_request {
	struct virtio_gpu_resource_create_blob head;
	struct virtio_gpu_mem_entry entries[];
};

struct submit_request {
	struct virtio_gpu_cmd_submit head;
	uint8_t commands[SUBMIT_BYTES];
};

static uint32_t fill_no_op(const struct bench *bench, void *request, uint64_t number)
{
	*(struct virtio_gpu_get_capset_info *)request =
		(struct virtio_gpu_get_capset_info){.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO};
	return sizeof(struct virtio_gpu_get_capset_info);
}

static uint32_t fill_display_info(const struct bench *bench, void *request, uint64_t number)
{
	*(struct virtio_gpu_ctrl_hdr *)request =
		(struct virtio_gpu_ctrl_hdr){.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	return sizeof(struct virtio_gpu_ctrl_hdr);
}

static uint32_t fill_create_blob(const struct bench *bench, void *request, uint32_t id,
				 uint32_t entries)
{
	struct blob_request *blob = request;
	blob->head = (struct virtio_gpu_resource_create_blob){
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
		.resource_id = id,
		.blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
		.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE,
		.nr_entries = entries,
		.size = (uint64_t)entries * PAGE,
	};
	for (uint32_t i = 0; i < entries; i++) {
		blob->entries[i] = (struct virtio_gpu_mem_entry){bench->page_gpa, PAGE, 0};
	}
	return (uint32_t)(sizeof(blob->head) + entries * sizeof(blob->entries[0]));
}

static uint32_t fill_unref(void *request, uint32_t id)
{
	*(struct virtio_gpu_resource_unref *)request = (struct virtio_gpu_resource_unref){
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF, .resource_id = id};
	return sizeof(struct virtio_gpu_resource_unref);
}

static uint32_t made_id(uint64_t number)
{
	return (uint32_t)(MADE + number / 2 % 1000000);
}

static uint32_t fill_create_unref(const struct bench *bench, void *request, uint64_t number)
{
	return number % 2 == 0 ? fill_create_blob(bench, request, made_id(number),
						  bench->population.entries)
			       : fill_unref(request, made_id(number));
}

static uint32_t fill_create_unref_2d(const struct bench *bench, void *request, uint64_t number)
{
	if (number % 2 != 0) {
		return fill_unref(request, made_id(number));
	}
	*(struct virtio_gpu_resource_create_2d *)request = (struct virtio_gpu_resource_create_2d){
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		.resource_id = made_id(number),
		.format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
		.width = SIDE,
		.height = SIDE,
	};
	return sizeof(struct virtio_gpu_resource_create_2d);
}

static uint32_t flush_of(void *request, uint32_t id)
{
	*(struct virtio_gpu_resource_flush *)request = (struct virtio_gpu_resource_flush){
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH,
		.r = {0, 0, SIDE, SIDE},
		.resource_id = id,
	};
	return sizeof(struct virtio_gpu_resource_flush);
}

static uint32_t fill_flush(const struct bench *bench, void *request, uint64_t number)
{
	return flush_of(request, (uint32_t)(FIRST_PICTURE + number % bench->population.scanouts));
}

/* One after the other is far away, so that no cache is warm for it by chance. */
static uint32_t fill_flush_hidden(const struct bench *bench, void *request, uint64_t number)
{
	const struct population *population = &bench->population;
	uint32_t touched = population->touched != 0 && population->touched < population->resources
				   ? population->touched
				   : population->resources;
	uint64_t index = number * 7919 % touched * (population->resources / touched);
	return flush_of(request, (uint32_t)(FIRST_RESOURCE + index));
}

static uint32_t fill_cursor(const struct bench *bench, void *request, uint64_t number)
{
	*(struct virtio_gpu_update_cursor *)request = (struct virtio_gpu_update_cursor){
		.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR,
		.pos = {.scanout_id = (uint32_t)(number % bench->population.scanouts),
			.x = (uint32_t)(number % SIDE),
			.y = (uint32_t)(number / SIDE % SIDE)},
	};
	return sizeof(struct virtio_gpu_update_cursor);
}

static uint32_t submit_of(const struct bench *bench, void *request, uint64_t number, uint32_t flags)
{
	struct submit_request *submit = request;
	submit->head = (struct virtio_gpu_cmd_submit){
		.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D,
			.flags = flags,
			.fence_id = flags != 0 ? number + 1 : 0,
			.ctx_id = (uint32_t)(1 + number % bench->population.contexts)},
		.size = SUBMIT_BYTES,
	};
	memset(submit->commands, 0, sizeof(submit->commands));
	return sizeof(*submit);
}

static uint32_t fill_submit(const struct bench *bench, void *request, uint64_t number)
{
	return submit_of(bench, request, number, 0);
}

static uint32_t fill_fence(const struct bench *bench, void *request, uint64_t number)
{
	return submit_of(bench, request, number,
			 VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
}

#define HDR sizeof(struct virtio_gpu_ctrl_hdr)
#define OK VIRTIO_GPU_RESP_OK_NODATA

static const struct device_case cases[] = {
	{"no-op", "GET_CAPSET_INFO, the cheapest that is answered with something", 0,
	 sizeof(struct virtio_gpu_resp_capset_info), VIRTIO_GPU_RESP_OK_CAPSET_INFO, fill_no_op},
	{"display-info", "GET_DISPLAY_INFO", 0, sizeof(struct virtio_gpu_resp_display_info),
	 VIRTIO_GPU_RESP_OK_DISPLAY_INFO, fill_display_info},
	{"create-unref", "RESOURCE_CREATE_BLOB of guest pages and RESOURCE_UNREF, in turn", 0, HDR,
	 OK, fill_create_unref},
	{"create-unref-2d", "RESOURCE_CREATE_2D of 64x64 and RESOURCE_UNREF, in turn", 0, HDR, OK,
	 fill_create_unref_2d},
	{"flush", "RESOURCE_FLUSH of a picture on a screen that nobody looks at", 0, HDR, OK,
	 fill_flush},
	{"flush-hidden", "RESOURCE_FLUSH of any of the resources, on no screen", 0, HDR, OK,
	 fill_flush_hidden},
	{"cursor", "MOVE_CURSOR", 1, 0, 0, fill_cursor},
	{"submit", "SUBMIT_3D of 64 bytes, null renderer", 0, HDR, OK, fill_submit},
	{"fence", "the same with a fence", 0, HDR, OK, fill_fence},
};

const struct device_case *device_case_find(const char *name, unsigned index)
{
	unsigned count = sizeof(cases) / sizeof(cases[0]);
	for (unsigned i = 0; i < count; i++) {
		if (name == NULL ? i == index : strcmp(cases[i].name, name) == 0) {
			return &cases[i];
		}
	}
	return NULL;
}

uint32_t device_request_room(const struct population *population)
{
	uint32_t entries = population->entries > 1 ? population->entries : 1;
	return (uint32_t)(sizeof(struct blob_request) +
			  entries * sizeof(struct virtio_gpu_mem_entry) +
			  sizeof(struct submit_request));
}

static void populate_resources(struct bench *bench)
{
	struct wire_front *front = &bench->target.front;
	uint64_t mark = front->allocated;
	struct fast_ring ring;
	fast_ring_init(&ring, front, 0,
		       sizeof(struct blob_request) + sizeof(struct virtio_gpu_mem_entry), HDR);
	for (uint32_t made = 0; made < bench->population.resources;) {
		uint32_t count = bench->population.resources - made;
		count = count < FAST_SLOTS ? count : FAST_SLOTS;
		for (uint32_t i = 0; i < count; i++) {
			struct fast_slot *slot = &ring.slots[i];
			*slot->request_size = fill_create_blob(bench, slot->request,
							       FIRST_RESOURCE + made + i, 1);
		}
		fast_ring_run(&ring, count);
		for (uint32_t i = 0; i < count; i++) {
			wire_check_equal(ring.slots[i].response->type, OK);
		}
		made += count;
	}
	front->allocated = mark;
}

void bench_populate(struct bench *bench)
{
	struct wire_front *front = &bench->target.front;
	bench->page_gpa = wire_alloc(front, PAGE);
	populate_resources(bench);
	for (uint32_t i = 1; i <= bench->population.contexts; i++) {
		wire_check_equal(gpu_create_context(front, i, VENUS), OK);
	}
	for (uint32_t i = 0; i < bench->population.scanouts; i++) {
		uint32_t id = FIRST_PICTURE + i;
		wire_check_equal(
			gpu_create_2d(front, id, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, SIDE, SIDE), OK);
		wire_check_equal(gpu_set_scanout(front, i, id, 0, 0, SIDE, SIDE), OK);
		wire_check_equal(gpu_flush(front, id, SIDE, SIDE), OK);
	}
}

void bench_show_still(struct bench *bench, uint32_t width, uint32_t height)
{
	struct wire_front *front = &bench->target.front;
	wire_check_equal(gpu_create_2d(front, FIRST_PICTURE, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
				       width, height),
			 OK);
	wire_check_equal(gpu_set_scanout(front, 0, FIRST_PICTURE, 0, 0, width, height), OK);
	wire_check_equal(gpu_flush(front, FIRST_PICTURE, width, height), OK);
}
