/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "attack.h"

/* Every command in the wrong shape. */

#define HEADER sizeof(struct virtio_gpu_ctrl_hdr)
#define RING FRONT_RING_SIZE
#define LARGE 60000

static bool is_known(uint32_t type)
{
	for (unsigned i = 0; i < gpu_command_count; i++) {
		if (gpu_commands[i].type == type && gpu_commands[i].queue == 0) {
			return true;
		}
	}
	return false;
}

static void unknown(struct front *front)
{
	static const uint32_t others[] = {0x1100, 0x1200, 0x1205, 0x10000, 0x80000100, 0xffffffff};
	for (uint32_t type = 0; type < 0x400; type++) {
		if (!is_known(type)) {
			EXPECT(front, UNSPEC, gpu_simple(front, type, 0));
		}
	}
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		EXPECT(front, UNSPEC, gpu_simple(front, others[i], 0));
	}
}

static void truncated(struct front *front)
{
	uint8_t request[128] = {0};
	for (unsigned i = 0; i < gpu_command_count; i++) {
		const struct gpu_command *command = &gpu_commands[i];
		memcpy(request, &command->type, sizeof(command->type));
		for (uint32_t size = 0; command->queue == 0 && size < command->size; size++) {
			/* Of commands that are never done, only the header is looked at. */
			bool never = command->zeros == UNSPEC;
			uint32_t want = size < HEADER || never ? UNSPEC : BAD_PARAMETER;
			EXPECT(front, want, gpu_send(front, request, size));
		}
	}
}

/* The answer of one command in a request of size bytes, all behind its type being fill. */
static uint32_t filled(struct front *front, const struct gpu_command *command, uint8_t fill,
		       uint32_t size)
{
	uint8_t *request = malloc(size);
	if (request == NULL) {
		front_fail(front, "out of memory");
	}
	memset(request, fill, size);
	memcpy(request, &command->type, sizeof(command->type));
	struct virtio_gpu_resp_edid response = {0};
	uint32_t written =
		front_command(front, command->queue, request, size, &response, sizeof(response));
	free(request);
	return written >= HEADER ? response.hdr.type : 0;
}

static void zeros(struct front *front)
{
	for (unsigned i = 0; i < gpu_command_count; i++) {
		EXPECT(front, gpu_commands[i].zeros,
		       filled(front, &gpu_commands[i], 0, gpu_commands[i].size));
	}
}

static void ones(struct front *front)
{
	for (unsigned i = 0; i < gpu_command_count; i++) {
		EXPECT(front, gpu_commands[i].ones,
		       filled(front, &gpu_commands[i], 0xff, gpu_commands[i].size));
	}
}

static void trailing(struct front *front)
{
	for (unsigned i = 0; i < gpu_command_count; i++) {
		EXPECT(front, gpu_commands[i].zeros, filled(front, &gpu_commands[i], 0, LARGE));
		EXPECT(front, gpu_commands[i].ones, filled(front, &gpu_commands[i], 0xff, LARGE));
	}
}

static void bytes(struct front *front)
{
	struct front_buffer buffers[128 + HEADER];
	for (unsigned i = 0; i < gpu_command_count; i++) {
		const struct gpu_command *command = &gpu_commands[i];
		uint64_t request = front_alloc(front, command->size);
		uint64_t answer = front_alloc(front, 2 * HEADER);
		memcpy(front_at(front, request), &command->type, sizeof(command->type));
		for (unsigned k = 0; k < command->size; k++) {
			buffers[k] = (struct front_buffer){request + k, 1, false};
		}
		for (unsigned k = 0; k < HEADER; k++) {
			/* Backwards, and with a hole between each two. */
			buffers[command->size + k] =
				(struct front_buffer){answer + 2 * (HEADER - 1 - k), 1, true};
		}
		uint32_t written = front_wait_used(
			front, command->queue,
			front_submit(front, command->queue, buffers, command->size + HEADER, true));
		/* An answer that does not fit is not written at all. */
		if (command->zeros > VIRTIO_GPU_RESP_OK_NODATA && command->zeros < UNSPEC) {
			EXPECT(front, 0, written);
			continue;
		}
		const uint8_t *at = front_at(front, answer);
		EXPECT(front, HEADER, written);
		EXPECT(front, command->zeros,
		       at[2 * (HEADER - 1)] | (uint32_t)at[2 * (HEADER - 2)] << 8);
	}
}

