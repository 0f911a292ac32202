/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

unsigned session_count_fds(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir) != NULL) {
		count++;
	}
	closedir(dir);
	return count;
}

unsigned session_count_maps(const char *word)
{
	unsigned count = 0;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		count += strstr(line, word) != NULL;
	}
	fclose(maps);
	return count;
}

int session_warm_up(void **state)
{
	uv_loop_t loop;
	if (uv_loop_init(&loop) != 0) {
		return -1;
	}
	return uv_loop_close(&loop);
}

static int open_session(void **state, uint64_t window_size)
{
	struct session *session = calloc(1, sizeof(*session));
	*state = session;
	session->fds_before = session_count_fds();
	int socket = device_open(&session->device, SESSION_QUEUES, window_size);
	wire_open(&session->front, socket, SESSION_QUEUES, SESSION_RAM);
	session->front_open = true;
	return 0;
}

int session_setup_unstarted(void **state)
{
	return open_session(state, DEVICE_WINDOW);
}

int session_setup(void **state)
{
	open_session(state, DEVICE_WINDOW);
	wire_hello(&((struct session *)*state)->front);
	return 0;
}

int session_setup_no_window(void **state)
{
	return open_session(state, 0);
}

int session_teardown(void **state)
{
	struct session *session = *state;
	if (session->front_open) {
		wire_close(&session->front);
		device_wait(&session->device, &session->device.disconnected, 1);
	}
	device_close(&session->device);
	unsigned after = session_count_fds();
	unsigned before = session->fds_before;
	free(session);
	if (after != before) {
		fprintf(stderr, "fds: %u before the test, %u after\n", before, after);
	}
	return after == before ? 0 : -1;
}

void session_settle(struct session *session)
{
	const uint8_t byte = 0;
	/* The first brings letters to both threads, the second what those led to. */
	wire_set_config(&session->front, 200, &byte, 1);
	wire_set_config(&session->front, 200, &byte, 1);
}

int session_memfd(uint64_t size, uint8_t value)
{
	int fd = fd_memfd("window", size);
	assert_true(fd >= 0);
	for (uint64_t at = 0; at < size; at += 4096) {
		uint8_t page[4096];
		memset(page, value, sizeof(page));
		assert_int_equal(pwrite(fd, page, sizeof(page), (off_t)at), sizeof(page));
	}
	return fd;
}
