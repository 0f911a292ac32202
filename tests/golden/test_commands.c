/* SPDX-License-Identifier: MIT */
/* Every command of virtio-gpu, right and wrong, against the answers that the spec gives them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libdisplay-info/edid.h>
#include <libdisplay-info/info.h>

#include "daemon.h"
#include "gpu_steps.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define BAD_ID VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define BAD_CONTEXT VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define BAD_SCANOUT VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define UNSPEC VIRTIO_GPU_RESP_ERR_UNSPEC
#define HOST3D VIRTIO_GPU_BLOB_MEM_HOST3D

static struct daemon daemon;

static int open_daemon(void **state)
{
	daemon_open(&daemon, 2);
	return 0;
}

static int close_daemon(void **state)
{
	daemon_close(&daemon);
	return 0;
}

static uint32_t simple(uint32_t type)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = type};
	return daemon_command(&daemon, &request, sizeof(request), NULL, 0);
}

static void test_display_info_agrees_with_edid(void **state)
{
	const struct virtio_gpu_ctrl_hdr ask = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	struct virtio_gpu_resp_display_info info;
	assert_int_equal(daemon_command(&daemon, &ask, sizeof(ask), &info, sizeof(info)),
			 VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	assert_int_equal(info.pmodes[1].enabled, 1);
	assert_int_equal(info.pmodes[1].r.x, info.pmodes[0].r.width);
	assert_int_equal(info.pmodes[2].enabled, 0);
	for (uint32_t head = 0; head < 2; head++) {
		const struct virtio_gpu_cmd_get_edid request = {.hdr.type = VIRTIO_GPU_CMD_GET_EDID,
								.scanout = head};
		struct virtio_gpu_resp_edid edid;
		assert_int_equal(
			daemon_command(&daemon, &request, sizeof(request), &edid, sizeof(edid)),
			VIRTIO_GPU_RESP_OK_EDID);
		struct di_info *parsed = di_info_parse_edid(edid.edid, edid.size);
		assert_non_null(parsed);
		const struct di_edid_detailed_timing_def *timing =
			di_edid_get_detailed_timing_defs(di_info_get_edid(parsed))[0];
		assert_int_equal(timing->horiz_video, info.pmodes[head].r.width);
		assert_int_equal(timing->vert_video, info.pmodes[head].r.height);
		di_info_destroy(parsed);
	}
	const struct virtio_gpu_cmd_get_edid bad = {.hdr.type = VIRTIO_GPU_CMD_GET_EDID,
						    .scanout = 2};
	assert_int_equal(daemon_command(&daemon, &bad, sizeof(bad), NULL, 0), BAD_SCANOUT);
}

static void test_config(void **state)
{
	struct virtio_gpu_config config;
	wire_get_config(&daemon.front, 0, &config, sizeof(config));
	assert_int_equal(config.num_scanouts, 2);
	assert_int_equal(config.num_capsets, 1);
	assert_int_equal(config.blob_alignment, 4096);
	assert_int_equal(config.events_read, 0);
	assert_int_equal(config.events_clear, 0);
	/* Read-only fields stay what they are, whatever the driver writes. */
	struct virtio_gpu_config written = {
		.num_scanouts = 99, .num_capsets = 99, .events_clear = 1};
	wire_set_config(&daemon.front, 0, &written, sizeof(written));
	wire_get_config(&daemon.front, 0, &config, sizeof(config));
	assert_int_equal(config.num_scanouts, 2);
	assert_int_equal(config.num_capsets, 1);
	assert_int_equal(config.events_clear, 0);
}

