/* SPDX-License-Identifier: MIT */
#include "hesperd/memory_path.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hesperd/places.h"
#include "util/fd.h"
#include "util/log.h"

#define LAYER_LIBRARY "VkLayer_hesper_host_memory.so"

extern char **environ;

/* Everything the probe printed, which is one line; NULL with a message. Caller frees. */
static char *run_probe(void)
{
	char path[3 * PATH_MAX];
	if (!places_find(path, sizeof(path), ".", HESPER_LIBEXEC_DIR, "hesper-probe")) {
		log_error("hesper-probe is missing. Fix: install hesper completely");
		return NULL;
	}
	int pipe_fds[2];
	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		log_error("cannot make a pipe: %s", strerror(errno));
		return NULL;
	}
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
	char *const argv[] = {path, NULL};
	pid_t pid;
	int error = posix_spawn(&pid, path, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	fd_close(&pipe_fds[1]);
	if (error != 0) {
		fd_close(&pipe_fds[0]);
		log_error("cannot start %s: %s", path, strerror(error));
		return NULL;
	}
	char *text = calloc(1, 4096);
	size_t used = 0;
	ssize_t got;
	while (text != NULL && (got = read(pipe_fds[0], text + used, 4095 - used)) != 0) {
		if (got < 0 && errno != EINTR) {
			break;
		}
		used += got > 0 ? (size_t)got : 0;
	}
	fd_close(&pipe_fds[0]);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (WIFSIGNALED(status)) {
		log_error(
			"the Vulkan driver crashed while it was asked what it can do (signal %d). "
			"Fix: check it with vulkaninfo --summary",
			WTERMSIG(status));
		free(text);
		return NULL;
	}
	return text;
}

static int add_environment(struct memory_path *path, const char *name, const char *value)
{
	/* What the user has set for a search path stays in effect, behind ours. */
	const char *old = value[0] == '/' ? getenv(name) : NULL;
	size_t count = 0;
	while (path->environment[count] != NULL) {
		count++;
	}
	int length = old != NULL && old[0] != '\0'
			     ? asprintf(&path->environment[count], "%s=%s:%s", name, value, old)
			     : asprintf(&path->environment[count], "%s=%s", name, value);
	if (length < 0) {
		path->environment[count] = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int use_layer(const struct hesperd_options *options, struct memory_path *path)
{
	char file[3 * PATH_MAX];
	bool found = options->layer_dir != NULL
			     ? places_try(file, sizeof(file), options->layer_dir, LAYER_LIBRARY)
			     : places_find(file, sizeof(file), "../../layer", HESPER_LAYER_DIR,
					   LAYER_LIBRARY);
	if (!found) {
		log_error("the Vulkan layer %s is missing (%s). Fix: install hesper completely, or "
			  "--layer-dir",
			  LAYER_LIBRARY,
			  options->layer_dir != NULL ? options->layer_dir : HESPER_LAYER_DIR);
		return -ENOENT;
	}
	*strrchr(file, '/') = '\0';
	char real[PATH_MAX];
	char implicit[PATH_MAX + 16];
	if (realpath(file, real) == NULL) {
		return -errno;
	}
	/*
	 * The implicit layer, because it also keeps the server from loading the drivers before it
	 * forks its workers, which not every driver survives (layer/preload.c).
	 */
	snprintf(implicit, sizeof(implicit), "%s/implicit", real);
	int error = add_environment(path, "VK_ADD_IMPLICIT_LAYER_PATH", implicit);
	if (error == 0) {
		error = add_environment(path, "HESPER_HOST_MEMORY_IMPLICIT", "1");
	}
	if (error == 0 && options->memory == HESPERD_MEMORY_HOST) {
		error = add_environment(path, "HESPER_HOST_MEMORY", "always");
	}
	return error;
}

static int decide(const struct hesperd_options *options, const json_t *probe,
		  struct memory_path *path)
{
	bool dma_buf = json_is_true(json_object_get(probe, "dma_buf"));
	bool host_memory = json_is_true(json_object_get(probe, "host_memory"));
	snprintf(path->device, sizeof(path->device), "%s",
		 json_string_value(json_object_get(probe, "device")));
	snprintf(path->driver, sizeof(path->driver), "%s",
		 json_string_value(json_object_get(probe, "driver")));
	snprintf(path->reason, sizeof(path->reason), "%s",
		 json_string_value(json_object_get(probe, "reason")));
	if (options->memory == HESPERD_MEMORY_DMA_BUF && !dma_buf) {
		log_error("--memory dma-buf: %s cannot do that: %s", path->device, path->reason);
		return -ENOTSUP;
	}
	if (options->memory == HESPERD_MEMORY_HOST && !host_memory) {
		log_error("--memory host-memory: %s has no VK_EXT_external_memory_host",
			  path->device);
		return -ENOTSUP;
	}
	if (options->memory != HESPERD_MEMORY_AUTO) {
		snprintf(path->reason, sizeof(path->reason), "asked for with --memory");
	}
	path->host_memory = options->memory == HESPERD_MEMORY_HOST || !dma_buf;
	return path->host_memory ? use_layer(options, path) : 0;
}

int memory_path_choose(const struct hesperd_options *options, struct memory_path *path)
{
	*path = (struct memory_path){0};
	if (options->render == HESPERD_RENDER_NONE) {
		path->host_memory = true;
		snprintf(path->reason, sizeof(path->reason), "no renderer");
		snprintf(path->device, sizeof(path->device), "none");
		return 0;
	}
	char *text = run_probe();
	if (text == NULL) {
		return -EIO;
	}
	json_t *probe = json_loads(text, 0, NULL);
	free(text);
	const char *error = json_string_value(json_object_get(probe, "error"));
	int result;
	if (error != NULL) {
		log_error("%s. Fix: %s", error, json_string_value(json_object_get(probe, "fix")));
		result = -ENODEV;
	} else if (json_object_get(probe, "device") == NULL) {
		log_error("hesper-probe gave no answer. Fix: run it by hand and see");
		result = -EIO;
	} else {
		result = decide(options, probe, path);
	}
	json_decref(probe);
	return result;
}

void memory_path_finish(struct memory_path *path)
{
	for (size_t i = 0; i < sizeof(path->environment) / sizeof(path->environment[0]); i++) {
		free(path->environment[i]);
		path->environment[i] = NULL;
	}
}

int memory_path_print(void)
{
	char *text = run_probe();
	if (text == NULL) {
		return 1;
	}
	fputs(text, stdout);
	bool failed = strstr(text, "\"error\"") != NULL;
	free(text);
	return failed ? 1 : 0;
}
