/* SPDX-License-Identifier: MIT */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "view.glsl"
/* Small stars in the upper sky, two triangles each; where and how bright follows from the index. */
layout(location = 0) out vec2 corner;
layout(location = 1) out float bright;

float hash(int n)
{
	return fract(sin(float(n) * 12.9898) * 43758.547);
}

void main()
{
	int i = gl_VertexIndex / 6, k = gl_VertexIndex % 6;
	vec2 place = vec2(0.03 + 0.94 * hash(i), 0.03 + 0.52 * hash(i + 100));
	float size = 1.2 + 1.4 * hash(i + 200);

	corner = vec2(k == 1 || k == 3 || k == 4, k == 2 || k >= 4) * 2.0 - 1.0;
	bright = (0.25 + 0.6 * hash(i + 300)) * (1.0 - place.y * 1.4);
	bright *= 0.8 + 0.2 * sin(float(misc.y % 240) * 0.0261799 * (1.0 + float(i % 3)) + float(i));
	gl_Position = vec4(place * 2.0 - 1.0 +
			   corner * size * camera.w * vec2(camera.x / camera.y, 1.0), 1.0, 1.0);
}
