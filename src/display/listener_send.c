/* SPDX-License-Identifier: MIT */
#include "display/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "display/names.h"
#include "util/counters.h"
#include "util/log.h"
#include "util/trace.h"

/*
 * What goes over the wire. Calls carry no timeout: a viewer that was stopped for an hour may still
 * answer. sd-bus keeps what the socket does not take; listener.c bounds how much that can be.
 */

static int call_new(struct listener *listener, const char *interface, const char *member,
		    sd_bus_message **out)
{
	return sd_bus_message_new_method_call(listener->bus.bus, out, NULL, DISPLAY_LISTENER_PATH,
					      interface, member);
}

/* Takes the message, also when r says that it was not finished. */
static int call_send(struct listener *listener, sd_bus_message *call, int r,
		     sd_bus_message_handler_t on_reply)
{
	if (r >= 0) {
		r = sd_bus_call_async(listener->bus.bus, NULL, call, on_reply, listener,
				      UINT64_MAX);
	}
	if (r >= 0 && trace_on()) {
		sd_bus_message_get_cookie(call, &listener->cookie);
	}
	sd_bus_message_unref(call);
	return r;
}

static enum listener_path choose(const struct listener *listener, const struct frame *frame,
				 const char **why)
{
	if (frame->memory->kind == MEMORY_SHM) {
		*why = !listener->has_map      ? "it does not take shared memory"
		       : listener->map_refused ? "it could not map the shared memory"
					       : "the offset has more than 32 bits";
		return listener->has_map && !listener->map_refused && frame->offset <= UINT32_MAX
			       ? LISTENER_MAP
			       : LISTENER_DATA;
	}
	*why = listener->dmabuf_refused ? "it could not import the dma-buf"
					: "it does not take dma-bufs with an offset";
	if (listener->dmabuf_refused || frame->offset > UINT32_MAX) {
		return LISTENER_DATA;
	}
	if (frame->offset == 0) {
		return LISTENER_DMABUF;
	}
	return listener->has_dmabuf2 ? LISTENER_DMABUF2 : LISTENER_DATA;
}

static int send_map(struct listener *listener, const struct frame *frame,
		    sd_bus_message_handler_t on_reply)
{
	sd_bus_message *call = NULL;
	int r = call_new(listener, DISPLAY_LISTENER_MAP, "ScanoutMap", &call);
	if (r >= 0) {
		r = sd_bus_message_append(call, "huuuuu", frame->memory->fd,
					  (uint32_t)frame->offset, frame->width, frame->height,
					  frame->stride, frame->format->pixman);
	}
	return call_send(listener, call, r, on_reply);
}

/* y0_top false is what QEMU sends for guest blobs, whose first row is the top one. */
static int send_dmabuf(struct listener *listener, const struct frame *frame,
		       sd_bus_message_handler_t on_reply)
{
	sd_bus_message *call = NULL;
	int r = call_new(listener, DISPLAY_LISTENER, "ScanoutDMABUF", &call);
	if (r >= 0) {
		r = sd_bus_message_append(call, "huuuutb", frame->memory->fd, frame->width,
					  frame->height, frame->stride, frame->format->fourcc,
					  DISPLAY_MODIFIER_LINEAR, 0);
	}
	return call_send(listener, call, r, on_reply);
}

static int send_dmabuf2(struct listener *listener, const struct frame *frame,
			sd_bus_message_handler_t on_reply)
{
	sd_bus_message *call = NULL;
	int r = call_new(listener, DISPLAY_LISTENER_DMABUF2, "ScanoutDMABUF2", &call);
	if (r >= 0) {
		r = sd_bus_message_append(call, "ahuuuuauauuuuutb", 1, frame->memory->fd, 0u, 0u,
					  frame->width, frame->height, 1, (uint32_t)frame->offset,
					  1, frame->stride, 1u, frame->format->fourcc, frame->width,
					  frame->height, DISPLAY_MODIFIER_LINEAR, 0);
	}
	return call_send(listener, call, r, on_reply);
}

/* Copies the rect's rows into the message, tightly packed. */
static int append_pixels(sd_bus_message *call, const struct frame *frame, const struct rect *rect)
{
	struct memory *memory = frame->memory;
	size_t row = (size_t)rect->width * FORMAT_PIXEL_BYTES;
	uint64_t bytes = (uint64_t)row * rect->height;
	if (bytes > DISPLAY_MAX_ARRAY_BYTES) {
		return -EMSGSIZE;
	}
	char *mapped = memory->mapping;
	if (mapped == NULL) {
		void *at = mmap(NULL, memory->size, PROT_READ, MAP_SHARED, memory->fd, 0);
		if (at == MAP_FAILED) {
			return -errno;
		}
		mapped = at;
	}
	void *to;
	int r = sd_bus_message_append_array_space(call, 'y', bytes, &to);
	struct frame part = frame_crop(frame, rect);
	for (uint32_t y = 0; r >= 0 && y < rect->height; y++) {
		counter_copy_pixels((char *)to + y * row,
				    mapped + part.offset + (uint64_t)y * part.stride, row);
	}
	if (memory->mapping == NULL) {
		munmap(mapped, memory->size);
	}
	return r;
}

