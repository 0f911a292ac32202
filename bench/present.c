/* SPDX-License-Identifier: MIT */
/*
 * A machine that draws as fast as it is looked at, without a guest: serves org.qemu.Display1 with the
 * display server that hesperd has, and a few finished pictures in memfds, as a guest's blobs are. One
 * picture waits at all times, so the next Update leaves with the answer to the last one. Measures what
 * the viewer makes of it, in rounds; prints JSON and ends, and the viewer with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "display/server.h"
#include "processes.h"
#include "samples.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/options.h"

#define MAX_BUFFERS 8
#define MAX_ROUNDS 100

struct present_options {
	const char *socket;
	struct option_size size;
	uint32_t buffers;
	uint32_t warm_up;
	uint32_t frames;
	uint32_t rounds;
	bool hold;
};

struct present {
	const struct present_options *options;
	uv_loop_t loop;
	uv_poll_t acceptor;
	uv_check_t check;
	uv_poll_t input;
	int socket;
	struct display_server *server;
	struct frame frames[MAX_BUFFERS];
	unsigned next; /* buffer */
	pid_t viewer;
	bool watched;
	uint64_t sent; /* as of the last look */
	uint64_t first_ns; /* the first picture was answered */
	uint64_t last_ns;
	uint64_t round_ns;
	uint64_t round_sent;
	struct process_cpu round_cpu;
	struct samples intervals;
	json_t *rounds;
	bool failed;
};

static int parse(struct present_options *options, int argc, char **argv)
{
	*options = (struct present_options){
		.size = {1920, 1080},
		.buffers = 3,
		.warm_up = 10,
		.frames = 100,
		.rounds = 1,
	};
	const struct option_spec specs[] = {
		{"socket", 's', OPTION_STRING, &options->socket, "PATH", "Serve the display here",
		 0, 0},
		{"size", 0, OPTION_SIZE, &options->size, "WxH", "Size of the picture", 1, 16384},
		{"buffers", 0, OPTION_UINT, &options->buffers, "N", "Buffers to flip", 1,
		 MAX_BUFFERS},
		{"warm-up", 0, OPTION_UINT, &options->warm_up, "N", "Frames before the first round",
		 1, 0},
		{"frames", 0, OPTION_UINT, &options->frames, "N", "Frames of a round", 1, 0},
		{"rounds", 0, OPTION_UINT, &options->rounds, "N", "Rounds", 1, MAX_ROUNDS},
		{"hold", 0, OPTION_FLAG, &options->hold, NULL,
		 "Measure nothing: show one still picture until the standard input ends", 0, 0},
	};
	const struct option_table table = {
		.program = "hesper-bench-present",
		.operands = "",
		.summary = "Gives a viewer pictures as fast as it takes them, and measures it",
		.specs = specs,
		.count = sizeof(specs) / sizeof(specs[0]),
	};
	int first = options_parse(&table, argc, argv);
	if (first >= 0 && (first < argc || options->socket == NULL)) {
		fprintf(stderr, "hesper-bench-present: --socket is missing, or '%s' is too much\n",
			first < argc ? argv[first] : "");
		return -EINVAL;
	}
	return first;
}

/* Something different in every pixel and page, so that nothing can be made cheaper than a picture. */
static void draw(struct frame *frame, unsigned number)
{
	uint32_t *pixels = frame->memory->mapping;
	size_t count = (size_t)frame->width * frame->height;
	for (size_t i = 0; i < count; i++) {
		pixels[i] = (uint32_t)(i + number * 97) * 2654435761u | 0xff000000;
	}
}

static bool make_buffers(struct present *present)
{
	const struct option_size *size = &present->options->size;
	uint32_t stride = size->width * FORMAT_PIXEL_BYTES;
	for (unsigned i = 0; i < present->options->buffers; i++) {
		uint64_t bytes = (uint64_t)stride * size->height;
		struct memory *memory =
			memory_create_shm("hesper-bench", (bytes + 4095) & ~4095ull);
		if (memory == NULL) {
			fprintf(stderr, "hesper-bench-present: no memory for %ux%u\n", size->width,
				size->height);
			return false;
		}
		/* B8G8R8X8, what guests draw in. */
		present->frames[i] = (struct frame){.memory = memory,
						    .format = format_from_virtio(2),
						    .width = size->width,
						    .height = size->height,
						    .stride = stride};
		draw(&present->frames[i], i);
	}
	return true;
}

static void stop(struct present *present)
{
	if (present->server == NULL) {
		return;
	}
	uv_close((uv_handle_t *)&present->acceptor, NULL);
	uv_close((uv_handle_t *)&present->check, NULL);
	if (present->options->hold) {
		uv_close((uv_handle_t *)&present->input, NULL);
	}
	display_server_destroy(present->server, NULL, NULL);
	present->server = NULL;
}

static void show_next(struct present *present)
{
	const struct option_size *size = &present->options->size;
	const struct rect whole = {0, 0, size->width, size->height};
	display_server_scanout(present->server, 0, &present->frames[present->next]);
	display_server_update(present->server, 0, &whole, NULL, NULL);
	present->next = (present->next + 1) % present->options->buffers;
}

static void begin_round(struct present *present, uint64_t now)
{
	present->round_ns = now;
	present->round_sent = present->sent;
	process_cpu_read(present->viewer, &present->round_cpu);
}

