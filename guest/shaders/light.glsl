/* SPDX-License-Identifier: MIT */
const vec3 TO_LIGHT = vec3(-0.4008, 0.6012, 0.6914);

/* Light on a surface of that (linear) colour; the result is encoded for the screen. */
vec3 lit(vec3 colour, vec3 n, vec3 at, float gloss)
{
	vec3 to_eye = normalize(vec3(0.0, 0.0, camera.z) - at);
	vec3 middle = normalize(TO_LIGHT + to_eye);
	float diffuse = max(dot(n, TO_LIGHT), 0.0);
	float shine = max(dot(n, middle), 0.0);

	shine *= shine; /* to the power of 32 */
	shine *= shine;
	shine *= shine;
	shine *= shine;
	shine *= shine;
	return sqrt(colour * (0.38 + 0.12 * n.y + 0.72 * diffuse) + gloss * shine);
}
