/* SPDX-License-Identifier: MIT */
#version 450
layout(location = 0) in vec2 corner;
layout(location = 1) in float bright;
layout(location = 0) out vec4 result;

void main()
{
	result = vec4(1.0, 0.97, 0.9, bright * max(0.0, 1.0 - dot(corner, corner)));
}
