/* SPDX-License-Identifier: MIT */
/*
 * Contexts whose processes break, stall and lie (tests/fake/fake_render.c), beside one that is well:
 * the loss is always that of one context.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define BAD_CONTEXT VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define BAD_RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define UNSPEC VIRTIO_GPU_RESP_ERR_UNSPEC
#define HOST3D VIRTIO_GPU_BLOB_MEM_HOST3D

#define GOOD 1 /* the context that is well */
#define VICTIM 2
#define BLOB 500 /* of the victim */

extern char **environ;

static struct daemon device;
static uint32_t next_resource = 1000;
static uint64_t next_fence = 1;

static uint32_t create_context(uint32_t id, const char *name)
{
	struct virtio_gpu_ctx_create request = {
		.hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = id},
		.nlen = (uint32_t)strlen(name),
		.context_init = 4,
	};
	memcpy(request.debug_name, name, strlen(name));
	return daemon_command(&device, &request, sizeof(request), NULL, 0);
}

static uint32_t destroy_context(uint32_t id)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_CTX_DESTROY,
						    .ctx_id = id};
	return daemon_command(&device, &request, sizeof(request), NULL, 0);
}

/* A command that nobody waits for yet; its answer will be at *answer. */
static uint16_t post(const void *request, uint32_t size, uint64_t *answer)
{
	uint64_t gpa = wire_alloc(&device.front, size);
	*answer = wire_alloc(&device.front, sizeof(struct virtio_gpu_ctrl_hdr));
	memcpy(wire_at(&device.front, gpa), request, size);
	const struct wire_buffer buffers[] = {
		{.gpa = gpa, .len = size},
		{.gpa = *answer, .len = sizeof(struct virtio_gpu_ctrl_hdr), .writable = true},
	};
	return wire_submit(&device.front, 0, buffers, 2, true);
}

static uint16_t post_blob(uint32_t context, uint32_t id, uint64_t *answer)
{
	const struct virtio_gpu_resource_create_blob request = {
		.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = context},
		.resource_id = id,
		.blob_mem = HOST3D,
		.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
		.blob_id = 1,
		.size = 65536,
	};
	return post(&request, sizeof(request), answer);
}

static struct virtio_gpu_cmd_submit fenced_submit_on(uint32_t context, uint8_t ring)
{
	return (struct virtio_gpu_cmd_submit){
		.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D,
			.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX,
			.ctx_id = context,
			.fence_id = next_fence++,
			.ring_idx = ring},
	};
}

static struct virtio_gpu_cmd_submit fenced_submit(uint32_t context)
{
	return fenced_submit_on(context, 1);
}

/* Waits, and returns the type of the answer. Chains of other commands stay as they are. */
static uint32_t finish(uint16_t head, uint64_t answer)
{
	wire_wait_used(&device.front, 0, head);
	return ((struct virtio_gpu_ctrl_hdr *)wire_at(&device.front, answer))->type;
}

/* The good context makes memory and gets its fences; 2D and the cursor work. */
static void check_all_else_works(void)
{
	uint64_t answer;
	uint32_t resource = next_resource++;
	uint16_t head = post_blob(GOOD, resource, &answer);
	assert_int_equal(finish(head, answer), OK);
	const struct virtio_gpu_cmd_submit submit = fenced_submit(GOOD);
	head = post(&submit, sizeof(submit), &answer);
	assert_int_equal(finish(head, answer), OK);
	const struct virtio_gpu_resource_unref unref = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
							.resource_id = resource};
	head = post(&unref, sizeof(unref), &answer);
	assert_int_equal(finish(head, answer), OK);
	const struct virtio_gpu_resource_create_2d picture = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		.resource_id = resource,
		.format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
		.width = 64,
		.height = 64,
	};
	head = post(&picture, sizeof(picture), &answer);
	assert_int_equal(finish(head, answer), OK);
	head = post(&unref, sizeof(unref), &answer);
	assert_int_equal(finish(head, answer), OK);
	const struct virtio_gpu_update_cursor cursor = {.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR};
	uint64_t gpa = wire_alloc(&device.front, sizeof(cursor));
	memcpy(wire_at(&device.front, gpa), &cursor, sizeof(cursor));
	const struct wire_buffer buffer = {.gpa = gpa, .len = sizeof(cursor)};
	wire_wait_used(&device.front, 1, wire_submit(&device.front, 1, &buffer, 1, true));
}

