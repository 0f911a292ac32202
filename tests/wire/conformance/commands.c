/* SPDX-License-Identifier: MIT */
#include <linux/virtio_gpu.h>
#include <string.h>

#include "conformance.h"
#include "gpu.h"
#include "gpu_steps.h"

/* virtio-gpu commands: those whose answer has more to it than a type, and the sequences. */

#define OK VIRTIO_GPU_RESP_OK_NODATA

static void expect(const char *what, uint32_t answer, uint32_t wanted)
{
	if (answer != wanted) {
		conformance_fail("%s: %s, not %s", what, gpu_answer_name(answer),
				 gpu_answer_name(wanted));
	}
}

static void display_info(struct subject *subject, const void *data)
{
	struct virtio_gpu_resp_display_info info;
	const struct virtio_gpu_ctrl_hdr ask = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	uint32_t type = gpu_command(&subject->front, &ask, sizeof(ask), &info, sizeof(info));
	expect("GET_DISPLAY_INFO", type, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	for (uint32_t i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
		const struct virtio_gpu_display_one *mode = &info.pmodes[i];
		if (mode->enabled != 0 && i >= subject->scanouts) {
			conformance_note("scanout %u of %u is enabled", i, subject->scanouts);
		}
		if (mode->enabled != 0 && (mode->r.width == 0 || mode->r.height == 0)) {
			conformance_note("scanout %u is enabled, with %u x %u pixels", i,
					 mode->r.width, mode->r.height);
		}
	}
}

static void check_edid(uint32_t scanout, const struct virtio_gpu_resp_edid *edid)
{
	static const uint8_t magic[8] = {0, 255, 255, 255, 255, 255, 255, 0};
	if (edid->size == 0 || edid->size > sizeof(edid->edid) || edid->size % 128 != 0) {
		conformance_fail("scanout %u: an EDID of %u bytes", scanout, edid->size);
	}
	if (memcmp(edid->edid, magic, sizeof(magic)) != 0) {
		conformance_fail("scanout %u: no EDID's header", scanout);
	}
	for (uint32_t block = 0; block < edid->size; block += 128) {
		uint8_t sum = 0;
		for (uint32_t i = 0; i < 128; i++) {
			sum = (uint8_t)(sum + edid->edid[block + i]);
		}
		if (sum != 0) {
			conformance_fail("scanout %u: a block's checksum is wrong", scanout);
		}
	}
	wire_check_equal(edid->size, 128u * (1u + edid->edid[126]));
}

static void edid(struct subject *subject, const void *data)
{
	struct virtio_gpu_resp_edid answer;
	struct virtio_gpu_cmd_get_edid ask = {.hdr.type = VIRTIO_GPU_CMD_GET_EDID};
	unsigned count = 0;
	for (ask.scanout = 0; ask.scanout < subject->scanouts; ask.scanout++) {
		uint32_t type =
			gpu_command(&subject->front, &ask, sizeof(ask), &answer, sizeof(answer));
		if (type == VIRTIO_GPU_RESP_OK_EDID) {
			check_edid(ask.scanout, &answer);
			count++;
		} else if (!gpu_is_error(type)) {
			conformance_fail("scanout %u: %s", ask.scanout, gpu_answer_name(type));
		}
	}
	if (count == 0) {
		conformance_note("no scanout has an EDID");
	}
	ask.scanout = GPU_NO_SCANOUT;
	uint32_t type = gpu_command(&subject->front, &ask, sizeof(ask), &answer, sizeof(answer));
	if (!gpu_is_error(type)) {
		conformance_fail("the EDID of a scanout that no device has: %s",
				 gpu_answer_name(type));
	}
}

static uint32_t capset_info(struct subject *subject, uint32_t index,
			    struct virtio_gpu_resp_capset_info *info)
{
	const struct virtio_gpu_get_capset_info ask = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO,
						       .capset_index = index};
	return gpu_command(&subject->front, &ask, sizeof(ask), info, sizeof(*info));
}

