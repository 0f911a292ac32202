/* SPDX-License-Identifier: MIT */
#version 450
/* An evening sky over the sea: a strip of rows whose colours are interpolated. No vertex input. */
layout(location = 0) noperspective out vec3 colour;

const float ROW[6] = float[](0.0, 0.45, 0.70, 0.815, 0.825, 1.0);
const vec3 COLOUR[6] = vec3[](vec3(8, 12, 34), vec3(28, 34, 84), vec3(112, 62, 110),
			      vec3(236, 132, 84), vec3(90, 52, 78), vec3(10, 10, 28));

void main()
{
	int row = gl_VertexIndex / 2;

	colour = COLOUR[row] / 255.0;
	gl_Position = vec4(gl_VertexIndex % 2 == 0 ? -1.0 : 1.0, ROW[row] * 2.0 - 1.0, 1.0, 1.0);
}
