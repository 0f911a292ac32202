/* SPDX-License-Identifier: MIT */
/*
 * What a guest may hold (gpu/limits.h): each limit is set low and gone over. The one command too many
 * gets its error, what was there stays and works, and what is given back can be had again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define NO_MEMORY VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define MAPPED VIRTIO_GPU_RESP_OK_MAP_INFO
#define HOST3D VIRTIO_GPU_BLOB_MEM_HOST3D
#define GUEST VIRTIO_GPU_BLOB_MEM_GUEST
#define KIB 1024ull
#define RAM (WIRE_RAM_GPA + (32ull << 20))

static struct daemon device;

static void open_with(const char *limit)
{
	const char *const options[] = {"--render=none", limit, NULL};
	daemon_open_with(&device, 1, options);
}

static int close_daemon(void **state)
{
	daemon_close(&device);
	return 0;
}

/* What the statistics say of a limit. */
static void check_usage(const char *limit, uint64_t now, uint64_t most, uint64_t refused)
{
	assert_int_equal(daemon_limit(&device, limit, "now"), now);
	assert_int_equal(daemon_limit(&device, limit, "most"), most);
	assert_int_equal(daemon_limit(&device, limit, "refused"), refused);
}

static uint32_t destroy_context(uint32_t id)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_CTX_DESTROY,
						    .ctx_id = id};
	return daemon_command(&device, &request, sizeof(request), NULL, 0);
}

static uint32_t unmap(uint32_t id)
{
	const struct virtio_gpu_resource_unmap_blob request = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, .resource_id = id};
	return daemon_command(&device, &request, sizeof(request), NULL, 0);
}

static uint32_t picture(uint32_t id, uint32_t side)
{
	return daemon_create_2d(&device, id, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, side, side);
}

static void test_resources(void **state)
{
	open_with("--max-resources=3");
	for (uint32_t id = 1; id <= 3; id++) {
		assert_int_equal(picture(id, 64), OK);
	}
	assert_int_equal(picture(4, 64), NO_MEMORY);
	assert_int_equal(daemon_create_blob(&device, 0, 5, GUEST, 4096, RAM), NO_MEMORY);
	check_usage("resources", 3, 3, 2);
	/* The ones that are there work, and the id that was refused is free. */
	assert_int_equal(daemon_attach(&device, 3, RAM, 16384), OK);
	assert_int_equal(daemon_transfer(&device, 3, 0, 0, 64, 64, 0), OK);
	assert_int_equal(daemon_unref(&device, 2), OK);
	assert_int_equal(picture(4, 64), OK);
	assert_int_equal(picture(5, 64), NO_MEMORY);
	check_usage("resources", 3, 3, 3);
}

static void test_contexts(void **state)
{
	open_with("--max-contexts=2");
	assert_int_equal(daemon_create_context(&device, 1, 4), OK);
	assert_int_equal(daemon_create_context(&device, 2, 4), OK);
	assert_int_equal(daemon_create_context(&device, 3, 4), NO_MEMORY);
	check_usage("contexts", 2, 2, 1);
	assert_int_equal(daemon_create_blob(&device, 2, 1, HOST3D, 65536, 0), OK);
	assert_int_equal(destroy_context(1), OK);
	assert_int_equal(daemon_create_context(&device, 3, 4), OK);
	assert_int_equal(daemon_create_blob(&device, 3, 2, HOST3D, 65536, 0), OK);
	check_usage("contexts", 2, 2, 1);
}

static void test_memory(void **state)
{
	open_with("--max-memory=1");
	for (uint32_t id = 1; id <= 4; id++) {
		assert_int_equal(picture(id, 256), OK);
	}
	check_usage("memory", 1024 * KIB, 1024 * KIB, 0);
	assert_int_equal(picture(5, 1), NO_MEMORY);
	/* Lists of guest pages are the host's memory, too. */
	assert_int_equal(daemon_attach(&device, 1, RAM, 262144), NO_MEMORY);
	assert_int_equal(daemon_create_blob(&device, 0, 6, GUEST, 4096, RAM), NO_MEMORY);
	assert_int_equal(daemon_unref(&device, 4), OK);
	assert_int_equal(daemon_attach(&device, 1, RAM, 262144), OK);
	check_usage("memory", 768 * KIB + 16, 1024 * KIB, 3);
	assert_int_equal(daemon_unref(&device, 1), OK);
	check_usage("memory", 512 * KIB, 1024 * KIB, 3);
	/* One that can never be had. */
	assert_int_equal(daemon_create_context(&device, 1, 4), OK);
	assert_int_equal(daemon_create_blob(&device, 1, 7, HOST3D, UINT64_MAX & ~4095ull, 0),
			 NO_MEMORY);
	assert_int_equal(daemon_create_blob(&device, 1, 7, HOST3D, 512 * KIB, 0), OK);
}

