/* SPDX-License-Identifier: MIT */
#include "hesperd/outputs.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/options.h"

#define USUAL_POSSIBLE 4

static int complain(const char *text, size_t length, const char *why)
{
	fprintf(stderr,
		"hesperd: --outputs cannot have '%.*s'; %s. It is a number of monitors up to %d, "
		"or a list such as 1920x1080@59.94,side:1280x1024@75/376x301mm\n",
		(int)length, text, why, GPU_MAX_HEADS);
	return -EINVAL;
}

/* "12x34": both within the limits. Moves *at behind it. */
static bool read_size(const char **at, uint32_t min, uint32_t max, uint32_t *width,
		      uint32_t *height)
{
	return options_number(at, width) && **at == 'x' && (++*at, options_number(at, height)) &&
	       *width >= min && *width <= max && *height >= min && *height <= max;
}

static const char *read_mode(const char *at, const char *end, struct gpu_mode *mode)
{
	if ((size_t)(end - at) == strlen("off") && memcmp(at, "off", strlen("off")) == 0) {
		*mode = (struct gpu_mode){.refresh_mhz = mode->refresh_mhz};
		return NULL;
	}
	if (at < end && isdigit((unsigned char)*at) &&
	    !read_size(&at, GPU_MIN_PIXELS, GPU_MAX_PIXELS, &mode->width, &mode->height)) {
		return "a size is WIDTHxHEIGHT, each 64 to 8192";
	}
	if (at < end && *at == '@') {
		at++;
		if (!options_thousandths(&at, &mode->refresh_mhz) ||
		    mode->refresh_mhz < GPU_MIN_REFRESH_MHZ ||
		    mode->refresh_mhz > GPU_MAX_REFRESH_MHZ) {
			return "a rate is @HZ, 1 to 1000, with up to three decimals";
		}
	}
	if (at < end && *at == '/') {
		at++;
		if (!read_size(&at, GPU_MIN_MM, GPU_MAX_MM, &mode->width_mm, &mode->height_mm) ||
		    end - at < 2 || memcmp(at, "mm", 2) != 0) {
			return "a physical size is /WIDTHxHEIGHTmm, each 10 to 4095";
		}
		at += 2;
	}
	return at == end ? NULL : "an output is [NAME:][WIDTHxHEIGHT][@HZ][/WIDTHxHEIGHTmm] or off";
}

static const char *read_name(const char *text, size_t length, char name[EDID_NAME_SIZE])
{
	if (length == 0 || length >= EDID_NAME_SIZE) {
		return "a name has 1 to 13 characters";
	}
	for (size_t i = 0; i < length; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e) {
			return "a name has printable ASCII characters only";
		}
	}
	memcpy(name, text, length);
	name[length] = '\0';
	return NULL;
}

static int read_list(const char *text, struct outputs *outputs, unsigned *given)
{
	for (*given = 0;; text++) {
		size_t length = strcspn(text, ",");
		const char *end = text + length;
		const char *colon = memchr(text, ':', length);
		if (*given == GPU_MAX_HEADS) {
			return complain(text, strlen(text), "there are too many");
		}
		struct gpu_output *output = &outputs->list[*given];
		const char *wrong = NULL;
		if (colon != NULL) {
			wrong = read_name(text, (size_t)(colon - text), outputs->names[*given]);
		}
		if (wrong == NULL) {
			wrong = read_mode(colon != NULL ? colon + 1 : text, end, &output->mode);
		}
		if (wrong != NULL || length == 0) {
			return complain(text, length, wrong != NULL ? wrong : "it is empty");
		}
		++*given;
		text = end;
		if (*text == '\0') {
			return 0;
		}
	}
}

int outputs_parse(const char *text, const struct gpu_mode *usual, unsigned max,
		  struct outputs *outputs)
{
	for (unsigned i = 0; i < GPU_MAX_HEADS; i++) {
		outputs->list[i] = (struct gpu_output){*usual, outputs->names[i]};
		snprintf(outputs->names[i], EDID_NAME_SIZE, "hesper-%u", i + 1);
	}
	const char *rest = text;
	uint32_t given;
	if (!options_number(&rest, &given) || *rest != '\0') {
		unsigned count;
		int error = read_list(text, outputs, &count);
		if (error < 0) {
			return error;
		}
		given = count;
	} else if (given == 0 || given > GPU_MAX_HEADS) {
		return complain(text, strlen(text), "it is 1 to 16");
	}
	if (max != 0 && max < given) {
		fprintf(stderr, "hesperd: --max-outputs cannot be %u with %u outputs\n", max,
			given);
		return -EINVAL;
	}
	outputs->count = max != 0 ? max : given > USUAL_POSSIBLE ? given : USUAL_POSSIBLE;
	for (unsigned i = given; i < outputs->count; i++) {
		outputs->list[i].mode = (struct gpu_mode){.refresh_mhz = usual->refresh_mhz};
	}
	return 0;
}

static uint32_t clamp(uint32_t value, uint32_t min, uint32_t max)
{
	return value < min ? min : value > max ? max : value;
}

struct gpu_mode outputs_mode(const struct display_monitor *monitor, const struct gpu_mode *now)
{
	struct gpu_mode mode = {.refresh_mhz = now->refresh_mhz};
	if (monitor->refresh_mhz != 0) {
		mode.refresh_mhz =
			clamp(monitor->refresh_mhz, GPU_MIN_REFRESH_MHZ, GPU_MAX_REFRESH_MHZ);
	}
	if (monitor->width == 0 || monitor->height == 0) {
		return mode;
	}
	mode.width = clamp(monitor->width, GPU_MIN_PIXELS, GPU_MAX_PIXELS);
	mode.height = clamp(monitor->height, GPU_MIN_PIXELS, GPU_MAX_PIXELS);
	if (monitor->width_mm >= GPU_MIN_MM && monitor->height_mm >= GPU_MIN_MM) {
		mode.width_mm = clamp(monitor->width_mm, GPU_MIN_MM, GPU_MAX_MM);
		mode.height_mm = clamp(monitor->height_mm, GPU_MIN_MM, GPU_MAX_MM);
	}
	return mode;
}