static void test_capsets(void **state)
{
	struct virtio_gpu_get_capset_info ask = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO};
	struct virtio_gpu_resp_capset_info info;
	assert_int_equal(daemon_command(&daemon, &ask, sizeof(ask), &info, sizeof(info)),
			 VIRTIO_GPU_RESP_OK_CAPSET_INFO);
	assert_int_equal(info.capset_id, 4);
	assert_int_equal(info.capset_max_size, 160);
	ask.capset_index = 1;
	assert_int_equal(daemon_command(&daemon, &ask, sizeof(ask), &info, sizeof(info)),
			 BAD_PARAMETER);
	struct virtio_gpu_get_capset get = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET, .capset_id = 4};
	uint8_t capset[24 + 160];
	assert_int_equal(daemon_command(&daemon, &get, sizeof(get), capset, sizeof(capset)),
			 VIRTIO_GPU_RESP_OK_CAPSET);
	get.capset_id = 2;
	assert_int_equal(daemon_command(&daemon, &get, sizeof(get), NULL, 0), BAD_PARAMETER);
	get.capset_id = 4;
	get.capset_version = 7;
	assert_int_equal(daemon_command(&daemon, &get, sizeof(get), NULL, 0), BAD_PARAMETER);
}

/* The sequences that the conformance suite sends to other devices, too: here each answer is exact. */
static void test_sequences(void **state)
{
	for (size_t i = 0; i < gpu_sequence_count; i++) {
		const struct gpu_sequence *sequence = &gpu_sequences[i];
		print_message("%s\n", sequence->name);
		for (size_t k = 0; k < sequence->count; k++) {
			const struct gpu_step *step = &sequence->steps[k];
			uint32_t answer = gpu_step_run(&daemon.front, step, 4);
			if (answer != step->answer) {
				fail_msg("%s: %s: %s, not %s", sequence->name, step->what,
					 gpu_answer_name(answer), gpu_answer_name(step->answer));
			}
		}
		wire_stop(&daemon.front);
		wire_reset(&daemon.front);
		wire_start(&daemon.front, DAEMON_FEATURES);
	}
}

/* Not even a header. */
static void test_four_bytes(void **state)
{
	const uint32_t type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO;
	assert_int_equal(daemon_command(&daemon, &type, sizeof(type), NULL, 0), UNSPEC);
}