static uint32_t run_buffers(struct front *front, const struct front_buffer *buffers, unsigned count)
{
	return front_wait_used(front, 0, front_submit(front, 0, buffers, count, true));
}

static void room(struct front *front, uint32_t most)
{
	for (unsigned i = 0; i < gpu_command_count; i++) {
		uint64_t request = front_alloc(front, gpu_commands[i].size);
		uint64_t answer = front_alloc(front, HEADER);
		memset(front_at(front, answer), 0x5a, HEADER);
		memcpy(front_at(front, request), &gpu_commands[i].type, sizeof(uint32_t));
		const struct front_buffer buffers[] = {{request, gpu_commands[i].size, false},
						       {answer, most, true}};
		unsigned queue = gpu_commands[i].queue;
		uint16_t head = front_submit(front, queue, buffers, most == 0 ? 1 : 2, true);
		EXPECT(front, 0, front_wait_used(front, queue, head));
		EXPECT(front, 0x5a, *(const uint8_t *)front_at(front, answer));
	}
}

static void no_room(struct front *front)
{
	room(front, 0);
}

static void little_room(struct front *front)
{
	room(front, 1);
	room(front, HEADER - 1);
}

static void answer_readable(struct front *front)
{
	for (unsigned i = 0; i < gpu_command_count; i++) {
		uint64_t request = front_alloc(front, gpu_commands[i].size);
		uint64_t answer = front_alloc(front, 2048);
		memcpy(front_at(front, request), &gpu_commands[i].type, sizeof(uint32_t));
		const struct front_buffer buffers[] = {{request, gpu_commands[i].size, false},
						       {answer, 2048, false}};
		EXPECT(front, 0, run_buffers(front, buffers, 2));
		EXPECT(front, 0, *(const uint32_t *)front_at(front, answer));
	}
}

static void request_writable(struct front *front)
{
	for (unsigned i = 0; i < gpu_command_count; i++) {
		uint64_t request = front_alloc(front, gpu_commands[i].size);
		memcpy(front_at(front, request), &gpu_commands[i].type, sizeof(uint32_t));
		const struct front_buffer buffers[] = {{request, gpu_commands[i].size, true}};
		EXPECT(front, HEADER, run_buffers(front, buffers, 1));
		EXPECT(front, UNSPEC, gpu_answer(front, request));
	}
}

static void answer_over_request(struct front *front)
{
	for (unsigned i = 0; i < gpu_command_count; i++) {
		if (gpu_commands[i].queue != 0) {
			continue;
		}
		uint64_t request = front_alloc(front, 2048);
		memcpy(front_at(front, request), &gpu_commands[i].type, sizeof(uint32_t));
		const struct front_buffer buffers[] = {{request, gpu_commands[i].size, false},
						       {request, 2048, true}};
		run_buffers(front, buffers, 2);
		EXPECT(front, gpu_commands[i].zeros, gpu_answer(front, request));
	}
}

static void answers_in_one_place(struct front *front)
{
	const struct virtio_gpu_ctrl_hdr hdr = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	const uint32_t size = sizeof(struct virtio_gpu_resp_display_info);
	uint64_t request = front_alloc(front, sizeof(hdr));
	uint64_t answer = front_alloc(front, size);
	memcpy(front_at(front, request), &hdr, sizeof(hdr));
	const struct front_buffer buffers[] = {{request, sizeof(hdr), false}, {answer, size, true}};
	for (unsigned i = 0; i < RING; i++) {
		front_post(front, 0, buffers, 2, true);
	}
	front_kick(front, 0);
	front_wait_count(front, 0, RING);
	EXPECT(front, VIRTIO_GPU_RESP_OK_DISPLAY_INFO, gpu_answer(front, answer));
}

