/* SPDX-License-Identifier: MIT */
#include "display/client_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "display/names.h"
#include "util/counters.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/trace.h"

/*
 * The server's calls. Every number is checked before it is used; what does not fit is answered
 * with an error, after which a server sends the picture another way.
 */

struct display_update {
	struct list link;  /* in listener->updates */
	struct client_listener *listener; /* NULL: gone */
	sd_bus_message *call;
	uint64_t frame_id;
};

#define MAX_CURSOR_SIDE 512

int client_refuse(sd_bus_error *error, const char *why)
{
	log_limited(LOG_WARN, "refused a picture: %s", why);
	return sd_bus_error_set(error, DISPLAY_ERROR_INVALID, why);
}

void display_update_done(struct display_update *update)
{
	if (update->listener != NULL) {
		list_remove(&update->link);
		int r = sd_bus_reply_method_return(update->call, "");
		if (r < 0) {
			/* Without its answer the server would send no other picture. */
			log_error("a picture could not be answered: %s", strerror(-r));
			client_fail(update->listener->client, r);
		}
	}
	sd_bus_message_unref(update->call);
	free(update);
}

void client_listener_forget_updates(struct client_listener *listener)
{
	struct list *item;
	struct list *tmp;
	list_for_each_safe (item, tmp, &listener->updates) {
		struct display_update *update = container_of(item, struct display_update, link);
		list_remove(&update->link);
		update->listener = NULL;
	}
}

static uint64_t frame_id_of(struct client_listener *listener, sd_bus_message *call)
{
	sd_id128_t connection;
	uint64_t cookie;
	if (sd_bus_get_bus_id(listener->bus.bus, &connection) < 0 ||
	    sd_bus_message_get_cookie(call, &cookie) < 0) {
		return 0;
	}
	return trace_frame_id(connection.bytes, cookie);
}

uint64_t display_update_frame_id(const struct display_update *update)
{
	return update->frame_id;
}

int client_tell_update(struct client_listener *listener, sd_bus_message *call,
		       const struct rect *rect)
{
	struct display_update *update = calloc(1, sizeof(*update));
	if (update == NULL) {
		return -ENOMEM;
	}
	update->listener = listener;
	update->call = sd_bus_message_ref(call);
	update->frame_id = trace_on() ? frame_id_of(listener, call) : 0;
	list_append(&listener->updates, &update->link);
	struct display_client *client = listener->client;
	client->callbacks->update(client->data, listener->console->info.id, rect, update);
	return 1; /* answered later, by display_update_done */
}

/* memory: one reference, taken over. */
void client_tell_scanout(struct client_listener *listener, struct memory *memory,
			 const struct frame *shape)
{
	struct frame frame = *shape;
	frame.memory = memory;
	listener->source = *shape;
	listener->has_source = true;
	struct display_client *client = listener->client;
	client->callbacks->scanout(client->data, listener->console->info.id, &frame);
}

/* shape says all but the memory; lent stays the message's. */
static int scanout_fd(struct client_listener *listener, sd_bus_message *call, int lent,
		      enum memory_kind kind, const struct frame *shape, sd_bus_error *error)
{
	if (shape->format == NULL) {
		return client_refuse(error, "unknown pixel format");
	}
	int64_t size = fd_size(lent);
	if (size <= 0 || !frame_fits(shape->width, shape->height, shape->stride, shape->offset,
				     (uint64_t)size)) {
		return client_refuse(error, "the picture does not fit its memory");
	}
	int fd = fd_dup(lent);
	if (fd < 0) {
		return sd_bus_error_set_errnof(error, -fd, "cannot keep the buffer");
	}
	struct memory *memory = memory_create(kind, fd, (uint64_t)size);
	if (memory == NULL) {
		fd_close(&fd);
		return -ENOMEM;
	}
	/* From now on the source is not ours to draw into. */
	memory_unref(listener->copy);
	listener->copy = NULL;
	client_tell_scanout(listener, memory, shape);
	return sd_bus_reply_method_return(call, "");
}