static int send_data(struct listener *listener, const struct frame *frame, const struct rect *rect,
		     sd_bus_message_handler_t on_reply)
{
	bool whole = rect->width == frame->width && rect->height == frame->height;
	sd_bus_message *call = NULL;
	int r = call_new(listener, DISPLAY_LISTENER, whole ? "Scanout" : "Update", &call);
	if (r >= 0 && !whole) {
		r = sd_bus_message_append(call, "iiii", (int)rect->x, (int)rect->y,
					  (int)rect->width, (int)rect->height);
	} else if (r >= 0) {
		r = sd_bus_message_append(call, "uu", frame->width, frame->height);
	}
	if (r >= 0) {
		r = sd_bus_message_append(call, "uu", rect->width * FORMAT_PIXEL_BYTES,
					  frame->format->pixman);
	}
	if (r >= 0) {
		r = append_pixels(call, frame, rect);
	}
	return call_send(listener, call, r, on_reply);
}

static int send_update(struct listener *listener, const struct rect *rect,
		       sd_bus_message_handler_t on_reply)
{
	bool map = listener->path == LISTENER_MAP;
	sd_bus_message *call = NULL;
	int r = call_new(listener, map ? DISPLAY_LISTENER_MAP : DISPLAY_LISTENER,
			 map ? "UpdateMap" : "UpdateDMABUF", &call);
	if (r >= 0) {
		r = sd_bus_message_append(call, "iiii", (int)rect->x, (int)rect->y,
					  (int)rect->width, (int)rect->height);
	}
	return call_send(listener, call, r, on_reply);
}

static bool same_source(const struct listener *listener, const struct frame *frame,
			enum listener_path path)
{
	const struct frame *told = &listener->source;
	bool same = listener->told && listener->path == path && told->width == frame->width &&
		    told->height == frame->height && told->format == frame->format;
	/* With bytes in messages the viewer has a picture of its own: any source will do. */
	return same && (path == LISTENER_DATA ||
			(listener->memory_id == frame->memory->id &&
			 told->stride == frame->stride && told->offset == frame->offset));
}

static int send_source(struct listener *listener, const struct frame *frame,
		       sd_bus_message_handler_t on_scanout)
{
	switch (listener->path) {
	case LISTENER_MAP:
		return send_map(listener, frame, on_scanout);
	case LISTENER_DMABUF:
		return send_dmabuf(listener, frame, on_scanout);
	case LISTENER_DMABUF2:
		return send_dmabuf2(listener, frame, on_scanout);
	case LISTENER_DATA:
		break;
	}
	return 0;
}

int listener_send_frame(struct listener *listener, const struct frame *frame,
			const struct rect *rect, sd_bus_message_handler_t on_scanout,
			sd_bus_message_handler_t on_updated)
{
	const char *why;
	enum listener_path path = choose(listener, frame, &why);
	struct rect whole = {0, 0, frame->width, frame->height};
	bool same = same_source(listener, frame, path);
	/* Another memory holds another picture, all of it. */
	bool all = !same || (path == LISTENER_DATA && listener->memory_id != frame->memory->id);
	if (path == LISTENER_DATA && !listener->warned) {
		listener->warned = true;
		log_warn("display: copying every frame to the viewer of head %u: %s",
			 listener->head->index, why);
	}
	listener->path = path;
	int r = same ? 0 : send_source(listener, frame, on_scanout);
	if (r >= 0) {
		listener->told = true;
		listener->memory_id = frame->memory->id;
		listener->source = *frame;
		listener->source.memory = NULL;
		r = path == LISTENER_DATA
			    ? send_data(listener, frame, all ? &whole : rect, on_updated)
			    : send_update(listener, all ? &whole : rect, on_updated);
	}
	if (r < 0) {
		listener->told = false;
	}
	return r;
}

int listener_send_disable(struct listener *listener, sd_bus_message_handler_t on_reply)
{
	sd_bus_message *call = NULL;
	int r = call_new(listener, DISPLAY_LISTENER, "Disable", &call);
	listener->told = false;
	return call_send(listener, call, r, on_reply);
}

int listener_send_shape(struct listener *listener, sd_bus_message_handler_t on_reply)
{
	const struct cursor *cursor = &listener->head->cursor;
	if (cursor->pixels == NULL) {
		listener->pointer = true; /* MouseSet hides it */
		return -ENODATA;
	}
	sd_bus_message *call = NULL;
	int r = call_new(listener, DISPLAY_LISTENER, "CursorDefine", &call);
	if (r >= 0) {
		r = sd_bus_message_append(call, "iiii", (int)cursor->width, (int)cursor->height,
					  cursor->hot_x, cursor->hot_y);
	}
	if (r >= 0) {
		r = sd_bus_message_append_array(call, 'y', cursor->pixels,
						(size_t)cursor->width * cursor->height * 4);
	}
	return call_send(listener, call, r, on_reply);
}

int listener_send_pointer(struct listener *listener, sd_bus_message_handler_t on_reply)
{
	const struct cursor *cursor = &listener->head->cursor;
	sd_bus_message *call = NULL;
	int r = call_new(listener, DISPLAY_LISTENER, "MouseSet", &call);
	if (r >= 0) {
		r = sd_bus_message_append(call, "iii", cursor->x, cursor->y,
					  (int)(cursor->visible && cursor->pixels != NULL));
	}
	return call_send(listener, call, r, on_reply);
}
