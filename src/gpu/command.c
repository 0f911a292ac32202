/* SPDX-License-Identifier: MIT */
/*
 * Every command is answered, in bounded time, whatever happens: Linux waits for some of them
 * without a time-out.
 *
 * Fences. A command with the FENCE flag completes when its work is done and every command before
 * it on its timeline has completed: (context, ring) with INFO_RING_IDX, one global timeline
 * without. Global fences have no GPU work behind them. Ring fences are made in the renderer
 * behind the command's own work, and signal from there (timeline_signal).
 *
 * Reset. The chains go back to nobody (the queue is gone), and the command waits as an orphan
 * only for callbacks under way, which find out by command_resume.
 */
#include "gpu/state.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/trace.h"

void timeline_init(struct gpu_timeline *timeline)
{
	list_init(&timeline->commands);
}

static struct gpu_timeline *timeline_of(struct gpu *gpu, const struct virtio_gpu_ctrl_hdr *hdr,
					bool *ring_fence)
{
	uint32_t flags = le32toh(hdr->flags);
	*ring_fence = false;
	if ((flags & VIRTIO_GPU_FLAG_FENCE) == 0) {
		return NULL;
	}
	if ((flags & VIRTIO_GPU_FLAG_INFO_RING_IDX) == 0) {
		return &gpu->global;
	}
	struct gpu_context *context = context_find(gpu, le32toh(hdr->ctx_id));
	/* Without its context nothing orders the fence; the command itself will fail. */
	if (context == NULL || hdr->ring_idx >= RENDER_MAX_RINGS) {
		return &gpu->global;
	}
	*ring_fence = !context->lost;
	return &context->rings[hdr->ring_idx];
}

bool command_reserve(struct gpu *gpu, struct virtqueue *queue)
{
	if (gpu->spare_command == NULL) {
		gpu->spare_command = calloc(1, sizeof(*gpu->spare_command));
	}
	if (gpu->spare_command == NULL) {
		virtqueue_starve(queue);
	}
	return gpu->spare_command != NULL;
}

struct gpu_command *command_create(struct gpu *gpu, unsigned queue, struct virtqueue_chain *chain)
{
	struct gpu_command *command = gpu->spare_command;
	gpu->spare_command = NULL;
	command->gpu = gpu;
	command->queue = queue;
	command->chain = chain;
	command->decoded_ns = trace_on() ? clock_now_ns() : 0;
	list_init(&command->timeline_link);
	list_init(&command->wait_link);
	list_append(&gpu->commands, &command->link);
	size_t size = chain->readable_bytes < sizeof(command->request) ? chain->readable_bytes
								       : sizeof(command->request);
	command->request_size = size;
	virtqueue_read(chain, 0, &command->request, size);
	if (size >= sizeof(command->request.hdr)) {
		command->timeline = timeline_of(gpu, &command->request.hdr, &command->ring_fence);
	}
	if (command->timeline != NULL) {
		list_append(&command->timeline->commands, &command->timeline_link);
		counter_add(COUNTER_FENCES, 1);
	}
	return command;
}

static void stop_counting(struct gpu_command *command)
{
	if (command->fence_counted) {
		command->fence_counted = false;
		limit_give(command->gpu, GPU_LIMIT_FENCES, 1);
	}
}

static void free_command(struct gpu_command *command)
{
	if (trace_on()) {
		tracing_end(command);
	}
	stop_counting(command);
	list_remove(&command->link);
	list_remove(&command->timeline_link);
	list_remove(&command->wait_link);
	free(command);
}

static void complete(struct gpu_command *command)
{
	struct gpu *gpu = command->gpu;
	virtqueue_push(vhost_queue(gpu->vhost, command->queue), command->chain, command->written);
	gpu->notify[command->queue] = true;
	free_command(command);
}

static void complete_ready(struct gpu_timeline *timeline)
{
	while (!list_empty(&timeline->commands)) {
		struct gpu_command *head =
			container_of(timeline->commands.next, struct gpu_command, timeline_link);
		/* A fence can signal before its maker has answered, who still knows the command. */
		if (!head->executed || !head->signalled || head->pending > 0) {
			return;
		}
		complete(head);
	}
}

