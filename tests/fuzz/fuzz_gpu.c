/* SPDX-License-Identifier: MIT */
/*
 * virtio-gpu commands, as a guest makes them, mixed with all that happens around them: answers of
 * the renderer and of QEMU that come late or not at all, viewers that ask for monitors or do not
 * read, pauses, resets, pages that change. After each command: every chain is answered at most
 * once, with what the model says; fences carry what they were given and keep their order. At the
 * end everybody answers, and no chain is left.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "gpu/gpu.h"
#include "gpu_model.h"
#include "half.h"
#include "hesperd/outputs.h"
#include "renderer.h"
#include "util/fd.h"

const size_t fuzz_record_size = 24;

#define MAX_OPS 512
#define WINDOW (1ull << 20)
#define PAGE 4096u
#define MAX_MAPPINGS 64
#define MAX_HELD 64

enum action {
	/* 0..: commands, see commands[] */
	ACTION_MODE = 32,
	ACTION_TIMER,
	ACTION_ANSWER,
	ACTION_SIGNAL,
	ACTION_MANNER,
	ACTION_WINDOW,
	ACTION_RELEASE,
	ACTION_LOSE,
	ACTION_PAUSE,
	ACTION_RESET,
	ACTION_CONFIG,
	ACTION_MEMORY,
	ACTION_SCRIBBLE,
	ACTION_CALM,
	ACTION_RAW,
	ACTIONS,
};

static const uint32_t commands[] = {
	VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
	VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
	VIRTIO_GPU_CMD_RESOURCE_UNREF,
	VIRTIO_GPU_CMD_SET_SCANOUT,
	VIRTIO_GPU_CMD_RESOURCE_FLUSH,
	VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
	VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
	VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING,
	VIRTIO_GPU_CMD_GET_CAPSET_INFO,
	VIRTIO_GPU_CMD_GET_CAPSET,
	VIRTIO_GPU_CMD_GET_EDID,
	VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID,
	VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
	VIRTIO_GPU_CMD_SET_SCANOUT_BLOB,
	VIRTIO_GPU_CMD_CTX_CREATE,
	VIRTIO_GPU_CMD_CTX_DESTROY,
	VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
	VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE,
	VIRTIO_GPU_CMD_RESOURCE_CREATE_3D,
	VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D,
	VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D,
	VIRTIO_GPU_CMD_SUBMIT_3D,
	VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB,
	VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB,
	VIRTIO_GPU_CMD_UPDATE_CURSOR,
	VIRTIO_GPU_CMD_MOVE_CURSOR,
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))
#define FIRST_CURSOR (COMMANDS - 2)

struct op {
	uint8_t kind; /* command or action */
	uint8_t how;
	uint8_t resource;
	uint8_t context; /* and ring, in the upper half */
	uint16_t x;
	uint16_t y;
	uint16_t width;
	uint16_t height;
	uint8_t head;
	uint8_t format;
	uint8_t entries;
	uint8_t misc;
	uint32_t offset;
	uint32_t size;
};
_Static_assert(sizeof(struct op) == 24, "a record");

#define HOW_FENCE 0x01
#define HOW_RING 0x02
#define HOW_INDIRECT 0x04
#define HOW_NO_KICK 0x08
#define HOW_CUT 0x10

/* A display update that nobody has read yet. */
struct held {
	void (*released)(void *data);
	void *data;
};

static struct fixture {
	struct half half;
	struct display_server *display;
	struct gpu *gpu;
	struct render *render;
	struct render_options render_options;
	bool own_renderer; /* renderer_impl, not render_none */
	bool low_limits; /* soon reached */
	struct model model;
	bool model_stale; /* something was answered that the model does not know */
	bool calm; /* nobody waits for anything */
	struct model_command sent[HALF_SLOTS];
	uint32_t expected[HALF_SLOTS];
	uint64_t sequence;
	/* Of each queue, the last fence of the global timeline that was answered. */
	uint64_t last_global[HALF_QUEUES];
	/* How others behave. */
	bool render_waits;
	bool window_waits;
	bool viewers_wait;
	struct held held[MAX_HELD];
	unsigned held_count;
	struct mapping {
		uint64_t offset;
		uint64_t size;
	} mappings[MAX_MAPPINGS];
	unsigned mapping_count;
	bool closed;
} fx;

