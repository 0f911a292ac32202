/* SPDX-License-Identifier: MIT */
#include "view/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sandbox/sandbox.h"

static int parse_device(struct view_options *options)
{
	const char *text = options->device_text;
	options->device = VIEW_ANY_DEVICE;
	if (text == NULL || text[0] == '\0') {
		return 0;
	}
	char *end;
	unsigned long index = strtoul(text, &end, 10);
	if (*end != '\0' || index >= VIEW_ANY_DEVICE) {
		fprintf(stderr,
			"hesper-view: the device (--device or HESPER_DEVICE) cannot be '%s'; it is "
			"a number of --list-devices\n",
			text);
		return -EINVAL;
	}
	options->device = (uint32_t)index;
	return 0;
}

static int parse_consoles(struct view_options *options, const char *text)
{
	const char *at = text;
	while (at != NULL && *at != '\0') {
		uint32_t console;
		if (!options_number(&at, &console) || console >= VIEW_MAX_CONSOLES ||
		    (*at != '\0' && *at != ',')) {
			fprintf(stderr,
				"hesper-view: --console cannot be '%s'; it is a number from 0 to "
				"%u, or several with commas\n",
				text, VIEW_MAX_CONSOLES - 1);
			return -EINVAL;
		}
		options->consoles |= 1u << console;
		at += *at == ',';
	}
	return 0;
}

static int check(struct view_options *options, const char *consoles)
{
	enum log_level level;
	if (!log_parse_level(options->log, &level)) {
		fprintf(stderr,
			"hesper-view: --log cannot be '%s'; it is error, warn, info or "
			"debug\n",
			options->log);
		return -EINVAL;
	}
	int ways = (options->socket != NULL) + (options->qmp != NULL) + (options->bus != NULL);
	if (ways == 0 && !options->list_devices) {
		fprintf(stderr, "hesper-view: no display to show. Fix: --socket PATH, the display "
				"socket of hesperd; or --qmp or --bus of any QEMU\n");
		return -EINVAL;
	}
	if (ways > 1) {
		fprintf(stderr, "hesper-view: only one of --socket, --qmp and --bus can be "
				"given\n");
		return -EINVAL;
	}
	if (parse_consoles(options, consoles) < 0) {
		return -EINVAL;
	}
	if (options->device_text == NULL) {
		options->device_text = getenv("HESPER_DEVICE");
	}
	return parse_device(options);
}