static void test_context_memory(void **state)
{
	open_with("--max-context-memory=1");
	assert_int_equal(daemon_create_context(&device, 1, 4), OK);
	assert_int_equal(daemon_create_context(&device, 2, 4), OK);
	assert_int_equal(daemon_create_blob(&device, 1, 1, HOST3D, 512 * KIB, 0), OK);
	assert_int_equal(daemon_create_blob(&device, 1, 2, HOST3D, 512 * KIB, 0), OK);
	assert_int_equal(daemon_create_blob(&device, 1, 3, HOST3D, 4096, 0), NO_MEMORY);
	assert_int_equal(daemon_create_blob(&device, 2, 3, HOST3D, 1024 * KIB, 0), OK);
	assert_int_equal(daemon_unref(&device, 1), OK);
	assert_int_equal(daemon_create_blob(&device, 1, 1, HOST3D, 512 * KIB, 0), OK);
	/* Another context with the same number starts anew, and is not given back what it never had. */
	assert_int_equal(destroy_context(1), OK);
	assert_int_equal(daemon_create_context(&device, 1, 4), OK);
	assert_int_equal(daemon_create_blob(&device, 1, 4, HOST3D, 1024 * KIB, 0), OK);
	assert_int_equal(daemon_unref(&device, 1), OK);
	assert_int_equal(daemon_unref(&device, 2), OK);
	assert_int_equal(daemon_create_blob(&device, 1, 5, HOST3D, 4096, 0), NO_MEMORY);
	check_usage("context-memory", 0, 1024 * KIB, 2);
}

static void test_mappings(void **state)
{
	open_with("--max-mappings=2");
	assert_int_equal(daemon_create_context(&device, 1, 4), OK);
	for (uint32_t id = 1; id <= 3; id++) {
		assert_int_equal(daemon_create_blob(&device, 1, id, HOST3D, 65536, 0), OK);
	}
	assert_int_equal(daemon_map(&device, 1, 0), MAPPED);
	assert_int_equal(daemon_map(&device, 2, 65536), MAPPED);
	assert_int_equal(daemon_map(&device, 3, 131072), NO_MEMORY);
	check_usage("mappings", 2, 2, 1);
	/* What cannot be mapped takes nothing. */
	assert_int_equal(unmap(3), VIRTIO_GPU_RESP_ERR_UNSPEC);
	assert_int_equal(unmap(1), OK);
	assert_int_equal(daemon_map(&device, 3, 131072), MAPPED);
	/* One that goes while it is mapped gives its place back. */
	assert_int_equal(daemon_unref(&device, 2), OK);
	check_usage("mappings", 1, 2, 1);
	assert_int_equal(daemon_map(&device, 1, 0), MAPPED);
}

static void test_entries(void **state)
{
	struct {
		struct virtio_gpu_resource_attach_backing head;
		struct virtio_gpu_mem_entry entries[5];
	} request = {
		.head.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
		.head.resource_id = 1,
	};
	open_with("--max-entries=4");
	for (unsigned i = 0; i < 5; i++) {
		request.entries[i] =
			(struct virtio_gpu_mem_entry){.addr = RAM + i * 8192, .length = 4096};
	}
	assert_int_equal(picture(1, 64), OK);
	request.head.nr_entries = 5;
	assert_int_equal(daemon_command(&device, &request, sizeof(request), NULL, 0),
			 BAD_PARAMETER);
	request.head.nr_entries = 4;
	assert_int_equal(daemon_command(&device, &request,
					sizeof(request) - sizeof(request.entries[0]), NULL, 0),
			 OK);
	assert_int_equal(daemon_transfer(&device, 1, 0, 0, 64, 64, 0), OK);
	check_usage("entries", 0, 4, 1);
	/* Blobs of guest pages are made of them, too. */
	struct {
		struct virtio_gpu_resource_create_blob head;
		struct virtio_gpu_mem_entry entries[5];
	} blob = {
		.head.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
		.head.resource_id = 2,
		.head.blob_mem = GUEST,
		.head.nr_entries = 5,
		.head.size = 5 * 4096,
	};
	memcpy(blob.entries, request.entries, sizeof(blob.entries));
	assert_int_equal(daemon_command(&device, &blob, sizeof(blob), NULL, 0), BAD_PARAMETER);
	blob.head.nr_entries = 4;
	blob.head.size = 4 * 4096;
	assert_int_equal(
		daemon_command(&device, &blob, sizeof(blob) - sizeof(blob.entries[0]), NULL, 0),
		OK);
	check_usage("entries", 0, 4, 2);
}

