/* SPDX-License-Identifier: MIT */
#version 450

/*
 * A pointer over what is under it: its colours are premultiplied by its alpha. `first` is the
 * shape's pixel at the corner of both other images, `size` what of them is used: a pointer may be
 * partly outside of the picture.
 */
layout(local_size_x = 8, local_size_y = 8) in;

layout(set = 0, binding = 0) uniform sampler2D under;
layout(set = 0, binding = 1) uniform sampler2D shape;
layout(set = 0, binding = 2, rgba8) uniform writeonly image2D result;

layout(push_constant) uniform Place {
	ivec2 first;
	ivec2 size;
};

void main()
{
	ivec2 at = ivec2(gl_GlobalInvocationID.xy);
	if (all(lessThan(at, size))) {
		vec4 over = texelFetch(shape, first + at, 0);
		vec3 below = texelFetch(under, at, 0).rgb;
		imageStore(result, at, vec4(over.rgb + below * (1.0 - over.a), 1.0));
	}
}