static void capsets(struct subject *subject, const void *data)
{
	static uint8_t bytes[65536];
	struct virtio_gpu_resp_capset_info info;
	struct wire_front *front = &subject->front;
	for (uint32_t i = 0; i < subject->capsets; i++) {
		expect("GET_CAPSET_INFO", capset_info(subject, i, &info),
		       VIRTIO_GPU_RESP_OK_CAPSET_INFO);
		conformance_note("capset %u: id %u, version %u, %u bytes", i, info.capset_id,
				 info.capset_max_version, info.capset_max_size);
		const struct virtio_gpu_get_capset get = {
			.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET,
			.capset_id = info.capset_id,
			.capset_version = info.capset_max_version,
		};
		uint32_t room = (uint32_t)sizeof(struct virtio_gpu_ctrl_hdr) + info.capset_max_size;
		wire_check(room <= sizeof(bytes));
		expect("GET_CAPSET", gpu_command(front, &get, sizeof(get), bytes, room),
		       VIRTIO_GPU_RESP_OK_CAPSET);
	}
	uint32_t type = capset_info(subject, subject->capsets, &info);
	if (!gpu_is_error(type)) {
		conformance_fail("GET_CAPSET_INFO of index num_capsets: %s", gpu_answer_name(type));
	}
	const struct virtio_gpu_get_capset get = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET,
						  .capset_id = 0xfffe};
	type = gpu_command(front, &get, sizeof(get), bytes, 4096);
	if (!gpu_is_error(type)) {
		conformance_fail("GET_CAPSET of an id that was not told of: %s",
				 gpu_answer_name(type));
	}
}

/* Each kind of answer carries the fence. */
static void fences(struct subject *subject, const void *data)
{
	static const uint32_t types[] = {VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
					 VIRTIO_GPU_CMD_RESOURCE_UNREF,
					 VIRTIO_GPU_CMD_RESOURCE_FLUSH, 0x1ff};
	for (uint64_t i = 0; i < 2 * sizeof(types) / sizeof(types[0]); i++) {
		struct virtio_gpu_resource_flush request = {
			.hdr = {.type = types[i / 2],
				.flags = i % 2 == 0 ? VIRTIO_GPU_FLAG_FENCE : 0,
				.fence_id = 0x123456789abcull + i},
			.resource_id = 12345,
		};
		struct virtio_gpu_resp_display_info response;
		gpu_command(&subject->front, &request, sizeof(request), &response,
			    sizeof(response));
		uint32_t flags = response.hdr.flags & VIRTIO_GPU_FLAG_FENCE;
		if (i % 2 != 0) {
			if (flags != 0) {
				conformance_note("the answer to command %#x has a fence that the "
						 "command has not",
						 types[i / 2]);
			}
			continue;
		}
		if (flags == 0) {
			conformance_fail("the answer to command %#x has no fence", types[i / 2]);
		}
		wire_check_equal(response.hdr.fence_id, request.hdr.fence_id);
	}
}

static uint32_t context_of(struct subject *subject)
{
	struct virtio_gpu_resp_capset_info info;
	if (subject->capsets == 0) {
		conformance_skip("the back end has no capset");
	}
	expect("GET_CAPSET_INFO", capset_info(subject, 0, &info), VIRTIO_GPU_RESP_OK_CAPSET_INFO);
	expect("CTX_CREATE", gpu_create_context(&subject->front, 1, info.capset_id), OK);
	return 1;
}

static void ring_fences(struct subject *subject, const void *data)
{
	struct virtio_gpu_cmd_submit submit = {
		.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D,
			.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX,
			.ctx_id = context_of(subject)},
	};
	for (uint8_t ring = 0; ring < 2; ring++) {
		for (uint64_t id = 1; id <= 4; id++) {
			struct virtio_gpu_ctrl_hdr response;
			submit.hdr.ring_idx = ring;
			submit.hdr.fence_id = 10 * id + ring;
			expect("SUBMIT_3D of nothing, with a fence",
			       gpu_command(&subject->front, &submit, sizeof(submit), &response,
					   sizeof(response)),
			       OK);
			wire_check((response.flags & VIRTIO_GPU_FLAG_FENCE) != 0);
			wire_check_equal(response.fence_id, submit.hdr.fence_id);
		}
	}
}

#define PICTURE_BYTES (64u * 64 * 4)

static void make_picture(struct wire_front *front, uint32_t id, uint64_t gpa)
{
	expect("RESOURCE_CREATE_2D", gpu_create_2d(front, id, 1, 64, 64), OK);
	expect("RESOURCE_ATTACH_BACKING", gpu_attach(front, id, gpa, PICTURE_BYTES), OK);
	expect("TRANSFER_TO_HOST_2D", gpu_transfer(front, id, 0, 0, 64, 64, 0), OK);
}

static void page_flips(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	make_picture(front, 1, wire_alloc(front, PICTURE_BYTES));
	make_picture(front, 2, wire_alloc(front, PICTURE_BYTES));
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t id = 1 + i % 2;
		expect("TRANSFER_TO_HOST_2D", gpu_transfer(front, id, 0, 0, 64, 64, 0), OK);
		expect("SET_SCANOUT", gpu_set_scanout(front, 0, id, 0, 0, 64, 64), OK);
		expect("RESOURCE_FLUSH", gpu_flush(front, id, 64, 64), OK);
	}
	expect("SET_SCANOUT 0", gpu_set_scanout(front, 0, 0, 0, 0, 0, 0), OK);
	expect("RESOURCE_UNREF", gpu_unref(front, 1), OK);
	expect("RESOURCE_UNREF", gpu_unref(front, 2), OK);
}

