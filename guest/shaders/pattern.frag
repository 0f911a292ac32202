/* SPDX-License-Identifier: MIT */
#version 450
/* app/pattern.c tells what the colours mean. */
layout(push_constant) uniform Pattern {
	uvec2 size;
	uint rows;
	uint frame;
};
layout(location = 0) out vec4 result;

void main()
{
	uvec2 block = uvec2(gl_FragCoord.xy) * uvec2(8u, rows) / size;
	uint bits = (frame + block.y) >> (3u * block.x);

	result = vec4(vec3(uvec3(bits, bits >> 1u, bits >> 2u) & 1u) * (192.0 / 255.0) + 32.0 / 255.0,
		      1.0);
}
