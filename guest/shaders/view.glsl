/* SPDX-License-Identifier: MIT */
/* What the cube's shaders share. app/cube.c holds the same numbers for --check: keep them equal. */
layout(push_constant) uniform View {
	vec4 turn[3]; /* columns of the cube's rotation */
	vec4 camera; /* x, y: focal length per axis; z: distance; w: pixel height in clip space */
	vec4 star; /* xyz: place; w: radius of the halo */
	ivec4 misc; /* x: face, y: frame */
};

const float NEAR = 2.0, FAR = 12.0;

const vec3 FACE_N[6] = vec3[](vec3(1, 0, 0), vec3(-1, 0, 0), vec3(0, 1, 0), vec3(0, -1, 0),
			      vec3(0, 0, 1), vec3(0, 0, -1));
const vec3 FACE_U[6] = vec3[](vec3(0, 0, -1), vec3(0, 0, 1), vec3(1, 0, 0), vec3(1, 0, 0),
			      vec3(1, 0, 0), vec3(-1, 0, 0));
const vec3 FACE_V[6] = vec3[](vec3(0, 1, 0), vec3(0, 1, 0), vec3(0, 0, -1), vec3(0, 0, 1),
			      vec3(0, 1, 0), vec3(0, 1, 0));

vec3 turned(vec3 p)
{
	return turn[0].xyz * p.x + turn[1].xyz * p.y + turn[2].xyz * p.z;
}

/* The camera is on the z axis and looks at the origin; y is up. */
vec4 project(vec3 p)
{
	float w = camera.z - p.z;

	return vec4(camera.x * p.x, -camera.y * p.y, (w - NEAR) * FAR / (FAR - NEAR), w);
}
