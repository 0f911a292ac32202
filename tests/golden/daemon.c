/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <png.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define CHILD_FD 10
#define READY_FD 11

static const char *program(const char *variable)
{
	const char *path = getenv(variable);
	if (path == NULL) {
		fail_msg("%s is not set", variable);
	}
	return path;
}

static void wait_ready(int fd)
{
	char line[4096];
	size_t used = 0;
	while (used < sizeof(line) - 1) {
		ssize_t got = read(fd, line + used, sizeof(line) - 1 - used);
		if (got <= 0) {
			fail_msg("hesperd ended before it was ready");
		}
		used += (size_t)got;
		line[used] = '\0';
		if (strchr(line, '\n') != NULL) {
			assert_int_equal(strncmp(line, "ready {", 7), 0);
			return;
		}
	}
}

void daemon_open(struct daemon *daemon, unsigned outputs)
{
	daemon_open_with(daemon, outputs, (const char *const[]){"--render=none", NULL});
}

void daemon_open_with(struct daemon *daemon, unsigned outputs, const char *const *options)
{
	int pair[2];
	int ready[2];
	char heads[32];
	char most[32];
	char display[128];
	char stats[128];
	*daemon = (struct daemon){0};
	strcpy(daemon->directory, "/tmp/hesper-golden-XXXXXX");
	assert_non_null(mkdtemp(daemon->directory));
	snprintf(daemon->display, sizeof(daemon->display), "%s/display", daemon->directory);
	snprintf(daemon->stats, sizeof(daemon->stats), "%s/stats", daemon->directory);
	snprintf(heads, sizeof(heads), "--outputs=%u", outputs);
	snprintf(most, sizeof(most), "--max-outputs=%u", outputs);
	snprintf(display, sizeof(display), "--display=%s", daemon->display);
	snprintf(stats, sizeof(stats), "--stats=%s", daemon->stats);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pair[1], CHILD_FD);
	posix_spawn_file_actions_adddup2(&actions, ready[1], READY_FD);
	char *argv[16] = {(char *)program("HESPERD"),
			  "--fd=10",
			  "--ready-fd=11",
			  "--window-size=64",
			  display,
			  stats,
			  heads,
			  most};
	for (size_t i = 8; *options != NULL; i++) {
		assert_true(i < sizeof(argv) / sizeof(argv[0]) - 1);
		argv[i] = (char *)*options++;
	}
	assert_int_equal(posix_spawn(&daemon->pid, argv[0], &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(pair[1]);
	close(ready[1]);
	wait_ready(ready[0]);
	close(ready[0]);
	wire_open(&daemon->front, pair[0], 2, DAEMON_RAM_BYTES);
	wire_hello(&daemon->front);
	wire_start(&daemon->front, DAEMON_FEATURES);
}

void daemon_close(struct daemon *daemon)
{
	int status;
	wire_close(&daemon->front);
	assert_int_equal(waitpid(daemon->pid, &status, 0), daemon->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	/* It cleans up behind itself. */
	assert_int_not_equal(access(daemon->display, F_OK), 0);
	unlink(daemon->stats);
	assert_int_equal(rmdir(daemon->directory), 0);
}

static json_t *read_stats(struct daemon *daemon)
{
	/* Written to another file and renamed: once the name is there, it is whole. */
	unlink(daemon->stats);
	kill(daemon->pid, SIGUSR1);
	for (int i = 0; i < 1000 && access(daemon->stats, F_OK) != 0; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	json_t *stats = json_load_file(daemon->stats, 0, NULL);
	assert_non_null(stats);
	return stats;
}

uint64_t daemon_counter(struct daemon *daemon, const char *name)
{
	json_t *stats = read_stats(daemon);
	json_t *value = json_object_get(stats, name);
	if (!json_is_integer(value)) {
		fail_msg("there is no counter %s", name);
	}
	uint64_t result = (uint64_t)json_integer_value(value);
	json_decref(stats);
	return result;
}

uint64_t daemon_limit(struct daemon *daemon, const char *limit, const char *what)
{
	json_t *stats = read_stats(daemon);
	json_t *usage = json_object_get(json_object_get(stats, "limits"), limit);
	json_t *value = json_object_get(usage, what);
	if (!json_is_integer(value)) {
		fail_msg("there is no limit %s", limit);
	}
	uint64_t result = (uint64_t)json_integer_value(value);
	json_decref(stats);
	return result;
}

uint32_t daemon_command(struct daemon *daemon, const void *request, uint32_t size, void *response,
			uint32_t response_size)
{
	uint32_t type = gpu_command(&daemon->front, request, size, response, response_size);
	wire_free_all(&daemon->front);
	return type;
}

uint32_t daemon_create_2d(struct daemon *daemon, uint32_t id, uint32_t format, uint32_t width,
			  uint32_t height)
{
	return gpu_create_2d(&daemon->front, id, format, width, height);
}

uint32_t daemon_attach(struct daemon *daemon, uint32_t id, uint64_t gpa, uint32_t len)
{
	return gpu_attach(&daemon->front, id, gpa, len);
}

uint32_t daemon_transfer(struct daemon *daemon, uint32_t id, uint32_t x, uint32_t y, uint32_t width,
			 uint32_t height, uint64_t offset)
{
	return gpu_transfer(&daemon->front, id, x, y, width, height, offset);
}

uint32_t daemon_set_scanout(struct daemon *daemon, uint32_t head, uint32_t id, uint32_t x,
			    uint32_t y, uint32_t width, uint32_t height)
{
	return gpu_set_scanout(&daemon->front, head, id, x, y, width, height);
}

uint32_t daemon_flush_part(struct daemon *daemon, uint32_t id, const struct virtio_gpu_rect *part)
{
	return gpu_flush_part(&daemon->front, id, part);
}

uint32_t daemon_flush(struct daemon *daemon, uint32_t id, uint32_t width, uint32_t height)
{
	return gpu_flush(&daemon->front, id, width, height);
}

uint32_t daemon_unref(struct daemon *daemon, uint32_t id)
{
	return gpu_unref(&daemon->front, id);
}

uint32_t daemon_create_context(struct daemon *daemon, uint32_t context, uint32_t capset)
{
	return gpu_create_context(&daemon->front, context, capset);
}

uint32_t daemon_create_blob(struct daemon *daemon, uint32_t context, uint32_t id, uint32_t mem,
			    uint64_t size, uint64_t gpa)
{
	return gpu_create_blob(&daemon->front, context, id, mem, 1, size, gpa);
}

uint32_t daemon_map(struct daemon *daemon, uint32_t id, uint64_t offset)
{
	uint32_t map_info;
	uint32_t type = gpu_map(&daemon->front, id, offset, &map_info);
	if (type == VIRTIO_GPU_RESP_OK_MAP_INFO) {
		assert_int_equal(map_info, VIRTIO_GPU_MAP_CACHE_CACHED);
	}
	return type;
}

uint32_t daemon_set_scanout_blob_part(struct daemon *daemon, uint32_t head, uint32_t id,
				      uint32_t format, uint32_t width, uint32_t height,
				      uint32_t stride, uint32_t offset,
				      const struct virtio_gpu_rect *part)
{
	return gpu_set_scanout_blob(&daemon->front, head, id, format, width, height, stride, offset,
				    part);
}

uint32_t daemon_set_scanout_blob(struct daemon *daemon, uint32_t head, uint32_t id, uint32_t format,
				 uint32_t width, uint32_t height, uint32_t stride, uint32_t offset)
{
	const struct virtio_gpu_rect all = {0, 0, width, height};
	return daemon_set_scanout_blob_part(daemon, head, id, format, width, height, stride, offset,
					    &all);
}

void picture_read(struct picture *picture, const char *path)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	if (png_image_begin_read_from_file(&image, path) == 0) {
		fail_msg("%s: %s", path, image.message);
	}
	image.format = PNG_FORMAT_RGB;
	picture->width = image.width;
	picture->height = image.height;
	picture->rgb = malloc(PNG_IMAGE_SIZE(image));
	assert_non_null(picture->rgb);
	assert_int_not_equal(png_image_finish_read(&image, NULL, picture->rgb, 0, NULL), 0);
}

void daemon_look(struct daemon *daemon, unsigned head, struct picture *picture)
{
	char path[128];
	char console[16];
	snprintf(path, sizeof(path), "%s/shot.png", daemon->directory);
	snprintf(console, sizeof(console), "%u", head);
	char *argv[] = {(char *)program("HESPER_VIEW"),
			"--socket",
			daemon->display,
			"--console",
			console,
			"--headless",
			"--frames",
			"1",
			"--screenshot",
			path,
			NULL};
	pid_t pid;
	int status;
	assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fail_msg("hesper-view ended with status 0x%x", status);
	}
	picture_read(picture, path);
	unlink(path);
}

void picture_finish(struct picture *picture)
{
	free(picture->rgb);
	*picture = (struct picture){0};
}
