/* SPDX-License-Identifier: MIT */
#include "gpu_steps.h"

#include <string.h>

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define BAD_ID VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define BAD_CONTEXT VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define BAD_SCANOUT VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define UNSPEC VIRTIO_GPU_RESP_ERR_UNSPEC
#define NO_MEMORY VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY

#define BLOBS (1ull << VIRTIO_GPU_F_RESOURCE_BLOB)
#define CONTEXTS (1ull << VIRTIO_GPU_F_VIRGL | 1ull << VIRTIO_GPU_F_CONTEXT_INIT)

#define ALL UINT32_MAX
#define RAM GPU_STEP_RAM

/* An id of its own for each step that may be taken either way: nothing hangs on what it does. */

/* clang-format off */
#define HEADER(id) sizeof(struct virtio_gpu_ctrl_hdr), .request.hdr = {.type = (id)}
#define CREATE(id, fmt, w, h) \
	sizeof(struct virtio_gpu_resource_create_2d), \
	.request.create_2d = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, \
			      .resource_id = (id), .format = (fmt), .width = (w), .height = (h)}
#define WITH_ID(command, id) \
	sizeof(struct virtio_gpu_resource_unref), \
	.request.unref = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_##command, .resource_id = (id)}
#define UNREF(id) WITH_ID(UNREF, id)
#define DETACH(id) WITH_ID(DETACH_BACKING, id)
#define SCANOUT(head, id, rx, ry, w, h) \
	sizeof(struct virtio_gpu_set_scanout), \
	.request.scanout = {.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT, .r = {rx, ry, w, h}, \
			    .scanout_id = (head), .resource_id = (id)}
#define FLUSH(id, w, h) \
	sizeof(struct virtio_gpu_resource_flush), \
	.request.flush = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH, .r = {0, 0, w, h}, \
			  .resource_id = (id)}
#define TRANSFER(id, rx, ry, w, h, at) \
	sizeof(struct virtio_gpu_transfer_to_host_2d), \
	.request.transfer = {.hdr.type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, \
			     .r = {rx, ry, w, h}, .offset = (at), .resource_id = (id)}
/* There are bytes for `has` entries, and `says` in the head. */
#define ATTACH_ENTRIES(id, at, len, has, says) \
	sizeof(struct virtio_gpu_resource_attach_backing) + \
		(has) * sizeof(struct virtio_gpu_mem_entry), \
	.request.attach = {.head = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, \
				    .resource_id = (id), .nr_entries = (says)}, \
			   .entries = {{(at), (len), 0}, {(at), (len), 0}}}
#define ATTACH(id, at, len) ATTACH_ENTRIES(id, at, len, 1, 1)
#define BLOB(id, context, mem, bytes, at, len, says) \
	sizeof(struct virtio_gpu_resource_create_blob) + \
		((len) > 0 ? sizeof(struct virtio_gpu_mem_entry) : 0), \
	.request.blob = {.head = {.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, \
					  .ctx_id = (context)}, \
				  .resource_id = (id), .blob_mem = (mem), \
				  .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE, \
				  .nr_entries = (says), .size = (bytes)}, \
			 .entry = {(at), (len), 0}}
#define GUEST_BLOB(id) BLOB(id, 0, VIRTIO_GPU_BLOB_MEM_GUEST, 65536, RAM, 65536, 1)
#define SHOW_BLOB(head, id, fmt, w, h, stride, at) \
	sizeof(struct virtio_gpu_set_scanout_blob), \
	.request.scanout_blob = {.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, .r = {0, 0, w, h}, \
				 .scanout_id = (head), .resource_id = (id), .width = (w), \
				 .height = (h), .format = (fmt), .strides = {stride}, \
				 .offsets = {at}}
#define CONTEXT(id, capset) \
	sizeof(struct virtio_gpu_ctx_create), \
	.request.context = {.hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = (id)}, \
			    .nlen = 4, .context_init = (capset), .debug_name = "test"}
