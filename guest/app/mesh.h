/* SPDX-License-Identifier: MIT */
#ifndef GUEST_MESH_H
#define GUEST_MESH_H

#include <stdint.h>

#include "vec.h"

#define MESH_FACES 6
#define MESH_GRID 8 /* points along each edge of a face */
#define MESH_VERTICES (MESH_FACES * MESH_GRID * MESH_GRID)
#define MESH_INDICES (MESH_FACES * (MESH_GRID - 1) * (MESH_GRID - 1) * 6)

struct mesh_vertex {
	struct vec3 position, normal;
	float u, v; /* -1..1 over the face */
	int32_t face;
};

/* The faces in the order +x -x +y -y +z -z: normal, and the axes of u and v (u x v = normal). */
extern const struct turn3 mesh_faces[MESH_FACES]; /* x: u, y: v, z: normal */

/* A cube from -1 to 1 whose edges are rounded by that radius; counter-clockwise from outside. */
void mesh_rounded_cube(float radius, struct mesh_vertex vertices[MESH_VERTICES],
		       uint16_t indices[MESH_INDICES]);

/* One corner of the quad around a stroke of a letter, in the u and v of a face. */
struct mesh_stroke_vertex {
	float u0, v0, u1, v1; /* the stroke's ends */
	float along, across; /* which corner: -1 or 1 each */
};

#define MESH_MAX_STROKES 96
#define MESH_STROKE_VERTICES (MESH_MAX_STROKES * 4)
#define MESH_STROKE_INDICES (MESH_MAX_STROKES * 6)

/* "hesper", centred, that wide. Returns the number of indices to draw. */
unsigned mesh_word(float width, struct mesh_stroke_vertex vertices[MESH_STROKE_VERTICES],
		   uint16_t indices[MESH_STROKE_INDICES]);

#endif