static void test_blobs(void **state)
{
	assert_int_equal(daemon_create_blob(&daemon, 1, 1, HOST3D, 65536, 0), BAD_CONTEXT);
	assert_int_equal(daemon_create_context(&daemon, 1, 4), OK);
	assert_int_equal(daemon_create_blob(&daemon, 1, 1, HOST3D, 65535, 0), BAD_PARAMETER);
	assert_int_equal(daemon_create_blob(&daemon, 1, 1, HOST3D, 0, 0), BAD_PARAMETER);
	assert_int_equal(daemon_create_blob(&daemon, 1, 1, 9, 65536, 0), BAD_PARAMETER);
	assert_int_equal(daemon_create_blob(&daemon, 1, 0, HOST3D, 65536, 0), BAD_ID);
	/* More than a guest may have: an error, and the id stays free. */
	assert_int_equal(daemon_create_blob(&daemon, 1, 1, HOST3D, 1ull << 60, 0),
			 VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	assert_int_equal(daemon_create_blob(&daemon, 1, 1, HOST3D, 65536, 0), OK);
	assert_int_equal(daemon_create_blob(&daemon, 1, 1, HOST3D, 65536, 0), BAD_ID);
	assert_int_equal(daemon_set_scanout(&daemon, 0, 1, 0, 0, 16, 16), BAD_ID);
	assert_int_equal(daemon_set_scanout_blob(&daemon, 0, 1, 2, 128, 128, 512, 0), OK);
	assert_int_equal(daemon_set_scanout_blob(&daemon, 0, 1, 2, 128, 128, 512, 4),
			 BAD_PARAMETER);
	assert_int_equal(daemon_set_scanout_blob(&daemon, 0, 1, 2, 128, 129, 512, 0),
			 BAD_PARAMETER);
	assert_int_equal(daemon_set_scanout_blob(&daemon, 0, 1, 2, 128, 128, 508, 0),
			 BAD_PARAMETER);
	assert_int_equal(daemon_set_scanout_blob(&daemon, 0, 1, 2, 128, 128, 0, 0), BAD_PARAMETER);
	assert_int_equal(daemon_set_scanout_blob(&daemon, 0, 1, 3, 128, 127, 514, 0),
			 BAD_PARAMETER);
	assert_int_equal(daemon_set_scanout_blob(&daemon, 0, 1, 166, 128, 128, 512, 0),
			 BAD_PARAMETER);
	assert_int_equal(
		daemon_set_scanout_blob(&daemon, 0, 1, 2, 0xffffffff, 0xffffffff, 0xfffffffc, 0),
		BAD_PARAMETER);
	assert_int_equal(daemon_unref(&daemon, 1), OK);
}

static void test_window(void **state)
{
	const struct virtio_gpu_resource_unmap_blob unmap = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, .resource_id = 1};
	const uint64_t window = 64ull << 20;
	assert_int_equal(daemon_create_context(&daemon, 2, 4), OK);
	assert_int_equal(daemon_create_blob(&daemon, 2, 1, HOST3D, 65536, 0), OK);
	assert_int_equal(daemon_command(&daemon, &unmap, sizeof(unmap), NULL, 0), UNSPEC);
	assert_int_equal(daemon_map(&daemon, 1, 100), BAD_PARAMETER);
	assert_int_equal(daemon_map(&daemon, 1, window), BAD_PARAMETER);
	assert_int_equal(daemon_map(&daemon, 1, window - 4096), BAD_PARAMETER);
	assert_int_equal(daemon_map(&daemon, 1, UINT64_MAX - 4095), BAD_PARAMETER);
	unsigned barriers = daemon.front.barriers;
	assert_int_equal(daemon_map(&daemon, 1, window - 65536), VIRTIO_GPU_RESP_OK_MAP_INFO);
	assert_int_equal(daemon.front.barriers, barriers + 1);
	assert_int_equal(daemon_map(&daemon, 1, 0), UNSPEC);
	assert_non_null(wire_window_at(&daemon.front, window - 65536, 65536));
	assert_int_equal(daemon_command(&daemon, &unmap, sizeof(unmap), NULL, 0), OK);
	wire_pump_until(&daemon.front, &daemon.front.unmaps, 1);
	assert_null(wire_window_at(&daemon.front, window - 65536, 4096));
	/* A front end that says no. */
	daemon.front.policy = WIRE_REFUSE;
	assert_int_equal(daemon_map(&daemon, 1, 0), UNSPEC);
	daemon.front.policy = WIRE_ANSWER;
	assert_int_equal(daemon_map(&daemon, 1, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
	assert_int_equal(daemon_unref(&daemon, 1), OK);
}

/* Makes a command available without waiting for it; its answer will be at *answer. */
static uint16_t post(const void *request, uint32_t size, uint64_t *answer)
{
	uint64_t gpa = wire_alloc(&daemon.front, size);
	*answer = wire_alloc(&daemon.front, sizeof(struct virtio_gpu_resp_map_info));
	memcpy(wire_at(&daemon.front, gpa), request, size);
	const struct wire_buffer buffers[] = {
		{.gpa = gpa, .len = size},
		{.gpa = *answer, .len = sizeof(struct virtio_gpu_resp_map_info), .writable = true},
	};
	return wire_submit(&daemon.front, 0, buffers, 2, true);
}

static uint32_t answer_at(uint64_t gpa)
{
	return ((struct virtio_gpu_ctrl_hdr *)wire_at(&daemon.front, gpa))->type;
}

/* While a map is on its way, commands for the resource wait; one of them removes it. */
static void test_commands_behind_an_unref(void **state)
{
	const struct virtio_gpu_resource_map_blob map = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, .resource_id = 1};
	const struct virtio_gpu_resource_unref unref = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
							.resource_id = 1};
	const struct virtio_gpu_resource_flush flush = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH,
							.resource_id = 1};
	const struct virtio_gpu_set_scanout show = {.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT,
						    .resource_id = 1};
	uint64_t answers[4];
	uint16_t heads[4];
	assert_int_equal(daemon_create_context(&daemon, 1, 4), OK);
	assert_int_equal(daemon_create_blob(&daemon, 1, 1, HOST3D, 65536, 0), OK);
	uint64_t before = daemon_counter(&daemon, "commands");
	daemon.front.policy = WIRE_HOLD;
	heads[0] = post(&map, sizeof(map), &answers[0]);
	heads[1] = post(&unref, sizeof(unref), &answers[1]);
	heads[2] = post(&flush, sizeof(flush), &answers[2]);
	heads[3] = post(&show, sizeof(show), &answers[3]);
	while (!daemon.front.held) {
		assert_true(wire_pump(&daemon.front, WIRE_TIMEOUT_MS));
	}
	while (daemon_counter(&daemon, "commands") < before + 4) {
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_false(wire_used(&daemon.front, 0, heads[i], NULL));
	}
	daemon.front.policy = WIRE_ANSWER;
	wire_release(&daemon.front, 0);
	for (unsigned i = 0; i < 4; i++) {
		wire_wait_used(&daemon.front, 0, heads[i]);
	}
	assert_int_equal(answer_at(answers[0]), VIRTIO_GPU_RESP_OK_MAP_INFO);
	assert_int_equal(answer_at(answers[1]), OK);
	assert_int_equal(answer_at(answers[2]), BAD_ID);
	assert_int_equal(answer_at(answers[3]), BAD_ID);
	wire_free_all(&daemon.front);
	assert_int_equal(daemon_create_blob(&daemon, 1, 1, HOST3D, 65536, 0), OK);
}

