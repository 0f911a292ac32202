/* SPDX-License-Identifier: MIT */
#include "display/client_impl.h"

#include <errno.h>
#include <pixman.h>
#include <stdlib.h>
#include <string.h>

#include "display/names.h"
#include "util/counters.h"
#include "util/fd.h"
#include "util/log.h"

/*
 * The server's calls. Every number is checked before it is used; what does not fit is answered
 * with an error, after which a server sends the picture another way.
 */

struct display_update {
	struct list link;  /* in listener->updates */
	struct client_listener *listener; /* NULL: gone */
	sd_bus_message *call;
};

#define MAX_CURSOR_SIDE 512

static int refuse(sd_bus_error *error, const char *why)
{
	log_limited(LOG_WARN, "refused a picture: %s", why);
	return sd_bus_error_set(error, DISPLAY_ERROR_INVALID, why);
}

void display_update_done(struct display_update *update)
{
	if (update->listener != NULL) {
		list_remove(&update->link);
		sd_bus_reply_method_return(update->call, "");
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

static int tell_update(struct client_listener *listener, sd_bus_message *call,
		       const struct rect *rect)
{
	struct display_update *update = calloc(1, sizeof(*update));
	if (update == NULL) {
		return -ENOMEM;
	}
	update->listener = listener;
	update->call = sd_bus_message_ref(call);
	list_append(&listener->updates, &update->link);
	struct display_client *client = listener->client;
	client->callbacks->update(client->data, listener->console->info.id, rect, update);
	return 1; /* answered later, by display_update_done */
}

/* memory: one reference, taken over. */
static void tell_scanout(struct client_listener *listener, struct memory *memory,
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
		return refuse(error, "unknown pixel format");
	}
	int64_t size = fd_size(lent);
	if (size <= 0 || !frame_fits(shape->width, shape->height, shape->stride, shape->offset,
				     (uint64_t)size)) {
		return refuse(error, "the picture does not fit its memory");
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
	tell_scanout(listener, memory, shape);
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
		return refuse(error, "only linear dma-bufs are shown");
	}
	if (y0_top) {
		/* QEMU's word for a texture whose first row is the bottom one. */
		return refuse(error, "a picture stored upside down");
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
		return refuse(error, "a picture outside of its buffer, or of several planes");
	}
	shape.offset = offset;
	shape.format = format_from_fourcc(fourcc);
	shape = frame_crop(&shape, &rect);
	return scanout_dmabuf(data, call, fd, &shape, modifier, y0_top, error);
}

static bool read_rect(sd_bus_message *call, struct rect *rect, int *r)
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
	bool sane = read_rect(call, &rect, &r);
	if (r < 0) {
		return r;
	}
	if (!sane || !listener->has_source ||
	    !rect_inside(&rect, listener->source.width, listener->source.height)) {
		return refuse(error, "an update outside of the picture");
	}
	return tell_update(listener, call, &rect);
}

/* Pixels in a message. */
struct bytes {
	const void *data;
	size_t size;
	uint32_t stride;
	uint32_t pixman; /* their format */
};

static int read_bytes(sd_bus_message *call, struct bytes *bytes)
{
	int r = sd_bus_message_read(call, "uu", &bytes->stride, &bytes->pixman);
	return r < 0 ? r : sd_bus_message_read_array(call, 'y', &bytes->data, &bytes->size);
}

/*
 * What the picture that stands for them here has. Ours have 32 bits; QEMU's ramfb and some of its
 * display devices have 16 or 24, which are converted. NULL: neither.
 */
static const struct format *format_here(uint32_t pixman)
{
	const struct format *format = format_from_pixman(pixman);
	unsigned bits = PIXMAN_FORMAT_BPP(pixman);
	bool convertible = (bits == 16 || bits == 24) &&
			   pixman_format_supported_source((pixman_format_code_t)pixman);
	return format == NULL && convertible ? format_from_pixman(PIXMAN_x8r8g8b8) : format;
}

/* The bytes hold a width x height picture. */
static bool bytes_suffice(const struct bytes *bytes, uint32_t width, uint32_t height)
{
	uint64_t row = (uint64_t)width * PIXMAN_FORMAT_BPP(bytes->pixman) / 8;
	if (format_from_pixman(bytes->pixman) != NULL) {
		return frame_fits(width, height, bytes->stride, 0, bytes->size);
	}
	return width > 0 && height > 0 && width <= INT16_MAX && height <= INT16_MAX &&
	       bytes->stride % 4 == 0 && bytes->stride <= INT32_MAX && row <= bytes->stride &&
	       (uint64_t)bytes->stride * height <= bytes->size;
}

