/* SPDX-License-Identifier: MIT */
/*
 * hesperd's side of the renderer, with processes that the spawner really starts; what they run is
 * tests/fake/fake_render. Every request is answered, every fence comes or its context is lost, and
 * no process stays.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <uv.h>

#include "fault.h"
#include "render/render.h"
#include "render/spawner.h"
#include "util/fd.h"

#define BLOB 65536u
#define LARGE (RENDER_LARGE * 4u)
#define RENDER_LARGE 16384u /* words: more than goes in a datagram */

enum { FIRST = 1, SECOND, CRASHES, CONTEXTS };
enum { MADE = 1, PAGES };

static struct {
	uv_loop_t loop;
	struct render *render;
	struct render_options options;
	bool is_ready;
	int ready_error;
	bool lost[CONTEXTS];
	uint64_t fence[CONTEXTS]; /* the last that came */
	bool answered; /* the request under way */
	int status;
	bool destroyed;
} fx;

/* --- answers --------------------------------------------------------------------------------- */

static void handle_ready(void *data, int error, const struct render_capset *capset)
{
	fx.is_ready = true;
	fx.ready_error = error;
}

static void handle_fence(void *data, uint32_t context, uint32_t ring, uint64_t fence_id)
{
	FAULT_CHECK(context < CONTEXTS && !fx.lost[context], "a fence of context %u", context);
	fx.fence[context] = fence_id;
}

static void handle_lost(void *data, uint32_t context)
{
	FAULT_CHECK(context < CONTEXTS && !fx.lost[context], "context %u is lost", context);
	FAULT_CHECK(context == CRASHES || fault_excuses(), "context %u is lost", context);
	fx.lost[context] = true;
}

static const struct render_callbacks callbacks = {
	.ready = handle_ready,
	.fence = handle_fence,
	.context_lost = handle_lost,
};

static void take_answer(void *data, int status)
{
	FAULT_CHECK(!fx.answered, "answered twice");
	fx.answered = true;
	fx.status = status;
}

static void take_blob(void *data, int status, struct memory *memory, uint32_t map_info)
{
	FAULT_CHECK((memory != NULL) == (status == 0), "status %d", status);
	memory_unref(memory);
	take_answer(data, status);
}

/* True when it went well; else there has to be a reason. */
static bool answered(const char *what)
{
	while (!fx.answered) {
		uv_run(&fx.loop, UV_RUN_ONCE);
	}
	fx.answered = false;
	FAULT_CHECK(fx.status == 0 || fault_excuses(), "%s: %s", what, strerror(-fx.status));
	return fx.status == 0;
}

/* --- requests -------------------------------------------------------------------------------- */

static bool make_context(uint32_t id, const char *name)
{
	render_context_create(fx.render, id, RENDER_CAPSET_VENUS, name, (uint32_t)strlen(name),
			      take_answer, NULL);
	return answered("a context");
}

static void make_blob(uint32_t context)
{
	const struct render_blob blob = {MADE, context, 1, 1, BLOB};
	render_blob_create(fx.render, &blob, take_blob, NULL);
	if (context != CRASHES) {
		answered("a blob");
		return;
	}
	while (!fx.answered) {
		uv_run(&fx.loop, UV_RUN_ONCE);
	}
	fx.answered = false;
	FAULT_CHECK(fx.status < 0 && (fx.lost[CRASHES] || fault_excuses()), "the dead make blobs");
}

static void submit(uint32_t context, uint32_t bytes, uint64_t fence)
{
	const struct render_submit values = {
		.context = context,
		.commands = calloc(1, bytes),
		.size = bytes,
		.fence = true,
		.ring = 1,
		.fence_id = fence,
	};
	render_submit(fx.render, &values, take_answer, NULL);
	if (!answered("commands")) {
		return;
	}
	while (fx.fence[context] < fence && !fx.lost[context]) {
		uv_run(&fx.loop, UV_RUN_ONCE);
	}
}