int view_options_parse(struct view_options *options, int argc, char **argv)
{
	const char *consoles = NULL;
	*options = (struct view_options){.title = "hesper", .log = "warn", .sandbox = SANDBOX_ON};
	const struct option_spec specs[] = {
		{"socket", 's', OPTION_STRING, &options->socket, "PATH",
		 "Display socket of hesperd", 0, 0},
		{"qmp", 0, OPTION_STRING, &options->qmp, "SOCKET",
		 "QMP socket of any QEMU with -display dbus,p2p=yes", 0, 0},
		{"bus", 0, OPTION_STRING, &options->bus, "ADDRESS",
		 "Message bus of any QEMU with -display dbus, such as unix:path=/run/…", 0, 0},
		{"console", 'c', OPTION_STRING, &consoles, "N[,N…]",
		 "Which consoles to show; without it, all graphic ones", 0, 0},
		{"headless", 0, OPTION_FLAG, &options->headless, NULL,
		 "Draw into images instead of a window", 0, 0},
		{"screenshot", 0, OPTION_STRING, &options->screenshot, "FILE.png",
		 "Write the last presented picture here; SIGUSR1 writes it at once", 0, 0},
		{"screenshot-at", 0, OPTION_UINT, &options->screenshot_at, "N",
		 "Take the screenshot at the N-th presented frame; 0: at the end", 0, 0},
		{"frames", 'n', OPTION_UINT, &options->frames, "N",
		 "Exit after N presented frames; 0: do not", 0, 0},
		{"summary", 0, OPTION_STRING, &options->summary, "FILE.json",
		 "Write what was measured here at the end; SIGUSR1 writes it at once", 0, 0},
		{"trace", 0, OPTION_STRING, &options->trace, "FILE",
		 "Write here what takes how long, event by event, for Perfetto and 'hesper trace'",
		 0, 0},
		{"title", 0, OPTION_STRING, &options->title, "TEXT", "First words of the title", 0,
		 0},
		{"log", 0, OPTION_STRING, &options->log, "LEVEL", "error, warn, info or debug", 0,
		 0},
		{"wait", 0, OPTION_UINT, &options->wait_s, "SECONDS",
		 "Wait so long for the socket to be there", 0, 86400},
		{"size", 0, OPTION_SIZE, &options->size, "WIDTHxHEIGHT",
		 "First size of a window, which the guest is asked for", 1, 16384},
		{"refresh", 0, OPTION_MILLI, &options->refresh_mhz, "HZ",
		 "Rate at which the guest is to draw; 0: the host monitor's", 0, 1000},
		{"full-screen", 'f', OPTION_FLAG, &options->full_screen, NULL,
		 "Each window fills its monitor", 0, 0},
		{"no-resize", 0, OPTION_FLAG, &options->no_resize, NULL,
		 "Window and guest keep their sizes, whatever the other's is", 0, 0},
		{"scale", 0, OPTION_CHOICE, &options->scale, "fit|integer|1:1",
		 "How the picture fills the window", 0, 0},
		{"filter", 0, OPTION_CHOICE, &options->filter, "auto|nearest|linear",
		 "How pixels are scaled; auto: nearest for whole multiples", 0, 0},
		{"pointer", 0, OPTION_CHOICE, &options->pointer, "auto|absolute|relative",
		 "Whether the guest is told places or motions", 0, 0},
		{"cursor", 0, OPTION_CHOICE, &options->cursor, "host|draw",
		 "The guest's pointer is the host's, or drawn into the picture", 0, 0},
		{"grab", 'g', OPTION_FLAG, &options->grab, NULL,
		 "Grab keyboard and pointer while a window has the focus", 0, 0},
		{"status-fd", 0, OPTION_UINT, &options->status_fd, "N",
		 "Write a line of JSON to this descriptor each half second; 0: to none", 0, 65535},
		{"sandbox", 0, OPTION_CHOICE, &options->sandbox, SANDBOX_CHOICES,
		 "Give up what is not needed to show pictures; strict: or do not start", 0, 0},
		{"present", 0, OPTION_CHOICE, &options->present,
		 "auto|fifo|fifo-relaxed|mailbox|immediate",
		 "How a window's pictures follow each other; auto: the newest one at each refresh, "
		 "or each in turn where the window system cannot do that",
		 0, 0},
		{"import", 0, OPTION_CHOICE, &options->import, "auto|copy",
		 "How the GPU reads pictures; copy: the CPU copies each one for it, for diagnosis",
		 0, 0},
		{"device", 'd', OPTION_STRING, &options->device_text, "N",
		 "Vulkan device, a number of --list-devices (or HESPER_DEVICE)", 0, 0},
		{"list-devices", 0, OPTION_FLAG, &options->list_devices, NULL,
		 "List the Vulkan devices and exit", 0, 0},
	};
	static const char *const notes[] = {
		"Exits 0 when the window is closed, on SIGINT or SIGTERM, after --frames, or when "
		"the server goes after it showed something; else 1.",
		"SIGUSR2 begins the figures of --summary anew, and the count of --screenshot-at "
		"and --frames.",
		"With several consoles, the screenshot of the first one has the name that was "
		"given, that of console N the name with -N before .png.",
		"In a window, Ctrl+Alt and one more key: G grabs or releases keyboard and pointer, "
		"F full screen, S scale, I filter, 1 the window as large as the picture, N and W "
		"connect and disconnect an output, P takes the screenshot, Q quits.",
		"HESPER_VALIDATE=1 runs under the Khronos validation layer and counts its messages "
		"in the summary.",
		NULL,
	};
	const struct option_table table = {
		.program = "hesper-view",
		.operands = "",
		.summary = "Shows a virtual machine's display without copying its pictures",
		.specs = specs,
		.count = sizeof(specs) / sizeof(specs[0]),
		.notes = notes,
	};
	int first = options_parse(&table, argc, argv);
	if (first < 0) {
		return first;
	}
	if (first < argc) {
		fprintf(stderr, "hesper-view: '%s' is not understood; see --help\n", argv[first]);
		return -EINVAL;
	}
	return check(options, consoles);
}