static int open_with(const char *watchdog)
{
	const char *const options[] = {"--render=venus", watchdog, NULL};
	setenv("HESPER_RENDER_PROCESS", getenv("FAKE_RENDER"), 1);
	daemon_open_with(&device, 1, options);
	assert_int_equal(create_context(GOOD, "good"), OK);
	return 0;
}

static int open_daemon(void **state)
{
	return open_with("--watchdog=1");
}

static int open_daemon_for_hangs(void **state)
{
	return open_with("--gpu-watchdog=2");
}

static int close_daemon(void **state)
{
	daemon_close(&device);
	return 0;
}

/* The victim is gone, is counted once, and its id is free for another. */
static void check_lost(uint64_t lost_before)
{
	assert_int_equal(daemon_create_blob(&device, VICTIM, BLOB + 1, HOST3D, 65536, 0),
			 BAD_CONTEXT);
	assert_int_equal(daemon_counter(&device, "contexts_lost"), lost_before + 1);
	check_all_else_works();
	wire_free_all(&device.front);
	assert_int_equal(destroy_context(VICTIM), OK);
	assert_int_equal(create_context(VICTIM, "well"), OK);
	assert_int_equal(daemon_create_blob(&device, VICTIM, BLOB, HOST3D, 65536, 0), OK);
	assert_int_equal(daemon_unref(&device, BLOB), OK);
	assert_int_equal(destroy_context(VICTIM), OK);
}

static void test_lies(void **state)
{
	static const char *const deeds[] = {
		"stall",    "stop",       "crash",    "exit",    "lost",      "short",
		"one-byte", "long",       "huge",     "empty",   "type",      "request",
		"sequence", "status",     "map-info", "fd-type", "no-fd",     "two-fds",
		"many-fds", "fd-unasked", "file",     "pipe",    "shrinking", "ready-twice",
		"fence",    "ring",       "flood",
	};
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		uint64_t lost = daemon_counter(&device, "contexts_lost");
		uint64_t answer;
		print_message("%s\n", deeds[i]);
		assert_int_equal(create_context(VICTIM, deeds[i]), OK);
		uint16_t head = post_blob(VICTIM, BLOB, &answer);
		check_all_else_works();
		assert_int_equal(finish(head, answer), UNSPEC);
		wire_free_all(&device.front);
		check_lost(lost);
	}
}

/* The answer is right; what comes behind it is not. */
static void test_answer_twice(void **state)
{
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	assert_int_equal(create_context(VICTIM, "twice"), OK);
	assert_int_equal(daemon_create_blob(&device, VICTIM, BLOB, HOST3D, 65536, 0), OK);
	while (daemon_counter(&device, "contexts_lost") == lost) {
	}
	assert_int_equal(daemon_unref(&device, BLOB), OK);
	check_lost(lost);
}

/*
 * A context ends while its blob is being made, as when a program exports memory and exits: the blob is
 * made, another context can share it, and the id is free at once.
 */
static void test_end_before_a_blob(void **state)
{
	const struct virtio_gpu_ctrl_hdr destroy = {.type = VIRTIO_GPU_CMD_CTX_DESTROY,
						    .ctx_id = VICTIM};
	const struct virtio_gpu_ctx_resource attach = {
		.hdr = {.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, .ctx_id = GOOD},
		.resource_id = BLOB,
	};
	uint64_t answers[2];
	assert_int_equal(create_context(VICTIM, "slow"), OK);
	uint16_t blob = post_blob(VICTIM, BLOB, &answers[0]);
	uint16_t end = post(&destroy, sizeof(destroy), &answers[1]);
	assert_int_equal(finish(end, answers[1]), OK);
	assert_false(wire_used(&device.front, 0, blob, NULL));
	assert_int_equal(create_context(VICTIM, "well"), OK);
	check_all_else_works();
	assert_int_equal(finish(blob, answers[0]), OK);
	assert_int_equal(daemon_command(&device, &attach, sizeof(attach), NULL, 0), OK);
	assert_int_equal(daemon_unref(&device, BLOB), OK);
	wire_free_all(&device.front);
	assert_int_equal(destroy_context(VICTIM), OK);
}

/*
 * Another context attaches what is still being made, and may name it in its commands: those wait, others
 * do not. It is made, or never is, or the one that waits ends.
 */
