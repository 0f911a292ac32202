/* SPDX-License-Identifier: MIT */
#include "hesperd/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/gpu.h"
#include "sandbox/sandbox.h"
#include "util/log.h"
#include "util/options.h"

/* Of hesperd itself; those of limits come behind them. */
#define OWN_OPTIONS 31

static const char *const notes[] = {
	"hesperd is the virtio-gpu device of one virtual machine. QEMU (11.1 or newer) connects to "
	"its socket with:",
	"  -chardev socket,id=vg,path=PATH -device "
	"vhost-user-test-device-pci,chardev=vg,virtio-id=16,num_vqs=2,config_size=24,vq_size=256, "
	"and guest memory that is shared: -object "
	"memory-backend-memfd,id=mem,size=4G,share=on -machine memory-backend=mem",
	"With --input there are keyboard.sock, tablet.sock, mouse.sock and touch.sock in DIR, for "
	"as "
	"many input devices: -chardev socket,id=kbd,path=DIR/keyboard.sock -device "
	"vhost-user-test-device-pci,chardev=kbd,virtio-id=18,num_vqs=2,config_size=136,vq_size=64. "
	"What viewers type and point at goes there.",
	"It serves one machine and exits when that ends. QEMU aborts when a vhost-user device "
	"disappears, so do not stop hesperd before the machine.",
	"SIGUSR1 writes the statistics file at once; SIGTERM and SIGINT end hesperd.",
	NULL,
};

