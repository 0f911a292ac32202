/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

typedef bool (*option_setter)(struct options *opts, const char *value);

struct option_row {
	const char *name;
	const char *value; /* NULL: a flag; in brackets: optional */
	option_setter set;
	const char *help;
};

static const char *const wsi_names[] = {
	[WSI_DIRECT] = "direct",
	[WSI_DISPLAY] = "display",
	[WSI_HEADLESS] = "headless",
};

const char *options_wsi_name(enum wsi wsi)
{
	return wsi_names[wsi];
}

static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	if (text[0] < '0' || text[0] > '9') {
		return false;
	}
	*out = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *out >= min && *out <= max;
}

static bool set_wsi(struct options *opts, const char *value)
{
	for (size_t i = 0; i < sizeof(wsi_names) / sizeof(wsi_names[0]); i++) {
		if (strcmp(value, wsi_names[i]) == 0) {
			opts->wsi = (enum wsi)i;
			return true;
		}
	}
	return false;
}

static bool set_frames(struct options *opts, const char *value)
{
	return parse_number(value, 0, INT64_MAX, &opts->frames);
}

static bool set_size(struct options *opts, const char *value)
{
	unsigned width, height;
	char rest;

	if (sscanf(value, "%5ux%5u%c", &width, &height, &rest) != 2 || width < 32 || height < 32 ||
	    width > 8192 || height > 8192) {
		return false;
	}
	opts->width = width;
	opts->height = height;
	return true;
}

static bool set_refresh(struct options *opts, const char *value)
{
	char *end;

	opts->refresh = strtod(value, &end);
	return *end == '\0' && opts->refresh > 0 && opts->refresh <= 1000;
}

static bool set_json(struct options *opts, const char *value)
{
	opts->json = value;
	return true;
}

static bool set_png(struct options *opts, const char *value)
{
	opts->png = value;
	return true;
}

static bool set_card(struct options *opts, const char *value)
{
	opts->card = value;
	return true;
}

static bool set_output(struct options *opts, const char *value)
{
	opts->output = value;
	return true;
}

static bool set_follow(struct options *opts, const char *value)
{
	opts->follow = true;
	return true;
}

static bool set_check(struct options *opts, const char *value)
{
	uint64_t every = 30;

	if (value && !parse_number(value, 1, 1000000, &every)) {
		return false;
	}
	opts->check_every = (uint32_t)every;
	return true;
}

static bool set_still(struct options *opts, const char *value)
{
	uint64_t frame;

	if (!parse_number(value, 0, INT64_MAX, &frame)) {
		return false;
	}
	opts->still = (int64_t)frame;
	return true;
}

static bool set_pattern(struct options *opts, const char *value)
{
	uint64_t rows = 8;

	if (value && !parse_number(value, 1, 64, &rows)) {
		return false;
	}
	opts->pattern = (uint32_t)rows;
	return true;
}

static bool set_samples(struct options *opts, const char *value)
{
	uint64_t samples;

	if (!parse_number(value, 1, 8, &samples) || (samples & (samples - 1)) != 0) {
		return false;
	}
	opts->samples = (uint32_t)samples;
	return true;
}

static bool set_copy(struct options *opts, const char *value)
{
	opts->copy = true;
	return true;
}

static bool set_no_throttle(struct options *opts, const char *value)
{
	opts->no_throttle = true;
	return true;
}

static bool set_buffers(struct options *opts, const char *value)
{
	uint64_t buffers;

	if (!parse_number(value, 2, 4, &buffers)) {
		return false;
	}
	opts->buffers = (uint32_t)buffers;
	return true;
}

