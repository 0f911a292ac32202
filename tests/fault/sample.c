/* SPDX-License-Identifier: MIT */
#include "sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include "util/fd.h"

#define SIZE 4096u

static int use_loop(void)
{
	uv_loop_t loop;
	int error = uv_loop_init(&loop);
	if (error == 0) {
		uv_loop_close(&loop);
	}
	return error;
}

static int use_map(enum sample_mistake mistake, int fd)
{
	void *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		return -errno;
	}
	int error = use_loop();
	if (error == 0 || mistake != SAMPLE_LEAKS_MAP) {
		munmap(map, SIZE);
	}
	return error;
}

static int use_fd(enum sample_mistake mistake)
{
	int fd = fd_memfd("sample", SIZE);
	if (fd < 0) {
		return fd;
	}
	int error = use_map(mistake, fd);
	if (error == 0 || mistake != SAMPLE_LEAKS_FD) {
		close(fd);
	}
	if (error != 0 && mistake == SAMPLE_CLOSES_TWICE) {
		close(fd);
	}
	return error;
}

int sample_run(enum sample_mistake mistake)
{
	char *text = malloc(16);
	if (text == NULL && mistake != SAMPLE_CRASHES) {
		return -ENOMEM;
	}
	strcpy(text, "text");
	char *copy = strdup(text);
	int error = copy == NULL ? -ENOMEM : use_fd(mistake);
	if (error == 0 || mistake != SAMPLE_LEAKS) {
		free(text);
	}
	free(copy);
	return error;
}