static void multihead(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	if (subject->scanouts < 2) {
		conformance_skip("the back end has one scanout");
	}
	make_picture(front, 1, wire_alloc(front, PICTURE_BYTES));
	expect("the first of two", gpu_set_scanout(front, 0, 1, 0, 0, 64, 64), OK);
	expect("the second, mirroring", gpu_set_scanout(front, 1, 1, 0, 0, 64, 64), OK);
	expect("RESOURCE_FLUSH", gpu_flush(front, 1, 64, 64), OK);
	expect("another part of it", gpu_set_scanout(front, 1, 1, 32, 0, 32, 64), OK);
	expect("RESOURCE_FLUSH", gpu_flush(front, 1, 64, 64), OK);
}

static void no_such_scanout(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	if (subject->give_display) {
		conformance_skip("num_scanouts is the front end's, which is the display");
	}
	make_picture(front, 1, wire_alloc(front, PICTURE_BYTES));
	uint32_t answer = gpu_set_scanout(front, subject->scanouts, 1, 0, 0, 64, 64);
	if (!gpu_is_error(answer)) {
		conformance_fail("scanout num_scanouts: %s", gpu_answer_name(answer));
	}
}

static void scattered_backing(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	struct {
		struct virtio_gpu_resource_attach_backing head;
		struct virtio_gpu_mem_entry entries[64];
	} request = {
		.head.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
		.head.resource_id = 1,
		.head.nr_entries = 64,
	};
	/* Odd places, one row each. */
	for (unsigned i = 0; i < 64; i++) {
		request.entries[i].addr = wire_alloc(front, 512) + 4 * (i % 7);
		request.entries[i].length = 256;
	}
	expect("RESOURCE_CREATE_2D", gpu_create_2d(front, 1, 1, 64, 64), OK);
	expect("RESOURCE_ATTACH_BACKING of 64 pieces",
	       gpu_command(front, &request, sizeof(request), NULL, 0), OK);
	expect("TRANSFER_TO_HOST_2D", gpu_transfer(front, 1, 0, 0, 64, 64, 0), OK);
	expect("TRANSFER_TO_HOST_2D of a part", gpu_transfer(front, 1, 3, 5, 20, 30, 5 * 256 + 12),
	       OK);
}

static void many_resources(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	for (uint32_t id = 1; id <= 300; id++) {
		expect("RESOURCE_CREATE_2D", gpu_create_2d(front, id, 2, 16, 16), OK);
	}
	for (uint32_t id = 300; id >= 1; id--) {
		expect("RESOURCE_UNREF", gpu_unref(front, id), OK);
	}
}

static uint32_t send_cursor(struct wire_front *front, uint32_t type, uint32_t scanout, uint32_t id,
			    int32_t x, struct virtio_gpu_ctrl_hdr *response)
{
	const struct virtio_gpu_update_cursor cursor = {
		.hdr.type = type,
		.pos = {.scanout_id = scanout, .x = (uint32_t)x, .y = (uint32_t)(x / 2)},
		.resource_id = id,
		.hot_x = 3,
		.hot_y = 4,
	};
	return wire_command(front, GPU_CURSOR_QUEUE, &cursor, sizeof(cursor), response,
			    response != NULL ? sizeof(*response) : 0);
}

/* As Linux sends them: no room for an answer. */
static void cursor(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	make_picture(front, 1, wire_alloc(front, PICTURE_BYTES));
	send_cursor(front, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1, 10, NULL);
	for (int32_t x = -100; x < 100; x += 10) {
		/* Fields other than the position mean nothing. */
		send_cursor(front, VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 99, x, NULL);
	}
	send_cursor(front, VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 0, INT32_MAX, NULL);
	send_cursor(front, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 0, 10, NULL);
	expect("RESOURCE_UNREF", gpu_unref(front, 1), OK);
}

static void bad_cursors(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	send_cursor(front, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 77, 10, NULL);
	send_cursor(front, VIRTIO_GPU_CMD_UPDATE_CURSOR, GPU_NO_SCANOUT, 0, 10, NULL);
	send_cursor(front, VIRTIO_GPU_CMD_MOVE_CURSOR, UINT32_MAX, 0, 10, NULL);
	send_cursor(front, 0x3ff, 0, 0, 10, NULL);
	expect("RESOURCE_CREATE_2D", gpu_create_2d(front, 1, 1, 7, 5), OK);
	send_cursor(front, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1, 10, NULL);
	const struct scenario_echo echo = subject_echo(subject);
	echo.command(echo.data, 0);
	echo.command(echo.data, 1);
}

