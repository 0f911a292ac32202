/* SPDX-License-Identifier: MIT */
/*
 * Every text that comes from outside: command lines of hesperd and hesper-view, the grammar of
 * --outputs, QMP lines, the guest's control port, QEMU's log and version, the parts of a summary.
 * What a parser lets through is inside its limits.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "hesperd/options.h"
#include "launcher/control.h"
#include "launcher/qemu_args.h"
#include "launcher/qemu_log.h"
#include "launcher/qmp.h"
#include "launcher/report.h"
#include "util/fd.h"
#include "view/options.h"

const size_t fuzz_record_size = 1;

#define MAX_ARGS 24

void fuzz_init(void)
{
}

/* A copy with an end, of its own size, so that reading behind it is seen. */
static char *take_text(struct fuzz_bytes *bytes, size_t most)
{
	size_t size = bytes->left < most ? bytes->left : most;
	char *text = malloc(size + 1);
	FUZZ_CHECK(text != NULL, "no memory");
	fuzz_take(bytes, text, size);
	text[size] = '\0';
	return text;
}

static void check_outputs(const struct outputs *outputs)
{
	FUZZ_CHECK(outputs->count >= 1 && outputs->count <= GPU_MAX_HEADS, "%u outputs",
		   outputs->count);
	for (unsigned i = 0; i < outputs->count; i++) {
		const struct gpu_mode *mode = &outputs->list[i].mode;
		const char *name = outputs->list[i].name;
		FUZZ_CHECK(name == outputs->names[i] && strlen(name) >= 1 && strlen(name) <= 13,
			   "name %u", i);
		for (const char *c = name; *c != '\0'; c++) {
			FUZZ_CHECK(*c >= 0x20 && *c <= 0x7e, "name %u", i);
		}
		FUZZ_CHECK(mode->refresh_mhz >= GPU_MIN_REFRESH_MHZ &&
				   mode->refresh_mhz <= GPU_MAX_REFRESH_MHZ,
			   "rate %u", mode->refresh_mhz);
		bool off = mode->width == 0 && mode->height == 0;
		FUZZ_CHECK(off || (mode->width >= GPU_MIN_PIXELS && mode->width <= GPU_MAX_PIXELS &&
				   mode->height >= GPU_MIN_PIXELS &&
				   mode->height <= GPU_MAX_PIXELS),
			   "%ux%u", mode->width, mode->height);
		FUZZ_CHECK(mode->width_mm <= GPU_MAX_MM && mode->height_mm <= GPU_MAX_MM &&
				   (mode->width_mm == 0) == (mode->height_mm == 0),
			   "%ux%u mm", mode->width_mm, mode->height_mm);
	}
}

static void play_outputs(struct fuzz_bytes *bytes)
{
	struct outputs outputs;
	const struct gpu_mode usual = {1280, 800, 60000, 0, 0};
	unsigned max = fuzz_u8(bytes) % 20;
	max = max <= GPU_MAX_HEADS ? max : 0;
	char *text = take_text(bytes, 2000);
	if (outputs_parse(text, &usual, max, &outputs) == 0) {
		check_outputs(&outputs);
	}
	free(text);
}

/* Arguments are what lies between line ends. */
static int split(char *text, char *argv[MAX_ARGS])
{
	int argc = 0;
	argv[argc++] = "program";
	for (char *save, *word = strtok_r(text, "\n", &save); word != NULL && argc < MAX_ARGS - 1;
	     word = strtok_r(NULL, "\n", &save)) {
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	return argc;
}

/* Help is long, and every run would print it. getopt takes the first letters of a name, too. */
static bool asks_for_text(int argc, char *const argv[])
{
	static const char *const printing[] = {"--h", "--ve", "--man", "--print-c"};
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1] != '-' && strchr(argv[i], 'h') != NULL) {
			return true;
		}
		for (size_t j = 0; j < sizeof(printing) / sizeof(printing[0]); j++) {
			if (strncmp(argv[i], printing[j], strlen(printing[j])) == 0) {
				return true;
			}
		}
	}
	return false;
}

static void play_arguments(struct fuzz_bytes *bytes)
{
	char *argv[MAX_ARGS];
	bool view = (fuzz_u8(bytes) & 1) != 0;
	char *text = take_text(bytes, 2000);
	int argc = split(text, argv);
	bool talks = asks_for_text(argc, argv);
	if (view) {
		struct view_options options;
		if (!talks && view_options_parse(&options, argc, argv) == 0) {
			int sources = (options.socket != NULL) + (options.qmp != NULL) +
				      (options.bus != NULL);
			FUZZ_CHECK(options.list_devices || sources == 1, "%d sources", sources);
			FUZZ_CHECK(options.scale < VIEW_SCALES && options.filter < VIEW_FILTERS,
				   "a word that there is not");
		}
	} else {
		struct hesperd_options options;
		memset(&options, 0, sizeof(options));
		if (!talks && hesperd_parse(argc, argv, &options) == 0) {
			check_outputs(&options.outputs);
			/* Those that print something and exit need not be complete. */
			FUZZ_CHECK(options.probe || options.check_sandbox ||
					   (options.window_mib > 0 &&
					    (options.window_mib & (options.window_mib - 1)) == 0),
				   "a window of %u", options.window_mib);
		}
	}
	free(text);
}