static int on_scanout_map(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct frame shape = {0};
	int fd;
	uint32_t offset;
	uint32_t pixman;
	int r = sd_bus_message_read(call, "huuuuu", &fd, &offset, &shape.width, &shape.height,
				    &shape.stride, &pixman);
	if (r < 0) {
		return r;
	}
	shape.offset = offset;
	shape.format = format_from_pixman(pixman);
	return scanout_fd(data, call, fd, MEMORY_SHM, &shape, error);
}

static int scanout_dmabuf(struct client_listener *listener, sd_bus_message *call, int fd,
			  const struct frame *shape, uint64_t modifier, int y0_top,
			  sd_bus_error *error)
{
	if (modifier != DISPLAY_MODIFIER_LINEAR && modifier != DISPLAY_MODIFIER_INVALID) {
		return client_refuse(error, "only linear dma-bufs are shown");
	}
	if (y0_top) {
		/* QEMU's word for a texture whose first row is the bottom one. */
		return client_refuse(error, "a picture stored upside down");
	}
	return scanout_fd(listener, call, fd, memory_kind_of_fd(fd), shape, error);
}

static int on_scanout_dmabuf(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct frame shape = {0};
	int fd;
	uint32_t fourcc;
	uint64_t modifier;
	int y0_top;
	int r = sd_bus_message_read(call, "huuuutb", &fd, &shape.width, &shape.height,
				    &shape.stride, &fourcc, &modifier, &y0_top);
	if (r < 0) {
		return r;
	}
	shape.format = format_from_fourcc(fourcc);
	return scanout_dmabuf(data, call, fd, &shape, modifier, y0_top, error);
}

/* The first element of an array of 32-bit values (fd indices included), or negative errno. */
static int read_first(sd_bus_message *call, char type, void *out)
{
	char contents[2] = {type, '\0'};
	int r = sd_bus_message_enter_container(call, 'a', contents);
	if (r < 0) {
		return r;
	}
	r = sd_bus_message_read_basic(call, type, out);
	if (r <= 0) {
		return r < 0 ? r : -EBADMSG;
	}
	while ((r = sd_bus_message_skip(call, contents)) > 0) {
	}
	/* At the end of an array skip answers 0 or -ENXIO. */
	return sd_bus_message_exit_container(call);
}

static int on_scanout_dmabuf2(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct frame shape = {0};
	int fd;
	struct rect rect;
	uint32_t offset;
	uint32_t planes;
	uint32_t fourcc;
	uint32_t backing_width;
	uint32_t backing_height;
	uint64_t modifier;
	int y0_top;
	int r = read_first(call, 'h', &fd);
	if (r >= 0) {
		r = sd_bus_message_read(call, "uuuu", &rect.x, &rect.y, &rect.width, &rect.height);
	}
	if (r >= 0) {
		r = read_first(call, 'u', &offset);
	}
	if (r >= 0) {
		r = read_first(call, 'u', &shape.stride);
	}
	if (r >= 0) {
		r = sd_bus_message_read(call, "uuuutb", &planes, &fourcc, &backing_width,
					&backing_height, &modifier, &y0_top);
	}
	if (r < 0) {
		return r;
	}
	if (planes != 1 || !rect_inside(&rect, backing_width, backing_height)) {
		return client_refuse(error,
				     "a picture outside of its buffer, or of several planes");
	}
	shape.offset = offset;
	shape.format = format_from_fourcc(fourcc);
	shape = frame_crop(&shape, &rect);
	return scanout_dmabuf(data, call, fd, &shape, modifier, y0_top, error);
}

bool client_read_rect(sd_bus_message *call, struct rect *rect, int *r)
{
	int32_t x;
	int32_t y;
	int32_t width;
	int32_t height;
	*r = sd_bus_message_read(call, "iiii", &x, &y, &width, &height);
	if (*r < 0) {
		return false;
	}
	*rect = (struct rect){(uint32_t)x, (uint32_t)y, (uint32_t)width, (uint32_t)height};
	return x >= 0 && y >= 0 && width > 0 && height > 0;
}

