/* SPDX-License-Identifier: MIT */
/*
 * hesper-input: what the kernel says of its input devices, for tests. One JSON object a line:
 * first each device with its ids, properties, codes and axes, then {"ready": true}, then every event
 * as it comes, until SIGTERM. Codes are numbers and, where linux/input-event-codes.h has one, names.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <linux/input.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "input_names.h"

#define MAX_DEVICES 32

struct device {
	int fd;
	char path[280];
	char name[256];
	char *name_json;
};

/* Names of codes, by type. */
#define NAMES(array) array, sizeof(array) / sizeof((array)[0])
static const struct {
	const char *const *names;
	size_t count;
	unsigned max;
} codes[EV_CNT] = {
	[EV_SYN] = {NAMES(syn_names), SYN_MAX}, [EV_KEY] = {NAMES(key_names), KEY_MAX},
	[EV_REL] = {NAMES(rel_names), REL_MAX}, [EV_ABS] = {NAMES(abs_names), ABS_MAX},
	[EV_MSC] = {NAMES(msc_names), MSC_MAX}, [EV_SW] = {NAMES(sw_names), SW_MAX},
	[EV_LED] = {NAMES(led_names), LED_MAX}, [EV_SND] = {NAMES(snd_names), SND_MAX},
	[EV_REP] = {NAMES(rep_names), REP_MAX},
};

static const char *pick(const char *const *names, size_t count, unsigned number)
{
	static char text[16];
	if (number < count && names[number] != NULL) {
		return names[number];
	}
	snprintf(text, sizeof(text), "%u", number);
	return text;
}

static const char *type_name(unsigned type)
{
	return pick(NAMES(ev_names), type);
}

static const char *code_name(unsigned type, unsigned code)
{
	return pick(type < EV_CNT ? codes[type].names : NULL, type < EV_CNT ? codes[type].count : 0,
		    code);
}

/* What devices are. */

static bool bit(const uint8_t *bits, unsigned number)
{
	return (bits[number / 8] >> number % 8 & 1) != 0;
}

static json_t *describe_codes(int fd)
{
	json_t *all = json_object();
	uint8_t types[EV_CNT / 8 + 1] = {0};
	ioctl(fd, EVIOCGBIT(0, sizeof(types)), types);
	for (unsigned type = 0; type < EV_CNT; type++) {
		uint8_t bits[KEY_CNT / 8] = {0};
		if (!bit(types, type)) {
			continue;
		}
		json_t *list = json_array();
		/* For EV_SYN the same ioctl tells the types. */
		if (type != EV_SYN) {
			ioctl(fd, EVIOCGBIT(type, sizeof(bits)), bits);
			for (unsigned code = 0; code <= codes[type].max; code++) {
				if (bit(bits, code)) {
					json_array_append_new(list,
							      json_string(code_name(type, code)));
				}
			}
		}
		json_object_set_new(all, type_name(type), list);
	}
	return all;
}

static json_t *describe_axes(int fd)
{
	json_t *axes = json_object();
	for (unsigned axis = 0; axis < ABS_CNT; axis++) {
		struct input_absinfo info;
		uint8_t bits[ABS_CNT / 8] = {0};
		ioctl(fd, EVIOCGBIT(EV_ABS, sizeof(bits)), bits);
		if (bit(bits, axis) && ioctl(fd, EVIOCGABS(axis), &info) == 0) {
			json_object_set_new(axes, code_name(EV_ABS, axis),
					    json_pack("{si si si}", "min", info.minimum, "max",
						      info.maximum, "resolution", info.resolution));
		}
	}
	return axes;
}

static json_t *describe_properties(int fd)
{
	json_t *list = json_array();
	uint8_t bits[INPUT_PROP_CNT / 8] = {0};
	ioctl(fd, EVIOCGPROP(sizeof(bits)), bits);
	for (unsigned i = 0; i < INPUT_PROP_CNT; i++) {
		if (bit(bits, i)) {
			json_array_append_new(list, json_string(pick(NAMES(prop_names), i)));
		}
	}
	return list;
}