static void flood(struct front *front)
{
	uint64_t answers[RING];
	for (unsigned round = 0; round < 12; round++) {
		for (unsigned i = 0; i < RING; i++) {
			const struct gpu_command *command = &gpu_commands[i % gpu_command_count];
			uint8_t request[128] = {0};
			memcpy(request, &command->type, sizeof(command->type));
			gpu_post(front, 0, request, command->size, &answers[i]);
		}
		front_kick(front, 0);
		front_wait_count(front, 0, RING);
		front_free_all(front);
	}
	EXPECT(front, BAD_RESOURCE, gpu_answer(front, answers[2]));
}

/* Ids and sizes that mean something more often than random ones do. */
static uint32_t likely(struct front *front)
{
	static const uint32_t values[] = {0,  1,    2,    3,      4,       16,         64,
					  67, 4096, 4095, 0x7fff, 0x10000, 0x7fffffff, 0xffffffff};
	uint32_t random = front_random(front);
	return random % 4 == 0 ? front_random(front)
			       : values[random / 4 % (sizeof(values) / sizeof(values[0]))];
}

static void random_commands(struct front *front)
{
	uint32_t request[64];
	for (unsigned i = 0; i < 2000; i++) {
		const struct gpu_command *command =
			&gpu_commands[front_random(front) % gpu_command_count];
		for (unsigned k = 0; k < 64; k++) {
			request[k] = likely(front);
		}
		request[0] = command->type;
		/* Contexts are processes: those have attacks of their own. */
		request[command->type == VIRTIO_GPU_CMD_CTX_CREATE ? 7 : 1] &= 3;
		uint32_t size = front_random(front) % 4 == 0 ? command->size + 16 : command->size;
		uint64_t answer;
		uint64_t gpa = front_alloc(front, size);
		memcpy(front_at(front, gpa), request, size < 256 ? size : 256);
		answer = front_alloc(front, 1100);
		const struct front_buffer buffers[] = {{gpa, size, false}, {answer, 1100, true}};
		uint32_t written =
			front_wait_used(front, command->queue,
					front_submit(front, command->queue, buffers, 2, true));
		CHECK(front, written >= HEADER);
		CHECK(front,
		      gpu_answer(front, answer) >= 0x1100 && gpu_answer(front, answer) <= 0x1205);
		front_free_all(front);
	}
}

/* While the device reads it: what it believed is one of the two. */
static void rewritten(struct front *front)
{
	const struct virtio_gpu_resource_create_2d create = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		.resource_id = 1,
		.format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
		.width = 32,
		.height = 32,
	};
	unsigned refused = 0;
	for (unsigned i = 0; i < 400; i++) {
		uint64_t answer;
		uint16_t head = gpu_post(front, 0, &create, sizeof(create), &answer);
		struct desc *table = front_at(front, front_desc(front, 0, head)->addr);
		volatile struct virtio_gpu_resource_create_2d *live =
			front_at(front, table[0].addr);
		front_kick(front, 0);
		while (!front_used(front, 0, head, NULL)) {
			live->width ^= 0xffffff00;
			live->hdr.flags ^= VIRTIO_GPU_FLAG_FENCE;
			live->resource_id ^= 2;
		}
		uint32_t type = gpu_answer(front, answer);
		CHECK(front, type == OK || type == BAD_PARAMETER);
		refused += type != OK;
		if (type == OK) {
			/* One of these two ids; the other was not made. */
			uint32_t one = gpu_unref(front, 1);
			uint32_t other = gpu_unref(front, 3);
			CHECK(front, (one == OK) != (other == OK));
		}
		front_free_all(front);
	}
	(void)refused;
}

