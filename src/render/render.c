/* SPDX-License-Identifier: MIT */
/*
 * A request is one letter that travels to the render thread, is carried out there, and travels
 * back as the answer. Fences and losses are letters of their own, which can come from a third
 * thread of the library. Answers and fences go through the one mailbox of the device thread, so
 * their order is the order in which they happened.
 *
 * Shutting down: the device thread posts a stop letter, the last the render thread reads; the
 * render thread finishes the renderer, closes its mailbox and ends; its last act is a letter back,
 * on which the device thread joins it and closes its own mailbox.
 */
#include "render/render_impl.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "util/fd.h"
#include "util/log.h"

struct render {
	const struct render_impl *impl;
	const struct render_options *options;
	/* Device thread. */
	struct mailbox inbox;
	bool destroyed;
	void (*destroy_done)(void *data);
	void *destroy_data;
	pthread_t thread;
	/* Render thread. */
	uv_loop_t loop;
	struct mailbox requests;
	void *state;
	bool running;
	struct letter stop;
	struct letter stopped;
};

struct report {
	struct letter letter;
	struct render *render;
	uint32_t context;
	uint32_t ring;
	uint64_t fence_id;
	int error;
	struct render_capset capset;
};

static void free_request(struct render_request *request)
{
	if (request->op == RENDER_OP_SUBMIT) {
		free(request->submit.commands);
	} else if (request->op == RENDER_OP_BLOB_CREATE) {
		memory_unref(request->blob.memory);
	} else if (request->op == RENDER_OP_RESOURCE_IMPORT) {
		fd_close(&request->import.fd);
	}
	free(request);
}

static void discard_request(struct letter *letter)
{
	free_request(container_of(letter, struct render_request, letter));
}

static void deliver_answer(struct letter *letter)
{
	struct render_request *request = container_of(letter, struct render_request, letter);
	if (!request->render->destroyed) {
		if (request->op == RENDER_OP_BLOB_CREATE) {
			struct memory *memory = request->blob.memory;
			request->blob.memory = NULL;
			request->blob_done(request->data, request->status, memory,
					   request->blob.map_info);
		} else if (request->done != NULL) {
			request->done(request->data, request->status);
		}
	}
	free_request(request);
}

static void deliver_request(struct letter *letter)
{
	struct render_request *request = container_of(letter, struct render_request, letter);
	struct render *render = request->render;
	if (render->running) {
		render->impl->execute(render->state, request);
	} else {
		request->status = -ENODEV;
	}
	letter->deliver = deliver_answer;
	mailbox_post(&render->inbox, letter);
}

static void post_request(struct render_request *request)
{
	request->letter.deliver = deliver_request;
	request->letter.discard = discard_request;
	mailbox_post(&request->render->requests, &request->letter);
}

/* On an allocation failure the answer is given at once. */
static struct render_request *make_request(struct render *render, enum render_op op,
					   uint32_t context, render_done done, void *data)
{
	struct render_request *request = calloc(1, sizeof(*request));
	if (request == NULL) {
		log_limited(LOG_ERROR, "out of memory");
		if (done != NULL) {
			done(data, -ENOMEM);
		}
		return NULL;
	}
	request->render = render;
	request->op = op;
	request->context = context;
	request->done = done;
	request->data = data;
	return request;
}

void render_context_create(struct render *render, uint32_t context, uint32_t capset,
			   const char *name, uint32_t name_length, render_done done, void *data)
{
	struct render_request *request =
		make_request(render, RENDER_OP_CONTEXT_CREATE, context, done, data);
	if (request == NULL) {
		return;
	}
	request->create.capset = capset;
	if (name_length > sizeof(request->create.name)) {
		name_length = sizeof(request->create.name);
	}
	request->create.name_length = name_length;
	memcpy(request->create.name, name, name_length);
	post_request(request);
}

void render_context_destroy(struct render *render, uint32_t context, render_done done, void *data)
{
	struct render_request *request =
		make_request(render, RENDER_OP_CONTEXT_DESTROY, context, done, data);
	if (request != NULL) {
		post_request(request);
	}
}

void render_blob_create(struct render *render, const struct render_blob *blob,
			render_blob_done done, void *data)
{
	struct render_request *request =
		make_request(render, RENDER_OP_BLOB_CREATE, blob->context, NULL, data);
	if (request == NULL) {
		done(data, -ENOMEM, NULL, 0);
		return;
	}
	request->resource = blob->resource;
	request->blob.args = *blob;
	request->blob_done = done;
	post_request(request);
}

static void post_resource_request(struct render *render, enum render_op op, uint32_t context,
				  uint32_t resource)
{
	struct render_request *request = make_request(render, op, context, NULL, NULL);
	if (request != NULL) {
		request->resource = resource;
		post_request(request);
	}
}

void render_resource_import(struct render *render, uint32_t resource, enum render_memory kind,
			    int fd, uint64_t size)
{
	struct render_request *request =
		make_request(render, RENDER_OP_RESOURCE_IMPORT, 0, NULL, NULL);
	if (request == NULL) {
		fd_close(&fd);
		return;
	}
	request->resource = resource;
	request->import.kind = kind;
	request->import.fd = fd;
	request->import.size = size;
	post_request(request);
}

void render_resource_unref(struct render *render, uint32_t resource)
{
	post_resource_request(render, RENDER_OP_RESOURCE_UNREF, 0, resource);
}