/* The specification gives them one; QEMU's device and Linux' driver do without. */
static void cursor_answers(struct subject *subject, const void *data)
{
	struct virtio_gpu_ctrl_hdr response = {0};
	uint32_t written =
		send_cursor(&subject->front, VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 0, 10, &response);
	if (written < sizeof(response)) {
		conformance_note("cursor commands have no answer, even where there is room");
	} else {
		expect("MOVE_CURSOR", response.type, OK);
	}
}

#define EDID (1ull << VIRTIO_GPU_F_EDID)
#define VIRGL (1ull << VIRTIO_GPU_F_VIRGL)
#define CONTEXT_INIT (1ull << VIRTIO_GPU_F_CONTEXT_INIT)
static const struct conformance_test tests[] = {
	{"display-info", "virtio 5.7.6.8", RUNNING, 0, 0, display_info},
	{"edid", "virtio 5.7.6.8", RUNNING, EDID, 0, edid},
	{"capsets", "virtio 5.7.6.8", RUNNING, VIRGL, VHOST_USER_PROTOCOL_CONFIG, capsets},
	{"fences", "virtio 5.7.6.5, 5.7.6.7", RUNNING, 0, 0, fences},
	{"ring-fences", "virtio 5.7.6.7", RUNNING, VIRGL | CONTEXT_INIT, VHOST_USER_PROTOCOL_CONFIG,
	 ring_fences},
	{"page-flips", "virtio 5.7.6.3", RUNNING, 0, 0, page_flips},
	{"multihead", "virtio 5.7.6.4", RUNNING, 0, VHOST_USER_PROTOCOL_CONFIG, multihead},
	{"no-such-scanout", "virtio 5.7.4, 5.7.6.8", RUNNING, 0, VHOST_USER_PROTOCOL_CONFIG,
	 no_such_scanout},
	{"scattered-backing", "virtio 5.7.6.1", RUNNING, 0, 0, scattered_backing},
	{"many-resources", "virtio 5.7.6.8", RUNNING, 0, 0, many_resources},
	{"cursor", "virtio 5.7.6.6, 5.7.6.10", RUNNING, 0, 0, cursor},
	{"bad-cursors", "virtio 5.7.6.10", RUNNING, 0, 0, bad_cursors},
	{"cursor-answers", "virtio 5.7.6.10", RUNNING, 0, 0, cursor_answers},
};

const struct conformance_group commands_group = {"commands", tests,
						 sizeof(tests) / sizeof(tests[0])};

/* Sequences. */

static void judge(const char *what, const struct gpu_step *step, uint32_t answer)
{
	bool error = gpu_is_error(answer);
	switch (step->rule) {
	case GPU_SUCCEEDS:
		expect(what, answer, step->answer);
		break;
	case GPU_FAILS:
	case GPU_FAILS_AS:
		if (!error) {
			conformance_fail("%s: %s, not an error", what, gpu_answer_name(answer));
		}
		if (step->rule == GPU_FAILS_AS && answer != step->answer) {
			conformance_note("%s: %s (%s fits by its name)", what,
					 gpu_answer_name(answer), gpu_answer_name(step->answer));
		}
		break;
	default:
		if (!error) {
			conformance_note("%s: %s", what, gpu_answer_name(answer));
		}
		break;
	}
}

static void sequence(struct subject *subject, const void *data)
{
	const struct gpu_sequence *sequence = data;
	struct virtio_gpu_resp_capset_info info = {0};
	if ((sequence->features & VIRGL) != 0) {
		if (subject->capsets == 0) {
			conformance_skip("the back end has no capset");
		}
		capset_info(subject, 0, &info);
	}
	for (size_t i = 0; i < sequence->count; i++) {
		const struct gpu_step *step = &sequence->steps[i];
		if (step->rule != GPU_HOUSE) {
			uint32_t answer = gpu_step_run(&subject->front, step, info.capset_id);
			judge(step->what, step, answer);
		}
	}
	const struct scenario_echo echo = subject_echo(subject);
	echo.command(echo.data, 0);
}

const struct conformance_group *sequences_group(void)
{
	static struct conformance_test made[32];
	static struct conformance_group group = {.name = "sequences", .tests = made};
	for (size_t i = group.count; i < gpu_sequence_count; i++) {
		made[group.count++] = (struct conformance_test){
			.name = gpu_sequences[i].name,
			.spec = gpu_sequences[i].spec,
			.stage = RUNNING,
			.needs = gpu_sequences[i].features,
			.run = sequence,
			.data = &gpu_sequences[i],
		};
	}
	return &group;
}
