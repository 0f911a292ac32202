/* SPDX-License-Identifier: MIT */
#version 450
layout(push_constant) uniform Turn {
	vec2 turn; /* cosine and sine */
	vec2 scale; /* from square units to clip space */
};
layout(location = 0) out vec3 colour;

void main()
{
	const vec2 corners[3] = vec2[](vec2(0.0, 1.0), vec2(-0.8660254, -0.5), vec2(0.8660254, -0.5));
	vec2 p = corners[gl_VertexIndex];

	p = vec2(turn.x * p.x - turn.y * p.y, turn.y * p.x + turn.x * p.y);
	colour = vec3(gl_VertexIndex == 0, gl_VertexIndex == 1, gl_VertexIndex == 2);
	gl_Position = vec4(p * scale, 0.0, 1.0);
}
