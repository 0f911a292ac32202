/* SPDX-License-Identifier: MIT */
#ifndef GUEST_VEC_H
#define GUEST_VEC_H

#include <math.h>

struct vec3 {
	float x, y, z;
};

static inline struct vec3 vec3_add(struct vec3 a, struct vec3 b)
{
	return (struct vec3){a.x + b.x, a.y + b.y, a.z + b.z};
}

static inline struct vec3 vec3_sub(struct vec3 a, struct vec3 b)
{
	return (struct vec3){a.x - b.x, a.y - b.y, a.z - b.z};
}

static inline struct vec3 vec3_scale(struct vec3 a, float k)
{
	return (struct vec3){a.x * k, a.y * k, a.z * k};
}

static inline float vec3_dot(struct vec3 a, struct vec3 b)
{
	return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline struct vec3 vec3_normalize(struct vec3 a)
{
	return vec3_scale(a, 1.0f / sqrtf(vec3_dot(a, a)));
}

/* A rotation, as the images of the three axes. */
struct turn3 {
	struct vec3 x, y, z;
};

static inline struct vec3 turn3_apply(const struct turn3 *turn, struct vec3 p)
{
	return vec3_add(vec3_add(vec3_scale(turn->x, p.x), vec3_scale(turn->y, p.y)),
			vec3_scale(turn->z, p.z));
}

/* First about the y axis, then about the x axis (positive tips the top towards the viewer). */
static inline struct turn3 turn3_spin_then_tilt(float spin, float tilt)
{
	float ct = cosf(tilt), st = sinf(tilt), cs = cosf(spin), ss = sinf(spin);

	return (struct turn3){
		.x = {cs, st * ss, -ct * ss},
		.y = {0, ct, st},
		.z = {ss, -st * cs, ct * cs},
	};
}

#endif