static uint32_t submit(uint32_t context, uint32_t size)
{
	static struct {
		struct virtio_gpu_cmd_submit head;
		uint8_t commands[8192];
	} request;
	request.head = (struct virtio_gpu_cmd_submit){
		.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = context},
		.size = size,
	};
	return daemon_command(&device, &request, sizeof(request.head) + size, NULL, 0);
}

static void test_command(void **state)
{
	open_with("--max-command=4");
	assert_int_equal(daemon_create_context(&device, 1, 4), OK);
	assert_int_equal(submit(1, 4096), OK);
	assert_int_equal(submit(1, 4100), BAD_PARAMETER);
	assert_int_equal(submit(1, 8192), BAD_PARAMETER);
	/* The context is not lost by that. */
	assert_int_equal(submit(1, 64), OK);
	check_usage("command", 0, 4096, 2);
	check_usage("memory", 0, 4096, 0);
}

/* As daemon_command, but a renderer with a driver may take long to start, on a busy machine. */
static uint32_t command_of_driver(const void *request, uint32_t size)
{
	enum { MOST_MS = 120000 };
	uint64_t gpa = wire_alloc(&device.front, size);
	uint64_t answer = wire_alloc(&device.front, sizeof(struct virtio_gpu_ctrl_hdr));
	memcpy(wire_at(&device.front, gpa), request, size);
	const struct wire_buffer buffers[] = {
		{.gpa = gpa, .len = size},
		{.gpa = answer, .len = sizeof(struct virtio_gpu_ctrl_hdr), .writable = true},
	};
	uint16_t head = wire_submit(&device.front, 0, buffers, 2, true);
	for (int ms = 0; ms < MOST_MS && !wire_used(&device.front, 0, head, NULL); ms += 5) {
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	wire_wait_used(&device.front, 0, head);
	uint32_t type = ((struct virtio_gpu_ctrl_hdr *)wire_at(&device.front, answer))->type;
	wire_free_all(&device.front);
	return type;
}

/* Commands that the renderer carries out: vkEnumerateInstanceVersion, over and over, without answers. */
static uint32_t submit_real(uint32_t size, bool fence)
{
	static struct {
		struct virtio_gpu_cmd_submit head;
		struct {
			uint32_t command;
			uint32_t flags;
			uint64_t pointer;
		} commands[(1u << 20) / 16];
	} request;
	request.head = (struct virtio_gpu_cmd_submit){
		.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D, .ctx_id = 1},
		.size = size,
	};
	if (fence) {
		request.head.hdr.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX;
		request.head.hdr.fence_id = 1;
	}
	for (uint32_t i = 0; i < size / 16; i++) {
		request.commands[i].command = 137;
		request.commands[i].pointer = 1;
	}
	return command_of_driver(&request, sizeof(request.head) + size);
}

/* What is allowed is also carried out, by the real renderer; what is not is refused before. */
static void test_the_largest_command(void **state)
{
	static const struct {
		const char *option;
		uint32_t allowed;
	} cases[] = {{NULL, 256u << 10}, {"--max-command=384", 384u << 10}};
	const struct virtio_gpu_ctx_create create = {
		.hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = 1},
		.context_init = 4,
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const options[] = {"--render=venus", "--watchdog=120", cases[i].option,
					       NULL};
		unsetenv("HESPER_RENDER_PROCESS");
		daemon_open_with(&device, 1, options);
		assert_int_equal(command_of_driver(&create, sizeof(create)), OK);
		assert_int_equal(submit_real(4096, true), OK);
		assert_int_equal(submit_real(cases[i].allowed, true), OK);
		assert_int_equal(submit_real(cases[i].allowed + 16, true), BAD_PARAMETER);
		assert_int_equal(submit_real(1u << 20, true), BAD_PARAMETER);
		/* A fence comes when all before it is done, so this is no context that died. */
		assert_int_equal(submit_real(cases[i].allowed, true), OK);
		assert_int_equal(daemon_counter(&device, "contexts_lost"), 0);
		check_usage("command", 0, cases[i].allowed, 2);
		daemon_close(&device);
	}
}

