/* SPDX-License-Identifier: MIT */
/*
 * A child is started through ourselves ("hesper internal-exec …"): between fork and exec libuv
 * offers no place to make a process group and to ask for a signal at the parent's death, and this
 * little program is one. The order there matters: first ask for the signal, then look whether the
 * parent is still the one that started us, so that no death goes unseen.
 *
 * A child has ended when its process is reaped and its pipes are at their end. Something it left
 * running may hold a pipe open: so the group is killed first, and there is a limit to the wait.
 */
#include "launcher/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/log.h"

#define DRAIN_MS 1000
/* The status of what did not come to run, or could not be heard. */
#define UNSTARTED 126
#define STREAMS (CHILD_REPORT_FD + 1)

static void finish_if_done(struct child *child)
{
	if (child->handles > 0 || !child->active) {
		return;
	}
	child->active = false;
	for (int i = 0; i < STREAMS; i++) {
		lines_finish(&child->streams[i].lines);
	}
	child->spec.ended(child->spec.data, child->status);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct child *child = handle->data;
	child->handles--;
	finish_if_done(child);
}

static void close_stream(struct child *child, int index)
{
	if (child->streams[index].open) {
		child->streams[index].open = false;
		lines_end(&child->streams[index].lines);
		uv_close((uv_handle_t *)&child->streams[index].pipe, on_handle_closed);
	}
}

static bool any_stream_open(const struct child *child)
{
	for (int i = 0; i < STREAMS; i++) {
		if (child->streams[i].open) {
			return true;
		}
	}
	return false;
}

static void close_timer_when_drained(struct child *child)
{
	if (!child->running && !any_stream_open(child) &&
	    !uv_is_closing((uv_handle_t *)&child->timer)) {
		uv_close((uv_handle_t *)&child->timer, on_handle_closed);
	}
}

static void on_drain_timeout(uv_timer_t *timer)
{
	struct child *child = timer->data;
	for (int i = 0; i < STREAMS; i++) {
		close_stream(child, i);
	}
	close_timer_when_drained(child);
}

static void on_exit_status(uv_process_t *process, int64_t status, int number)
{
	struct child *child = process->data;
	child->running = false;
	child->status = child->unheard ? UNSTARTED : number != 0 ? 128 + number : (int)status;
	kill(-process->pid, SIGKILL);
	uv_close((uv_handle_t *)process, on_handle_closed);
	uv_timer_start(&child->timer, on_drain_timeout, DRAIN_MS, 0);
	close_timer_when_drained(child);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char bytes[65536];
	*buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
	struct child *child = stream->data;
	for (int i = 0; i < STREAMS; i++) {
		if (stream != (uv_stream_t *)&child->streams[i].pipe) {
			continue;
		}
		if (count > 0) {
			lines_feed(&child->streams[i].lines, buf->base, (size_t)count);
		} else if (count < 0) {
			close_stream(child, i);
			close_timer_when_drained(child);
		}
	}
}

static int open_stream(struct child *child, int index, lines_callback callback,
		       uv_stdio_container_t *stdio)
{
	uv_pipe_t *pipe = &child->streams[index].pipe;
	int error = lines_init(&child->streams[index].lines, callback, child->spec.data);
	if (error == 0) {
		error = uv_pipe_init(child->loop, pipe, 0);
	}
	if (error < 0) {
		return error;
	}
	pipe->data = child;
	child->streams[index].open = true;
	child->handles++;
	stdio->flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
	stdio->data.stream = (uv_stream_t *)pipe;
	return 0;
}

static char **wrap_argv(const struct child_spec *spec, char *parent, char *number)
{
	size_t count = 0;
	while (spec->argv[count] != NULL) {
		count++;
	}
	char **argv = calloc(count + 5, sizeof(*argv));
	if (argv != NULL) {
		argv[0] = (char *)"hesper";
		argv[1] = (char *)SUPERVISE_EXEC;
		argv[2] = parent;
		argv[3] = number;
		memcpy(&argv[4], spec->argv, count * sizeof(*argv));
	}
	return argv;
}

