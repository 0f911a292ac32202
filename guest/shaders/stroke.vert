/* SPDX-License-Identifier: MIT */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "view.glsl"
#include "light.glsl"
/* One stroke of a letter: a capsule between two points on a face, drawn as a quad around it. */
layout(location = 0) in vec4 ends;
layout(location = 1) in vec2 corner;

layout(location = 0) out vec2 along; /* in the capsule's own axes, from its middle */
layout(location = 1) flat out float reach; /* half of its length */
layout(location = 2) out vec3 colour;

const float HALF_WIDTH = 0.024, MARGIN = 0.012, LIFT = 1.004;

void main()
{
	vec2 axis = ends.zw - ends.xy;
	float size = length(axis);
	vec2 uv;
	vec3 world;

	axis = size > 0.0 ? axis / size : vec2(1, 0);
	reach = size * 0.5;
	along = corner * (vec2(reach, 0) + HALF_WIDTH + MARGIN);
	uv = (ends.xy + ends.zw) * 0.5 + axis * along.x + vec2(-axis.y, axis.x) * along.y;
	world = turned(FACE_N[misc.x] * LIFT + FACE_U[misc.x] * uv.x + FACE_V[misc.x] * uv.y);
	colour = lit(vec3(0.97), light_on(turned(FACE_N[misc.x]), world), 0.2);
	gl_Position = project(world);
}