static void test_commands_behind_an_attach(void **state)
{
	static const char *const makers[] = {"slow", "stall", "slow"};
	enum { THIRD = 3 };
	const struct virtio_gpu_ctrl_hdr destroy = {.type = VIRTIO_GPU_CMD_CTX_DESTROY,
						    .ctx_id = THIRD};
	const struct virtio_gpu_ctx_resource attach = {
		.hdr = {.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, .ctx_id = THIRD},
		.resource_id = BLOB,
	};
	for (unsigned i = 0; i < 3; i++) {
		uint64_t answers[5];
		uint16_t heads[5];
		bool ends = i == 2;
		assert_int_equal(create_context(VICTIM, makers[i]), OK);
		assert_int_equal(create_context(THIRD, "well"), OK);
		heads[0] = post_blob(VICTIM, BLOB, &answers[0]);
		heads[1] = post(&attach, sizeof(attach), &answers[1]);
		for (unsigned k = 2; k < 4; k++) {
			const struct virtio_gpu_cmd_submit submit = fenced_submit(THIRD);
			heads[k] = post(&submit, sizeof(submit), &answers[k]);
		}
		check_all_else_works();
		assert_false(wire_used(&device.front, 0, heads[2], NULL));
		if (ends) {
			heads[4] = post(&destroy, sizeof(destroy), &answers[4]);
			assert_int_equal(finish(heads[4], answers[4]), OK);
		}
		for (unsigned k = 2; k < 4; k++) {
			assert_int_equal(finish(heads[k], answers[k]), ends ? UNSPEC : OK);
		}
		assert_int_equal(finish(heads[0], answers[0]), i == 1 ? UNSPEC : OK);
		assert_int_equal(finish(heads[1], answers[1]), OK);
		wire_free_all(&device.front);
		if (i != 1) {
			assert_int_equal(daemon_unref(&device, BLOB), OK);
		}
		if (!ends) {
			assert_int_equal(destroy_context(THIRD), OK);
		}
		assert_int_equal(destroy_context(VICTIM), OK);
	}
}

/*
 * A context attaches what it makes itself, before it is made: what comes behind reaches its process in
 * order all the same. There, commands make what the next blob is of.
 */
static void test_order_of_one_context(void **state)
{
	enum { COUNT = 4 };
	uint64_t answers[3 * COUNT];
	uint16_t heads[3 * COUNT];
	assert_int_equal(create_context(VICTIM, "in-order"), OK);
	for (unsigned i = 0; i < COUNT; i++) {
		const struct virtio_gpu_cmd_submit submit = fenced_submit(VICTIM);
		const struct virtio_gpu_ctx_resource attach = {
			.hdr = {.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, .ctx_id = VICTIM},
			.resource_id = BLOB + i,
		};
		heads[3 * i] = post(&submit, sizeof(submit), &answers[3 * i]);
		heads[3 * i + 1] = post_blob(VICTIM, BLOB + i, &answers[3 * i + 1]);
		heads[3 * i + 2] = post(&attach, sizeof(attach), &answers[3 * i + 2]);
	}
	for (unsigned i = 0; i < 3 * COUNT; i++) {
		assert_int_equal(finish(heads[i], answers[i]), OK);
	}
	wire_free_all(&device.front);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(daemon_unref(&device, BLOB + i), OK);
	}
	assert_int_equal(destroy_context(VICTIM), OK);
}

/*
 * Behind an attach of what another context still makes, all that a context is asked keeps its order: commands,
 * blobs, what is detached and unreferenced after they named it, and what gets its id.
 */