static void test_contexts(void **state)
{
	struct virtio_gpu_ctx_resource attach = {
		.hdr = {.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, .ctx_id = 7}, .resource_id = 1};
	const struct virtio_gpu_ctrl_hdr destroy = {.type = VIRTIO_GPU_CMD_CTX_DESTROY,
						    .ctx_id = 7};
	assert_int_equal(daemon_create_context(&daemon, 7, 4), OK);
	assert_int_equal(daemon_create_blob(&daemon, 7, 1, HOST3D, 4096, 0), OK);
	assert_int_equal(daemon_command(&daemon, &attach, sizeof(attach), NULL, 0), OK);
	attach.hdr.ctx_id = 8;
	assert_int_equal(daemon_command(&daemon, &attach, sizeof(attach), NULL, 0), BAD_CONTEXT);
	attach.hdr.ctx_id = 7;
	attach.hdr.type = VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE;
	assert_int_equal(daemon_command(&daemon, &attach, sizeof(attach), NULL, 0), OK);
	assert_int_equal(daemon_command(&daemon, &destroy, sizeof(destroy), NULL, 0), OK);
	/* Resources outlive their context. */
	assert_int_equal(daemon_map(&daemon, 1, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
	assert_int_equal(daemon_unref(&daemon, 1), OK);
}

static void test_submit(void **state)
{
	struct {
		struct virtio_gpu_cmd_submit head;
		uint32_t words[4];
	} submit = {.head.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = 3}};
	struct virtio_gpu_ctrl_hdr response;
	assert_int_equal(daemon_command(&daemon, &submit, sizeof(submit), NULL, 0), BAD_CONTEXT);
	assert_int_equal(daemon_create_context(&daemon, 3, 4), OK);
	submit.head.size = 16;
	assert_int_equal(daemon_command(&daemon, &submit, sizeof(submit), NULL, 0), OK);
	submit.head.size = 20;
	assert_int_equal(daemon_command(&daemon, &submit, sizeof(submit), NULL, 0), BAD_PARAMETER);
	submit.head.size = 0xfffffffc;
	assert_int_equal(daemon_command(&daemon, &submit, sizeof(submit), NULL, 0), BAD_PARAMETER);
	submit.head.size = 3;
	assert_int_equal(daemon_command(&daemon, &submit, sizeof(submit), NULL, 0), BAD_PARAMETER);
	/* Nothing but a fence: normal. Its answer carries what the guest waits for. */
	submit.head.size = 0;
	submit.head.hdr.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX;
	submit.head.hdr.fence_id = 0x123456789abcull;
	submit.head.hdr.ring_idx = 63;
	assert_int_equal(
		daemon_command(&daemon, &submit, sizeof(submit.head), &response, sizeof(response)),
		OK);
	assert_int_equal(response.flags, VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
	assert_true(response.fence_id == 0x123456789abcull);
	assert_int_equal(response.ctx_id, 3);
	assert_int_equal(response.ring_idx, 63);
	/* A ring that cannot be: no crash, an answer. */
	submit.head.hdr.ring_idx = 200;
	assert_int_equal(daemon_command(&daemon, &submit, sizeof(submit.head), NULL, 0), OK);
}

static void test_fence_of_a_failed_command(void **state)
{
	const struct virtio_gpu_resource_flush flush = {
		.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH,
			.flags = VIRTIO_GPU_FLAG_FENCE,
			.fence_id = 77},
		.resource_id = 12345,
	};
	struct virtio_gpu_ctrl_hdr response;
	assert_int_equal(
		daemon_command(&daemon, &flush, sizeof(flush), &response, sizeof(response)),
		BAD_ID);
	assert_int_equal(response.flags, VIRTIO_GPU_FLAG_FENCE);
	assert_int_equal(response.fence_id, 77);
}

static void test_cursor_queue(void **state)
{
	const uint64_t gpa = WIRE_RAM_GPA + (32ull << 20);
	struct virtio_gpu_update_cursor cursor = {.hdr.type = VIRTIO_GPU_CMD_UPDATE_CURSOR,
						  .resource_id = 1};
	assert_int_equal(daemon_create_2d(&daemon, 1, 1, 64, 64), OK);
	assert_int_equal(daemon_attach(&daemon, 1, gpa, 16384), OK);
	assert_int_equal(daemon_transfer(&daemon, 1, 0, 0, 64, 64, 0), OK);
	/* As Linux sends it: no room for an answer. */
	assert_int_equal(wire_command(&daemon.front, 1, &cursor, sizeof(cursor), NULL, 0), 0);
	cursor.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR;
	cursor.pos.x = (uint32_t)-5;
	cursor.resource_id = 99;
	assert_int_equal(wire_command(&daemon.front, 1, &cursor, sizeof(cursor), NULL, 0), 0);
	cursor.hdr.type = VIRTIO_GPU_CMD_UPDATE_CURSOR;
	assert_int_equal(wire_command(&daemon.front, 1, &cursor, sizeof(cursor), NULL, 0), 0);
	cursor.pos.scanout_id = 16;
	assert_int_equal(wire_command(&daemon.front, 1, &cursor, sizeof(cursor), NULL, 0), 0);
	wire_free_all(&daemon.front);
	assert_int_equal(daemon_unref(&daemon, 1), OK);
}

static void test_no_room_for_the_answer(void **state)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	uint8_t small[100];
	assert_int_equal(
		wire_command(&daemon.front, 0, &request, sizeof(request), small, sizeof(small)), 0);
	assert_int_equal(wire_command(&daemon.front, 0, &request, sizeof(request), NULL, 0), 0);
	wire_free_all(&daemon.front);
	assert_int_equal(simple(0), UNSPEC);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_daemon, close_daemon)
	const struct CMUnitTest tests[] = {
		TEST(test_display_info_agrees_with_edid),
		TEST(test_config),
		TEST(test_capsets),
		TEST(test_sequences),
		TEST(test_four_bytes),
		TEST(test_blobs),
		TEST(test_window),
		TEST(test_commands_behind_an_unref),
		TEST(test_contexts),
		TEST(test_submit),
		TEST(test_fence_of_a_failed_command),
		TEST(test_cursor_queue),
		TEST(test_no_room_for_the_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
