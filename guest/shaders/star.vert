/* SPDX-License-Identifier: MIT */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "view.glsl"
/* The evening star: a quad that faces the camera. */
layout(location = 0) out vec2 corner;

void main()
{
	corner = vec2(gl_VertexIndex % 2, gl_VertexIndex / 2) * 2.0 - 1.0;
	gl_Position = project(star.xyz + vec3(corner * star.w, 0.0));
}