static void ask_behind_an_attach(bool detaches)
{
	enum { THIRD = 3, OWN = BLOB + 1, NEXT = BLOB + 2, COUNT = 8 };
	const struct virtio_gpu_ctx_resource attach[] = {
		{{.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, .ctx_id = THIRD}, OWN, 0},
		{{.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, .ctx_id = THIRD}, BLOB, 0},
	};
	/* What else may be: it changes nothing. */
	const struct virtio_gpu_ctx_resource detach = {
		{.type = detaches ? VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE
				  : VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
		 .ctx_id = THIRD},
		OWN,
		0,
	};
	const struct virtio_gpu_resource_unref unref = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
		.resource_id = OWN,
	};
	const struct virtio_gpu_resource_create_2d picture = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		.resource_id = OWN,
		.format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
		.width = 64,
		.height = 64,
	};
	const struct virtio_gpu_cmd_submit submits[] = {fenced_submit(THIRD), fenced_submit(THIRD),
							fenced_submit(THIRD)};
	uint64_t answers[COUNT];
	uint16_t heads[COUNT];
	assert_int_equal(create_context(VICTIM, "slow"), OK);
	assert_int_equal(create_context(THIRD, "in-order"), OK);
	assert_int_equal(daemon_command(&device, &submits[0], sizeof(submits[0]), NULL, 0), OK);
	assert_int_equal(daemon_create_blob(&device, THIRD, OWN, HOST3D, 65536, 0), OK);
	assert_int_equal(daemon_command(&device, &attach[0], sizeof(attach[0]), NULL, 0), OK);
	heads[0] = post_blob(VICTIM, BLOB, &answers[0]);
	heads[1] = post(&attach[1], sizeof(attach[1]), &answers[1]);
	heads[2] = post(&submits[1], sizeof(submits[1]), &answers[2]);
	heads[3] = post_blob(THIRD, NEXT, &answers[3]);
	heads[4] = post(&submits[2], sizeof(submits[2]), &answers[4]);
	heads[5] = post(&detach, sizeof(detach), &answers[5]);
	heads[6] = post(&unref, sizeof(unref), &answers[6]);
	heads[7] = post(&picture, sizeof(picture), &answers[7]);
	check_all_else_works();
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(finish(heads[i], answers[i]), OK);
	}
	wire_free_all(&device.front);
	for (uint32_t id = BLOB; id <= NEXT; id++) {
		assert_int_equal(daemon_unref(&device, id), OK);
	}
	assert_int_equal(destroy_context(THIRD), OK);
	assert_int_equal(destroy_context(VICTIM), OK);
}

static void test_order_behind_an_attach(void **state)
{
	ask_behind_an_attach(false);
	ask_behind_an_attach(true);
}

/* An end before a blob that never comes, and many at once: the watchdog ends them, or there are too many. */
static void test_end_of_stalled_ones(void **state)
{
	enum { MANY = 40 };
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	uint64_t answers[MANY];
	uint16_t blobs[MANY];
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(create_context(VICTIM, "stall"), OK);
		blobs[i] = post_blob(VICTIM, BLOB + i, &answers[i]);
		assert_int_equal(destroy_context(VICTIM), OK);
	}
	check_all_else_works();
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(finish(blobs[i], answers[i]), UNSPEC);
	}
	wire_free_all(&device.front);
	assert_int_equal(daemon_counter(&device, "contexts_lost"), lost);
}

/* Nothing went wrong with what its guest ended before it was there. */
static void test_end_before_it_is_made(void **state)
{
	struct virtio_gpu_ctx_create create = {
		.hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = VICTIM},
		.nlen = 11,
		.context_init = 4,
		.debug_name = "stall-early",
	};
	const struct virtio_gpu_ctrl_hdr destroy = {.type = VIRTIO_GPU_CMD_CTX_DESTROY,
						    .ctx_id = VICTIM};
	uint64_t errors = daemon_counter(&device, "command_errors");
	uint64_t answers[2];
	uint16_t made = post(&create, sizeof(create), &answers[0]);
	uint16_t end = post(&destroy, sizeof(destroy), &answers[1]);
	assert_int_equal(finish(end, answers[1]), OK);
	assert_int_equal(finish(made, answers[0]), OK);
	wire_free_all(&device.front);
	assert_int_equal(daemon_counter(&device, "command_errors"), errors);
	check_all_else_works();
}

/* Less memory than it says: this blob is refused, and nothing else happens. */
static void test_small_memory(void **state)
{
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	assert_int_equal(create_context(VICTIM, "small"), OK);
	assert_int_equal(daemon_create_blob(&device, VICTIM, BLOB, HOST3D, 65536, 0), UNSPEC);
	assert_int_equal(daemon_create_blob(&device, VICTIM, BLOB, HOST3D, 4096, 0), OK);
	assert_int_equal(daemon_unref(&device, BLOB), OK);
	assert_int_equal(daemon_counter(&device, "contexts_lost"), lost);
	assert_int_equal(destroy_context(VICTIM), OK);
}

