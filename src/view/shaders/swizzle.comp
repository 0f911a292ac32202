/* SPDX-License-Identifier: MIT */
#version 450

/*
 * For the formats whose byte order no VkFormat has: the view of `raw` puts each channel where it
 * belongs, so this only has to move pixels.
 */
layout(local_size_x = 16, local_size_y = 8) in;

layout(set = 0, binding = 0) uniform sampler2D raw;
layout(set = 0, binding = 1, rgba8) uniform writeonly image2D picture;

void main()
{
	ivec2 at = ivec2(gl_GlobalInvocationID.xy);
	if (all(lessThan(at, imageSize(picture)))) {
		imageStore(picture, at, texelFetch(raw, at, 0));
	}
}