static void control_on_cursor_queue(struct front *front)
{
	for (unsigned i = 0; i < gpu_command_count; i++) {
		uint8_t request[128] = {0};
		struct virtio_gpu_ctrl_hdr answer;
		if (gpu_commands[i].queue != 0) {
			continue;
		}
		memcpy(request, &gpu_commands[i].type, sizeof(uint32_t));
		EXPECT(front, HEADER,
		       front_command(front, 1, request, gpu_commands[i].size, &answer,
				     sizeof(answer)));
		EXPECT(front, UNSPEC, answer.type);
	}
}

static void cursor_on_control_queue(struct front *front)
{
	struct virtio_gpu_update_cursor cursor = {.hdr.type = VIRTIO_GPU_CMD_UPDATE_CURSOR};
	EXPECT(front, UNSPEC, gpu_send(front, &cursor, sizeof(cursor)));
	cursor.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR;
	EXPECT(front, UNSPEC, gpu_send(front, &cursor, sizeof(cursor)));
}

static void flood_queue(struct front *front, unsigned queue, const void *request, uint32_t size)
{
	uint64_t answer;
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 0; i < RING; i++) {
			gpu_post(front, queue, request, size, &answer);
		}
		front_kick(front, queue);
		/* The other queue is heard meanwhile. */
		if (queue == 1) {
			gpu_probe(front);
		}
		front_wait_count(front, queue, RING);
		EXPECT(front, UNSPEC, gpu_answer(front, answer));
		front_free_all(front);
	}
}

static void flood_cursor_queue(struct front *front)
{
	const struct virtio_gpu_resource_unref request = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
							  .resource_id = 1};
	flood_queue(front, 1, &request, sizeof(request));
}

static void flood_control_queue(struct front *front)
{
	const struct virtio_gpu_update_cursor request = {.hdr.type = VIRTIO_GPU_CMD_UPDATE_CURSOR};
	flood_queue(front, 0, &request, sizeof(request));
}

static const struct attack table[] = {
	{"command-unknown", "each of 1000 types that are none: UNSPEC", unknown, ANSWERS},
	{"command-truncated", "each command at each length that is too short: an error", truncated,
	 ANSWERS},
	{"command-zeros", "each command of zeros: the error of its first wrong field", zeros,
	 ANSWERS},
	{"command-ones", "each command of ones: the error of its first wrong field", ones, ANSWERS},
	{"command-trailing", "60 kB behind each command change no answer", trailing, ANSWERS},
	{"command-bytes", "a descriptor for each byte, backwards: the same answers", bytes,
	 ANSWERS},
	{"command-no-room", "nowhere to answer: used with length 0", no_room, ANSWERS},
	{"command-little-room", "1 and 23 bytes for an answer: used with length 0, none written",
	 little_room, ANSWERS},
	{"command-answer-readable", "the answer's buffer may only be read: not written",
	 answer_readable, ANSWERS},
	{"command-request-writable", "a request that may only be written is none: UNSPEC",
	 request_writable, ANSWERS},
	{"command-answer-over-request", "one buffer for both: the right answers",
	 answer_over_request, ANSWERS},
	{"command-answers-in-one-place", "256 answers into one buffer: all used",
	 answers_in_one_place, ANSWERS},
	{"command-flood", "3000 wrong commands, 256 at a time: each answered", flood, ANSWERS},
	{"command-random", "2000 commands of likely and random words: each answered",
	 random_commands, ANSWERS},
	{"command-rewritten", "a request that changes while it is read: one of the two is done",
	 rewritten, ANSWERS},
	{"command-control-on-cursor-queue", "UNSPEC", control_on_cursor_queue, ANSWERS},
	{"command-cursor-on-control-queue", "UNSPEC", cursor_on_control_queue, ANSWERS},
	{"command-flood-cursor-queue", "2048 control commands there: UNSPEC, control goes on",
	 flood_cursor_queue, ANSWERS},
	{"command-flood-control-queue", "2048 cursor commands there: UNSPEC", flood_control_queue,
	 ANSWERS},
};

ATTACK_GROUP(commands, table);