/* --- viewers --------------------------------------------------------------------------------- */

void __real_display_server_update(struct display_server *server, unsigned head,
				  const struct rect *rect, void (*released)(void *data),
				  void *data);
void __wrap_display_server_update(struct display_server *server, unsigned head,
				  const struct rect *rect, void (*released)(void *data),
				  void *data);
void __wrap_display_server_update(struct display_server *server, unsigned head,
				  const struct rect *rect, void (*released)(void *data), void *data)
{
	if (released == NULL || !fx.viewers_wait || fx.held_count == MAX_HELD) {
		__real_display_server_update(server, head, rect, released, data);
		return;
	}
	/* Without viewers the server lets go at once: from here on it is the input's to say. */
	fx.held[fx.held_count++] = (struct held){released, data};
	__real_display_server_update(server, head, rect, NULL, NULL);
}

static bool release(unsigned which)
{
	if (which >= fx.held_count) {
		return false;
	}
	struct held held = fx.held[which];
	memmove(&fx.held[which], &fx.held[which + 1],
		(--fx.held_count - which) * sizeof(fx.held[0]));
	held.released(held.data);
	return true;
}

/* --- QEMU ------------------------------------------------------------------------------------ */

static int map_status(const struct window_request *request)
{
	FUZZ_CHECK(request->size > 0 && request->offset + request->size <= WINDOW,
		   "a mapping of %llu bytes at %llu of the window",
		   (unsigned long long)request->size, (unsigned long long)request->offset);
	FUZZ_CHECK(fd_size(request->fd) >= (int64_t)(request->fd_offset + request->size),
		   "a mapping beyond the end of its file");
	for (unsigned i = 0; i < fx.mapping_count; i++) {
		const struct mapping *other = &fx.mappings[i];
		if (request->offset < other->offset + other->size &&
		    other->offset < request->offset + request->size) {
			return -EREMOTEIO;
		}
	}
	return fx.mapping_count < MAX_MAPPINGS ? 0 : -EREMOTEIO;
}

static int unmap_status(const struct window_request *request)
{
	for (unsigned i = 0; i < fx.mapping_count; i++) {
		if (fx.mappings[i].offset == request->offset &&
		    fx.mappings[i].size == request->size) {
			fx.mappings[i] = fx.mappings[--fx.mapping_count];
			return 0;
		}
	}
	return -EINVAL;
}

static bool answer_window(bool refuse)
{
	const struct window_request *request = half_oldest_window(&fx.half);
	if (request == NULL) {
		return false;
	}
	int status = request->map ? map_status(request) : unmap_status(request);
	if (request->map && refuse) {
		status = -EREMOTEIO;
	} else if (request->map && status == 0) {
		fx.mappings[fx.mapping_count++] = (struct mapping){request->offset, request->size};
	}
	return half_answer_window(&fx.half, status);
}

/* --- answers --------------------------------------------------------------------------------- */

/* now: nothing has happened since the command was sent. */
static void check_body(const uint8_t *bytes, uint32_t written, uint32_t type, bool now)
{
	if (type == VIRTIO_GPU_RESP_OK_EDID) {
		struct virtio_gpu_resp_edid edid;
		FUZZ_CHECK(written == sizeof(edid), "an EDID of %u bytes", written);
		memcpy(&edid, bytes, sizeof(edid));
		FUZZ_CHECK(edid.size <= sizeof(edid.edid) && edid.size % 128 == 0, "%u bytes",
			   edid.size);
		uint8_t sum = 0;
		for (uint32_t i = 0; i < edid.size; i++) {
			sum += edid.edid[i];
		}
		FUZZ_CHECK(sum == 0, "an EDID with a wrong sum");
	} else if (type == VIRTIO_GPU_RESP_OK_DISPLAY_INFO) {
		struct virtio_gpu_resp_display_info info;
		FUZZ_CHECK(written == sizeof(info), "a display info of %u bytes", written);
		memcpy(&info, bytes, sizeof(info));
		for (unsigned i = 0; now && i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
			const struct gpu_mode *mode =
				i < fx.model.heads ? gpu_mode(fx.gpu, i) : &(struct gpu_mode){0};
			FUZZ_CHECK(info.pmodes[i].enabled == (mode->width != 0), "head %u", i);
		}
	} else if (type == VIRTIO_GPU_RESP_OK_MAP_INFO) {
		FUZZ_CHECK(written == sizeof(struct virtio_gpu_resp_map_info), "%u bytes", written);
	} else if (type != VIRTIO_GPU_RESP_OK_CAPSET && type != VIRTIO_GPU_RESP_OK_CAPSET_INFO) {
		FUZZ_CHECK(written == sizeof(struct virtio_gpu_ctrl_hdr), "%u bytes", written);
	}
}