#define OF_CONTEXT(command, id) \
	sizeof(struct virtio_gpu_ctrl_hdr), \
	.request.hdr = {.type = VIRTIO_GPU_CMD_##command, .ctx_id = (id)}
#define CONTEXT_RESOURCE(command, id, resource) \
	sizeof(struct virtio_gpu_ctx_resource), \
	.request.context_resource = {.hdr = {.type = VIRTIO_GPU_CMD_CTX_##command##_RESOURCE, \
					     .ctx_id = (id)}, .resource_id = (resource)}
#define SUBMIT(id, bytes) \
	sizeof(struct virtio_gpu_cmd_submit), \
	.request.submit = {.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = (id)}, \
			   .size = (bytes)}

static const struct gpu_step unknown_commands[] = {
	{"command 0", GPU_FAILS_AS, UNSPEC, HEADER(0)},
	{"a 2D command that does not exist", GPU_FAILS_AS, UNSPEC, HEADER(0x1ff)},
	{"a 3D command that does not exist", GPU_FAILS_AS, UNSPEC, HEADER(0x20f)},
	{"a command of no kind", GPU_FAILS_AS, UNSPEC, HEADER(ALL)},
	{"an answer as a command", GPU_FAILS_AS, UNSPEC, HEADER(VIRTIO_GPU_RESP_OK_NODATA)},
	{"a cursor command on the control queue", GPU_OPEN, UNSPEC, HEADER(0x300)},
	/* OpenGL only: a clean no. */
	{"RESOURCE_CREATE_3D", GPU_HOUSE, UNSPEC, HEADER(VIRTIO_GPU_CMD_RESOURCE_CREATE_3D)},
	{"TRANSFER_TO_HOST_3D", GPU_HOUSE, UNSPEC, HEADER(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D)},
	{"TRANSFER_FROM_HOST_3D", GPU_HOUSE, UNSPEC, HEADER(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D)},
	{"RESOURCE_ASSIGN_UUID", GPU_HOUSE, UNSPEC, HEADER(VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID)},
};

#define SHORT(id, rule) {"just the header of " #id, rule, BAD_PARAMETER, HEADER(VIRTIO_GPU_CMD_##id)}
static const struct gpu_step short_commands[] = {
	SHORT(RESOURCE_CREATE_2D, GPU_OPEN),
	SHORT(RESOURCE_UNREF, GPU_OPEN),
	SHORT(SET_SCANOUT, GPU_OPEN),
	SHORT(RESOURCE_FLUSH, GPU_OPEN),
	SHORT(TRANSFER_TO_HOST_2D, GPU_OPEN),
	SHORT(RESOURCE_ATTACH_BACKING, GPU_OPEN),
	SHORT(RESOURCE_DETACH_BACKING, GPU_OPEN),
	SHORT(GET_CAPSET_INFO, GPU_OPEN),
	SHORT(GET_CAPSET, GPU_OPEN),
	SHORT(GET_EDID, GPU_OPEN),
	SHORT(RESOURCE_CREATE_BLOB, GPU_OPEN),
	SHORT(SET_SCANOUT_BLOB, GPU_OPEN),
	SHORT(CTX_CREATE, GPU_OPEN),
	SHORT(CTX_ATTACH_RESOURCE, GPU_OPEN),
	SHORT(CTX_DETACH_RESOURCE, GPU_OPEN),
	SHORT(SUBMIT_3D, GPU_OPEN),
	SHORT(RESOURCE_MAP_BLOB, GPU_OPEN),
	SHORT(RESOURCE_UNMAP_BLOB, GPU_OPEN),
};