int hesperd_parse(int argc, char **argv, struct hesperd_options *o)
{
	*o = (struct hesperd_options){
		.fd = UINT32_MAX,
		.name = "hesper",
		.window_mib = 1024,
		.ready_fd = UINT32_MAX,
		.log_level = LOG_WARN,
		.render_server = getenv("HESPER_RENDER_SERVER"),
		.render_process = getenv("HESPER_RENDER_PROCESS"),
		.hold_ms = DISPLAY_HOLD_MS,
		.watchdog_ms = 10000,
		/* Drivers in the kernel reset a GPU after up to 10 s of graphics; that is better. */
		.gpu_watchdog_ms = 30000,
		.sandbox = SANDBOX_ON,
	};
	const char *outputs = "1";
	uint32_t max_outputs = 0;
	struct option_size size = {1280, 800};
	uint32_t refresh_mhz = 60000;
	uint32_t fd = 0;
	uint32_t ready_fd = 0;
	const struct option_spec own[] = {
		{"socket-path", 0, OPTION_STRING, &o->socket_path, "PATH",
		 "wait for the machine at this vhost-user socket"},
		{"fd", 0, OPTION_UINT, &fd, "N", "use this connected vhost-user socket instead", 3},
		{"display", 0, OPTION_STRING, &o->display, "PATH",
		 "serve viewers at this socket (org.qemu.Display1, peer to peer)"},
		{"input", 0, OPTION_STRING, &o->input, "DIR",
		 "be keyboard, tablet, mouse and touch screen, too: at DIR/keyboard.sock and so "
		 "on"},
		{"name", 0, OPTION_STRING, &o->name, "NAME",
		 "the machine's name, as viewers show it"},
		{"outputs", 0, OPTION_STRING, &outputs, "N|OUTPUT,…",
		 "the machine's monitors: how many, or a list of "
		 "[NAME:][WxH][@HZ][/WxHmm] and [NAME:]off"},
		{"max-outputs", 0, OPTION_UINT, &max_outputs, "N",
		 "monitors that can be there at a time; else 4, or as many as --outputs has", 1,
		 GPU_MAX_HEADS},
		{"size", 0, OPTION_SIZE, &size, "WxH",
		 "pixels of a monitor for which --outputs has none", GPU_MIN_PIXELS,
		 GPU_MAX_PIXELS},
		{"refresh", 0, OPTION_MILLI, &refresh_mhz, "HZ",
		 "rate at which the guest draws, such as 59.94, where --outputs has none", 1, 1000},
		{"memory", 0, OPTION_CHOICE, &o->memory, "auto|dma-buf|host-memory",
		 "how frames are shared; auto asks the Vulkan driver"},
		{"guest-pages", 0, OPTION_CHOICE, &o->guest_pages, "share|refuse",
		 "whether the guest's Vulkan may import buffers that are pages of its RAM; where "
		 "the host shares memory by host-memory, the renderer then sees all of that RAM"},
		{"pacing", 0, OPTION_CHOICE, &o->pacing, "release|none",
		 "whether a program of the guest waits, before it draws again, until viewers have "
		 "read the picture that it drew before; without it pictures can tear"},
		{"hold", 0, OPTION_MILLI, &o->hold_ms, "SECONDS",
		 "how long a picture that a viewer has not read may hold the guest up; one that is "
		 "slower misses pictures instead; 0: not at all",
		 0, 10},
		{"render", 0, OPTION_CHOICE, &o->render, "venus|none",
		 "renderer of guest contexts; none draws nothing, for tests"},
		{"window-size", 0, OPTION_UINT, &o->window_mib, "MIB",
		 "memory that the guest can map at a time, a power of two", 1, 65536},
		{"layer-dir", 0, OPTION_STRING, &o->layer_dir, "DIR",
		 "where hesper's Vulkan layer is, if not where it was installed"},
		{"render-server", 0, OPTION_STRING, &o->render_server, "PATH",
		 "the virgl_render_server to start, else $HESPER_RENDER_SERVER, else the system's"},
		{"render-process", 0, OPTION_STRING, &o->render_process, "PATH",
		 "the hesper-render to start, else $HESPER_RENDER_PROCESS, else ours"},
		{"watchdog", 0, OPTION_MILLI, &o->watchdog_ms, "SECONDS",
		 "cut off a guest's Vulkan context that leaves a request unanswered for so long", 1,
		 3600},
		{"gpu-watchdog", 0, OPTION_MILLI, &o->gpu_watchdog_ms, "SECONDS",
		 "cut off a context none of whose fences comes for so long: its GPU hangs, or a "
		 "shader does not end; 0: never",
		 0, 86400},
		{"sandbox", 0, OPTION_CHOICE, &o->sandbox, SANDBOX_CHOICES,
		 "give up what is not needed once it has started, and confine renderers; strict: "
		 "or "
		 "do not start"},
		{"render-read", 0, OPTION_STRING, &o->render_read, "PATH:…",
		 "what else renderers may read, such as the folder of a Vulkan driver of your own"},
		{"stats", 0, OPTION_STRING, &o->stats, "FILE", "write statistics here as JSON"},
		{"trace", 0, OPTION_STRING, &o->trace, "FILE",
		 "write here what takes how long, event by event, for Perfetto and 'hesper trace'"},
		{"ready-fd", 0, OPTION_UINT, &ready_fd, "N",
		 "write a line 'ready {json}' to this fd when the sockets are there", 1},
		{"probe", 0, OPTION_FLAG, &o->probe, "",
		 "print what the Vulkan driver can do as JSON, and exit"},
		{"check-sandbox", 0, OPTION_FLAG, &o->check_sandbox, "",
		 "print which stages of the sandbox work here as JSON, and exit"},
		{"print-capabilities", 0, OPTION_FLAG, &o->print_capabilities, "",
		 "print the vhost-user capabilities as JSON, and exit"},
		{"virgl", 0, OPTION_FLAG, &o->virgl, "",
		 "accepted and without effect (vhost-user convention)"},
		{"render-node", 0, OPTION_STRING, &o->render_node, "PATH",
		 "accepted and without effect: the Vulkan driver chooses its device"},
		{"log", 0, OPTION_CHOICE, &o->log_level, "error|warn|info|debug",
		 "how much to say"},
	};
	struct option_spec specs[OWN_OPTIONS + GPU_LIMITS];
	_Static_assert(sizeof(own) / sizeof(own[0]) == OWN_OPTIONS, "all have room");
	memcpy(specs, own, sizeof(own));
	for (enum gpu_limit limit = 0; limit < GPU_LIMITS; limit++) {
		const struct gpu_limit_info *info = &gpu_limit_table[limit];
		o->limits.values[limit] = info->usual;
		specs[OWN_OPTIONS + limit] = (struct option_spec){
			.name = info->name,
			.kind = OPTION_UINT,
			.target = &o->limits.values[limit],
			.argument = info->argument,
			.help = info->meaning,
			.min = 1,
			.max = info->max,
		};
	}
	const struct option_table table = {
		.program = "hesperd",
		.operands = "",
		.summary =
			"A virtio-gpu device with Vulkan for stock QEMU, as a vhost-user process",
		.specs = specs,
		.count = sizeof(specs) / sizeof(specs[0]),
		.notes = notes,
	};
	/* By convention all other options are ignored beside this one. */
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--print-capabilities") == 0) {
			o->print_capabilities = true;
			return 0;
		}
	}
	int first = options_parse(&table, argc, argv);
	if (first < 0) {
		return first;
	}
	if (first < argc) {
		fprintf(stderr, "hesperd: '%s' is not an option. Try 'hesperd --help'\n",
			argv[first]);
		return -EINVAL;
	}
	const struct gpu_mode usual = {size.width, size.height, refresh_mhz, 0, 0};
	int error = outputs_parse(outputs, &usual, max_outputs, &o->outputs);
	if (error < 0) {
		return error;
	}
	o->fd = fd == 0 ? UINT32_MAX : fd;
	o->ready_fd = ready_fd == 0 ? UINT32_MAX : ready_fd;
	if (o->probe || o->check_sandbox) {
		return 0;
	}
	if ((o->socket_path != NULL) == (o->fd != UINT32_MAX)) {
		fprintf(stderr, "hesperd: give either --socket-path=PATH or --fd=N. "
				"Try 'hesperd --help'\n");
		return -EINVAL;
	}
	if ((o->window_mib & (o->window_mib - 1)) != 0) {
		fprintf(stderr,
			"hesperd: --window-size cannot be %u; it is a power of two, such as "
			"1024\n",
			o->window_mib);
		return -EINVAL;
	}
	return 0;
}
