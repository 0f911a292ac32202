/* SPDX-License-Identifier: MIT */
#include "display/client_impl.h"

#include <errno.h>
#include <pixman.h>

#include "util/counters.h"

/* Pictures whose pixels come in messages: the way of a server that has no memory to share. */

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
	client_tell_scanout(listener, memory_ref(listener->copy), shape);
	return 0;
}

int client_on_scanout(sd_bus_message *call, void *data, sd_bus_error *error)
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
		return client_refuse(error,
				     "a picture with too few bytes, or of an unknown format");
	}
	shape.stride = shape.width * FORMAT_PIXEL_BYTES;
	r = keep_copy(listener, &shape);
	struct rect whole = {0, 0, shape.width, shape.height};
	if (r >= 0 && !draw(listener, &whole, &bytes)) {
		r = -ENOMEM;
	}
	return r < 0 ? r : client_tell_update(listener, call, &whole);
}

int client_on_update(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client_listener *listener = data;
	struct rect rect;
	struct bytes bytes;
	int r;
	bool sane = client_read_rect(call, &rect, &r);
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
		return client_refuse(error, "an update that does not match the picture");
	}
	return draw(listener, &rect, &bytes) ? client_tell_update(listener, call, &rect) : -ENOMEM;
}
