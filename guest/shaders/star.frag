/* SPDX-License-Identifier: MIT */
#version 450
layout(location = 0) in vec2 corner;
layout(location = 0) out vec4 result;

const float CORE = 0.22;

void main()
{
	float r = length(corner);
	float halo = max(1.0 - r, 0.0);
	float core = clamp(0.5 - (r - CORE) / fwidth(r), 0.0, 1.0);

	halo *= halo * halo * 0.75;
	result = vec4(mix(vec3(1.0, 0.86, 0.62), vec3(1.0, 0.98, 0.92), core), max(halo, core));
}