static void test_stall_while_it_is_made(void **state)
{
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	assert_int_equal(create_context(VICTIM, "stall-early"), UNSPEC);
	check_lost(lost);
}

/* Fences that were on their way complete when the context dies. */
static void test_fences_of_the_dead(void **state)
{
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	uint64_t answers[9];
	uint16_t heads[9];
	assert_int_equal(create_context(VICTIM, "mute"), OK);
	for (unsigned i = 0; i < 8; i++) {
		const struct virtio_gpu_cmd_submit submit = fenced_submit(VICTIM);
		heads[i] = post(&submit, sizeof(submit), &answers[i]);
	}
	check_all_else_works();
	for (unsigned i = 0; i < 8; i++) {
		assert_false(wire_used(&device.front, 0, heads[i], NULL));
	}
	heads[8] = post_blob(VICTIM, BLOB, &answers[8]);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(finish(heads[i], answers[i]), OK);
	}
	assert_int_equal(finish(heads[8], answers[8]), UNSPEC);
	wire_free_all(&device.front);
	check_lost(lost);
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void rest(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* A process that answers, but whose GPU does not: cut off, and all its fences complete. */
static void test_gpu_hang(void **state)
{
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	uint64_t answers[6];
	uint16_t heads[6];
	assert_int_equal(create_context(VICTIM, "mute"), OK);
	double start = now();
	for (uint8_t i = 0; i < 6; i++) {
		const struct virtio_gpu_cmd_submit submit = fenced_submit_on(VICTIM, i % 3);
		heads[i] = post(&submit, sizeof(submit), &answers[i]);
	}
	check_all_else_works();
	assert_false(wire_used(&device.front, 0, heads[0], NULL));
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(finish(heads[i], answers[i]), OK);
	}
	assert_true(now() - start >= 2);
	wire_free_all(&device.front);
	check_lost(lost);
}

/* The renderer goes on reading, and says so on its own ring: the GPU hangs all the same. */
static void test_gpu_hang_beside_ring_0(void **state)
{
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	uint64_t answer;
	assert_int_equal(create_context(VICTIM, "mute-gpu"), OK);
	const struct virtio_gpu_cmd_submit submit = fenced_submit(VICTIM);
	uint16_t head = post(&submit, sizeof(submit), &answer);
	while (!wire_used(&device.front, 0, head, NULL)) {
		uint64_t other_answer;
		const struct virtio_gpu_cmd_submit other = fenced_submit_on(VICTIM, 0);
		uint16_t other_head = post(&other, sizeof(other), &other_answer);
		wire_wait_used(&device.front, 0, other_head);
		rest();
	}
	wire_free_all(&device.front);
	check_lost(lost);
}

/* There is always one under way, for much longer than the time; but they come. */
static void test_a_busy_gpu(void **state)
{
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	struct virtio_gpu_cmd_submit submit = fenced_submit(VICTIM);
	uint64_t answer;
	assert_int_equal(create_context(VICTIM, "late"), OK);
	uint16_t head = post(&submit, sizeof(submit), &answer);
	for (double end = now() + 5; now() < end; rest()) {
		uint16_t before = head;
		uint64_t before_answer = answer;
		submit = fenced_submit(VICTIM);
		head = post(&submit, sizeof(submit), &answer);
		assert_int_equal(finish(before, before_answer), OK);
		assert_false(wire_used(&device.front, 0, head, NULL));
	}
	assert_int_equal(daemon_counter(&device, "contexts_lost"), lost);
	/* And when no more come, it is over. */
	assert_int_equal(finish(head, answer), OK);
	wire_free_all(&device.front);
	check_lost(lost);
}

/* A paused machine cannot signal what its GPU may be waiting for: that time does not count. */
static void test_a_pause_is_no_hang(void **state)
{
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	uint64_t answer;
	assert_int_equal(create_context(VICTIM, "mute"), OK);
	const struct virtio_gpu_cmd_submit submit = fenced_submit(VICTIM);
	uint16_t head = post(&submit, sizeof(submit), &answer);
	check_all_else_works();
	wire_stop(&device.front);
	for (double end = now() + 5; now() < end;) {
		rest();
	}
	assert_int_equal(daemon_counter(&device, "contexts_lost"), lost);
	double start = now();
	wire_start(&device.front, DAEMON_FEATURES);
	assert_int_equal(finish(head, answer), OK);
	/* What was left of its time: it had not used much. */
	assert_true(now() - start > 1);
	wire_free_all(&device.front);
	check_lost(lost);
}

