/* SPDX-License-Identifier: MIT */
#version 450
layout(location = 0) in vec2 along;
layout(location = 1) flat in float reach;
layout(location = 2) in vec3 colour;
layout(location = 0) out vec4 result;

const float HALF_WIDTH = 0.024;

void main()
{
	float d = length(vec2(max(abs(along.x) - reach, 0.0), along.y)) - HALF_WIDTH;

	result = vec4(colour, clamp(0.5 - d / fwidth(d), 0.0, 1.0));
}
