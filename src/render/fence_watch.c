/* SPDX-License-Identifier: MIT */
/*
 * When does a GPU hang? A fence that does not come says little: a queue can be busy with other work
 * before it, and that may be much. So what counts is the time without any fence: whoever gets work
 * done gets fences from time to time. After that time the context is given up; it goes with its
 * processes, which ends what they have on the host's GPU as far as its driver can end it.
 *
 * What has a fence? Work of a queue that the guest's kernel waits for: Mesa's Venus makes one, on the
 * queue's ring, for a sync file. Compositors and the kernel wait by these before they show a picture,
 * so a hang here stops a screen. A program that waits by a VkFence waits by itself (26.1 looks at
 * memory) and stops nobody; it can be killed in the guest, and its context goes with it.
 *
 * The render server signals the fence when the host's queue has come so far. One is missing because
 *
 *   the work is long          legitimate, up to the time
 *   the GPU hangs             its driver in the kernel finds that out, too, and resets it; then the
 *                             fence comes, and the guest is told that its device is lost. That is
 *                             the better end: the time is longer than theirs (option --gpu-watchdog)
 *   a shader does not end     the same where the driver bounds a job; a driver that is a program for
 *                             the CPU does not
 *   the queue waits for the   a timeline semaphore may be signalled by the guest later; but Vulkan
 *   guest                     does not allow a sync file behind that (VUID 03254), so nothing waits
 *                             here unless more is given fences one day; 0 is for those who then hold
 *                             a program in a debugger
 *   the guest stands still    a paused machine signals nothing: that time does not count
 *   the host is busy          beats of a timer are counted, not time, so a hesperd that was stopped
 *                             has missed one beat
 */
#include "render/fence_watch.h"

#include <errno.h>
#include <stdlib.h>

/* The time is over after this many beats without a fence, so it is up to an eighth longer. */
#define BEATS 8

struct fence {
	struct list link;
	uint32_t ring;
	uint64_t id;
	uint64_t since; /* beats */
};

static enum fence_timelines kind_of(uint32_t ring)
{
	return ring == 0 ? FENCE_TIMELINES_CPU : FENCE_TIMELINES_GPU;
}

static struct fence *find_oldest(struct fence_watch *watch, enum fence_timelines kind)
{
	struct list *item;
	list_for_each (item, &watch->pending) {
		struct fence *fence = container_of(item, struct fence, link);
		if (kind_of(fence->ring) == kind) {
			return fence;
		}
	}
	return NULL;
}

static void free_all(struct fence_watch *watch)
{
	while (!list_empty(&watch->pending)) {
		struct fence *fence = container_of(watch->pending.next, struct fence, link);
		list_remove(&fence->link);
		free(fence);
	}
}

static void handle_beat(uv_timer_t *timer)
{
	struct fence_watch *watch = timer->data;
	if (list_empty(&watch->pending)) {
		uv_timer_stop(timer);
		return;
	}
	if (*watch->paused) {
		return;
	}
	watch->now++;
	for (unsigned kind = 0; kind < FENCE_TIMELINES_COUNT; kind++) {
		const struct fence *oldest = find_oldest(watch, kind);
		if (oldest == NULL) {
			watch->beats[kind] = 0;
		} else if (++watch->beats[kind] > BEATS) {
			double beats = (double)(watch->now - oldest->since);
			uv_timer_stop(timer);
			watch->callbacks->hung(watch->data, oldest->ring, oldest->id,
					       beats * (double)watch->time_ms / BEATS / 1000);
			return;
		}
	}
}

void fence_watch_init(struct fence_watch *watch, uv_loop_t *loop, uint64_t time_ms,
		      const bool *paused, const struct fence_watch_callbacks *callbacks, void *data)
{
	*watch = (struct fence_watch){
		.callbacks = callbacks,
		.data = data,
		.paused = paused,
		.time_ms = time_ms,
	};
	list_init(&watch->pending);
	uv_timer_init(loop, &watch->timer);
	watch->timer.data = watch;
}

void fence_watch_stop(struct fence_watch *watch)
{
	uv_timer_stop(&watch->timer);
}

static void handle_closed(uv_handle_t *handle)
{
	struct fence_watch *watch = handle->data;
	watch->callbacks->closed(watch->data);
}

void fence_watch_close(struct fence_watch *watch)
{
	free_all(watch);
	uv_close((uv_handle_t *)&watch->timer, handle_closed);
}

int fence_watch_add(struct fence_watch *watch, uint32_t ring, uint64_t fence_id)
{
	struct fence *fence = malloc(sizeof(*fence));
	if (fence == NULL) {
		return -ENOMEM;
	}
	/* The first of its kind since a while: that while was no wait. */
	if (find_oldest(watch, kind_of(ring)) == NULL) {
		watch->beats[kind_of(ring)] = 0;
	}
	*fence = (struct fence){.ring = ring, .id = fence_id, .since = watch->now};
	list_append(&watch->pending, &fence->link);
	if (watch->time_ms > 0 && !uv_is_active((uv_handle_t *)&watch->timer)) {
		uint64_t beat = (watch->time_ms + BEATS - 1) / BEATS;
		uv_timer_start(&watch->timer, handle_beat, beat, beat);
	}
	return 0;
}

bool fence_watch_take(struct fence_watch *watch, uint32_t ring)
{
	struct list *item;
	list_for_each (item, &watch->pending) {
		struct fence *fence = container_of(item, struct fence, link);
		if (fence->ring == ring) {
			watch->beats[kind_of(ring)] = 0;
			list_remove(&fence->link);
			free(fence);
			return true;
		}
	}
	return false;
}
