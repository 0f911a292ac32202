/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/supervise.h"
#include "util/log.h"

struct run {
	struct child child;
	uv_timer_t limit;
	struct capture *capture;
	bool timed_out;
	bool lost; /* some of what it said: out of memory */
};

/* Stands for text that nothing was added to; not freed. */
static char nothing[] = "";

static void append_line(struct run *run, char **text, const char *line)
{
	size_t used = strlen(*text);
	size_t length = strlen(line);
	char *grown = realloc(*text == nothing ? NULL : *text, used + length + 2);
	if (grown == NULL) {
		run->lost = true;
		return;
	}
	memcpy(grown + used, line, length);
	memcpy(grown + used + length, "\n", 2);
	*text = grown;
}

static void on_out(void *data, const char *line)
{
	struct run *run = data;
	append_line(run, &run->capture->out, line);
}

static void on_err(void *data, const char *line)
{
	struct run *run = data;
	append_line(run, &run->capture->err, line);
}

static void on_ended(void *data, int status)
{
	struct run *run = data;
	run->capture->status = run->timed_out ? -ETIMEDOUT : run->lost ? -ENOMEM : status;
	uv_close((uv_handle_t *)&run->limit, NULL);
}

static void on_limit(uv_timer_t *timer)
{
	struct run *run = timer->data;
	run->timed_out = true;
	child_kill(&run->child);
}

void capture_run(struct capture *capture, const char *const *argv, uint64_t timeout_ms)
{
	*capture = (struct capture){.status = -ENOMEM, .out = nothing, .err = nothing};
	struct run *run = calloc(1, sizeof(*run));
	uv_loop_t loop;
	int error = run == NULL ? -ENOMEM : uv_loop_init(&loop);
	if (error < 0) {
		log_error("cannot start %s: %s", argv[0], strerror(-error));
		free(run);
		return;
	}
	run->capture = capture;
	run->limit.data = run;
	uv_timer_init(&loop, &run->limit);
	uv_timer_start(&run->limit, on_limit, timeout_ms, 0);
	const struct child_spec spec = {
		.argv = argv,
		.out = on_out,
		.err = on_err,
		.ended = on_ended,
		.data = run,
	};
	child_start(&run->child, &loop, &spec);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	free(run);
}

void capture_finish(struct capture *capture)
{
	if (capture->out != nothing) {
		free(capture->out);
	}
	if (capture->err != nothing) {
		free(capture->err);
	}
	*capture = (struct capture){0};
}

const char *capture_last_words(struct capture *capture)
{
	char *text = capture->err[0] != '\0' ? capture->err : capture->out;
	size_t length = strlen(text);
	while (length > 0 && text[length - 1] == '\n') {
		text[--length] = '\0';
	}
	const char *line = strrchr(text, '\n');
	return line != NULL ? line + 1 : text;
}