static bool convert(const struct frame *part, void *to, const struct bytes *bytes)
{
	int width = (int)part->width;
	int height = (int)part->height;
	pixman_image_t *from = pixman_image_create_bits_no_clear(
		(pixman_format_code_t)bytes->pixman, width, height, (uint32_t *)bytes->data,
		(int)bytes->stride);
	pixman_image_t *into = pixman_image_create_bits_no_clear(PIXMAN_x8r8g8b8, width, height, to,
								 (int)part->stride);
	bool right = from != NULL && into != NULL;
	if (right) {
		pixman_image_composite32(PIXMAN_OP_SRC, from, NULL, into, 0, 0, 0, 0, 0, 0, width,
					 height);
		counter_add(COUNTER_CPU_COPIED_BYTES,
			    (uint64_t)part->width * part->height * FORMAT_PIXEL_BYTES);
	}
	if (from != NULL) {
		pixman_image_unref(from);
	}
	if (into != NULL) {
		pixman_image_unref(into);
	}
	return right;
}

/* The bytes into the picture that stands for them here. */
static bool draw(struct client_listener *listener, const struct rect *rect,
		 const struct bytes *bytes)
{
	struct frame part = frame_crop(&listener->source, rect);
	char *to = (char *)listener->copy->mapping + part.offset;
	if (format_from_pixman(bytes->pixman) == NULL) {
		return convert(&part, to, bytes);
	}
	for (uint32_t y = 0; y < rect->height; y++) {
		counter_copy_pixels(to + (uint64_t)y * part.stride,
				    (const char *)bytes->data + (uint64_t)y * bytes->stride,
				    (size_t)rect->width * FORMAT_PIXEL_BYTES);
	}
	return true;
}

/* A memory of our own for the picture, as long as it has this shape. */
static int keep_copy(struct client_listener *listener, const struct frame *shape)
{
	const struct frame *source = &listener->source;
	if (listener->copy != NULL && listener->has_source && source->width == shape->width &&
	    source->height == shape->height && source->format == shape->format) {
		return 0;
	}
	memory_unref(listener->copy);
	listener->copy =
		memory_create_shm("hesper-view-copy", (uint64_t)shape->stride * shape->height);
	if (listener->copy == NULL) {
		listener->has_source = false;
		return -ENOMEM;
	}
	tell_scanout(listener, memory_ref(listener->copy), shape);
	return 0;
}

static int on_scanout(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client_listener *listener = data;
	struct frame shape = {0};
	struct bytes bytes;
	int r = sd_bus_message_read(call, "uu", &shape.width, &shape.height);
	if (r >= 0) {
		r = read_bytes(call, &bytes);
	}
	if (r < 0) {
		return r;
	}
	shape.format = format_here(bytes.pixman);
	if (shape.format == NULL || !bytes_suffice(&bytes, shape.width, shape.height)) {
		return refuse(error, "a picture with too few bytes, or of an unknown format");
	}
	shape.stride = shape.width * FORMAT_PIXEL_BYTES;
	r = keep_copy(listener, &shape);
	struct rect whole = {0, 0, shape.width, shape.height};
	if (r >= 0 && !draw(listener, &whole, &bytes)) {
		r = -ENOMEM;
	}
	return r < 0 ? r : tell_update(listener, call, &whole);
}

static int on_update(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client_listener *listener = data;
	struct rect rect;
	struct bytes bytes;
	int r;
	bool sane = read_rect(call, &rect, &r);
	if (r >= 0) {
		r = read_bytes(call, &bytes);
	}
	if (r < 0) {
		return r;
	}
	if (!sane || listener->copy == NULL || !listener->has_source ||
	    !rect_inside(&rect, listener->source.width, listener->source.height) ||
	    !bytes_suffice(&bytes, rect.width, rect.height) ||
	    listener->source.format != format_here(bytes.pixman)) {
		return refuse(error, "an update that does not match the picture");
	}
	return draw(listener, &rect, &bytes) ? tell_update(listener, call, &rect) : -ENOMEM;
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
		return refuse(error, "a cursor of a bad size");
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
	METHOD("Scanout", "uuuuay", on_scanout),
	METHOD("Update", "iiiiuuay", on_update),
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