static const struct gpu_step resources_2d[] = {
	{"resource 0", GPU_OPEN, BAD_ID, CREATE(0, 1, 64, 64)},
	{"format 0", GPU_OPEN, BAD_PARAMETER, CREATE(901, 0, 64, 64)},
	{"format 5", GPU_OPEN, BAD_PARAMETER, CREATE(902, 5, 64, 64)},
	{"a width of 0", GPU_OPEN, BAD_PARAMETER, CREATE(903, 1, 0, 64)},
	{"2^32-1 pixels a side", GPU_FAILS, BAD_PARAMETER, CREATE(904, 1, ALL, ALL)},
	{"16385 pixels a side", GPU_HOUSE, BAD_PARAMETER, CREATE(905, 1, 16385, 1)},
	{"format 1, B8G8R8A8", GPU_SUCCEEDS, OK, CREATE(1, 1, 64, 64)},
	{"format 2, B8G8R8X8", GPU_SUCCEEDS, OK, CREATE(2, 2, 64, 64)},
	{"the second of an id", GPU_OPEN, BAD_ID, CREATE(2, 1, 64, 64)},
	{"a transfer without backing", GPU_OPEN, UNSPEC, TRANSFER(1, 0, 0, 64, 64, 0)},
	{"backing of no resource", GPU_FAILS_AS, BAD_ID, ATTACH(7, RAM, 16384)},
	{"backing", GPU_SUCCEEDS, OK, ATTACH(1, RAM, 16384)},
	{"backing, again", GPU_OPEN, UNSPEC, ATTACH(1, RAM, 16384)},
	{"a transfer of all", GPU_SUCCEEDS, OK, TRANSFER(1, 0, 0, 64, 64, 0)},
	{"a transfer of the last pixel", GPU_SUCCEEDS, OK, TRANSFER(1, 63, 63, 1, 1, 16380)},
	{"a transfer of no resource", GPU_FAILS_AS, BAD_ID, TRANSFER(7, 0, 0, 64, 64, 0)},
	{"a transfer of one column too many", GPU_FAILS, BAD_PARAMETER, TRANSFER(1, 0, 0, 65, 64, 0)},
	{"a transfer whose width wraps", GPU_FAILS, BAD_PARAMETER, TRANSFER(1, 1, 0, ALL, 64, 0)},
	{"a transfer of nothing", GPU_OPEN, BAD_PARAMETER, TRANSFER(1, 0, 0, 0, 64, 0)},
	{"a transfer past the backing", GPU_OPEN, BAD_PARAMETER, TRANSFER(1, 0, 0, 64, 64, 4)},
	{"a transfer whose offset wraps", GPU_OPEN, BAD_PARAMETER,
	 TRANSFER(1, 0, 0, 1, 1, UINT64_MAX)},
	{"no backing any more", GPU_SUCCEEDS, OK, DETACH(1)},
	{"no backing, again", GPU_OPEN, UNSPEC, DETACH(1)},
	{"no backing of no resource", GPU_FAILS_AS, BAD_ID, DETACH(7)},
	{"backing after it was taken away", GPU_SUCCEEDS, OK, ATTACH(1, RAM, 16384)},
	{"the end of a resource", GPU_SUCCEEDS, OK, UNREF(1)},
	{"the end of a resource that ended", GPU_FAILS_AS, BAD_ID, UNREF(1)},
	{"the end of resource 0", GPU_FAILS_AS, BAD_ID, UNREF(0)},
	{"an id that was used before", GPU_SUCCEEDS, OK, CREATE(1, 1, 32, 32)},
	{"its end", GPU_SUCCEEDS, OK, UNREF(1)},
};

#define FORMAT(id) {"format " #id, GPU_SUCCEEDS, OK, CREATE(1000 + (id), id, 64, 64)}
static const struct gpu_step formats[] = {
	FORMAT(1), FORMAT(2), FORMAT(3), FORMAT(4), FORMAT(67), FORMAT(68), FORMAT(121), FORMAT(134),
};