/* A context whose fences never signal. */
static uint16_t post_fence(uint64_t fence, uint64_t *answer)
{
	const struct virtio_gpu_cmd_submit request = {
		.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D,
			.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX,
			.ctx_id = 1,
			.fence_id = fence,
			.ring_idx = 1},
	};
	uint64_t gpa = wire_alloc(&device.front, sizeof(request));
	*answer = wire_alloc(&device.front, sizeof(struct virtio_gpu_ctrl_hdr));
	memcpy(wire_at(&device.front, gpa), &request, sizeof(request));
	const struct wire_buffer buffers[] = {
		{.gpa = gpa, .len = sizeof(request)},
		{.gpa = *answer, .len = sizeof(struct virtio_gpu_ctrl_hdr), .writable = true},
	};
	return wire_submit(&device.front, 0, buffers, 2, true);
}

static void test_fences(void **state)
{
	const char *const options[] = {"--render=venus", "--max-fences=3", NULL};
	struct virtio_gpu_ctx_create create = {
		.hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = 1},
		.nlen = 4,
		.context_init = 4,
		.debug_name = "mute",
	};
	uint16_t heads[4];
	uint64_t answers[4];
	setenv("HESPER_RENDER_PROCESS", getenv("FAKE_RENDER"), 1);
	daemon_open_with(&device, 1, options);
	assert_int_equal(daemon_command(&device, &create, sizeof(create), NULL, 0), OK);
	for (unsigned i = 0; i < 3; i++) {
		heads[i] = post_fence(i + 1, &answers[i]);
	}
	while (daemon_limit(&device, "fences", "now") < 3) {
	}
	/* One too many: an error, which as a fence of its ring comes behind the others. */
	heads[3] = post_fence(4, &answers[3]);
	while (daemon_limit(&device, "fences", "refused") == 0) {
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_false(wire_used(&device.front, 0, heads[i], NULL));
	}
	/* All else goes on. */
	const struct virtio_gpu_ctrl_hdr destroy = {.type = VIRTIO_GPU_CMD_CTX_DESTROY,
						    .ctx_id = 1};
	uint64_t gpa = wire_alloc(&device.front, sizeof(destroy));
	uint64_t answer = wire_alloc(&device.front, sizeof(destroy));
	memcpy(wire_at(&device.front, gpa), &destroy, sizeof(destroy));
	const struct wire_buffer buffers[] = {
		{.gpa = gpa, .len = sizeof(destroy)},
		{.gpa = answer, .len = sizeof(destroy), .writable = true},
	};
	wire_wait_used(&device.front, 0, wire_submit(&device.front, 0, buffers, 2, true));
	for (unsigned i = 0; i < 4; i++) {
		wire_wait_used(&device.front, 0, heads[i]);
		const struct virtio_gpu_ctrl_hdr *hdr = wire_at(&device.front, answers[i]);
		assert_int_equal(hdr->type, i < 3 ? OK : NO_MEMORY);
	}
	wire_free_all(&device.front);
	check_usage("fences", 0, 3, 1);
	assert_int_equal(picture(1, 64), OK);
}

static void test_descriptors(void **state)
{
	open_with("--max-descriptors=3");
	assert_int_equal(daemon_create_context(&device, 1, 4), OK);
	assert_int_equal(picture(1, 64), OK);
	assert_int_equal(picture(2, 64), OK);
	assert_int_equal(daemon_create_blob(&device, 1, 3, HOST3D, 65536, 0), OK);
	assert_int_equal(daemon_create_blob(&device, 1, 4, HOST3D, 65536, 0), NO_MEMORY);
	assert_int_equal(picture(4, 64), NO_MEMORY);
	/* Guest pages have none until they are shown, or shared. */
	assert_int_equal(daemon_create_blob(&device, 0, 5, GUEST, 16384, RAM), OK);
	assert_int_equal(daemon_set_scanout_blob(&device, 0, 5, 2, 64, 64, 256, 0), NO_MEMORY);
	check_usage("descriptors", 3, 3, 3);
	assert_int_equal(daemon_unref(&device, 1), OK);
	assert_int_equal(daemon_set_scanout_blob(&device, 0, 5, 2, 64, 64, 256, 0), OK);
}