/* The watchdog over requests does not mind fences. */
static void test_fences_are_no_requests(void **state)
{
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	uint64_t answer;
	assert_int_equal(create_context(VICTIM, "mute"), OK);
	const struct virtio_gpu_cmd_submit submit = fenced_submit(VICTIM);
	uint16_t head = post(&submit, sizeof(submit), &answer);
	nanosleep(&(struct timespec){.tv_sec = 3}, NULL);
	assert_false(wire_used(&device.front, 0, head, NULL));
	assert_int_equal(daemon_counter(&device, "contexts_lost"), lost);
	uint64_t gone;
	const struct virtio_gpu_ctrl_hdr destroy = {.type = VIRTIO_GPU_CMD_CTX_DESTROY,
						    .ctx_id = VICTIM};
	uint16_t last = post(&destroy, sizeof(destroy), &gone);
	assert_int_equal(finish(last, gone), OK);
	assert_int_equal(finish(head, answer), OK);
	wire_free_all(&device.front);
}

/* A process that reads nothing: its guest waits for room, is cut off, and gets every answer. */
static void test_deaf_to_commands(void **state)
{
	static struct {
		struct virtio_gpu_cmd_submit head;
		uint8_t commands[32768];
	} request;
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	uint64_t answers[32];
	uint16_t heads[32];
	unsigned failed = 0;
	assert_int_equal(create_context(VICTIM, "deaf"), OK);
	request.head = (struct virtio_gpu_cmd_submit){
		.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = VICTIM},
		.size = sizeof(request.commands),
	};
	for (unsigned i = 0; i < 32; i++) {
		heads[i] = post(&request, sizeof(request), &answers[i]);
	}
	check_all_else_works();
	assert_false(wire_used(&device.front, 0, heads[31], NULL));
	for (unsigned i = 0; i < 32; i++) {
		failed += finish(heads[i], answers[i]) == UNSPEC;
	}
	assert_in_range(failed, 1, 31);
	wire_free_all(&device.front);
	check_lost(lost);
}

/* Commands that the guest need not wait for fill a queue, which has its bounds. */
static void test_deaf_to_a_flood(void **state)
{
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	assert_int_equal(daemon_create_blob(&device, GOOD, BLOB, HOST3D, 65536, 0), OK);
	assert_int_equal(create_context(VICTIM, "deaf"), OK);
	struct virtio_gpu_ctx_resource request = {
		.hdr = {.ctx_id = VICTIM},
		.resource_id = BLOB,
	};
	for (unsigned i = 0; i < 20000; i++) {
		request.hdr.type = i % 2 == 0 ? VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE
					      : VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE;
		assert_int_equal(daemon_command(&device, &request, sizeof(request), NULL, 0), OK);
	}
	assert_int_equal(daemon_unref(&device, BLOB), OK);
	check_lost(lost);
}

/* Another context's memory arrives as itself, every time it is attached. */
/* A ring's number means something with its flag only; one that cannot be orders nothing. */
static void test_rings_that_are_none(void **state)
{
	struct virtio_gpu_cmd_submit submit = fenced_submit_on(GOOD, 255);
	const uint32_t flags = submit.hdr.flags;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t answer;
		submit.hdr.flags = i == 0 ? 0 : flags;
		uint16_t head = post(&submit, sizeof(submit), &answer);
		assert_int_equal(finish(head, answer), OK);
	}
	check_all_else_works();
}