static const struct gpu_step backing[] = {
	{"a resource", GPU_SUCCEEDS, OK, CREATE(1, 1, 32, 32)},
	{"another", GPU_SUCCEEDS, OK, CREATE(2, 1, 32, 32)},
	{"another", GPU_SUCCEEDS, OK, CREATE(3, 1, 32, 32)},
	{"another", GPU_SUCCEEDS, OK, CREATE(4, 1, 64, 64)},
	{"another", GPU_SUCCEEDS, OK, CREATE(5, 1, 64, 64)},
	{"another", GPU_SUCCEEDS, OK, CREATE(6, 1, 64, 64)},
	{"0 of two entries", GPU_OPEN, BAD_PARAMETER, ATTACH_ENTRIES(1, RAM, 4096, 2, 0)},
	{"1 of two entries", GPU_OPEN, BAD_PARAMETER, ATTACH_ENTRIES(2, RAM, 4096, 2, 1)},
	{"3 of two entries", GPU_FAILS, BAD_PARAMETER, ATTACH_ENTRIES(3, RAM, 4096, 2, 3)},
	{"2^28 and 1 of two entries", GPU_FAILS, BAD_PARAMETER,
	 ATTACH_ENTRIES(3, RAM, 4096, 2, 0x10000001)},
	{"2^32-1 of two entries", GPU_FAILS, BAD_PARAMETER, ATTACH_ENTRIES(3, RAM, 4096, 2, ALL)},
	{"two entries", GPU_SUCCEEDS, OK, ATTACH_ENTRIES(3, RAM, 2048, 2, 2)},
	{"a transfer from both", GPU_SUCCEEDS, OK, TRANSFER(3, 0, 0, 32, 32, 0)},
	{"pages that are no RAM", GPU_OPEN, BAD_PARAMETER, ATTACH(4, 0x1000, 16384)},
	{"pages whose address wraps", GPU_OPEN, BAD_PARAMETER, ATTACH(5, UINT64_MAX - 100, 16384)},
	{"pages of the window", GPU_OPEN, BAD_PARAMETER, ATTACH(6, WIRE_WINDOW_GPA, 16384)},
	{"a transfer from pages that are no RAM", GPU_OPEN, UNSPEC, TRANSFER(4, 0, 0, 64, 64, 0)},
	{"the end of the resource with two entries", GPU_SUCCEEDS, OK, UNREF(3)},
	{"the end of that of pages that are no RAM", GPU_SUCCEEDS, OK, UNREF(4)},
};

static const struct gpu_step scanouts[] = {
	{"a resource", GPU_SUCCEEDS, OK, CREATE(1, 1, 64, 64)},
	{"a scanout that no device has", GPU_FAILS_AS, BAD_SCANOUT,
	 SCANOUT(GPU_NO_SCANOUT, 1, 0, 0, 64, 64)},
	{"a scanout that hesperd has not", GPU_HOUSE, BAD_SCANOUT, SCANOUT(2, 1, 0, 0, 64, 64)},
	{"scanout 2^32-1 off", GPU_FAILS_AS, BAD_SCANOUT, SCANOUT(ALL, 0, 0, 0, 0, 0)},
	{"no such resource", GPU_FAILS_AS, BAD_ID, SCANOUT(0, 7, 0, 0, 64, 64)},
	{"a column more than the resource has", GPU_FAILS, BAD_PARAMETER, SCANOUT(0, 1, 0, 0, 65, 64)},
	{"a width that wraps", GPU_FAILS, BAD_PARAMETER, SCANOUT(0, 1, 1, 0, ALL, 64)},
	{"all of the resource", GPU_SUCCEEDS, OK, SCANOUT(0, 1, 0, 0, 64, 64)},
	{"a flush", GPU_SUCCEEDS, OK, FLUSH(1, 64, 64)},
	{"a part of the resource", GPU_SUCCEEDS, OK, SCANOUT(0, 1, 16, 16, 32, 32)},
	{"a flush of a part", GPU_SUCCEEDS, OK, FLUSH(1, 32, 64)},
	{"a flush of no resource", GPU_FAILS_AS, BAD_ID, FLUSH(7, 64, 64)},
	{"a flush of a column too many", GPU_OPEN, BAD_PARAMETER, FLUSH(1, 65, 64)},
	{"off", GPU_SUCCEEDS, OK, SCANOUT(0, 0, 0, 0, 0, 0)},
	{"off, again", GPU_SUCCEEDS, OK, SCANOUT(0, 0, 0, 0, 0, 0)},
	{"a flush of what is not shown", GPU_SUCCEEDS, OK, FLUSH(1, 64, 64)},
	{"on again", GPU_SUCCEEDS, OK, SCANOUT(0, 1, 0, 0, 64, 64)},
	{"a 2D resource as a blob", GPU_HOUSE, BAD_PARAMETER, SHOW_BLOB(0, 1, 2, 64, 64, 256, 0)},
	{"the end of a resource that is shown", GPU_SUCCEEDS, OK, UNREF(1)},
	{"a flush after its end", GPU_FAILS_AS, BAD_ID, FLUSH(1, 64, 64)},
	{"the scanout after its end", GPU_SUCCEEDS, OK, SCANOUT(0, 0, 0, 0, 0, 0)},
};