static int on_update_fd(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client_listener *listener = data;
	struct rect rect;
	int r;
	bool sane = client_read_rect(call, &rect, &r);
	if (r < 0) {
		return r;
	}
	if (!sane || !listener->has_source ||
	    !rect_inside(&rect, listener->source.width, listener->source.height)) {
		return client_refuse(error, "an update outside of the picture");
	}
	return client_tell_update(listener, call, &rect);
}

static int on_disable(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client_listener *listener = data;
	listener->has_source = false;
	memory_unref(listener->copy);
	listener->copy = NULL;
	struct display_client *client = listener->client;
	client->callbacks->disable(client->data, listener->console->info.id);
	return sd_bus_reply_method_return(call, "");
}

static int on_mouse_set(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client_listener *listener = data;
	int32_t x;
	int32_t y;
	int32_t on;
	int r = sd_bus_message_read(call, "iii", &x, &y, &on);
	if (r < 0) {
		return r;
	}
	struct display_client *client = listener->client;
	client->callbacks->mouse_set(client->data, listener->console->info.id, x, y, on != 0);
	return sd_bus_reply_method_return(call, "");
}

static int on_cursor_define(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client_listener *listener = data;
	int32_t width;
	int32_t height;
	int32_t hot_x;
	int32_t hot_y;
	const void *pixels;
	size_t size;
	int r = sd_bus_message_read(call, "iiii", &width, &height, &hot_x, &hot_y);
	if (r >= 0) {
		r = sd_bus_message_read_array(call, 'y', &pixels, &size);
	}
	if (r < 0) {
		return r;
	}
	if (width <= 0 || height <= 0 || width > MAX_CURSOR_SIDE || height > MAX_CURSOR_SIDE ||
	    size < (size_t)width * (size_t)height * 4) {
		return client_refuse(error, "a cursor of a bad size");
	}
	struct display_client *client = listener->client;
	client->callbacks->cursor_define(client->data, listener->console->info.id, (uint32_t)width,
					 (uint32_t)height, hot_x, hot_y, pixels);
	return sd_bus_reply_method_return(call, "");
}

static int get_interfaces(sd_bus *bus, const char *path, const char *interface,
			  const char *property, sd_bus_message *reply, void *data,
			  sd_bus_error *error)
{
	return sd_bus_message_append(reply, "as", 2, DISPLAY_LISTENER_MAP,
				     DISPLAY_LISTENER_DMABUF2);
}

#define METHOD(name, signature, handler)                                                           \
	SD_BUS_METHOD(name, signature, "", handler, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable listener_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("Scanout", "uuuuay", client_on_scanout),
	METHOD("Update", "iiiiuuay", client_on_update),
	METHOD("ScanoutDMABUF", "huuuutb", on_scanout_dmabuf),
	METHOD("UpdateDMABUF", "iiii", on_update_fd),
	METHOD("Disable", "", on_disable),
	METHOD("MouseSet", "iii", on_mouse_set),
	METHOD("CursorDefine", "iiiiay", on_cursor_define),
	SD_BUS_PROPERTY("Interfaces", "as", get_interfaces, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable map_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("ScanoutMap", "huuuuu", on_scanout_map),
	METHOD("UpdateMap", "iiii", on_update_fd),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable dmabuf2_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("ScanoutDMABUF2", "ahuuuuauauuuuutb", on_scanout_dmabuf2),
	SD_BUS_VTABLE_END,
};

int client_listener_add_object(struct client_listener *listener)
{
	sd_bus *bus = listener->bus.bus;
	int r = sd_bus_add_object_vtable(bus, NULL, DISPLAY_LISTENER_PATH, DISPLAY_LISTENER,
					 listener_vtable, listener);
	if (r >= 0) {
		r = sd_bus_add_object_vtable(bus, NULL, DISPLAY_LISTENER_PATH, DISPLAY_LISTENER_MAP,
					     map_vtable, listener);
	}
	if (r >= 0) {
		r = sd_bus_add_object_vtable(bus, NULL, DISPLAY_LISTENER_PATH,
					     DISPLAY_LISTENER_DMABUF2, dmabuf2_vtable, listener);
	}
	return r;
}