static void describe(const struct device *device)
{
	struct input_id id = {0};
	char phys[256] = "";
	ioctl(device->fd, EVIOCGID, &id);
	ioctl(device->fd, EVIOCGPHYS(sizeof(phys) - 1), phys);
	json_t *object = json_pack("{ss ss ss si si si si so so so}", "name", device->name, "path",
				   device->path, "phys", phys, "bus", id.bustype, "vendor",
				   id.vendor, "product", id.product, "version", id.version,
				   "properties", describe_properties(device->fd), "codes",
				   describe_codes(device->fd), "axes", describe_axes(device->fd));
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

static size_t open_devices(struct device *devices, const char *prefix, bool grab)
{
	struct dirent **entries;
	size_t count = 0;
	int found = scandir("/dev/input", &entries, NULL, versionsort);
	for (int i = 0; i < found; i++) {
		struct device *device = &devices[count];
		snprintf(device->path, sizeof(device->path), "/dev/input/%s", entries[i]->d_name);
		bool is_event = strncmp(entries[i]->d_name, "event", 5) == 0;
		free(entries[i]);
		if (!is_event || count == MAX_DEVICES) {
			continue;
		}
		device->fd = open(device->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (device->fd < 0) {
			fprintf(stderr, "hesper-input: %s: %s\n", device->path, strerror(errno));
			continue;
		}
		memset(device->name, 0, sizeof(device->name));
		ioctl(device->fd, EVIOCGNAME(sizeof(device->name) - 1), device->name);
		if (strncmp(device->name, prefix, strlen(prefix)) != 0) {
			close(device->fd);
			continue;
		}
		if (grab && ioctl(device->fd, EVIOCGRAB, 1) < 0) {
			fprintf(stderr, "hesper-input: cannot grab %s: %s\n", device->name,
				strerror(errno));
		}
		json_t *name = json_string(device->name);
		device->name_json = json_dumps(name, JSON_ENCODE_ANY);
		json_decref(name);
		count++;
	}
	if (found >= 0) {
		free(entries);
	}
	return count;
}

/* Events. */

static bool print_events(const struct device *device)
{
	struct input_event events[64];
	ssize_t got = read(device->fd, events, sizeof(events));
	for (ssize_t i = 0; i < got / (ssize_t)sizeof(events[0]); i++) {
		const struct input_event *event = &events[i];
		printf("{\"device\":%s,\"type\":\"%s\",", device->name_json,
		       type_name(event->type));
		printf("\"code\":\"%s\",\"t\":%u,\"c\":%u,\"value\":%d}\n",
		       code_name(event->type, event->code), event->type, event->code, event->value);
	}
	fflush(stdout);
	return got > 0 || errno == EAGAIN || errno == EINTR;
}

static void listen_to(struct device *devices, size_t count)
{
	struct pollfd polls[MAX_DEVICES];
	for (size_t i = 0; i < count; i++) {
		polls[i] = (struct pollfd){.fd = devices[i].fd, .events = POLLIN};
	}
	while (poll(polls, count, -1) > 0 || errno == EINTR) {
		for (size_t i = 0; i < count; i++) {
			if (polls[i].revents != 0 && !print_events(&devices[i])) {
				printf("{\"device\":%s,\"gone\":true}\n", devices[i].name_json);
				fflush(stdout);
				polls[i].fd = -1;
			}
		}
	}
}

static void set_leds(const struct device *device, unsigned leds)
{
	struct input_event events[LED_CNT + 1];
	size_t count = 0;
	uint8_t bits[LED_CNT / 8] = {0};
	ioctl(device->fd, EVIOCGBIT(EV_LED, sizeof(bits)), bits);
	for (unsigned led = 0; led < LED_CNT; led++) {
		if (bit(bits, led)) {
			events[count++] = (struct input_event){
				.type = EV_LED,
				.code = (uint16_t)led,
				.value = leds >> led & 1,
			};
		}
	}
	events[count++] = (struct input_event){.type = EV_SYN, .code = SYN_REPORT};
	if (write(device->fd, events, count * sizeof(events[0])) < 0) {
		fprintf(stderr, "hesper-input: LEDs of %s: %s\n", device->name, strerror(errno));
	}
}

static int usage(FILE *out)
{
	fputs("usage: hesper-input [--device PREFIX] [--grab] [--list | --leds BITS]\n"
	      "Prints the kernel's input devices and their events as JSON, one line each.\n"
	      "  --device PREFIX  only devices whose name begins so\n"
	      "  --grab           nobody else gets the events, such as the console\n"
	      "  --list           print the devices and exit\n"
	      "  --leds BITS      set LEDs (1 Num, 2 Caps, 4 Scroll) and exit\n",
	      out);
	return out == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"device", required_argument, NULL, 'd'}, {"grab", no_argument, NULL, 'g'},
		{"list", no_argument, NULL, 'l'},         {"leds", required_argument, NULL, 'L'},
		{"help", no_argument, NULL, 'h'},         {0},
	};
	static struct device devices[MAX_DEVICES];
	const char *prefix = "";
	bool grab = false;
	bool list = false;
	long leds = -1;
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'd':
			prefix = optarg;
			break;
		case 'g':
			grab = true;
			break;
		case 'l':
			list = true;
			break;
		case 'L':
			leds = strtol(optarg, NULL, 0);
			break;
		case 'h':
			return usage(stdout);
		default:
			return usage(stderr);
		}
	}
	size_t count = open_devices(devices, prefix, grab);
	for (size_t i = 0; i < count; i++) {
		if (leds >= 0) {
			set_leds(&devices[i], (unsigned)leds);
		} else {
			describe(&devices[i]);
		}
	}
	if (list || leds >= 0) {
		return 0;
	}
	puts("{\"ready\":true}");
	fflush(stdout);
	if (count > 0) {
		listen_to(devices, count);
	}
	return 0;
}