/* However many a guest asks for, what QEMU and a viewer send can still be received. */
static void test_a_reserve_of_descriptors(void **state)
{
	/* A little above the reserve, and hesperd cannot raise it. */
	const struct rlimit few = {1200, 1200};
	const char *const options[] = {"--render=none", NULL};
	uint32_t id = 1;
	pid_t child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_NOFILE, &few);
		daemon_open_with(&device, 1, options);
		while (picture(id, 16) == OK) {
			id++;
		}
		print_message("%u resources\n", id - 1);
		bool right = id > 64 && id < few.rlim_cur;
		/* Memory tables with files, new events for the rings, a viewer with its files. */
		for (unsigned i = 0; i < 16; i++) {
			wire_stop(&device.front);
			wire_start(&device.front, DAEMON_FEATURES);
		}
		struct picture seen;
		right = right && daemon_set_scanout(&device, 0, 1, 0, 0, 16, 16) == OK;
		daemon_look(&device, 0, &seen);
		right = right && seen.width == 16;
		picture_finish(&seen);
		daemon_close(&device);
		_exit(right ? 0 : 1);
	}
	int status = 1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* What hesperd says: the counts, and no more than a few lines a second. */
static void test_the_line(void **state)
{
	enum { TRIES = 500 };
	static char text[65536];
	char path[] = "/tmp/hesper-limits-XXXXXX";
	int file = mkstemp(path);
	int stderr_before = dup(STDERR_FILENO);
	assert_true(file >= 0 && stderr_before >= 0);
	unlink(path);
	dup2(file, STDERR_FILENO);
	open_with("--max-resources=2");
	dup2(stderr_before, STDERR_FILENO);
	close(stderr_before);
	time_t start = time(NULL);
	assert_int_equal(picture(1, 64), OK);
	assert_int_equal(picture(2, 64), OK);
	for (unsigned i = 0; i < TRIES; i++) {
		assert_int_equal(picture(3, 64), NO_MEMORY);
	}
	time_t took = time(NULL) - start;
	check_usage("resources", 2, 2, TRIES);
	ssize_t size = pread(file, text, sizeof(text) - 1, 0);
	close(file);
	assert_true(size > 0);
	text[size] = '\0';
	unsigned lines = 0;
	for (const char *at = text; (at = strstr(at, "at a limit")) != NULL; at++) {
		lines++;
	}
	print_message("%u lines in %d s\n%.120s\n", lines, (int)took, text);
	assert_non_null(strstr(text, "2 in use, 1 more asked for, 2 allowed (hesperd "
				     "--max-resources)"));
	/* Five in each of the seconds that were begun. */
	assert_in_range(lines, 1, 5 * ((unsigned)took + 2));
}

static void test_a_reset_gives_everything_back(void **state)
{
	open_with("--max-resources=4");
	assert_int_equal(daemon_create_context(&device, 1, 4), OK);
	assert_int_equal(picture(1, 64), OK);
	assert_int_equal(daemon_attach(&device, 1, RAM, 16384), OK);
	assert_int_equal(daemon_create_blob(&device, 1, 2, HOST3D, 65536, 0), OK);
	assert_int_equal(daemon_map(&device, 2, 0), MAPPED);
	wire_stop(&device.front);
	wire_reset(&device.front);
	wire_start(&device.front, DAEMON_FEATURES);
	assert_int_equal(picture(1, 64), OK);
	check_usage("resources", 1, 2, 0);
	check_usage("contexts", 0, 1, 0);
	check_usage("mappings", 0, 1, 0);
	check_usage("memory", 16384, 65536 + 16384 + 16, 0);
	check_usage("descriptors", 1, 2, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_resources, close_daemon),
		cmocka_unit_test_teardown(test_contexts, close_daemon),
		cmocka_unit_test_teardown(test_memory, close_daemon),
		cmocka_unit_test_teardown(test_context_memory, close_daemon),
		cmocka_unit_test_teardown(test_mappings, close_daemon),
		cmocka_unit_test_teardown(test_entries, close_daemon),
		cmocka_unit_test_teardown(test_command, close_daemon),
		cmocka_unit_test(test_the_largest_command),
		cmocka_unit_test_teardown(test_fences, close_daemon),
		cmocka_unit_test_teardown(test_descriptors, close_daemon),
		cmocka_unit_test(test_a_reserve_of_descriptors),
		cmocka_unit_test_teardown(test_the_line, close_daemon),
		cmocka_unit_test_teardown(test_a_reset_gives_everything_back, close_daemon),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
