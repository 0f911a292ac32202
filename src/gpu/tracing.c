/* SPDX-License-Identifier: MIT */
#include "gpu/state.h"

#include <endian.h>
#include <stdio.h>

#include "util/clock.h"
#include "util/trace.h"

/*
 * What commands take, for traces. "flip" is from the moment that a chain with SET_SCANOUT_BLOB (or,
 * without one, the RESOURCE_FLUSH) was taken from the queue until the display has been told; the rest
 * overlaps, and what a guest never gets an answer for is there, too: it begins and does not end.
 */

static const char *work_name(const struct gpu_command *command)
{
	void (*run)(struct gpu_command *) = command->handler->run;
	return run == blob_create ? "blob" : run == blob_map ? "map" : "submit";
}

void tracing_work(struct gpu_command *command, uint64_t bytes, uint32_t resource)
{
	command->traced_work = trace_next_id();
	trace_begin(work_name(command), command->traced_work, command->decoded_ns,
		    TRACE_ARGS(TRACE_NUMBER("context", le32toh(command->request.hdr.ctx_id)),
			       TRACE_NUMBER("resource", resource), TRACE_NUMBER("bytes", bytes),
			       TRACE_NUMBER("fenced", command->timeline != NULL)));
}

void tracing_worked(struct gpu_command *command, int status)
{
	if (command->traced_work != 0) {
		trace_end(work_name(command), command->traced_work, clock_now_ns(),
			  TRACE_ARGS(TRACE_NUMBER("error", -status)));
		command->traced_work = 0;
	}
}

void tracing_fence(struct gpu_command *command)
{
	command->traced_fence = trace_next_id();
	trace_begin("fence", command->traced_fence, clock_now_ns(),
		    TRACE_ARGS(TRACE_NUMBER("context", le32toh(command->request.hdr.ctx_id)),
			       TRACE_NUMBER("ring", command->request.hdr.ring_idx),
			       TRACE_ID("fence", le64toh(command->request.hdr.fence_id))));
}

void tracing_end(struct gpu_command *command)
{
	/* Of a command that was dropped, or whose callback has had no reason to tell. */
	if (command->traced_work != 0) {
		tracing_worked(command, 0);
	}
	if (command->traced_fence != 0) {
		trace_end("fence", command->traced_fence, clock_now_ns(),
			  TRACE_ARGS(TRACE_NUMBER("dropped", command->chain == NULL)));
		command->traced_fence = 0;
	}
}

void tracing_name(unsigned head)
{
	char name[32];
	snprintf(name, sizeof(name), "flip, head %u", head);
	trace_name(TRACE_FLIP + head, name);
}

void tracing_scanout(struct gpu_scanout *scanout, const struct gpu_command *command)
{
	scanout->flip_ns = command->decoded_ns;
}

void tracing_flush(struct gpu_scanout *scanout, const struct gpu_command *command,
		   struct tracing_flip *flip)
{
	*flip = (struct tracing_flip){
		.begin_ns = scanout->flip_ns != 0 ? scanout->flip_ns : command->decoded_ns,
		.resource = scanout->resource,
		.fenced = command->timeline != NULL,
	};
	scanout->flip_ns = 0;
}

void tracing_flipped(struct gpu_scanout *scanout, const struct tracing_flip *flip)
{
	const struct gpu *gpu = scanout->gpu;
	unsigned head = scanout_head(scanout);
	uint64_t now = clock_now_ns();
	/* A flush that had to wait may have been overtaken by what belongs to the next one. */
	uint64_t begin =
		flip->begin_ns < scanout->flipped_ns ? scanout->flipped_ns : flip->begin_ns;
	trace_slice(TRACE_FLIP + head, "flip", begin, now,
		    TRACE_ARGS(TRACE_NUMBER("flush",
					    display_server_updates(gpu->options.display, head)),
			       TRACE_NUMBER("head", head), TRACE_NUMBER("resource", flip->resource),
			       TRACE_NUMBER("width", scanout->frame.width),
			       TRACE_NUMBER("height", scanout->frame.height),
			       TRACE_NUMBER("blob", scanout->blob),
			       TRACE_NUMBER("fenced", flip->fenced)));
	scanout->flipped_ns = now;
}
