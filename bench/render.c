/* SPDX-License-Identifier: MIT */
/*
 * bench_render [ROUNDS]: what the way to the renderer costs, without a guest: hesperd with its real
 * renderer, and a scripted front end in QEMU's place. Prints medians, and the longest of each.
 * HESPERD in the environment names hesperd; ./dev has the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "util/clock.h"

#define MAX_ROUNDS 4000

static struct daemon daemon;
static unsigned rounds = 400;
static double times[MAX_ROUNDS]; /* µs */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void show(const char *what, unsigned count)
{
	qsort(times, count, sizeof(times[0]), compare);
	printf("%-44s %8.0f µs  (5 %%: %.0f, 95 %%: %.0f, longest %.0f, n=%u)\n", what,
	       times[count / 2], times[count / 20], times[count - 1 - count / 20], times[count - 1],
	       count);
	fflush(stdout);
}

static uint32_t command(uint32_t type, uint32_t context)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = type, .ctx_id = context};
	return daemon_command(&daemon, &request, sizeof(request), NULL, 0);
}

static double since(uint64_t start)
{
	return (double)(clock_now_ns() - start) / 1000;
}

static void rest(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* The first contexts of a program that starts: with time between them, and in a row. */
static void measure_contexts(long pause_ms, const char *what)
{
	unsigned count = pause_ms > 0 ? rounds / 20 : rounds / 10;
	for (unsigned i = 0; i < count; i++) {
		rest(pause_ms);
		uint64_t start = clock_now_ns();
		assert_int_equal(daemon_create_context(&daemon, 100 + i, 4),
				 VIRTIO_GPU_RESP_OK_NODATA);
		times[i] = since(start);
		assert_int_equal(command(VIRTIO_GPU_CMD_CTX_DESTROY, 100 + i),
				 VIRTIO_GPU_RESP_OK_NODATA);
	}
	show(what, count);
}

static uint32_t create_ring_memory(uint32_t id)
{
	/* blob_id 0 and MAPPABLE alone: shared memory for a command ring. */
	const struct virtio_gpu_resource_create_blob request = {
		.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = 1},
		.resource_id = id,
		.blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
		.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
		.size = 65536,
	};
	return daemon_command(&daemon, &request, sizeof(request), NULL, 0);
}

static void measure_blobs(void)
{
	for (unsigned i = 0; i < rounds; i++) {
		uint64_t start = clock_now_ns();
		assert_int_equal(create_ring_memory(1000 + i), VIRTIO_GPU_RESP_OK_NODATA);
		times[i] = since(start);
		assert_int_equal(daemon_unref(&daemon, 1000 + i), VIRTIO_GPU_RESP_OK_NODATA);
	}
	show("blob create", rounds);
}

/* Commands that do nothing, with a fence behind them: there and back. */
static void measure_fences(uint32_t bytes, const char *what)
{
	static struct {
		struct virtio_gpu_cmd_submit head;
		uint32_t commands[65536 / 4];
	} request;
	request.head = (struct virtio_gpu_cmd_submit){
		.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D,
			.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX,
			.ctx_id = 1},
		.size = bytes,
	};
	for (unsigned i = 0; i < rounds; i++) {
		request.head.hdr.fence_id++;
		uint64_t start = clock_now_ns();
		assert_int_equal(daemon_command(&daemon, &request,
						(uint32_t)sizeof(request.head) + bytes, NULL, 0),
				 VIRTIO_GPU_RESP_OK_NODATA);
		times[i] = since(start);
	}
	show(what, rounds);
}

static void measure(void **state)
{
	daemon_open_with(&daemon, 1, (const char *const[]){"--render=venus", NULL});
	rest(1000);
	measure_contexts(300, "context create, 300 ms apart");
	measure_contexts(0, "context create, at once after each other");
	assert_int_equal(daemon_create_context(&daemon, 1, 4), VIRTIO_GPU_RESP_OK_NODATA);
	rest(1000);
	measure_blobs();
	measure_fences(0, "fence, there and back");
	daemon_close(&daemon);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		rounds = (unsigned)atoi(argv[1]);
	}
	if (rounds < 40 || rounds > MAX_ROUNDS) {
		fprintf(stderr, "bench_render: 40 to %d rounds\n", MAX_ROUNDS);
		return 2;
	}
	const struct CMUnitTest tests[] = {cmocka_unit_test(measure)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
