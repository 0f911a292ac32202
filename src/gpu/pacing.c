/* SPDX-License-Identifier: MIT */
/*
 * Why. Linux fences the flush of a picture in the guest's own memory, and then waits until viewers
 * have read it (scanout.c). Of a picture in a renderer's memory, as all are that Venus draws, it fences
 * nothing: by the time a slow viewer reads it, the guest may be drawing the next one into the same
 * buffer, and the viewer shows half of each. Commands cannot hold such a guest: it draws by a ring
 * that its renderer reads, sees by memory that it is done, and shows by commands it does not wait for.
 *
 * How. The context that drew a picture is held back in its renderer, before it submits anything more to
 * its GPU (hesper/gate.h), while viewers read the picture. It will not draw into that buffer before it
 * has flipped away from it, but what a flip is, is known here only once it is decoded, and the guest may
 * be drawing again by then. So it is held back from before the viewers are told, though not for long
 * (HESPER_GATE_READ_MS; they read for less than 1 ms as a rule, and then wait for the guest and not
 * it for them); and for longer once it has flipped (HESPER_GATE_LEFT_MS).
 *
 * The order makes it exact. Flushes are gathered until the queue is empty; then contexts are held back;
 * then the queue is looked at again; and when it is still empty, viewers are told of what is the newest
 * picture now. A flip that was queued before the context was held back is seen, and the older picture never
 * read; of one that is queued later, the context waits with its drawing.
 *
 * What is released is counted down here even if a context, or the device, is gone by then. The display
 * server bounds how long a viewer may take (listener.c). All on the device thread.
 */
#include "gpu/state.h"

#include <stdlib.h>

#include "util/counters.h"
#include "util/trace.h"

struct gpu_reading {
	struct list link; /* gpu.flushed, then gpu.readings */
	struct gpu *gpu; /* NULL: it is gone */
	struct gpu_scanout *scanout;
	struct rect part;
	uint32_t context; /* that drew it */
	uint64_t serial; /* the context's; 0: none that is held back */
	uint64_t memory; /* the picture's: its id */
	uint64_t offset; /* and where it begins */
	bool left; /* the guest has flipped away from it */
	void (*released)(void *data); /* of the flush; or NULL */
	struct gpu_command *flush; /* not to be looked at: without released it is gone */
	struct tracing_flip traced;
};

static struct gpu_context *owner_of(const struct gpu_reading *reading)
{
	return context_find_same(reading->gpu, reading->context, reading->serial);
}

/* True: it waits from now on, and did not before. */
static bool move_gate(struct gpu *gpu, struct gpu_context *context)
{
	enum hesper_gate_state state = context->pictures_left > 0   ? HESPER_GATE_LEFT
				       : context->pictures_read > 0 ? HESPER_GATE_READ
								    : HESPER_GATE_OPEN;
	enum hesper_gate_state before = context->gate;
	if (state == before) {
		return false;
	}
	context->gate = state;
	render_context_gate(gpu->render, context->id, state);
	return before == HESPER_GATE_OPEN;
}

static void handle_released(void *data)
{
	struct gpu_reading *reading = data;
	list_remove(&reading->link);
	struct gpu_context *context = reading->gpu != NULL ? owner_of(reading) : NULL;
	if (context != NULL) {
		context->pictures_read--;
		context->pictures_left -= reading->left;
		move_gate(reading->gpu, context);
	}
	if (reading->released != NULL) {
		reading->released(reading->flush);
	}
	free(reading);
}

void pacing_update(struct gpu_scanout *scanout, const struct rect *part, struct gpu_command *flush,
		   void (*released)(void *data))
{
	struct gpu *gpu = scanout->gpu;
	struct gpu_reading *reading = malloc(sizeof(*reading));
	if (reading == NULL) {
		display_server_update(gpu->options.display, scanout_head(scanout), part, released,
				      flush);
		return;
	}
	*reading = (struct gpu_reading){
		.gpu = gpu,
		.scanout = scanout,
		.part = *part,
		.released = released,
		.flush = flush,
	};
	if (trace_on()) {
		tracing_flush(scanout, flush, &reading->traced);
	}
	list_append(&gpu->flushed, &reading->link);
}

/* What it will read is what the scanout shows now. */
static bool begin(struct gpu_reading *reading)
{
	struct gpu *gpu = reading->gpu;
	const struct frame *frame = &reading->scanout->frame;
	const struct gpu_resource *resource = resource_find(gpu, reading->scanout->resource);
	struct gpu_context *context = NULL;
	if (gpu->options.pace && frame->memory != NULL && resource != NULL &&
	    resource->kind == GPU_RESOURCE_HOST3D) {
		context = context_find(gpu, resource->context);
	}
	if (context == NULL) {
		return false;
	}
	reading->context = context->id;
	reading->serial = context->serial;
	reading->memory = frame->memory->id;
	reading->offset = frame->offset;
	context->pictures_read++;
	return move_gate(gpu, context);
}

static bool is_shown(const struct gpu_reading *reading)
{
	const struct frame *frame = &reading->scanout->frame;
	return frame->memory != NULL && frame->memory->id == reading->memory &&
	       frame->offset == reading->offset;
}

bool pacing_hold(struct gpu *gpu)
{
	bool held = false;
	struct list *item;
	list_for_each (item, &gpu->flushed) {
		struct gpu_reading *reading = container_of(item, struct gpu_reading, link);
		struct gpu_context *context = owner_of(reading);
		if (context != NULL && is_shown(reading)) {
			continue;
		}
		/* It is another picture since. */
		if (context != NULL) {
			context->pictures_read--;
			move_gate(gpu, context);
			reading->serial = 0;
		}
		held |= begin(reading);
	}
	return held;
}

void pacing_send(struct gpu *gpu)
{
	pacing_hold(gpu);
	while (!list_empty(&gpu->flushed)) {
		struct gpu_reading *reading =
			container_of(gpu->flushed.next, struct gpu_reading, link);
		unsigned head = scanout_head(reading->scanout);
		list_remove(&reading->link);
		list_append(&gpu->readings, &reading->link);
		struct tracing_flip traced = reading->traced;
		struct gpu_scanout *scanout = reading->scanout;
		display_server_update(gpu->options.display, head, &reading->part, handle_released,
				      reading);
		if (trace_on()) {
			tracing_flipped(scanout, &traced);
		}
	}
}

void pacing_flip(struct gpu_scanout *scanout)
{
	struct gpu *gpu = scanout->gpu;
	struct list *item;
	list_for_each (item, &gpu->readings) {
		struct gpu_reading *reading = container_of(item, struct gpu_reading, link);
		struct gpu_context *context = owner_of(reading);
		if (reading->scanout != scanout || context == NULL || reading->left ||
		    is_shown(reading)) {
			continue;
		}
		reading->left = true;
		context->pictures_left++;
		move_gate(gpu, context);
		counter_add(COUNTER_PACED, 1);
	}
}

void pacing_finish(struct gpu *gpu)
{
	pacing_send(gpu);
	while (!list_empty(&gpu->readings)) {
		struct gpu_reading *reading =
			container_of(gpu->readings.next, struct gpu_reading, link);
		list_remove(&reading->link);
		reading->gpu = NULL;
	}
}
