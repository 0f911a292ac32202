/* SPDX-License-Identifier: MIT */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "view.glsl"
#include "light.glsl"
layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec2 uv;
layout(location = 3) in int face;

layout(location = 0) out vec2 light;
layout(location = 1) out vec2 panel_uv;
layout(location = 2) flat out vec3 colour;

const vec3 COLOUR[6] = vec3[](vec3(230, 57, 70), vec3(38, 190, 200), vec3(255, 200, 60),
			      vec3(140, 70, 230), vec3(58, 120, 250), vec3(60, 190, 110));

void main()
{
	vec3 world = turned(position);

	light = light_on(turned(normal), world);
	panel_uv = uv;
	colour = COLOUR[face] / 255.0 * COLOUR[face] / 255.0;
	gl_Position = project(world);
}
