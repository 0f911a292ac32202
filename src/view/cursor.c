/* SPDX-License-Identifier: MIT */
#include "view/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "util/log.h"

/* Window systems take larger ones rarely, and nobody wants them. */
#define MAX_SIDE 256

void cursors_init(struct cursors *cursors, enum view_cursor_mode mode)
{
	*cursors = (struct cursors){.mode = mode, .scale = 1};
}

void cursors_finish(struct cursors *cursors)
{
	for (int i = 0; i < VIEW_MAX_CONSOLES; i++) {
		struct cursor_state *state = &cursors->consoles[i];
		SDL_DestroyCursor(state->shape);
		free(state->pixels);
	}
}

/*
 * A picture that is shown twice as large wants a pointer twice as large; one that is shown smaller
 * keeps it, so that it can be seen. Whole numbers only: it stays sharp.
 */
static uint32_t scale_for(const struct cursor_state *state, uint32_t scale)
{
	uint32_t side = SDL_max(state->drawn.width, state->drawn.height);
	uint32_t most = side > 0 ? MAX_SIDE / side : 1;
	return SDL_clamp(scale, 1u, SDL_max(most, 1u));
}

/* Pixels are premultiplied in the guest as they are for X11 and Wayland, and SDL moves them so. */
static SDL_Cursor *make_shape(const struct cursor_state *state, uint32_t scale)
{
	int width = (int)state->drawn.width;
	int height = (int)state->drawn.height;
	int times = (int)scale;
	SDL_Surface *surface = SDL_CreateSurfaceFrom(width, height, SDL_PIXELFORMAT_ARGB8888,
						     state->pixels, width * 4);
	if (surface != NULL && times > 1) {
		SDL_Surface *larger = SDL_ScaleSurface(surface, width * times, height * times,
						       SDL_SCALEMODE_NEAREST);
		SDL_DestroySurface(surface);
		surface = larger;
	}
	SDL_Cursor *shape = NULL;
	if (surface != NULL) {
		/* SDL refuses a hot-spot outside of the image. */
		shape = SDL_CreateColorCursor(surface,
					      SDL_clamp(state->hot_x, 0, width - 1) * times,
					      SDL_clamp(state->hot_y, 0, height - 1) * times);
	}
	if (shape == NULL) {
		log_warn("no cursor of %dx%d: %s", width, height, SDL_GetError());
	}
	SDL_DestroySurface(surface);
	return shape;
}

/* Brings the host's cursor up to date. */
static void apply(struct cursors *cursors)
{
	struct cursor_state *state = &cursors->consoles[cursors->console];
	if (!cursors->hovered || !state->known) {
		SDL_SetCursor(SDL_GetDefaultCursor());
		SDL_ShowCursor();
		return;
	}
	if (!state->visible || state->pixels == NULL || cursors->mode == VIEW_CURSOR_DRAW) {
		SDL_HideCursor();
		return;
	}
	uint32_t scale = scale_for(state, cursors->scale);
	if (state->shape == NULL || state->scale != scale) {
		SDL_Cursor *shape = make_shape(state, scale);
		if (shape != NULL) {
			SDL_SetCursor(shape);
			SDL_DestroyCursor(state->shape);
			state->shape = shape;
		}
		state->scale = scale;
	}
	if (state->shape != NULL && SDL_GetCursor() != state->shape) {
		SDL_SetCursor(state->shape);
	}
	SDL_ShowCursor();
}

static void set_shape(struct cursors *cursors, struct cursor_state *state,
		      const struct view_cursor *cursor)
{
	size_t bytes = (size_t)cursor->width * cursor->height * sizeof(*cursor->pixels);
	uint32_t *pixels = malloc(bytes);
	if (pixels == NULL || bytes == 0) {
		free(pixels);
		return;
	}
	/* A pointer's shape is no frame: not counted. */
	memcpy(pixels, cursor->pixels, bytes);
	free(state->pixels);
	state->pixels = pixels;
	state->hot_x = cursor->hot_x;
	state->hot_y = cursor->hot_y;
	state->drawn.pixels = pixels;
	state->drawn.width = cursor->width;
	state->drawn.height = cursor->height;
	state->drawn.generation = ++cursors->generation;
	/* SDL shows its default cursor when the one it shows is destroyed: apply comes next. */
	SDL_DestroyCursor(state->shape);
	state->shape = NULL;
}

void cursors_set(struct cursors *cursors, unsigned console, const struct view_cursor *cursor)
{
	struct cursor_state *state = &cursors->consoles[console];
	state->known = true;
	state->visible = cursor->visible;
	state->drawn.x = cursor->x;
	state->drawn.y = cursor->y;
	if (cursor->pixels != NULL) {
		set_shape(cursors, state, cursor);
	}
	if (cursors->hovered && cursors->console == console) {
		apply(cursors);
	}
}

void cursors_hover(struct cursors *cursors, const struct view_window_info *where)
{
	bool hovered = where != NULL && where->width > 0;
	unsigned console = hovered ? where->console : cursors->console;
	uint32_t scale = 1;
	if (hovered && where->placement.part.width > 0 && where->density > 0) {
		scale = (uint32_t)((float)where->placement.area.width /
				   (float)where->placement.part.width / where->density);
	}
	if (hovered != cursors->hovered || console != cursors->console || scale != cursors->scale) {
		cursors->hovered = hovered;
		cursors->console = console;
		cursors->scale = scale;
		apply(cursors);
	}
}

const struct view_drawn_cursor *cursors_drawn(const struct cursors *cursors, unsigned console)
{
	const struct cursor_state *state = &cursors->consoles[console];
	bool drawn = cursors->mode == VIEW_CURSOR_DRAW && state->visible && state->pixels != NULL;
	return drawn ? &state->drawn : NULL;
}
