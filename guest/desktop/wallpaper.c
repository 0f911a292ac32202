/* SPDX-License-Identifier: MIT */
/*
 * wallpaper FILE.png: the evening sky behind the demo guest's desktop, with the star that hesper is
 * named after. guest/build runs it; the picture is the same each time.
 */
#include <math.h>
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define WIDTH 1920
#define HEIGHT 1200
#define STARS 420
#define RIDGES 4
#define STAR_X 1640.0
#define STAR_Y 250.0

struct colour {
	double red, green, blue; /* 0 to 255 */
};

static struct colour picture[HEIGHT][WIDTH];

/* Colours of the sky from the top down to the horizon. */
static const struct {
	double at;
	struct colour colour;
} sky[] = {
	{0.00, {10, 14, 38}},   {0.35, {24, 30, 74}},    {0.60, {62, 48, 104}},
	{0.76, {128, 72, 112}}, {0.86, {206, 116, 100}}, {1.00, {246, 186, 122}},
};

static struct colour mix(struct colour a, struct colour b, double part)
{
	return (struct colour){
		a.red + (b.red - a.red) * part,
		a.green + (b.green - a.green) * part,
		a.blue + (b.blue - a.blue) * part,
	};
}

static void add_light(struct colour *to, struct colour light, double strength)
{
	to->red += light.red * strength;
	to->green += light.green * strength;
	to->blue += light.blue * strength;
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static struct colour sky_at(double height)
{
	size_t i = 1;

	while (i + 1 < sizeof(sky) / sizeof(sky[0]) && height > sky[i].at) {
		i++;
	}
	double part = (height - sky[i - 1].at) / (sky[i].at - sky[i - 1].at);
	part = part < 0 ? 0 : part > 1 ? 1 : part;
	return mix(sky[i - 1].colour, sky[i].colour, part * part * (3 - 2 * part));
}

static void draw_sky(void)
{
	for (int y = 0; y < HEIGHT; y++) {
		for (int x = 0; x < WIDTH; x++) {
			double far = (x - STAR_X) / WIDTH;

			/* The afterglow is below the star. */
			picture[y][x] = sky_at((double)y / (HEIGHT * 0.84) - 0.16 * far * far);
		}
	}
}

/* A round spot of light. */
static void draw_spot(double at_x, double at_y, double radius, double strength, struct colour light)
{
	int reach = (int)(radius * 4) + 1;

	for (int y = (int)at_y - reach; y <= (int)at_y + reach; y++) {
		for (int x = (int)at_x - reach; x <= (int)at_x + reach; x++) {
			double distance = hypot(x - at_x, y - at_y) / radius;

			if (x >= 0 && x < WIDTH && y >= 0 && y < HEIGHT) {
				add_light(&picture[y][x], light,
					  strength * exp(-distance * distance));
			}
		}
	}
}

static void draw_stars(void)
{
	static const struct colour tints[] = {{255, 244, 230}, {214, 226, 255}, {255, 255, 255}};
	uint32_t state = 7;

	for (int i = 0; i < STARS; i++) {
		double x = next_random(&state) % WIDTH;
		double y = pow(next_random(&state) % 1000 / 1000.0, 1.4) * HEIGHT * 0.62;
		double size = next_random(&state) % 100 / 100.0;
		double fade = 1 - y / (HEIGHT * 0.66);

		draw_spot(x, y, 0.6 + 0.7 * size * size * size, (0.2 + 0.6 * size) * fade,
			  tints[i % 3]);
	}
}

/* The evening star: a core, a glow, and four rays. */
static void draw_hesper(void)
{
	static const struct colour warm = {255, 236, 204};
	const double reach = 150;

	draw_spot(STAR_X, STAR_Y, 70, 0.22, warm);
	draw_spot(STAR_X, STAR_Y, 22, 0.35, warm);
	draw_spot(STAR_X, STAR_Y, 6, 1.2, (struct colour){255, 252, 244});
	for (int y = -(int)reach; y <= (int)reach; y++) {
		for (int x = -(int)reach; x <= (int)reach; x++) {
			double along = fmax(abs(x), abs(y)) / reach;
			double across = fmin(abs(x), abs(y));
			double width = 0.7 + 1.6 * (1 - along) * (1 - along);
			double ray = pow(1 - along, 2.2) * exp(-across * across / (width * width));

			add_light(&picture[(int)STAR_Y + y][(int)STAR_X + x], warm, 0.85 * ray);
		}
	}
}

static double ridge_height(int ridge, double x)
{
	double phase = 1.7 * ridge;

	return HEIGHT * (0.735 + 0.07 * ridge) + 46 * sin(x / 310 + phase * 2.3) +
	       24 * sin(x / 127 + phase) + 11 * sin(x / 53 + phase * 3.1) +
	       4 * sin(x / 19 + phase * 5);
}

/* Hills one behind the other: the far ones have more of the evening's haze. */
static void draw_ridges(void)
{
	static const struct colour haze = {112, 70, 110};
	static const struct colour dark = {12, 14, 30};

	for (int ridge = 0; ridge < RIDGES; ridge++) {
		struct colour base = mix(haze, dark, (ridge + 0.8) / RIDGES);

		for (int x = 0; x < WIDTH; x++) {
			double top = ridge_height(ridge, x);

			for (int y = (int)floor(top); y < HEIGHT; y++) {
				double cover = y + 1 - top;
				double depth = (y - top) / (HEIGHT - top);
				struct colour hill = mix(base, dark, depth > 0 ? 0.55 * depth : 0);

				picture[y][x] = mix(picture[y][x], hill, cover > 1 ? 1 : cover);
			}
		}
	}
}

/* To 8 bits, with an ordered dither: it hides the steps of slow gradients and still packs well. */
static uint8_t quantize(double value, int x, int y)
{
	static const uint8_t order[4][4] = {
		{0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};
	double dithered = value + (order[y % 4][x % 4] + 0.5) / 16;

	return (uint8_t)(dithered < 0 ? 0 : dithered > 255 ? 255 : dithered);
}

static int write_picture(const char *path)
{
	static uint8_t bytes[HEIGHT][WIDTH][3];
	png_image image = {
		.version = PNG_IMAGE_VERSION,
		.width = WIDTH,
		.height = HEIGHT,
		.format = PNG_FORMAT_RGB,
	};

	for (int y = 0; y < HEIGHT; y++) {
		for (int x = 0; x < WIDTH; x++) {
			bytes[y][x][0] = quantize(picture[y][x].red, x, y);
			bytes[y][x][1] = quantize(picture[y][x].green, x, y);
			bytes[y][x][2] = quantize(picture[y][x].blue, x, y);
		}
	}
	return png_image_write_to_file(&image, path, 0, bytes, 0, NULL) ? 0 : -1;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: wallpaper FILE.png\n");
		return 2;
	}
	draw_sky();
	draw_stars();
	draw_hesper();
	draw_ridges();
	if (write_picture(argv[1]) < 0) {
		fprintf(stderr, "wallpaper: cannot write %s\n", argv[1]);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
