/* SPDX-License-Identifier: MIT */
/*
 * That a context is held back while a viewer reads what it drew (src/gpu/pacing.c), seen from the
 * process of the context (tests/fake/fake_render.c, "gate"), whose fences on ring N signal when its
 * gate is in the state N.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hesper/gate.h>

#include "daemon.h"
#include "looker.h"

#define VENUS 4 /* VIRTIO_GPU_CAPSET_VENUS */
#define OK VIRTIO_GPU_RESP_OK_NODATA
#define FORMAT VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define SIDE 64 /* pixels */
#define STRIDE (SIDE * 4)
#define BYTES 65536

/* Contexts and their pictures. */
enum { DRAWS = 1, OTHER };
enum { FRONT = 1, BACK, OTHERS };

static struct {
	struct daemon daemon;
	struct looker looker;
} fx;

#define until(condition) looker_until(&fx.looker, &fx.daemon, condition)

static void create_context(uint32_t id)
{
	static const char name[] = "gate";
	struct virtio_gpu_ctx_create request = {
		.hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = id},
		.nlen = sizeof(name) - 1,
		.context_init = VENUS,
	};
	memcpy(request.debug_name, name, sizeof(name));
	assert_int_equal(daemon_command(&fx.daemon, &request, sizeof(request), NULL, 0), OK);
}

static void create_picture(uint32_t context, uint32_t id)
{
	assert_int_equal(
		daemon_create_blob(&fx.daemon, context, id, VIRTIO_GPU_BLOB_MEM_HOST3D, BYTES, 0),
		OK);
}

static void show(uint32_t id)
{
	assert_int_equal(daemon_set_scanout_blob(&fx.daemon, 0, id, FORMAT, SIDE, SIDE, STRIDE, 0),
			 OK);
	assert_int_equal(daemon_flush(&fx.daemon, id, SIDE, SIDE), OK);
}

/* Returns when the gate was seen in that state; it fails by the front end's patience. */
static void expect_gate(uint32_t context, enum hesper_gate_state state)
{
	static uint64_t fence;
	const struct virtio_gpu_cmd_submit request = {
		.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D,
			.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX,
			.ctx_id = context,
			.fence_id = ++fence,
			.ring_idx = (uint8_t)state},
	};
	assert_int_equal(daemon_command(&fx.daemon, &request, sizeof(request), NULL, 0), OK);
}

static int open_with(const char *pacing, const char *hold)
{
	const char *const options[] = {"--render=venus", pacing, hold, NULL};
	setenv("HESPER_RENDER_PROCESS", getenv("FAKE_RENDER"), 1);
	daemon_open_with(&fx.daemon, 1, options);
	create_context(DRAWS);
	create_context(OTHER);
	create_picture(DRAWS, FRONT);
	create_picture(DRAWS, BACK);
	create_picture(OTHER, OTHERS);
	looker_open(&fx.looker, &fx.daemon);
	/* When it sees something, pictures come to it. */
	show(FRONT);
	until(fx.looker.updates > 0);
	looker_watch(&fx.looker, &fx.daemon, 20);
	fx.looker.updates = 0;
	fx.looker.scanouts = 0;
	return 0;
}

static int open_daemon(void **state)
{
	return open_with("--pacing=release", "--hold=10");
}

static int open_impatient(void **state)
{
	return open_with("--pacing=release", "--hold=1");
}

static int open_without_pacing(void **state)
{
	return open_with("--pacing=none", "--hold=10");
}

static int close_daemon(void **state)
{
	looker_close(&fx.looker);
	daemon_close(&fx.daemon);
	return 0;
}

static void test_held_while_read(void **state)
{
	expect_gate(DRAWS, HESPER_GATE_OPEN);
	fx.looker.slow = true;
	show(FRONT);
	expect_gate(DRAWS, HESPER_GATE_READ);
	expect_gate(OTHER, HESPER_GATE_OPEN);
	until(fx.looker.unanswered != NULL);
	looker_answer(&fx.looker);
	until(fx.looker.updates == 1);
	looker_turn(&fx.looker, &fx.daemon);
	expect_gate(DRAWS, HESPER_GATE_OPEN);
}

static void test_held_longer_after_a_flip(void **state)
{
	fx.looker.slow = true;
	show(FRONT);
	until(fx.looker.unanswered != NULL);
	show(BACK);
	assert_int_equal(daemon_counter(&fx.daemon, "paced"), 1);
	looker_answer(&fx.looker);
	/* The other one is read now. */
	until(fx.looker.updates == 2);
	expect_gate(DRAWS, HESPER_GATE_READ);
	looker_answer(&fx.looker);
	looker_turn(&fx.looker, &fx.daemon);
	expect_gate(DRAWS, HESPER_GATE_OPEN);
	assert_int_equal(daemon_counter(&fx.daemon, "paced"), 1);
}

static void test_a_late_viewer_holds_nobody(void **state)
{
	fx.looker.slow = true;
	show(FRONT);
	until(fx.looker.unanswered != NULL);
	show(BACK);
	expect_gate(DRAWS, HESPER_GATE_LEFT);
	/* It does not answer; somebody's patience ends without any other event. */
	expect_gate(DRAWS, HESPER_GATE_OPEN);
}