static void take_line(void *data, const char *line)
{
	struct qmp_message qmp;
	struct control_message control;
	FUZZ_CHECK(line[0] != '\0' && strlen(line) <= LINES_MAX && strchr(line, '\n') == NULL,
		   "no line");
	qmp_parse(line, &qmp);
	FUZZ_CHECK((qmp.kind == QMP_INVALID) == (qmp.json == NULL), "kind %d", qmp.kind);
	FUZZ_CHECK(qmp.kind != QMP_EVENT || qmp.text != NULL, "an event without a name");
	qmp_message_finish(&qmp);
	control_parse(line, &control);
	FUZZ_CHECK(memchr(control.id, '\0', sizeof(control.id)) != NULL, "an id without an end");
	FUZZ_CHECK(control.kind != CONTROL_EXIT || (control.status >= 0 && control.status <= 255),
		   "status %d", control.status);
	FUZZ_CHECK(control.kind == CONTROL_NOISE || control.kind == CONTROL_EXIT ||
			   (control.text >= line && control.text <= line + strlen(line)),
		   "words from elsewhere");
	qemu_log_is_harmless(line);
}

/* As they come from a pipe: in pieces. */
static void play_lines(struct fuzz_bytes *bytes)
{
	struct lines lines;
	unsigned piece = 1 + fuzz_u8(bytes);
	lines_init(&lines, take_line, NULL);
	while (bytes->left > 0) {
		size_t size = bytes->left < piece ? bytes->left : piece;
		lines_feed(&lines, (const char *)bytes->at, size);
		bytes->at += size;
		bytes->left -= size;
	}
	lines_end(&lines);
	lines_finish(&lines);
}

static void on_event(void *data, const char *name, const json_t *message)
{
	FUZZ_CHECK(name != NULL && message != NULL, "an event of nothing");
}

static void on_closed(void *data)
{
	bool *closed = data;
	FUZZ_CHECK(!*closed, "closed twice");
	*closed = true;
}

/* The launcher's end of QEMU's monitor: what was asked for once is not asked for again. */
static void play_monitor(struct fuzz_bytes *bytes)
{
	int fds[2];
	bool closed = false;
	char said[4096];
	struct qmp qmp = {.event = on_event, .closed = on_closed, .data = &closed};
	unsigned quit_at = fuzz_u8(bytes) % 8;
	unsigned piece = 8 + fuzz_u8(bytes);
	FUZZ_CHECK(channel_pair(fds) == 0, "no socket");
	FUZZ_CHECK(qmp_open(&qmp, fuzz_loop(), fds[0]) == 0, "no monitor");
	for (unsigned i = 0; i < 200 && bytes->left > 0; i++) {
		size_t size = bytes->left < piece ? bytes->left : piece;
		if (send(fds[1], bytes->at, size, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
			bytes->at += size;
			bytes->left -= size;
		}
		fuzz_turns(1);
		if (i == quit_at) {
			qmp_quit(&qmp);
		}
		while (recv(fds[1], said, sizeof(said), MSG_DONTWAIT) > 0) {
		}
	}
	if ((quit_at & 1) != 0) {
		qmp_close(&qmp);
	}
	fd_close(&fds[1]);
	fuzz_until(&closed);
}

static void play_version(struct fuzz_bytes *bytes)
{
	char version[32];
	char *text = take_text(bytes, 300);
	if (qemu_version_parse(text, version, sizeof(version))) {
		FUZZ_CHECK(memchr(version, '\0', sizeof(version)) != NULL && version[0] != '\0',
			   "no version");
		qemu_version_is(version, 11, 1);
	}
	free(text);
}

static void play_report(struct fuzz_bytes *bytes)
{
	json_t *parts[4];
	struct failure failure = {0};
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *end = memchr(bytes->at, '\n', bytes->left);
		size_t size = end != NULL ? (size_t)(end - bytes->at) : bytes->left;
		char *text = take_text(bytes, size);
		fuzz_u8(bytes);
		parts[i] = json_loads(text, 0, NULL);
		free(text);
	}
	const struct report_input input = {
		.app = "cube",
		.refresh = 60,
		.device = parts[0],
		.view = parts[1],
		.guest = parts[2],
		.manifest = parts[3],
		.qemu = "11.1",
	};
	json_t *summary = report_build(&input, &failure);
	if (summary != NULL) {
		char line[256];
		report_line(summary, line, sizeof(line));
	}
	json_decref(summary);
	for (unsigned i = 0; i < 4; i++) {
		json_decref(parts[i]);
	}
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	unsigned kind = fuzz_u8(&bytes);
	switch (kind == 5 ? kind : kind % 5) {
	case 0:
		play_outputs(&bytes);
		break;
	case 5:
		play_monitor(&bytes);
		break;
	case 1:
		play_arguments(&bytes);
		break;
	case 2:
		play_lines(&bytes);
		break;
	case 3:
		play_version(&bytes);
		break;
	default:
		play_report(&bytes);
		break;
	}
}