void render_context_attach(struct render *render, uint32_t context, uint32_t resource)
{
	post_resource_request(render, RENDER_OP_ATTACH, context, resource);
}

void render_context_detach(struct render *render, uint32_t context, uint32_t resource)
{
	post_resource_request(render, RENDER_OP_DETACH, context, resource);
}

void render_reset(struct render *render)
{
	post_resource_request(render, RENDER_OP_RESET, 0, 0);
}

void render_submit(struct render *render, const struct render_submit *submit, render_done done,
		   void *data)
{
	struct render_request *request =
		make_request(render, RENDER_OP_SUBMIT, submit->context, done, data);
	if (request == NULL) {
		free(submit->commands);
		return;
	}
	request->submit = *submit;
	post_request(request);
}

static void discard_report(struct letter *letter)
{
	free(container_of(letter, struct report, letter));
}

static void post_report(struct render *render, void (*deliver)(struct letter *letter),
			const struct report *values)
{
	struct report *report = malloc(sizeof(*report));
	if (report == NULL) {
		log_limited(LOG_ERROR, "out of memory: a fence is lost");
		return;
	}
	*report = *values;
	report->render = render;
	report->letter = (struct letter){.deliver = deliver, .discard = discard_report};
	mailbox_post(&render->inbox, &report->letter);
}

static void deliver_fence(struct letter *letter)
{
	struct report *report = container_of(letter, struct report, letter);
	struct render *render = report->render;
	if (!render->destroyed) {
		render->options->callbacks->fence(render->options->data, report->context,
						  report->ring, report->fence_id);
	}
	free(report);
}

void render_report_fence(struct render *render, uint32_t context, uint32_t ring, uint64_t fence_id)
{
	post_report(render, deliver_fence,
		    &(struct report){.context = context, .ring = ring, .fence_id = fence_id});
}

static void deliver_lost(struct letter *letter)
{
	struct report *report = container_of(letter, struct report, letter);
	struct render *render = report->render;
	if (!render->destroyed) {
		render->options->callbacks->context_lost(render->options->data, report->context);
	}
	free(report);
}

void render_report_lost(struct render *render, uint32_t context)
{
	post_report(render, deliver_lost, &(struct report){.context = context});
}

static void deliver_ready(struct letter *letter)
{
	struct report *report = container_of(letter, struct report, letter);
	struct render *render = report->render;
	if (!render->destroyed) {
		render->options->callbacks->ready(render->options->data, report->error,
						  &report->capset);
	}
	free(report);
}

static void deliver_stop(struct letter *letter)
{
	struct render *render = container_of(letter, struct render, stop);
	if (render->running) {
		render->impl->finish(render->state);
		render->running = false;
	}
	mailbox_close(&render->requests, NULL, NULL);
}

static void *run_thread(void *data)
{
	struct render *render = data;
	struct report report = {0};
	pthread_setname_np(pthread_self(), "render");
	report.error = render->impl->init(render, render->options, &render->loop, &report.capset,
					  &render->state);
	render->running = report.error == 0;
	post_report(render, deliver_ready, &report);
	uv_run(&render->loop, UV_RUN_DEFAULT);
	mailbox_post(&render->inbox, &render->stopped);
	return NULL;
}

static void handle_inbox_closed(void *data)
{
	struct render *render = data;
	if (render->destroy_done != NULL) {
		render->destroy_done(render->destroy_data);
	}
	free(render);
}

static void deliver_stopped(struct letter *letter)
{
	struct render *render = container_of(letter, struct render, stopped);
	pthread_join(render->thread, NULL);
	uv_loop_close(&render->loop);
	mailbox_close(&render->inbox, handle_inbox_closed, render);
}

int render_create(const struct render_impl *impl, const struct render_options *options,
		  uv_loop_t *loop, struct render **out)
{
	struct render *render = calloc(1, sizeof(*render));
	if (render == NULL) {
		return -ENOMEM;
	}
	render->impl = impl;
	render->options = options;
	render->stop.deliver = deliver_stop;
	render->stopped.deliver = deliver_stopped;
	int error = uv_loop_init(&render->loop);
	if (error < 0) {
		free(render);
		return error;
	}
	error = mailbox_init(&render->requests, &render->loop);
	if (error < 0) {
		uv_loop_close(&render->loop);
		free(render);
		return error;
	}
	error = mailbox_init(&render->inbox, loop);
	if (error == 0) {
		error = -pthread_create(&render->thread, NULL, run_thread, render);
		if (error == 0) {
			*out = render;
			return 0;
		}
		render->destroy_done = NULL;
		mailbox_close(&render->requests, NULL, NULL);
		uv_run(&render->loop, UV_RUN_DEFAULT);
		uv_loop_close(&render->loop);
		mailbox_close(&render->inbox, handle_inbox_closed, render);
		return error;
	}
	mailbox_close(&render->requests, NULL, NULL);
	uv_run(&render->loop, UV_RUN_DEFAULT);
	uv_loop_close(&render->loop);
	free(render);
	return error;
}

void render_destroy(struct render *render, void (*done)(void *data), void *data)
{
	render->destroyed = true;
	render->destroy_done = done;
	render->destroy_data = data;
	mailbox_post(&render->requests, &render->stop);
}
