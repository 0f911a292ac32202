/* SPDX-License-Identifier: MIT */
/*
 * The cube's picture at chosen pixels, worked out without the GPU: the sky's corners, points on the
 * panels of the faces that look at the camera, and the star where it must be seen or must be hidden
 * (which is what shows that the depth test works). Numbers as in shaders/.
 */
#include "cube.h"
#include "mesh.h"

#define TOLERANCE 4
#define MIN_HEIGHT 200 /* in smaller pictures the lines around the panels reach everywhere */

static const struct vec3 to_light = {-0.4008f, 0.6012f, 0.6914f};

static const uint8_t face_colours[MESH_FACES][3] = {
	{230, 57, 70},  {38, 190, 200}, {255, 200, 60},
	{140, 70, 230}, {58, 120, 250}, {60, 190, 110},
};

static const char *const face_names[MESH_FACES] = {
	"+x face", "-x face", "+y face", "-y face", "+z face", "-z face",
};

static const struct {
	float row;
	uint8_t rgb[3];
} sky[] = {
	{0.0f, {8, 12, 34}},      {0.45f, {28, 34, 84}},  {0.70f, {112, 62, 110}},
	{0.815f, {236, 132, 84}}, {0.825f, {90, 52, 78}}, {1.0f, {10, 10, 28}},
};

struct spot {
	float x, y; /* pixels */
};

static struct spot project(const struct cube_pose *pose, struct vec3 p, uint32_t width,
			   uint32_t height)
{
	float w = pose->distance - p.z;

	return (struct spot){
		(pose->focal_x * p.x / w + 1) * (float)width / 2,
		(1 - pose->focal_y * p.y / w) * (float)height / 2,
	};
}

static float distance(struct spot a, struct spot b)
{
	return hypotf(a.x - b.x, a.y - b.y);
}

static uint8_t to_byte(float value)
{
	return (uint8_t)(fminf(fmaxf(value, 0), 1) * 255.0f + 0.5f);
}

static struct scene_expected sky_at(uint32_t x, uint32_t y, uint32_t height)
{
	struct scene_expected expected = {.what = "sky", .x = x, .y = y, .tolerance = 2};
	float place = ((float)y + 0.5f) / (float)height;
	unsigned row = 0;

	while (place > sky[row + 1].row) {
		row++;
	}
	place = (place - sky[row].row) / (sky[row + 1].row - sky[row].row);
	for (unsigned i = 0; i < 3; i++) {
		float a = sky[row].rgb[i], b = sky[row + 1].rgb[i];

		expected.rgb[i] = (uint8_t)(a + (b - a) * place + 0.5f);
	}
	return expected;
}

/* A point of a face, turned. */
static struct vec3 face_place(const struct cube_pose *pose, int face, float u, float v)
{
	return turn3_apply(&pose->turn, turn3_apply(&mesh_faces[face], (struct vec3){u, v, 1}));
}

/* light_on() of shaders/light.glsl: the base of the highlight at a point. */
static float highlight(const struct cube_pose *pose, int face, struct vec3 normal, float u, float v)
{
	struct vec3 eye = {0, 0, pose->distance};
	struct vec3 to_eye = vec3_normalize(vec3_sub(eye, face_place(pose, face, u, v)));

	return fmaxf(vec3_dot(normal, vec3_normalize(vec3_add(to_light, to_eye))), 0);
}

/* A panel's colour. The light is worked out at the corners of the face's flat part, two triangles. */
static void shade(const struct cube_pose *pose, int face, struct vec3 normal, float u, float v,
		  uint8_t rgb[3])
{
	const float flat = 1 - CUBE_ROUND;
	float s = (u + flat) / (2 * flat), t = (v + flat) / (2 * flat);
	float near = highlight(pose, face, normal, -flat, -flat);
	float far = highlight(pose, face, normal, flat, flat);
	float side = s > t ? highlight(pose, face, normal, flat, -flat)
			   : highlight(pose, face, normal, -flat, flat);
	float base = s > t ? near + (side - near) * s + (far - side) * t
			   : near + (side - near) * t + (far - side) * s;
	float shine = powf(base, 32);
	float diffuse = fmaxf(vec3_dot(normal, to_light), 0);

	for (unsigned i = 0; i < 3; i++) {
		float colour = (float)face_colours[face][i] / 255.0f;

		colour *= colour * (0.38f + 0.12f * normal.y + 0.72f * diffuse);
		rgb[i] = to_byte(sqrtf(colour + 0.35f * shine));
	}
}

/* A point of a face that no letter covers; false if the face looks away, or the star is near. */
static bool face_point(const struct cube_pose *pose, int face, float u, float v, uint32_t width,
		       uint32_t height, struct scene_expected *expected)
{
	struct vec3 eye = {0, 0, pose->distance};
	struct vec3 normal = turn3_apply(&pose->turn, mesh_faces[face].z);
	struct vec3 at = face_place(pose, face, u, v);
	struct vec3 to_eye = vec3_normalize(vec3_sub(eye, at));
	struct spot spot = project(pose, at, width, height);
	struct spot star = project(pose, pose->star, width, height);
	float halo = CUBE_STAR_HALO * pose->focal_y * (float)height / 2 /
		     (pose->distance - pose->star.z);

	if (vec3_dot(normal, to_eye) < 0.3f || distance(spot, star) < halo * 1.5f) {
		return false;
	}
	*expected = (struct scene_expected){
		.what = face_names[face],
		.x = (uint32_t)spot.x,
		.y = (uint32_t)spot.y,
		.tolerance = TOLERANCE,
	};
	shade(pose, face, normal, u, v, expected->rgb);
	return true;
}

/* The star's middle, when it is surely before, beside or behind the cube. */
static bool star_point(const struct cube_pose *pose, uint32_t width, uint32_t height,
		       struct scene_expected *expected)
{
	struct spot star = project(pose, pose->star, width, height);
	struct spot middle = project(pose, (struct vec3){0}, width, height);
	float unit = pose->focal_y * (float)height / 2 / pose->distance;
	float apart = distance(star, middle) / unit;
	bool before = pose->star.z > 1.8f, behind = pose->star.z < -1.8f;

	/* The cube holds a ball of radius 1 and is held by one of 1.74; near parts look larger. */
	if (!before && apart < 2.1f && !(behind && apart < 0.9f)) {
		return false;
	}
	*expected = (struct scene_expected){
		.what = behind && apart < 0.9f ? "star hidden by the cube" : "star",
		.x = (uint32_t)star.x,
		.y = (uint32_t)star.y,
		.rgb = {255, 250, 235},
		.tolerance = 3,
		.other = behind && apart < 0.9f,
	};
	return star.x > 0 && star.y > 0 && expected->x < width && expected->y < height;
}

unsigned cube_expect(const struct cube_pose *pose, uint32_t width, uint32_t height,
		     struct scene_expected expected[SCENE_MAX_EXPECTED])
{
	static const float points[][2] = {{0, 0.55f}, {0, -0.55f}, {-0.5f, 0.5f}, {0.5f, -0.5f}};
	unsigned n = 0;

	expected[n++] = sky_at(1, 1, height);
	expected[n++] = sky_at(width - 2, 1, height);
	expected[n++] = sky_at(1, height - 2, height);
	expected[n++] = sky_at(width - 2, height - 2, height);
	for (int face = 0; face < MESH_FACES && height >= MIN_HEIGHT; face++) {
		for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
			n += face_point(pose, face, points[i][0], points[i][1], width, height,
					&expected[n]);
		}
	}
	n += star_point(pose, width, height, &expected[n]);
	return n;
}