static void test_sharing(void **state)
{
	assert_int_equal(daemon_create_blob(&device, GOOD, BLOB, HOST3D, 65536, 0), OK);
	assert_int_equal(daemon_map(&device, BLOB, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
	volatile uint32_t *words = (uint32_t *)wire_window_at(&device.front, 0, 65536);
	assert_int_equal(create_context(VICTIM, "sharing"), OK);
	struct virtio_gpu_ctx_resource request = {
		.hdr = {.ctx_id = VICTIM},
		.resource_id = BLOB,
	};
	for (uint32_t i = 1; i < 10; i++) {
		words[0] = i;
		request.hdr.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE;
		assert_int_equal(daemon_command(&device, &request, sizeof(request), NULL, 0), OK);
		for (int ms = 0; ms < 5000 && words[1] != ~i; ms++) {
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		}
		assert_int_equal(words[1], ~i);
		request.hdr.type = VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE;
		assert_int_equal(daemon_command(&device, &request, sizeof(request), NULL, 0), OK);
	}
	/* Its maker may go: the memory stays until the guest lets it go. */
	assert_int_equal(destroy_context(GOOD), OK);
	words[0] = 77;
	request.hdr.type = VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE;
	assert_int_equal(daemon_command(&device, &request, sizeof(request), NULL, 0), OK);
	for (int ms = 0; ms < 5000 && words[1] != ~77u; ms++) {
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	assert_int_equal(words[1], ~77u);
	assert_int_equal(daemon_unref(&device, BLOB), OK);
	assert_int_equal(destroy_context(VICTIM), OK);
	assert_int_equal(create_context(GOOD, "good"), OK);
}

static uint32_t attach(uint32_t type, uint32_t context, uint32_t resource)
{
	const struct virtio_gpu_ctx_resource request = {
		.hdr = {.type = type, .ctx_id = context},
		.resource_id = resource,
	};
	return daemon_command(&device, &request, sizeof(request), NULL, 0);
}

/* That the context's process lives, and knows so many resources. */
static void check_names(uint32_t context, uint8_t count)
{
	struct virtio_gpu_cmd_submit submit = fenced_submit_on(context, count);
	uint64_t answer;
	uint16_t head = post(&submit, sizeof(submit), &answer);
	assert_int_equal(finish(head, answer), OK);
	wire_free_all(&device.front);
}

/*
 * A blob of a context that dies is never made, but the guest has passed it on: for whom it was passed to it
 * is there, as something that cannot be used, or the first name of it would be the end of that context, too.
 */
static void test_names_of_what_was_not_made(void **state)
{
	uint64_t lost = daemon_counter(&device, "contexts_lost");
	uint64_t answer;
	assert_int_equal(create_context(VICTIM, "crash"), OK);
	assert_int_equal(create_context(VICTIM + 1, "names"), OK);
	uint16_t head = post_blob(VICTIM, BLOB, &answer);
	/* While it is being made, or already not. */
	uint32_t type = attach(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, VICTIM + 1, BLOB);
	assert_true(type == OK || type == BAD_RESOURCE);
	assert_int_equal(finish(head, answer), UNSPEC);
	wire_free_all(&device.front);
	check_names(VICTIM + 1, 1);
	assert_int_equal(attach(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, VICTIM + 1, BLOB),
			 BAD_RESOURCE);
	check_names(VICTIM + 1, 1);
	/* The number comes to something: that is what it means from now on, and once. */
	assert_int_equal(daemon_create_blob(&device, GOOD, BLOB, HOST3D, 65536, 0), OK);
	assert_int_equal(attach(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, VICTIM + 1, BLOB), OK);
	check_names(VICTIM + 1, 1);
	assert_int_equal(daemon_unref(&device, BLOB), OK);
	check_names(VICTIM + 1, 0);
	/* Given back; made by the context itself; and not without end. */
	assert_int_equal(attach(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, VICTIM + 1, BLOB),
			 BAD_RESOURCE);
	assert_int_equal(attach(VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, VICTIM + 1, BLOB),
			 BAD_RESOURCE);
	check_names(VICTIM + 1, 0);
	assert_int_equal(attach(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, VICTIM + 1, BLOB),
			 BAD_RESOURCE);
	assert_int_equal(daemon_create_blob(&device, VICTIM + 1, BLOB, HOST3D, 65536, 0), OK);
	check_names(VICTIM + 1, 0);
	for (uint32_t i = 1; i <= 100; i++) {
		assert_int_equal(attach(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, VICTIM + 1, BLOB + i),
				 BAD_RESOURCE);
	}
	for (uint32_t i = 1; i <= 40; i++) {
		assert_int_equal(attach(VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, VICTIM + 1, BLOB + i),
				 BAD_RESOURCE);
	}
	check_names(VICTIM + 1, 64 - 40);
	assert_int_equal(daemon_unref(&device, BLOB), OK);
	assert_int_equal(daemon_counter(&device, "contexts_lost"), lost + 1);
	assert_int_equal(destroy_context(VICTIM), OK);
	assert_int_equal(destroy_context(VICTIM + 1), OK);
}

/* Many contexts, some of them dying, in a row: nothing is left of any. */
static void test_churn(void **state)
{
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(create_context(VICTIM, i % 3 == 0 ? "exit" : "well"), OK);
		uint32_t type = daemon_create_blob(&device, VICTIM, BLOB, HOST3D, 65536, 0);
		assert_int_equal(type, i % 3 == 0 ? UNSPEC : OK);
		assert_int_equal(destroy_context(VICTIM), OK);
		if (type == OK) {
			assert_int_equal(daemon_unref(&device, BLOB), OK);
		}
	}
	check_all_else_works();
	wire_free_all(&device.front);
}

/* A renderer that cannot even start: hesperd says so and ends, before it lets a machine in. */
static void test_bad_start(void **state)
{
	static const char *const deeds[] = {"exit",       "silent",     "fence",    "capset",
					    "gate-loose", "gate-short", "gate-none"};
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		char *const argv[] = {getenv("HESPERD"), "--render=venus", "--watchdog=1",
				      "--socket-path=/tmp/hesper-golden-bad-start", NULL};
		pid_t pid;
		int status;
		print_message("%s\n", deeds[i]);
		setenv("FAKE_RENDER_START", deeds[i], 1);
		setenv("HESPER_RENDER_PROCESS", getenv("FAKE_RENDER"), 1);
		assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		unsetenv("FAKE_RENDER_START");
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 1);
		assert_int_not_equal(access("/tmp/hesper-golden-bad-start", F_OK), 0);
	}
}