static const struct option_row rows[] = {
	{"wsi", "WAY", set_wsi,
	 "direct: flip own LINEAR images (default); display: VK_KHR_display; "
	 "headless: no screen"},
	{"frames", "N", set_frames, "end after N frames (default 0: at SIGTERM)"},
	{"size", "WxH", set_size,
	 "use the screen mode of that size, or the image size for headless"},
	{"refresh", "HZ", set_refresh,
	 "prefer the mode nearest to that rate; headless: keep that rate"},
	{"check", "[N]", set_check,
	 "read back every Nth frame (30) and compare it; exit 1 if wrong"},
	{"still", "FRAME", set_still, "draw just that frame, forever"},
	{"pattern", "[ROWS]", set_pattern,
	 "draw the frame number as colour blocks, in ROWS rows (8)"},
	{"samples", "N", set_samples, "samples per pixel (default: 4 on a GPU, 1 on a CPU)"},
	{"copy", NULL, set_copy,
	 "direct: render apart and copy, even if rendering to LINEAR works"},
	{"buffers", "N", set_buffers,
	 "direct: draw to N buffers in turn, 2 to 4 (default: 4); with fewer than 4 one frame at a "
	 "time"},
	{"no-throttle", NULL, set_no_throttle, "flip as fast as the kernel allows"},
	{"output", "NAME", set_output,
	 "direct: that screen, such as Virtual-2, or all, side by side (default: the first)"},
	{"follow", NULL, set_follow,
	 "direct: change to the new mode when a screen comes, goes or is resized"},
	{"card", "PATH", set_card, "KMS device (default: the first with a connected screen)"},
	{"json", "FILE", set_json, "write a summary; - is standard output (default: $HESPER_JSON)"},
	{"png", "FILE", set_png, "write the last frame as a picture"},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void print_help(const char *app)
{
	printf("usage: %s [OPTIONS]\nDraws with Vulkan, straight on KMS: no X, no Wayland.\n\n",
	       app);
	for (size_t i = 0; i < ROWS; i++) {
		char left[40];
		bool optional = rows[i].value && rows[i].value[0] == '[';

		snprintf(left, sizeof(left), "--%s%s%.*s%s", rows[i].name,
			 !rows[i].value ? ""
			 : optional     ? " ["
					: " ",
			 rows[i].value ? (int)strcspn(rows[i].value + optional, "]") : 0,
			 rows[i].value ? rows[i].value + optional : "", optional ? "]" : "");
		printf("  %-20s %s\n", left, rows[i].help);
	}
	printf("  %-20s %s\n", "--help", "print this");
}

int options_parse(struct options *opts, const char *app, int argc, char **argv)
{
	struct option longs[ROWS + 2] = {0};
	int index, c;

	*opts = (struct options){.still = -1, .buffers = 4, .json = getenv("HESPER_JSON")};
	for (size_t i = 0; i < ROWS; i++) {
		longs[i].name = rows[i].name;
		longs[i].has_arg = !rows[i].value            ? no_argument
				   : rows[i].value[0] == '[' ? optional_argument
							     : required_argument;
		longs[i].val = 'x';
	}
	longs[ROWS] = (struct option){.name = "help", .val = 'h'};

	while ((c = getopt_long(argc, argv, "h", longs, &index)) != -1) {
		if (c == 'h') {
			print_help(app);
			return 0;
		}
		if (c != 'x') {
			return -EINVAL;
		}
		/* getopt takes an optional value only after "=". */
		if (!optarg && longs[index].has_arg == optional_argument && optind < argc &&
		    argv[optind][0] >= '0' && argv[optind][0] <= '9') {
			optarg = argv[optind++];
		}
		if (!rows[index].set(opts, optarg)) {
			fprintf(stderr, "%s: --%s: '%s' is not a valid %s\n", app, rows[index].name,
				optarg, rows[index].value);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument '%s' (see --help)\n", app, argv[optind]);
		return -EINVAL;
	}
	if (opts->wsi != WSI_DIRECT && (opts->follow || opts->output)) {
		fprintf(stderr, "%s: --follow and --output need --wsi direct\n", app);
		return -EINVAL;
	}
	if (opts->wsi == WSI_HEADLESS && !opts->width) {
		opts->width = 1280;
		opts->height = 800;
	}
	return 1;
}
