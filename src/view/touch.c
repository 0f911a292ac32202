/* SPDX-License-Identifier: MIT */
#include "view/touch.h"

void touch_init(struct touch *touch, const struct sink *sink)
{
	*touch = (struct touch){.sink = *sink};
}

static struct touch_finger *find(struct touch *touch, const SDL_TouchFingerEvent *event)
{
	for (int i = 0; i < DISPLAY_MAX_TOUCH_SLOTS; i++) {
		struct touch_finger *finger = &touch->fingers[i];
		if (finger->down && finger->device == event->touchID &&
		    finger->finger == event->fingerID) {
			return finger;
		}
	}
	return NULL;
}

static struct touch_finger *find_free(struct touch *touch)
{
	for (int i = 0; i < DISPLAY_MAX_TOUCH_SLOTS; i++) {
		if (!touch->fingers[i].down) {
			return &touch->fingers[i];
		}
	}
	return NULL;
}

static void send(struct touch *touch, const struct touch_finger *finger,
		 enum display_touch_kind kind, double x, double y)
{
	const struct display_input input = {
		.kind = DISPLAY_TOUCH,
		.touch = {
			.kind = kind, .slot = (uint32_t)(finger - touch->fingers), .x = x, .y = y}};
	sink_send(&touch->sink, finger->console, &input);
}

/*
 * Window to picture, one direction; fractions of a pixel are kept. False: beside the picture, to
 * is its edge.
 */
static bool map(double at, uint32_t area, uint32_t area_size, uint32_t part, uint32_t part_size,
		double *to)
{
	double place = (at - area) / area_size;
	bool inside = place >= 0 && place < 1;
	double last = part + (double)part_size - 1;
	double pixel = part + place * part_size;
	*to = pixel < part ? part : pixel > last ? last : pixel;
	return inside;
}

static bool place(const struct view_window_info *where, int width, int height,
		  const SDL_TouchFingerEvent *event, double *x, double *y)
{
	const struct rect *part = &where->placement.part;
	const struct rect *area = &where->placement.area;
	/* SDL's drivers make 1 of the window's last unit, and 0.5 of a window's only one. */
	double at_x = width > 1 ? (double)event->x * (width - 1) * where->density : 0;
	double at_y = height > 1 ? (double)event->y * (height - 1) * where->density : 0;
	bool inside_x = map(at_x, area->x, area->width, part->x, part->width, x);
	bool inside_y = map(at_y, area->y, area->height, part->y, part->height, y);
	return inside_x && inside_y;
}

static void begin(struct touch *touch, unsigned console, const SDL_TouchFingerEvent *event,
		  double x, double y)
{
	struct touch_finger *finger = find_free(touch);
	if (finger != NULL) {
		*finger = (struct touch_finger){true, event->touchID, event->fingerID, console};
		send(touch, finger, DISPLAY_TOUCH_BEGIN, x, y);
	}
}

void touch_event(struct touch *touch, const struct view_window_info *where, int width, int height,
		 const SDL_TouchFingerEvent *event)
{
	struct touch_finger *finger = find(touch, event);
	double x = 0;
	double y = 0;
	bool seen = where->width > 0 && where->placement.area.width > 0 &&
		    where->placement.area.height > 0;
	bool inside = seen && place(where, width, height, event, &x, &y);
	switch (event->type) {
	case SDL_EVENT_FINGER_DOWN:
		/* Beside the picture there is no screen to touch. */
		if (finger == NULL && inside) {
			begin(touch, where->console, event, x, y);
		}
		break;
	case SDL_EVENT_FINGER_MOTION:
		if (finger != NULL && seen) {
			send(touch, finger, DISPLAY_TOUCH_UPDATE, x, y);
		}
		break;
	case SDL_EVENT_FINGER_UP:
	case SDL_EVENT_FINGER_CANCELED:
		if (finger != NULL) {
			finger->down = false;
			send(touch, finger,
			     event->type == SDL_EVENT_FINGER_UP ? DISPLAY_TOUCH_END
								: DISPLAY_TOUCH_CANCEL,
			     x, y);
		}
		break;
	default:
		break;
	}
}

void touch_release(struct touch *touch, unsigned console)
{
	for (int i = 0; i < DISPLAY_MAX_TOUCH_SLOTS; i++) {
		struct touch_finger *finger = &touch->fingers[i];
		if (finger->down && finger->console == console) {
			finger->down = false;
			send(touch, finger, DISPLAY_TOUCH_CANCEL, 0, 0);
		}
	}
}