static int spawn(struct child *child, int log)
{
	const struct child_spec *spec = &child->spec;
	uv_stdio_container_t stdio[CHILD_FIRST_FD + CHILD_MAX_FDS] = {0};
	const lines_callback callbacks[STREAMS] = {NULL, spec->out, spec->err, spec->report};
	for (int i = STDOUT_FILENO; i < STREAMS; i++) {
		if (callbacks[i] != NULL) {
			int error = open_stream(child, i, callbacks[i], &stdio[i]);
			if (error < 0) {
				return error;
			}
		} else if (i <= STDERR_FILENO && log >= 0) {
			stdio[i].flags = UV_INHERIT_FD;
			stdio[i].data.fd = log;
		}
	}
	for (size_t i = 0; i < spec->fd_count; i++) {
		stdio[CHILD_FIRST_FD + i].flags = UV_INHERIT_FD;
		stdio[CHILD_FIRST_FD + i].data.fd = spec->fds[i];
	}
	char parent[16];
	char number[16];
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	snprintf(number, sizeof(number), "%d",
		 spec->death_signal != 0 ? spec->death_signal : SIGKILL);
	uv_process_options_t options = {
		.file = "/proc/self/exe",
		.args = wrap_argv(spec, parent, number),
		.exit_cb = on_exit_status,
		.stdio_count = CHILD_FIRST_FD + (int)spec->fd_count,
		.stdio = stdio,
	};
	if (options.args == NULL) {
		return -ENOMEM;
	}
	int error = uv_spawn(child->loop, &child->process, &options);
	free(options.args);
	return error;
}

/* As if it had been started and had ended at once: so there is one way out. */
static void end_unstarted(struct child *child, int error)
{
	log_error("cannot start %s: %s", child->spec.argv[0], strerror(-error));
	child->running = false;
	child->status = UNSTARTED;
	if (uv_handle_get_type((uv_handle_t *)&child->process) == UV_PROCESS) {
		uv_close((uv_handle_t *)&child->process, on_handle_closed);
	} else {
		child->handles--; /* it did not come to uv_spawn */
	}
	on_drain_timeout(&child->timer);
}

void child_start(struct child *child, uv_loop_t *loop, const struct child_spec *spec)
{
	*child = (struct child){.spec = *spec, .loop = loop, .running = true, .active = true};
	child->process.data = child;
	child->timer.data = child;
	uv_timer_init(loop, &child->timer);
	child->handles = 2;
	int log = -1;
	if (spec->log != NULL) {
		log = open(spec->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
		if (log < 0) {
			log_warn("cannot write %s: %s", spec->log, strerror(errno));
		}
	}
	int error = spawn(child, log);
	fd_close(&log);
	fd_close_all(child->spec.fds, spec->fd_count);
	if (error < 0) {
		end_unstarted(child, error);
		return;
	}
	for (int i = 0; i < STREAMS; i++) {
		if (!child->streams[i].open) {
			continue;
		}
		error = uv_read_start((uv_stream_t *)&child->streams[i].pipe, on_alloc, on_read);
		if (error < 0) {
			log_error("cannot hear %s: %s", spec->argv[0], strerror(-error));
			child->unheard = true;
			close_stream(child, i);
			child_kill(child);
		}
	}
}

void child_signal(struct child *child, int number)
{
	if (child->active && child->running) {
		uv_process_kill(&child->process, number);
	}
}

void child_kill(struct child *child)
{
	if (child->active && child->running) {
		/* Its group may not exist yet; then it is alone. */
		kill(-child->process.pid, SIGKILL);
		uv_process_kill(&child->process, SIGKILL);
	}
}

static void on_grace_over(uv_timer_t *timer)
{
	struct child *child = timer->data;
	log_warn("process %d does not end; killing it", (int)child->process.pid);
	child_kill(child);
}

void child_stop(struct child *child, uint64_t grace_ms)
{
	if (!child->active || !child->running) {
		return;
	}
	child_signal(child, SIGTERM);
	uv_timer_start(&child->timer, on_grace_over, grace_ms, 0);
}
