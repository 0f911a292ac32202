/* SPDX-License-Identifier: MIT */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "view.glsl"
#include "light.glsl"
layout(location = 0) in vec2 light;
layout(location = 1) in vec2 panel_uv;
layout(location = 2) flat in vec3 colour;
layout(location = 0) out vec4 result;

const float PANEL = 0.76, ROUND = 0.14; /* half size and corner radius of the coloured panel */
const vec3 FRAME = vec3(0.86, 0.83, 0.76);

void main()
{
	vec2 q = abs(panel_uv) - (PANEL - ROUND);
	float d = length(max(q, 0.0)) + min(max(q.x, q.y), 0.0) - ROUND;
	float edge = fwidth(d);
	float panel = clamp(0.5 - d / edge, 0.0, 1.0);
	float groove = 1.0 - 0.55 * clamp(1.0 - abs(d) / (0.018 + edge), 0.0, 1.0);

	result = vec4(lit(mix(FRAME, colour, panel) * groove, light, 0.35), 1.0);
}
