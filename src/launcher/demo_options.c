/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/demo.h"
#include "launcher/qemu_probe.h"
#include "util/log.h"

#define MEMORY_CHOICES "auto|dma-buf|host-memory"
#define WSI_CHOICES "direct|display"
#define SANDBOX_CHOICES "off|on|strict"
#define LOG_CHOICES "error|warn|info|debug"
#define DEFAULT_FRAMES 600

const char *const demo_memory_names[] = {"auto", "dma-buf", "host-memory"};
const char *const demo_wsi_names[] = {"direct", "display"};
const char *const demo_sandbox_names[] = {"off", "on", "strict"};
const char *const demo_log_names[] = {"error", "warn", "info", "debug"};

static const char *const notes[] = {
	"Starts hesperd, a virtual machine under stock QEMU and a viewer; the program in the guest "
	"draws with Vulkan. The desktop is a Wayland session to type and click into, with OpenGL "
	"on "
	"Vulkan; its guest image is larger. Writes the guest's screen (APP.png), summary.json and "
	"logs/ into the "
	"directory of --out, and ends with a line of figures. Exit status 0 when all of it worked, "
	"130 "
	"or 143 when a signal ended it.",
	"Without a screen to open a window on (DISPLAY or WAYLAND_DISPLAY) it runs headless.",
	"HESPER_QEMU names the QEMU to use when --qemu does not.",
	NULL,
};

bool demo_has_display(void)
{
	const char *x11 = getenv("DISPLAY");
	const char *wayland = getenv("WAYLAND_DISPLAY");
	return (x11 != NULL && x11[0] != '\0') || (wayland != NULL && wayland[0] != '\0');
}

static int parse_app(int argc, char **argv, int first, struct demo_options *options)
{
	if (first == argc) {
		return 0;
	}
	options->app = argv[first];
	options->desktop = strcmp(options->app, "desktop") == 0;
	if (!options->desktop && strcmp(options->app, "cube") != 0 &&
	    strcmp(options->app, "triangle") != 0) {
		fprintf(stderr,
			"hesper demo: there is no demo '%s'; there are cube, triangle and "
			"desktop\n",
			options->app);
		return -EINVAL;
	}
	if (first + 1 < argc) {
		fprintf(stderr, "hesper demo: one at a time, '%s' is too much\n", argv[first + 1]);
		return -EINVAL;
	}
	return 0;
}

int demo_parse(int argc, char **argv, struct demo_options *options)
{
	*options = (struct demo_options){
		.app = "cube",
		.size = {1280, 800},
		.refresh = 60,
		.guest_memory_mib = 2048,
		.sandbox = 1,
		.log = LOG_WARN,
	};
	const struct option_spec specs[] = {
		{"frames", 'n', OPTION_UINT, &options->frames, "N",
		 "End after N frames; else the cube and the triangle end after 600, the desktop "
		 "when its window is closed",
		 1, 0},
		{"size", 0, OPTION_SIZE, &options->size, "WxH", "Size of the guest's screen", 64,
		 8192},
		{"refresh", 0, OPTION_UINT, &options->refresh, "HZ",
		 "Refresh rate of the guest's screen", 1, 1000},
		{"outputs", 0, OPTION_STRING, &options->outputs, "N|OUTPUT,…",
		 "The guest's monitors, a window each: how many, or a list as hesperd takes it", 0,
		 0},
		{"headless", 0, OPTION_FLAG, &options->headless, NULL, "Open no window", 0, 0},
		{"out", 'o', OPTION_STRING, &options->out, "DIR",
		 "Where the picture, the summary and the logs go; build/demo of the source tree, "
		 "else "
		 "hesper/demo in the user's cache directory",
		 0, 0},
		{"memory", 0, OPTION_CHOICE, &options->memory, MEMORY_CHOICES,
		 "How frames are shared; auto asks the Vulkan driver", 0, 0},
		{"wsi", 0, OPTION_CHOICE, &options->wsi, WSI_CHOICES,
		 "How the guest shows frames: its own images as framebuffers, or a VkSwapchain on "
		 "VK_KHR_display",
		 0, 0},
		{"keep-running", 0, OPTION_FLAG, &options->keep_running, NULL,
		 "Go on until the window is closed or Ctrl-C, instead of ending after --frames", 0,
		 0},
		{"guest-memory", 0, OPTION_UINT, &options->guest_memory_mib, "MIB",
		 "Memory of the virtual machine", 512, 65536},
		{"sandbox", 0, OPTION_CHOICE, &options->sandbox, SANDBOX_CHOICES,
		 "What the device, the renderers and the viewer give up; strict: all of it, or "
		 "they do "
		 "not start",
		 0, 0},
		{"qemu", 0, OPTION_STRING, &options->qemu, "PROGRAM",
		 "The QEMU to use; else $HESPER_QEMU, else qemu-system-x86_64", 0, 0},
		{"runtime-dir", 0, OPTION_STRING, &options->runtime_dir, "DIR",
		 "Where the sockets are made (display.sock, qmp.sock), and kept; else a private "
		 "directory that is removed",
		 0, 0},
		{"trace", 0, OPTION_STRING, &options->trace, "FILE",
		 "Write here what takes how long in all the programs, event by event, for Perfetto "
		 "and 'hesper trace'",
		 0, 0},
		{"log", 0, OPTION_CHOICE, &options->log, LOG_CHOICES,
		 "How much the programs write into their logs", 0, 0},
	};
	const struct option_table table = {
		.program = "hesper demo",
		.operands = "[cube|triangle|desktop]",
		.summary = "Shows a guest's Vulkan picture on this host, without copying it",
		.specs = specs,
		.count = sizeof(specs) / sizeof(specs[0]),
		.notes = notes,
	};
	int first = options_parse(&table, argc, argv);
	if (first < 0) {
		return first;
	}
	options->qemu = qemu_binary(options->qemu);
	int error = parse_app(argc, argv, first, options);
	if (options->frames == 0) {
		options->frames = DEFAULT_FRAMES;
		options->keep_running = options->keep_running || options->desktop;
	}
	return error;
}