static bool is_answer(uint32_t type)
{
	return (type >= VIRTIO_GPU_RESP_OK_NODATA && type <= VIRTIO_GPU_RESP_OK_MAP_INFO) ||
	       (type >= VIRTIO_GPU_RESP_ERR_UNSPEC &&
		type <= VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

/* A limit of the device that the model has no part in. */
static bool over_limit(uint32_t type, uint32_t expected)
{
	bool limit = type == VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY ||
		     (fx.low_limits && type == VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	return limit && type != expected;
}

static void check_order(const struct half_chain *chain, const struct virtio_gpu_ctrl_hdr *asked)
{
	bool global = (asked->flags & VIRTIO_GPU_FLAG_FENCE) != 0 &&
		      (asked->flags & VIRTIO_GPU_FLAG_INFO_RING_IDX) == 0;
	if (global && chain->request_size >= sizeof(*asked)) {
		FUZZ_CHECK(chain->tag > fx.last_global[chain->queue], "a fence overtakes another");
		fx.last_global[chain->queue] = chain->tag;
	}
}

static void take_answer(const struct half_chain *chain)
{
	size_t slot = (size_t)(chain - fx.half.chains);
	const struct model_command *command = &fx.sent[slot];
	const struct virtio_gpu_ctrl_hdr *asked = &command->request.hdr;
	uint32_t expected = fx.expected[slot];
	struct virtio_gpu_ctrl_hdr answer;
	check_order(chain, asked);
	if (chain->written == 0) {
		FUZZ_CHECK(chain->response_size < 1200, "no answer was written");
		if (expected == MODEL_ANY || expected < VIRTIO_GPU_RESP_ERR_UNSPEC) {
			fx.model_stale = true;
		}
		return;
	}
	FUZZ_CHECK(chain->written >= sizeof(answer), "%u bytes", chain->written);
	memcpy(&answer, half_response(&fx.half, chain), sizeof(answer));
	FUZZ_CHECK(is_answer(answer.type), "type 0x%x", answer.type);
	check_body(half_response(&fx.half, chain), chain->written, answer.type,
		   expected != MODEL_ANY);
	bool fenced = command->size >= sizeof(*asked) && (asked->flags & VIRTIO_GPU_FLAG_FENCE);
	uint32_t kept = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX;
	FUZZ_CHECK(answer.flags == (fenced ? asked->flags & kept : 0), "flags 0x%x to 0x%x",
		   answer.flags, asked->flags);
	FUZZ_CHECK(answer.fence_id == (fenced ? asked->fence_id : 0), "another fence");
	if (fenced) {
		FUZZ_CHECK(answer.ctx_id == asked->ctx_id && answer.ring_idx == asked->ring_idx,
			   "another context's fence");
	}
	if (expected == MODEL_ANY || over_limit(answer.type, expected)) {
		fx.model_stale = true;
		return;
	}
	FUZZ_CHECK(answer.type == expected, "command 0x%x: 0x%x, not 0x%x", asked->type,
		   answer.type, expected);
	model_apply(&fx.model, command, answer.type);
}

static void take_answers(void)
{
	const struct half_chain *chain;
	while ((chain = half_next_used(&fx.half)) != NULL) {
		take_answer(chain);
	}
}

/* Those who do not keep others waiting answer. */
static void settle(void)
{
	/*
	 * render_none answers a turn of the loop after it was asked, maybe because of an answer; and viewers
	 * are told, and answers announced, before the loop would sleep, which is another.
	 */
	const unsigned last_turns = fx.own_renderer ? 2 : 4;
	unsigned idle = 0;
	for (unsigned i = 0; idle < last_turns; i++) {
		FUZZ_CHECK(i < 10000, "no end of answers");
		half_settle(&fx.half);
		take_answers();
		bool more = !fx.window_waits && answer_window(false);
		if (fx.own_renderer && !fx.render_waits) {
			more |= renderer_answer(fx.render, 0, RENDERER_OK);
			more |= renderer_signal(fx.render, 0);
		}
		more |= !fx.viewers_wait && release(0);
		idle = more ? 0 : idle + 1;
	}
	fx.calm = fx.half.pending == 0 && half_oldest_window(&fx.half) == NULL &&
		  fx.held_count == 0 && (!fx.own_renderer || renderer_pending(fx.render) == 0);
	if (fx.calm && fx.model_stale) {
		model_copy(&fx.model, fx.gpu);
		fx.model_stale = false;
	}
	if (fx.calm) {
		FUZZ_CHECK(!fx.own_renderer || !renderer_holds_back(fx.render),
			   "a context is held back for ever");
		model_compare(&fx.model, fx.gpu);
	}
}

static void calm_down(void)
{
	fx.window_waits = false;
	fx.viewers_wait = false;
	fx.render_waits = false;
	if (fx.own_renderer) {
		renderer_set_manner(fx.render, RENDERER_LATER);
	}
	for (unsigned i = 0; i < HALF_QUEUES; i++) {
		half_kick(&fx.half, i);
	}
	settle();
	FUZZ_CHECK(fx.calm, "%u chains are never answered", fx.half.pending);
}

/* --- commands -------------------------------------------------------------------------------- */

static uint32_t id_of(uint8_t byte)
{
	return (byte & 0x80) != 0 ? fuzz_odd_u32(byte & 0x1f) : byte & 0x0f;
}

static uint32_t number(uint16_t value)
{
	return value >= 0xff00 ? fuzz_odd_u32(value & 0xff) : value;
}

static uint64_t blob_size(uint32_t value)
{
	if (value < 0x80000000) {
		return (value % 64 + 1) * PAGE;
	}
	return value < 0xc0000000 ? value & 0xffff : fuzz_odd_u64(value & 0xff);
}

static uint64_t offset_of(uint32_t value, uint32_t unit)
{
	return value < 0x80000000 ? (uint64_t)(value & 0xff) * unit : fuzz_odd_u64(value & 0xff);
}

static uint32_t format_of(uint8_t byte)
{
	const struct format *format = format_at(byte & 7);
	return (byte & 0x80) != 0 ? byte : format->virtio;
}

static struct virtio_gpu_rect rect_of(const struct op *op)
{
	return (struct virtio_gpu_rect){number(op->x), number(op->y), number(op->width),
					number(op->height)};
}

struct built {
	struct model_command command;
	uint8_t bytes[HALF_REQUEST];
};

static void append(struct built *built, const void *bytes, uint32_t size)
{
	FUZZ_CHECK(built->command.size + size <= sizeof(built->bytes), "a larger slot is needed");
	memcpy(built->bytes + built->command.size, bytes, size);
	built->command.size += size;
}

#define MAX_BUILT_ENTRIES 31u

/* Behind the fixed part; *count is what the command says. */
static uint32_t add_entries(struct built *built, const struct op *op)
{
	uint32_t count = op->entries & 0x1f;
	built->command.pages_hold = true;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t page = (op->x + i * op->y) % 40;
		uint64_t addr = half_gpa(HALF_PAGES + (uint64_t)page * PAGE);
		uint32_t length = PAGE * (1 + op->misc % 4);
		if ((op->misc & 0x80) != 0 && i == op->format % MAX_BUILT_ENTRIES) {
			addr = (op->misc & 0x40) != 0 ? fuzz_odd_u64(op->head) : addr + op->head;
			length = (op->misc & 0x20) != 0 ? fuzz_odd_u32(op->head) : length;
		}
		const struct virtio_gpu_mem_entry entry = {.addr = addr, .length = length};
		append(built, &entry, sizeof(entry));
		built->command.page_bytes += length;
		const uint64_t end = HALF_GPA + HALF_LOW + HALF_HIGH;
		built->command.pages_hold &=
			length == 0 || (addr >= HALF_GPA && addr < end && length <= end - addr);
	}
	if ((op->entries & 0x80) != 0) {
		append(built, "more", 4);
	}
	return (op->entries & 0x40) != 0 ? fuzz_odd_u32(op->format) : count;
}

static void build_resource(union gpu_request *r, const struct op *op)
{
	uint32_t id = id_of(op->resource);
	uint32_t head = op->head < 0xf0 ? op->head % 20 : fuzz_odd_u32(op->head);
	switch (r->hdr.type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		r->create_2d.resource_id = id;
		r->create_2d.format = format_of(op->format);
		r->create_2d.width = number(op->width);
		r->create_2d.height = number(op->height);
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		r->set_scanout.r = rect_of(op);
		r->set_scanout.scanout_id = head;
		r->set_scanout.resource_id = id;
		break;
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		r->flush.r = rect_of(op);
		r->flush.resource_id = id;
		break;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		r->transfer_2d.r = rect_of(op);
		r->transfer_2d.offset = offset_of(op->offset, 64);
		r->transfer_2d.resource_id = id;
		break;
	case VIRTIO_GPU_CMD_GET_CAPSET_INFO:
		r->capset_info.capset_index = op->misc % 3;
		break;
	case VIRTIO_GPU_CMD_GET_CAPSET:
		r->capset.capset_id = op->misc % 8;
		r->capset.capset_version = op->format % 3;
		break;
	case VIRTIO_GPU_CMD_GET_EDID:
		r->edid.scanout = head;
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
		r->set_scanout_blob.r = rect_of(op);
		r->set_scanout_blob.scanout_id = head;
		r->set_scanout_blob.resource_id = id;
		r->set_scanout_blob.format = format_of(op->format);
		r->set_scanout_blob.width = number(op->width) + (op->misc & 3);
		r->set_scanout_blob.height = number(op->height) + (op->misc >> 2 & 3);
		r->set_scanout_blob.strides[0] =
			op->size < 0x80000000 ? 4 * number(op->width) + 4 * (op->size & 15)
					      : fuzz_odd_u32(op->size);
		r->set_scanout_blob.offsets[0] = op->offset < 0x80000000 ? 4 * (op->offset & 0x3ff)
									 : fuzz_odd_u32(op->offset);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
		r->map_blob.resource_id = id;
		r->map_blob.offset = offset_of(op->offset, PAGE);
		break;
	case VIRTIO_GPU_CMD_UPDATE_CURSOR:
	case VIRTIO_GPU_CMD_MOVE_CURSOR:
		r->cursor.pos.scanout_id = head;
		r->cursor.pos.x = number(op->x);
		r->cursor.pos.y = number(op->y);
		r->cursor.resource_id = id;
		r->cursor.hot_x = op->width;
		r->cursor.hot_y = op->height;
		break;
	default:
		/* One id, right behind the header. */
		r->unref.resource_id = id;
		break;
	}
}

/* With something behind the fixed part. */
static bool build_long(struct built *built, const struct op *op)
{
	union gpu_request *r = &built->command.request;
	uint32_t fixed = model_fixed_size(0, r->hdr.type);
	built->command.size = fixed;
	if (r->hdr.type == VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING) {
		r->attach_backing.resource_id = id_of(op->resource);
		r->attach_backing.nr_entries = add_entries(built, op);
	} else if (r->hdr.type == VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB) {
		r->create_blob.resource_id = id_of(op->resource);
		r->create_blob.blob_mem = op->head < 0xf0 ? 1 + op->head % 2 : op->head & 3;
		r->create_blob.blob_flags = op->format < 0x80 ? op->format & 7 : op->format;
		r->create_blob.blob_id = op->offset;
		r->create_blob.size = blob_size(op->size);
		r->create_blob.nr_entries = add_entries(built, op);
	} else if (r->hdr.type == VIRTIO_GPU_CMD_SUBMIT_3D) {
		uint32_t there = op->entries * 4u;
		r->submit.size = op->misc < 0x80 ? there : fuzz_odd_u32(op->misc);
		built->command.size += there <= sizeof(built->bytes) - fixed ? there : 0;
	} else {
		return false;
	}
	return true;
}

static void build(struct built *built, const struct op *op)
{
	union gpu_request *r = &built->command.request;
	memset(built, 0, sizeof(*built));
	built->command.queue = op->kind >= FIRST_CURSOR;
	r->hdr.type = commands[op->kind];
	if ((op->how & HOW_FENCE) != 0) {
		/* Mostly they count up, but that is the guest's to decide. */
		r->hdr.fence_id = op->misc < 0xf0 ? fx.sequence : op->offset;
		r->hdr.flags |= VIRTIO_GPU_FLAG_FENCE;
	}
	if ((op->how & HOW_RING) != 0) {
		static const uint8_t rings[16] = {0, 1, 2, 3, 63, 64, 255};
		r->hdr.flags |= VIRTIO_GPU_FLAG_INFO_RING_IDX;
		r->hdr.ring_idx = rings[op->context >> 4];
	}
	r->hdr.ctx_id = (op->context & 0x0f) == 0x0f ? fuzz_odd_u32(op->context >> 4)
						     : (op->context & 0x07);
	if (r->hdr.type == VIRTIO_GPU_CMD_CTX_CREATE) {
		r->ctx_create.nlen = number(op->width);
		r->ctx_create.context_init = op->misc < 0xe0 ? 4 : op->misc;
		memset(r->ctx_create.debug_name, op->format, sizeof(r->ctx_create.debug_name));
		built->command.size = sizeof(r->ctx_create);
	} else if (!build_long(built, op)) {
		build_resource(r, op);
		built->command.size = model_fixed_size(built->command.queue, r->hdr.type);
	}
	memcpy(built->bytes, r, model_fixed_size(built->command.queue, r->hdr.type));
}

static uint32_t room_for_answer(uint8_t how)
{
	static const uint32_t sizes[8] = {HALF_RESPONSE, 24, HALF_RESPONSE, 32, 408, 1080, 8, 0};
	return sizes[how >> 5];
}

static void send_built(const struct op *op, const struct built *built)
{
	const struct model_command *command = &built->command;
	struct half_chain *chain = half_submit(
		&fx.half, command->queue, built->bytes, command->size, room_for_answer(op->how),
		(op->how & HOW_CUT) != 0 ? 3 : 1, (op->how & HOW_INDIRECT) != 0);
	if (chain == NULL) {
		return;
	}
	size_t slot = (size_t)(chain - fx.half.chains);
	bool sure = fx.calm && !fx.model_stale && !fx.render_waits && !fx.window_waits &&
		    !fx.viewers_wait && (op->how & HOW_NO_KICK) == 0;
	fx.sent[slot] = *command;
	fx.expected[slot] = sure ? model_predict(&fx.model, command) : MODEL_ANY;
	chain->tag = ++fx.sequence;
	fx.calm = false;
	if ((op->how & HOW_NO_KICK) == 0) {
		half_kick(&fx.half, command->queue);
	}
	settle();
}

static void send_command(const struct op *op)
{
	struct built built;
	build(&built, op);
	send_built(op, &built);
}

/* Bytes as they are, of any length; a resource id in them may be any. */
static void send_raw(const struct op *op)
{
	struct built built = {.command.queue = op->head & 1};
	uint32_t type = op->misc < 0x80 ? commands[op->misc % COMMANDS] : op->offset;
	built.command.request.hdr.type = type;
	built.command.size = op->entries;
	memcpy(built.bytes, &built.command.request, sizeof(built.command.request));
	/* The rest of the fixed part is zeros: no resource, or one of that id 0. */
	send_built(op, &built);
}

/* --- what else happens ----------------------------------------------------------------------- */

static void set_mode(const struct op *op)
{
	unsigned head = op->head % 20;
	const struct display_monitor monitor = {
		.width = number(op->width),
		.height = number(op->height),
		.width_mm = op->x,
		.height_mm = op->y,
		.refresh_mhz = op->misc < 0x80 ? op->misc * 1000u : op->size,
	};
	if (head < fx.model.heads) {
		const struct gpu_mode mode = outputs_mode(&monitor, gpu_mode(fx.gpu, head));
		gpu_set_mode(fx.gpu, head, &mode);
	} else {
		gpu_set_mode(fx.gpu, head, &(struct gpu_mode){64, 64, 60000, 0, 0});
	}
	settle();
}

static void set_manner(const struct op *op)
{
	fx.window_waits = (op->misc & 1) != 0;
	fx.viewers_wait = (op->misc & 2) != 0;
	fx.render_waits = (op->misc & 4) != 0;
	if (fx.own_renderer) {
		renderer_set_manner(fx.render,
				    (op->misc & 8) != 0 ? RENDERER_INSIDE : RENDERER_LATER);
	}
	settle();
}

static void forget_guest(void)
{
	fx.mapping_count = 0;
	memset(fx.last_global, 0, sizeof(fx.last_global));
	fx.model_stale = false;
	model_reset(&fx.model);
}

static void start(uint64_t features)
{
	forget_guest();
	half_start(&fx.half, features);
	FUZZ_CHECK(fx.gpu->resources.count == 0 && fx.gpu->contexts.count == 0 &&
			   list_empty(&fx.gpu->commands) && list_empty(&fx.gpu->global.commands),
		   "a reset leaves something");
}

/* While the machine rests others go on; answers wait. */
static void rest(const struct op *op)
{
	half_stop(&fx.half);
	if ((op->misc & 1) != 0) {
		set_mode(op);
	}
	if ((op->misc & 2) != 0) {
		fuzz_fire_timer(op->resource);
	}
	if (fx.own_renderer && (op->misc & 4) != 0) {
		renderer_answer(fx.render, 0, RENDERER_OK);
	}
	/* A window request that is made now is not sent before the device goes on. */
	fx.window_waits = true;
	settle();
	half_resume(&fx.half);
	settle();
}

static void config(const struct op *op)
{
	struct virtio_gpu_config written = {.events_clear = op->misc};
	uint32_t offset = op->offset < 0x80000000 ? op->offset % 16 : 0;
	uint8_t bytes[VHOST_MAX_CONFIG] = {0};
	memcpy(bytes, &written, sizeof(written));
	fx.half.vhost->options.callbacks->config_written(fx.half.vhost->options.data, offset,
							 bytes + offset, op->size % 40);
	settle();
}

/* The guest changes what it has given away. */
static void scribble(const struct op *op)
{
	unsigned changed = 0;
	for (unsigned i = 0; i < HALF_SLOTS && changed <= op->entries; i++) {
		const struct half_chain *chain = &fx.half.chains[i];
		/* What the device has not taken yet would only be another command. */
		bool taken = chain->pending && !fx.half.want_kick[chain->queue];
		if (taken && chain->request_size > 0) {
			memset(half_request(&fx.half, chain) + op->x % chain->request_size,
			       op->format, 1 + op->y % 4);
			changed++;
		}
	}
	memset(half_at(&fx.half, HALF_PAGES), op->misc, PAGE);
	settle();
}

static void act(const struct op *op)
{
	switch ((enum action)(op->kind)) {
	case ACTION_MODE:
		set_mode(op);
		break;
	case ACTION_TIMER:
		fuzz_fire_timer(op->resource % 20);
		settle();
		break;
	case ACTION_ANSWER:
		if (fx.own_renderer) {
			renderer_answer(fx.render, op->resource % 8,
					(enum renderer_answer)(op->misc % RENDERER_ANSWERS));
			fx.model_stale = true;
		}
		settle();
		break;
	case ACTION_SIGNAL:
		if (fx.own_renderer) {
			renderer_signal(fx.render, op->resource % 8);
		}
		settle();
		break;
	case ACTION_MANNER:
		set_manner(op);
		break;
	case ACTION_WINDOW:
		answer_window((op->misc & 1) != 0);
		settle();
		break;
	case ACTION_RELEASE:
		release(op->resource % 8);
		settle();
		break;
	case ACTION_LOSE:
		if (fx.own_renderer) {
			renderer_lose(fx.render, op->context & 7);
			fx.model_stale = true;
		}
		settle();
		break;
	case ACTION_PAUSE:
		rest(op);
		break;
	case ACTION_RESET:
		half_stop(&fx.half);
		settle();
		start(fx.half.features & ~VHOST_USER_F_PROTOCOL_FEATURES);
		settle();
		break;
	case ACTION_CONFIG:
		config(op);
		break;
	case ACTION_MEMORY:
		half_new_memory(&fx.half);
		settle();
		break;
	case ACTION_SCRIBBLE:
		scribble(op);
		break;
	case ACTION_CALM:
		calm_down();
		break;
	case ACTION_RAW:
		send_raw(op);
		break;
	default:
		break;
	}
}

/* --- a run ----------------------------------------------------------------------------------- */

static void handle_ready(void *data, int error)
{
}

static void handle_disconnected(void *data, int error)
{
}

static const struct gpu_limits low_limits = {
	.values =
		{
			[GPU_LIMIT_RESOURCES] = 6,
			[GPU_LIMIT_CONTEXTS] = 3,
			[GPU_LIMIT_MEMORY] = 1,
			[GPU_LIMIT_CONTEXT_MEMORY] = 1,
			[GPU_LIMIT_MAPPINGS] = 2,
			[GPU_LIMIT_ENTRIES] = 8,
			[GPU_LIMIT_COMMAND] = 1,
			[GPU_LIMIT_FENCES] = 4,
			[GPU_LIMIT_DESCRIPTORS] = 4,
		},
};

static void open_device(const struct op *header)
{
	static const char *const names[] = {"hesper-1", "a name of 13"};
	fx.model.heads = 1 + header->head % GPU_MAX_HEADS;
	fx.model.window_size = WINDOW;
	fx.own_renderer = (header->misc & 1) == 0;
	const struct display_server_options display = {.heads = fx.model.heads};
	struct gpu_options options = {
		.heads = fx.model.heads,
		.window_size = WINDOW,
		.pace = true,
		.pages = (enum gpu_pages)(header->format % 3),
		.ready = handle_ready,
		.disconnected = handle_disconnected,
	};
	fx.low_limits = (header->misc & 0x40) != 0;
	if (fx.low_limits) {
		options.limits = low_limits;
	}
	for (unsigned i = 0; i < fx.model.heads; i++) {
		const struct gpu_mode mode = {i < 2 ? 640 : 0, i < 2 ? 480 : 0, 60000, 0, 0};
		options.outputs[i] = (struct gpu_output){mode, names[i % 2]};
	}
	FUZZ_CHECK(display_server_create(fuzz_loop(), &display, &fx.display) == 0, "no display");
	options.display = fx.display;
	FUZZ_CHECK(gpu_create(&options, fuzz_loop(), &fx.gpu) == 0, "no device");
	fx.render_options =
		(struct render_options){.callbacks = &gpu_render_callbacks, .data = fx.gpu};
	FUZZ_CHECK(render_create(fx.own_renderer ? &renderer_impl : &render_none,
				 &fx.render_options, fuzz_loop(), &fx.render) == 0,
		   "no renderer");
	gpu_set_render(fx.gpu, fx.render);
	const struct render_capset capset = {.id = RENDER_CAPSET_VENUS, .size = 160};
	if (fx.own_renderer) {
		gpu_render_callbacks.ready(fx.gpu, 0, &capset);
	} else {
		fuzz_turns(3);
	}
	struct vhost_options vhost;
	gpu_vhost_options(fx.gpu, &vhost);
	half_begin(&fx.half, vhost.queue_count);
	FUZZ_CHECK(vhost_create(&vhost, -1, fuzz_loop(), &fx.half.vhost) == 0, "no session");
	gpu_attach(fx.gpu, fx.half.vhost);
	start(vhost.features & ~((header->misc & 2) != 0 ? VIRTIO_RING_F_INDIRECT_DESC : 0) &
	      ~((header->misc & 4) != 0 ? VIRTIO_RING_F_EVENT_IDX : 0));
	settle();
}

/* In hesperd's order: see src/hesperd/main.c. */
static void display_closed(void *data)
{
	fx.closed = true;
}

static void gpu_closed(void *data)
{
	display_server_destroy(fx.display, display_closed, NULL);
	/* What a viewer still had is let go of with the server. */
	while (release(0)) {
	}
}

static void render_closed(void *data)
{
	gpu_destroy(fx.gpu, gpu_closed, NULL);
}

static void session_closed(void *data)
{
	render_destroy(fx.render, render_closed, NULL);
}

static void close_device(const struct op *header)
{
	if ((header->misc & 0x10) == 0) {
		calm_down();
	}
	if ((header->misc & 0x20) != 0) {
		half_disconnect(&fx.half, 0);
	}
	gpu_detach(fx.gpu);
	half_end(&fx.half);
	vhost_destroy(fx.half.vhost, session_closed, NULL);
	fuzz_until(&fx.closed);
}

void fuzz_init(void)
{
	half_init();
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	struct op header;
	memset(&fx, 0, sizeof(fx));
	fuzz_take(&bytes, &header, sizeof(header));
	open_device(&header);
	for (unsigned i = 0; i < MAX_OPS && bytes.left > 0; i++) {
		struct op op;
		fuzz_take(&bytes, &op, sizeof(op));
		op.kind %= ACTIONS;
		if (op.kind < COMMANDS) {
			send_command(&op);
		} else {
			act(&op);
		}
	}
	close_device(&header);
}