static void import_pages(void)
{
	fault_spare_begin();
	int fd = fd_memfd("pages", BLOB);
	fault_spare_end();
	render_resource_import(fx.render, PAGES, RENDER_MEMORY_DMA_BUF, fd, BLOB);
}

static void play(void)
{
	bool first = make_context(FIRST, "first");
	if (first) {
		make_blob(FIRST);
		render_context_attach(fx.render, FIRST, MADE);
		import_pages();
		render_context_attach(fx.render, FIRST, PAGES);
		submit(FIRST, 64, 1);
		submit(FIRST, LARGE, 2);
	}
	if (make_context(SECOND, "second")) {
		render_context_attach(fx.render, SECOND, MADE);
		submit(SECOND, 64, 1);
		render_context_detach(fx.render, SECOND, MADE);
	}
	if (make_context(CRASHES, "crash")) {
		make_blob(CRASHES);
	}
	render_resource_unref(fx.render, MADE);
	render_resource_unref(fx.render, PAGES);
	if (first) {
		submit(FIRST, 64, 3);
	}
	render_context_destroy(fx.render, CRASHES, take_answer, NULL);
	answered("an end");
	render_context_destroy(fx.render, SECOND, take_answer, NULL);
	answered("an end");
	/* The guest reboots, with one context left. */
	render_reset(fx.render);
	memset(fx.lost, 0, sizeof(fx.lost));
	memset(fx.fence, 0, sizeof(fx.fence));
}

/* --- life ------------------------------------------------------------------------------------ */

static void handle_destroyed(void *data)
{
	fx.destroyed = true;
}

static int open_renderer(void)
{
	char *const argv[] = {getenv("FAKE_RENDER"), NULL};
	char *const environment[] = {"HESPER_TEST=1", NULL};
	int error = spawner_create(argv, environment, NULL, &fx.options.spawner);
	if (error < 0) {
		fx.options.spawner = NULL;
		return error;
	}
	fx.options.callbacks = &callbacks;
	error = render_create(&render_venus, &fx.options, &fx.loop, &fx.render);
	if (error < 0) {
		fx.render = NULL;
		return error;
	}
	while (!fx.is_ready) {
		uv_run(&fx.loop, UV_RUN_ONCE);
	}
	return fx.ready_error;
}

static void close_renderer(void)
{
	if (fx.render != NULL) {
		render_destroy(fx.render, handle_destroyed, NULL);
	} else if (fx.options.spawner != NULL) {
		spawner_destroy(fx.options.spawner, handle_destroyed, NULL);
	} else {
		fx.destroyed = true;
	}
	uv_run(&fx.loop, UV_RUN_DEFAULT);
	FAULT_CHECK(fx.destroyed, "the renderer does not end");
	FAULT_CHECK(uv_loop_close(&fx.loop) == 0, "something is open in the loop");
	/* A spawner that nobody knows of yet ends by itself. One that does not is a run too long. */
	int left;
	do {
		left = waitpid(-1, NULL, fault_happened() ? 0 : WNOHANG);
	} while (left > 0 && fault_happened());
	FAULT_CHECK(left < 0 && errno == ECHILD, "process %d is left", left);
}

static void session(void)
{
	memset(&fx, 0, sizeof(fx));
	fault_spare_begin();
	FAULT_CHECK(uv_loop_init(&fx.loop) == 0, "no loop");
	fault_spare_end();
	int error = open_renderer();
	FAULT_CHECK(error == 0 || fault_excuses(), "no renderer: %s", strerror(-error));
	if (error == 0) {
		play();
		/* Spawners may be gone for good, see spawner.c; all else is forgotten by now. */
		play();
	}
	close_renderer();
}

static void scenario(void *data)
{
	session();
	fault_stop();
	session();
}

int main(void)
{
	fault_init("fault_render");
	FAULT_CHECK(getenv("FAKE_RENDER") != NULL, "FAKE_RENDER is not set");
	fault_try_all(scenario, NULL);
	return fault_report();
}