/* Renderers that come up and end at once: hesperd does not start them for ever. */
static void test_brief_spares(void **state)
{
	char *const argv[] = {getenv("HESPERD"), "--render=venus",
			      "--socket-path=/tmp/hesper-golden-brief", NULL};
	posix_spawn_file_actions_t actions;
	char line[512] = "";
	int pipe_fds[2];
	int status;
	pid_t pid;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDERR_FILENO);
	setenv("FAKE_RENDER_START", "brief", 1);
	setenv("HESPER_RENDER_PROCESS", getenv("FAKE_RENDER"), 1);
	assert_int_equal(posix_spawn(&pid, argv[0], &actions, NULL, argv, environ), 0);
	unsetenv("FAKE_RENDER_START");
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fds[1]);
	FILE *log = fdopen(pipe_fds[0], "r");
	while (strstr(line, "none stands by") == NULL) {
		assert_non_null(fgets(line, sizeof(line), log));
	}
	assert_non_null(strstr(line, ": 8 renderers"));
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	fclose(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lies, open_daemon, close_daemon),
		cmocka_unit_test_setup_teardown(test_answer_twice, open_daemon, close_daemon),
		cmocka_unit_test_setup_teardown(test_end_before_a_blob, open_daemon, close_daemon),
		cmocka_unit_test_setup_teardown(test_commands_behind_an_attach, open_daemon,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_order_of_one_context, open_daemon,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_order_behind_an_attach, open_daemon,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_end_of_stalled_ones, open_daemon,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_end_before_it_is_made, open_daemon,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_small_memory, open_daemon, close_daemon),
		cmocka_unit_test_setup_teardown(test_stall_while_it_is_made, open_daemon,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_fences_of_the_dead, open_daemon, close_daemon),
		cmocka_unit_test_setup_teardown(test_fences_are_no_requests, open_daemon,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_gpu_hang, open_daemon_for_hangs, close_daemon),
		cmocka_unit_test_setup_teardown(test_gpu_hang_beside_ring_0, open_daemon_for_hangs,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_a_busy_gpu, open_daemon_for_hangs,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_a_pause_is_no_hang, open_daemon_for_hangs,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_deaf_to_commands, open_daemon, close_daemon),
		cmocka_unit_test_setup_teardown(test_deaf_to_a_flood, open_daemon, close_daemon),
		cmocka_unit_test_setup_teardown(test_rings_that_are_none, open_daemon,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_sharing, open_daemon, close_daemon),
		cmocka_unit_test_setup_teardown(test_names_of_what_was_not_made, open_daemon,
						close_daemon),
		cmocka_unit_test_setup_teardown(test_churn, open_daemon, close_daemon),
		cmocka_unit_test(test_bad_start),
		cmocka_unit_test(test_brief_spares),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
