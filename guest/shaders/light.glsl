/* SPDX-License-Identifier: MIT */
const vec3 TO_LIGHT = vec3(-0.4008, 0.6012, 0.6914);

/* Light on a surface, worked out per vertex: x is what scatters, y the base of the highlight. */
vec2 light_on(vec3 n, vec3 at)
{
	vec3 middle = normalize(TO_LIGHT + normalize(vec3(0.0, 0.0, camera.z) - at));

	return vec2(0.38 + 0.12 * n.y + 0.72 * max(dot(n, TO_LIGHT), 0.0),
		    max(dot(n, middle), 0.0));
}

/* The (linear) colour in that light, encoded for the screen. */
vec3 lit(vec3 colour, vec2 light, float gloss)
{
	float shine = light.y * light.y; /* to the power of 32 */

	shine *= shine;
	shine *= shine;
	shine *= shine;
	shine *= shine;
	return sqrt(colour * light.x + gloss * shine);
}