/* Who draws is held back, not who shows it. */
static void test_the_one_that_drew(void **state)
{
	fx.looker.slow = true;
	show(OTHERS);
	until(fx.looker.unanswered != NULL);
	expect_gate(OTHER, HESPER_GATE_READ);
	expect_gate(DRAWS, HESPER_GATE_OPEN);
	show(FRONT);
	expect_gate(OTHER, HESPER_GATE_LEFT);
	expect_gate(DRAWS, HESPER_GATE_READ);
	looker_answer(&fx.looker);
	looker_turn(&fx.looker, &fx.daemon);
	expect_gate(OTHER, HESPER_GATE_OPEN);
}

static void test_a_context_that_ends(void **state)
{
	const struct virtio_gpu_ctrl_hdr destroy = {.type = VIRTIO_GPU_CMD_CTX_DESTROY,
						    .ctx_id = DRAWS};
	fx.looker.slow = true;
	show(FRONT);
	until(fx.looker.unanswered != NULL);
	show(BACK);
	assert_int_equal(daemon_command(&fx.daemon, &destroy, sizeof(destroy), NULL, 0), OK);
	/* Another with the same name was never read. */
	create_context(DRAWS);
	expect_gate(DRAWS, HESPER_GATE_OPEN);
	looker_answer(&fx.looker);
	looker_turn(&fx.looker, &fx.daemon);
	expect_gate(DRAWS, HESPER_GATE_OPEN);
}

static uint16_t post(const void *request, uint32_t size)
{
	struct wire_front *front = &fx.daemon.front;
	uint64_t gpa = wire_alloc(front, size);
	uint64_t answer = wire_alloc(front, sizeof(struct virtio_gpu_ctrl_hdr));
	memcpy(wire_at(front, gpa), request, size);
	const struct wire_buffer buffers[] = {
		{.gpa = gpa, .len = size},
		{.gpa = answer, .len = sizeof(struct virtio_gpu_ctrl_hdr), .writable = true},
	};
	return wire_submit(front, 0, buffers, 2, false);
}

static uint16_t post_picture(uint32_t id, uint32_t height)
{
	const struct virtio_gpu_set_scanout_blob set = {
		.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT_BLOB,
		.r = {.width = SIDE, .height = height},
		.resource_id = id,
		.width = SIDE,
		.height = height,
		.format = FORMAT,
		.strides = {STRIDE},
	};
	const struct virtio_gpu_resource_flush flush = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH,
		.r = {.width = SIDE, .height = height},
		.resource_id = id,
	};
	post(&set, sizeof(set));
	return post(&flush, sizeof(flush));
}

/* The guest may draw into the older one already. */
static void test_only_the_newest_is_read(void **state)
{
	uint64_t sent = daemon_counter(&fx.daemon, "frames_sent");
	fx.looker.slow = true;
	fx.daemon.front.quiet = true;
	post_picture(FRONT, SIDE);
	uint16_t last = post_picture(BACK, SIDE / 2);
	fx.daemon.front.quiet = false;
	wire_kick(&fx.daemon.front, 0);
	wire_wait_used(&fx.daemon.front, 0, last);
	until(fx.looker.unanswered != NULL);
	assert_int_equal(fx.looker.scanouts, 1);
	assert_int_equal(fx.looker.height, SIDE / 2);
	looker_answer(&fx.looker);
	looker_watch(&fx.looker, &fx.daemon, 50);
	if (fx.looker.unanswered != NULL) {
		looker_answer(&fx.looker);
	}
	assert_int_equal(fx.looker.scanouts, 1);
	assert_in_range(daemon_counter(&fx.daemon, "frames_sent") - sent, 1, 2);
}

/* The answer to a flush that is let go by a timer is announced, though nothing else happens. */
static void test_a_late_viewer_ends_a_flush(void **state)
{
	const struct virtio_gpu_resource_flush request = {
		.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH, .flags = VIRTIO_GPU_FLAG_FENCE},
		.r = {.width = SIDE, .height = SIDE},
		.resource_id = FRONT,
	};
	fx.looker.slow = true;
	uint64_t start = clock_now_ns();
	assert_int_equal(daemon_command(&fx.daemon, &request, sizeof(request), NULL, 0), OK);
	assert_true(clock_now_ns() - start >= CLOCK_NS_PER_S * 9 / 10);
}

static void test_off(void **state)
{
	fx.looker.slow = true;
	show(FRONT);
	until(fx.looker.unanswered != NULL);
	show(BACK);
	expect_gate(DRAWS, HESPER_GATE_OPEN);
	assert_int_equal(daemon_counter(&fx.daemon, "paced"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_held_while_read, open_daemon, close_daemon),
		cmocka_unit_test_setup_teardown(test_held_longer_after_a_flip, open_daemon,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_a_late_viewer_holds_nobody, open_impatient,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_a_late_viewer_ends_a_flush, open_impatient,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_the_one_that_drew, open_daemon, close_daemon),
		cmocka_unit_test_setup_teardown(test_a_context_that_ends, open_daemon,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_only_the_newest_is_read, open_daemon,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_off, open_without_pacing, close_daemon),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