static const struct gpu_step guest_blobs[] = {
	{"memory of no kind", GPU_OPEN, BAD_PARAMETER, BLOB(901, 0, 9, 65536, RAM, 65536, 1)},
	{"no bytes", GPU_OPEN, BAD_PARAMETER, BLOB(902, 0, 1, 0, RAM, 65536, 1)},
	{"resource 0", GPU_OPEN, BAD_ID, GUEST_BLOB(0)},
	{"entries that are not there", GPU_FAILS, BAD_PARAMETER, BLOB(903, 0, 1, 65536, 0, 0, 1)},
	{"guest memory", GPU_SUCCEEDS, OK, GUEST_BLOB(1)},
	{"the second of an id", GPU_OPEN, BAD_ID, GUEST_BLOB(1)},
	{"a scanout that no device has", GPU_FAILS_AS, BAD_SCANOUT,
	 SHOW_BLOB(GPU_NO_SCANOUT, 1, 2, 128, 128, 512, 0)},
	{"no such resource", GPU_FAILS_AS, BAD_ID, SHOW_BLOB(0, 7, 2, 128, 128, 512, 0)},
	{"all of it", GPU_SUCCEEDS, OK, SHOW_BLOB(0, 1, 2, 128, 128, 512, 0)},
	{"a flush", GPU_SUCCEEDS, OK, FLUSH(1, 128, 128)},
	{"an offset too many", GPU_FAILS, BAD_PARAMETER, SHOW_BLOB(0, 1, 2, 128, 128, 512, 4)},
	{"a line too many", GPU_FAILS, BAD_PARAMETER, SHOW_BLOB(0, 1, 2, 128, 129, 512, 0)},
	{"lines shorter than their pixels", GPU_OPEN, BAD_PARAMETER,
	 SHOW_BLOB(0, 1, 2, 128, 128, 508, 0)},
	{"lines of 0 bytes", GPU_OPEN, BAD_PARAMETER, SHOW_BLOB(0, 1, 2, 128, 128, 0, 0)},
	{"no such format", GPU_OPEN, BAD_PARAMETER, SHOW_BLOB(0, 1, 166, 128, 128, 512, 0)},
	{"2^32-1 pixels a side", GPU_FAILS, BAD_PARAMETER,
	 SHOW_BLOB(0, 1, 2, ALL, ALL, 0xfffffffc, 0)},
	{"the end of a blob that is shown", GPU_SUCCEEDS, OK, UNREF(1)},
	{"its second end", GPU_FAILS_AS, BAD_ID, UNREF(1)},
	{"without pages yet", GPU_SUCCEEDS, OK, BLOB(2, 0, 1, 65536, 0, 0, 0)},
	{"pages for it", GPU_SUCCEEDS, OK, ATTACH(2, RAM, 65536)},
	{"no pages any more", GPU_SUCCEEDS, OK, DETACH(2)},
	{"its end", GPU_SUCCEEDS, OK, UNREF(2)},
};