void timeline_signal(struct gpu *gpu, struct gpu_timeline *timeline, uint64_t fence_id)
{
	struct list *item;
	list_for_each (item, &timeline->commands) {
		struct gpu_command *command = container_of(item, struct gpu_command, timeline_link);
		if (le64toh(command->request.hdr.fence_id) <= fence_id) {
			command->signalled = true;
		}
	}
	complete_ready(timeline);
}

void timeline_move(struct gpu_timeline *from, struct gpu_timeline *to)
{
	while (!list_empty(&from->commands)) {
		struct gpu_command *command =
			container_of(from->commands.next, struct gpu_command, timeline_link);
		list_remove(&command->timeline_link);
		command->timeline = to;
		command->ring_fence = false;
		list_append(&to->commands, &command->timeline_link);
	}
}

static void fence_made(void *data, int status)
{
	struct gpu_command *command = data;
	if (!command_resume(command)) {
		return;
	}
	if (status < 0) {
		command->signalled = true;
	}
	complete_ready(command->timeline);
}

static void write_response(struct gpu_command *command, struct virtio_gpu_ctrl_hdr *response,
			   size_t size, uint32_t type)
{
	const struct virtio_gpu_ctrl_hdr *hdr = &command->request.hdr;
	*response = (struct virtio_gpu_ctrl_hdr){
		.type = htole32(type),
		.flags =
			hdr->flags & htole32(VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX),
		.fence_id = hdr->fence_id,
		.ctx_id = hdr->ctx_id,
		.ring_idx = hdr->ring_idx,
	};
	if (command->timeline == NULL) {
		response->flags = 0;
		response->fence_id = 0;
	}
	command->written = 0;
	if (virtqueue_write(command->chain, 0, response, size)) {
		command->written = (uint32_t)size;
	} else if (command->queue == 0) {
		log_limited(LOG_WARN, "%s: the guest left %zu bytes for an answer of %zu",
			    command->handler != NULL ? command->handler->name : "command",
			    command->chain->writable_bytes, size);
	}
}

void command_finish_with(struct gpu_command *command, void *response, size_t size, uint32_t type)
{
	if (type >= VIRTIO_GPU_RESP_ERR_UNSPEC) {
		counter_add(COUNTER_COMMAND_ERRORS, 1);
	}
	write_response(command, response, size, type);
	command->executed = true;
	if (command->timeline == NULL) {
		complete(command);
		return;
	}
	if (!command->ring_fence) {
		command->signalled = true;
	} else if (!command->fence_requested) {
		/* Not a SUBMIT_3D: the fence still has to come behind the work of its ring. */
		command->fence_requested = true;
		if (trace_on()) {
			tracing_fence(command);
		}
		command_suspend(command);
		render_submit(command->gpu->render,
			      &(struct render_submit){
				      .context = le32toh(command->request.hdr.ctx_id),
				      .fence = true,
				      .ring = command->request.hdr.ring_idx,
				      .fence_id = le64toh(command->request.hdr.fence_id),
			      },
			      fence_made, command);
		return;
	}
	complete_ready(command->timeline);
}

void command_finish(struct gpu_command *command, uint32_t type)
{
	struct virtio_gpu_ctrl_hdr response;
	command_finish_with(command, &response, sizeof(response), type);
}

void command_refuse(struct gpu_command *command, uint32_t type)
{
	command_finish(command, type);
}

void command_fail(struct gpu_command *command, uint32_t type, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_limited(LOG_WARN, "guest error: %s: %s",
		    command->handler != NULL ? command->handler->name : "command", text);
	command_finish(command, type);
}

void command_suspend(struct gpu_command *command)
{
	command->pending++;
}

bool command_resume(struct gpu_command *command)
{
	command->pending--;
	if (command->chain != NULL) {
		return true;
	}
	if (command->pending == 0) {
		free_command(command);
	}
	return false;
}

void command_drop_all(struct gpu *gpu)
{
	struct list *item;
	struct list *next;
	list_for_each_safe (item, next, &gpu->commands) {
		struct gpu_command *command = container_of(item, struct gpu_command, link);
		/* An orphan may outlive the device: a viewer answers when it likes. */
		list_remove(&command->link);
		list_remove(&command->timeline_link);
		list_remove(&command->wait_link);
		stop_counting(command);
		virtqueue_drop(command->chain);
		command->chain = NULL;
		if (command->pending == 0) {
			free_command(command);
		}
	}
}
