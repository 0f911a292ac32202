/* SPDX-License-Identifier: MIT */
#version 450
/* Nothing more: this covers the whole screen, and a CPU may have to run it 240 times a second. */
layout(location = 0) noperspective in vec3 colour;
layout(location = 0) out vec4 result;

void main()
{
	result = vec4(colour, 1.0);
}
