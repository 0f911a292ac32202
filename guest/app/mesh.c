/* SPDX-License-Identifier: MIT */
#include "mesh.h"

const struct turn3 mesh_faces[MESH_FACES] = {
	{.x = {0, 0, -1}, .y = {0, 1, 0}, .z = {1, 0, 0}},
	{.x = {0, 0, 1}, .y = {0, 1, 0}, .z = {-1, 0, 0}},
	{.x = {1, 0, 0}, .y = {0, 0, -1}, .z = {0, 1, 0}},
	{.x = {1, 0, 0}, .y = {0, 0, 1}, .z = {0, -1, 0}},
	{.x = {1, 0, 0}, .y = {0, 1, 0}, .z = {0, 0, 1}},
	{.x = {-1, 0, 0}, .y = {0, 1, 0}, .z = {0, 0, -1}},
};

static float clampf(float value, float limit)
{
	return fminf(fmaxf(value, -limit), limit);
}

/* The grid is dense where the edge is round and has one wide cell in the flat middle. */
static float grid_place(int i, float radius)
{
	const int half = MESH_GRID / 2;
	int step = i < half ? i : MESH_GRID - 1 - i;
	/* Even angles along the rounding, up to the 45 degrees where the next face takes over. */
	float angle = (float)M_PI / 4 * (1.0f - (float)step / (float)(half - 1));
	float place = 1.0f - radius + radius * tanf(angle);

	return i < half ? -place : place;
}

static struct mesh_vertex grid_vertex(int face, float u, float v, float radius)
{
	struct vec3 flat = turn3_apply(&mesh_faces[face], (struct vec3){u, v, 1});
	float inner = 1.0f - radius;
	struct vec3 core = {clampf(flat.x, inner), clampf(flat.y, inner), clampf(flat.z, inner)};
	struct vec3 normal = vec3_normalize(vec3_sub(flat, core));

	return (struct mesh_vertex){
		.position = vec3_add(core, vec3_scale(normal, radius)),
		.normal = normal,
		.u = u,
		.v = v,
		.face = face,
	};
}

void mesh_rounded_cube(float radius, struct mesh_vertex vertices[MESH_VERTICES],
		       uint16_t indices[MESH_INDICES])
{
	unsigned n = 0;

	for (int face = 0; face < MESH_FACES; face++) {
		for (int i = 0; i < MESH_GRID * MESH_GRID; i++) {
			int column = i % MESH_GRID, row = i / MESH_GRID;
			uint16_t at = (uint16_t)(face * MESH_GRID * MESH_GRID + i);

			vertices[at] = grid_vertex(face, grid_place(column, radius),
						   grid_place(row, radius), radius);
			if (column == MESH_GRID - 1 || row == MESH_GRID - 1) {
				continue;
			}
			indices[n++] = at;
			indices[n++] = (uint16_t)(at + 1);
			indices[n++] = (uint16_t)(at + MESH_GRID + 1);
			indices[n++] = at;
			indices[n++] = (uint16_t)(at + MESH_GRID + 1);
			indices[n++] = (uint16_t)(at + MESH_GRID);
		}
	}
}

struct stroke {
	float u0, v0, u1, v1;
};

struct pen {
	struct stroke strokes[MESH_MAX_STROKES];
	unsigned count;
	float x; /* where the letter begins; lower-case letters are 1 high */
};

static void line(struct pen *pen, float x0, float y0, float x1, float y1)
{
	if (pen->count < MESH_MAX_STROKES) {
		pen->strokes[pen->count++] = (struct stroke){pen->x + x0, y0, pen->x + x1, y1};
	}
}

/* Part of an ellipse, counter-clockwise between two angles in degrees. */
static void arc(struct pen *pen, float cx, float cy, float rx, float ry, float from, float to)
{
	int steps = (int)ceilf((to - from) / 22.5f);

	for (int i = 0; i < steps; i++) {
		float a = (from + (to - from) * (float)i / (float)steps) * (float)M_PI / 180;
		float b = (from + (to - from) * (float)(i + 1) / (float)steps) * (float)M_PI / 180;

		line(pen, cx + rx * cosf(a), cy + ry * sinf(a), cx + rx * cosf(b),
		     cy + ry * sinf(b));
	}
}

static float draw_letter(struct pen *pen, char letter)
{
	switch (letter) {
	case 'h':
		line(pen, 0, 0, 0, 1.5f);
		arc(pen, 0.36f, 0.62f, 0.36f, 0.38f, 0, 180);
		line(pen, 0.72f, 0.62f, 0.72f, 0);
		return 0.72f;
	case 'e':
		line(pen, 0, 0.5f, 0.88f, 0.5f);
		arc(pen, 0.44f, 0.5f, 0.44f, 0.5f, 0, 310);
		return 0.88f;
	case 's':
		arc(pen, 0.32f, 0.75f, 0.30f, 0.25f, 35, 270);
		arc(pen, 0.32f, 0.25f, 0.32f, 0.25f, -145, 90);
		return 0.64f;
	case 'p':
		line(pen, 0, 1, 0, -0.5f);
		arc(pen, 0.44f, 0.5f, 0.44f, 0.5f, 0, 360);
		return 0.88f;
	case 'r':
		line(pen, 0, 0, 0, 1);
		arc(pen, 0.38f, 0.6f, 0.38f, 0.4f, 60, 180);
		return 0.5f;
	default:
		return 0;
	}
}

unsigned mesh_word(float width, struct mesh_stroke_vertex vertices[MESH_STROKE_VERTICES],
		   uint16_t indices[MESH_STROKE_INDICES])
{
	static const uint16_t corners[6] = {0, 1, 2, 2, 1, 3};
	const float gap = 0.42f;
	struct pen pen = {.count = 0};
	float total, scale;

	for (const char *letter = "hesper"; *letter; letter++) {
		pen.x += draw_letter(&pen, *letter) + gap;
	}
	total = pen.x - gap;
	scale = width / total;
	for (unsigned i = 0; i < pen.count; i++) {
		const struct stroke *stroke = &pen.strokes[i];

		for (unsigned corner = 0; corner < 4; corner++) {
			vertices[i * 4 + corner] = (struct mesh_stroke_vertex){
				.u0 = (stroke->u0 - total / 2) * scale,
				.v0 = (stroke->v0 - 0.5f) * scale,
				.u1 = (stroke->u1 - total / 2) * scale,
				.v1 = (stroke->v1 - 0.5f) * scale,
				.along = corner & 1 ? 1 : -1,
				.across = corner & 2 ? 1 : -1,
			};
		}
		for (unsigned k = 0; k < 6; k++) {
			indices[i * 6 + k] = (uint16_t)(i * 4 + corners[k]);
		}
	}
	return pen.count * 6;
}