static const struct gpu_step contexts[] = {
	{"context 0", GPU_OPEN, BAD_CONTEXT, CONTEXT(0, GPU_STEP_CAPSET)},
	/* What OpenGL drivers try first. */
	{"a capset of the device's choice", GPU_HOUSE, BAD_PARAMETER, CONTEXT(7, 0)},
	{"a capset that hesperd has not", GPU_HOUSE, BAD_PARAMETER, CONTEXT(7, 2)},
	{"the end of no context", GPU_FAILS_AS, BAD_CONTEXT, OF_CONTEXT(CTX_DESTROY, 7)},
	{"commands for no context", GPU_FAILS_AS, BAD_CONTEXT, SUBMIT(7, 0)},
	{"a context", GPU_SUCCEEDS, OK, CONTEXT(7, GPU_STEP_CAPSET)},
	{"the second of an id", GPU_OPEN, BAD_CONTEXT, CONTEXT(7, GPU_STEP_CAPSET)},
	{"no such resource", GPU_FAILS_AS, BAD_ID, CONTEXT_RESOURCE(ATTACH, 7, 7)},
	{"a resource", GPU_SUCCEEDS, OK, CREATE(1, 1, 64, 64)},
	{"no such context", GPU_FAILS_AS, BAD_CONTEXT, CONTEXT_RESOURCE(ATTACH, 8, 1)},
	{"no commands", GPU_SUCCEEDS, OK, SUBMIT(7, 0)},
	{"commands that are not there", GPU_FAILS, BAD_PARAMETER, SUBMIT(7, 0xfffffffc)},
	{"the end of a context", GPU_SUCCEEDS, OK, OF_CONTEXT(CTX_DESTROY, 7)},
	{"its second end", GPU_FAILS_AS, BAD_CONTEXT, OF_CONTEXT(CTX_DESTROY, 7)},
	{"an id that was used before", GPU_SUCCEEDS, OK, CONTEXT(7, GPU_STEP_CAPSET)},
};

/* More than any host has: an error, and whatever came first stays. */
static const struct gpu_step out_of_memory[] = {
	{"a small blob", GPU_SUCCEEDS, OK, GUEST_BLOB(1)},
	{"a context", GPU_SUCCEEDS, OK, CONTEXT(1, GPU_STEP_CAPSET)},
	{"2^60 bytes of the host's", GPU_FAILS_AS, NO_MEMORY,
	 BLOB(2, 1, VIRTIO_GPU_BLOB_MEM_HOST3D, 1ull << 60, 0, 0, 0)},
	{"the end of the small blob", GPU_SUCCEEDS, OK, UNREF(1)},
	{"the end of the large one", GPU_FAILS_AS, BAD_ID, UNREF(2)},
};
/* clang-format on */

#define STEPS(array) array, sizeof(array) / sizeof(array[0])
const struct gpu_sequence gpu_sequences[] = {
	{"unknown-commands", "virtio 5.7.6.7", 0, STEPS(unknown_commands)},
	{"short-commands", "virtio 5.7.6.8", 0, STEPS(short_commands)},
	{"resources-2d", "virtio 5.7.6.8", 0, STEPS(resources_2d)},
	{"formats", "virtio 5.7.6.8", 0, STEPS(formats)},
	{"backing", "virtio 5.7.6.8", 0, STEPS(backing)},
	{"scanouts", "virtio 5.7.6.8", 0, STEPS(scanouts)},
	{"guest-blobs", "virtio 5.7.6.8", BLOBS, STEPS(guest_blobs)},
	{"contexts", "virtio 5.7.6.9", CONTEXTS, STEPS(contexts)},
	{"out-of-memory", "virtio 5.7.6.7", BLOBS | CONTEXTS, STEPS(out_of_memory)},
};
const size_t gpu_sequence_count = sizeof(gpu_sequences) / sizeof(gpu_sequences[0]);

const struct gpu_sequence *gpu_sequence_find(const char *name)
{
	for (size_t i = 0; i < gpu_sequence_count; i++) {
		if (strcmp(gpu_sequences[i].name, name) == 0) {
			return &gpu_sequences[i];
		}
	}
	return NULL;
}

uint32_t gpu_step_run(struct wire_front *front, const struct gpu_step *step, uint32_t capset)
{
	struct gpu_step copy = *step;
	if (copy.request.hdr.type == VIRTIO_GPU_CMD_CTX_CREATE &&
	    copy.size == sizeof(copy.request.context) &&
	    copy.request.context.context_init == GPU_STEP_CAPSET) {
		copy.request.context.context_init = capset;
	}
	return gpu_command(front, &copy.request, copy.size, NULL, 0);
}