static void end_round(struct present *present, uint64_t now)
{
	struct process_cpu cpu;
	double frames = (double)(present->sent - present->round_sent);
	process_cpu_read(present->viewer, &cpu);
	json_array_append_new(
		present->rounds,
		json_pack("{s:f, s:f, s:f, s:f}", "ms",
			  (double)(now - present->round_ns) / 1e6 / frames, "cpu_ms",
			  (double)(cpu.total_ns - present->round_cpu.total_ns) / 1e6 / frames,
			  "cpu_own_ms",
			  (double)(cpu.own_ns - present->round_cpu.own_ns) / 1e6 / frames, "frames",
			  frames));
	if (json_array_size(present->rounds) >= present->options->rounds) {
		stop(present);
	} else {
		begin_round(present, clock_now_ns());
	}
}

/* Each time the last picture was answered the server has sent the one that waited. */
static void handle_check(uv_check_t *check)
{
	struct present *present = check->data;
	const struct present_options *options = present->options;
	uint64_t sent = counter_read(COUNTER_FRAMES_SENT);
	if (!present->watched || (sent == present->sent && sent > 0)) {
		return;
	}
	uint64_t now = clock_now_ns();
	if (sent >= 2 && present->first_ns == 0) {
		present->first_ns = now;
	}
	if (present->round_ns != 0) {
		samples_add(&present->intervals, now - present->last_ns);
	}
	present->last_ns = now;
	present->sent = sent;
	if (options->hold) {
		/* The second one only shows that the first was answered. */
		if (sent < 2) {
			show_next(present);
		} else {
			printf("{\"first_ns\": %llu, \"viewer\": %d}\n", (unsigned long long)now,
			       present->viewer);
			fflush(stdout);
			present->watched = false;
		}
		return;
	}
	show_next(present);
	if (present->round_ns == 0 && sent > options->warm_up) {
		begin_round(present, now);
	} else if (present->round_ns != 0 && sent - present->round_sent >= options->frames) {
		end_round(present, now);
	}
}

static void handle_listeners(void *data, unsigned count)
{
	struct present *present = data;
	if (count > 0) {
		present->watched = true;
		show_next(present);
	} else if (present->server != NULL) {
		present->failed = !present->options->hold;
		stop(present);
	}
}

static void handle_connection(uv_poll_t *poll, int status, int events)
{
	struct present *present = poll->data;
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int fd = accept4(present->socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
		present->viewer = peer.pid;
	}
	if (display_server_add_peer(present->server, fd) < 0) {
		fd_close(&fd);
	}
}

static void handle_input(uv_poll_t *poll, int status, int events)
{
	char byte;
	if (read(STDIN_FILENO, &byte, 1) <= 0) {
		stop(poll->data);
	}
}

static bool serve(struct present *present)
{
	static const struct display_server_callbacks callbacks = {.listeners = handle_listeners};
	const struct display_server_options options = {
		.vm_name = "bench", .heads = 1, .callbacks = &callbacks, .data = present};
	present->socket = fd_listen(present->options->socket, 8);
	if (present->socket < 0 ||
	    display_server_create(&present->loop, &options, &present->server) < 0 ||
	    uv_poll_init(&present->loop, &present->acceptor, present->socket) < 0 ||
	    (present->options->hold &&
	     uv_poll_init(&present->loop, &present->input, STDIN_FILENO) < 0)) {
		fprintf(stderr, "hesper-bench-present: cannot serve %s: %s\n",
			present->options->socket, strerror(errno));
		return false;
	}
	present->acceptor.data = present;
	present->check.data = present;
	present->input.data = present;
	uv_check_init(&present->loop, &present->check);
	uv_check_start(&present->check, handle_check);
	uv_poll_start(&present->acceptor, UV_READABLE, handle_connection);
	if (present->options->hold) {
		uv_poll_start(&present->input, UV_READABLE, handle_input);
	}
	display_server_set_size(present->server, 0, present->options->size.width,
				present->options->size.height);
	return true;
}

static void say(struct present *present)
{
	json_t *result = json_pack(
		"{s:i, s:i, s:I, s:I, s:I, s:o, s:o}", "width", (int)present->options->size.width,
		"height", (int)present->options->size.height, "first_ns",
		(json_int_t)present->first_ns, "sent", (json_int_t)present->sent, "copied",
		(json_int_t)counter_read(COUNTER_CPU_COPIED_BYTES), "rounds", present->rounds,
		"interval_us", samples_json(&present->intervals));
	json_dumpf(result, stdout, JSON_REAL_PRECISION(7) | JSON_COMPACT);
	putchar('\n');
	json_decref(result);
}

int main(int argc, char **argv)
{
	static struct present present;
	struct present_options options;
	log_init("hesper-bench-present", LOG_WARN);
	int parsed = parse(&options, argc, argv);
	if (parsed < 0) {
		return parsed == -ECANCELED ? 0 : 2;
	}
	present.options = &options;
	present.rounds = json_array();
	samples_init(&present.intervals, (uint64_t)options.frames * options.rounds + 1);
	uv_loop_init(&present.loop);
	if (!make_buffers(&present) || !serve(&present)) {
		return 1;
	}
	uv_run(&present.loop, UV_RUN_DEFAULT);
	for (unsigned i = 0; i < options.buffers; i++) {
		memory_unref(present.frames[i].memory);
	}
	fd_close(&present.socket);
	unlink(options.socket);
	if (present.failed) {
		fprintf(stderr, "hesper-bench-present: the viewer left after %llu frames\n",
			(unsigned long long)present.sent);
	} else if (!options.hold) {
		say(&present);
	}
	samples_finish(&present.intervals);
	return present.failed ? 1 : 0;
}
