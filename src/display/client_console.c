/* SPDX-License-Identifier: MIT */
#include "display/client_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"

/*
 * What the machine tells of itself: properties, asked for with GetAll, and PropertiesChanged. An
 * interface that a console does not have answers with an error, which says just that.
 */

#define PROPERTIES "org.freedesktop.DBus.Properties"
/* QEMU's consoles are few; more than these are ignored. */
#define MAX_CONSOLES 64
/* How often, and how far apart, a server that has no machine yet is asked for it. */
#define MAX_ATTEMPTS 100
#define ATTEMPT_MS 20

/*
 * Reads one property's value, of D-Bus type `type`, or skips it. False: nothing of interest has
 * changed.
 */
typedef bool (*property_reader)(struct client_console *console, const char *name, const char *type,
				sd_bus_message *message);

struct interface {
	const char *name;
	property_reader read;
};

struct client_console *client_console_find(struct display_client *client, unsigned id)
{
	struct list *item;
	list_for_each (item, &client->consoles) {
		struct client_console *console = container_of(item, struct client_console, link);
		if (console->info.id == id) {
			return console;
		}
	}
	return NULL;
}

struct client_console *client_console_add(struct display_client *client, unsigned id)
{
	struct client_console *console = calloc(1, sizeof(*console));
	if (console == NULL) {
		return NULL;
	}
	console->client = client;
	console->info = (struct display_console){
		.id = id, .label = console->label, .graphic = true, .enabled = true};
	list_append(&client->consoles, &console->link);
	return console;
}

static bool read_uint(sd_bus_message *message, const char *type, uint32_t *out)
{
	uint32_t value;
	if (strcmp(type, "u") != 0 || sd_bus_message_read_basic(message, 'u', &value) <= 0) {
		sd_bus_message_skip(message, type);
		return false;
	}
	*out = value;
	return true;
}

static bool read_bool(sd_bus_message *message, const char *type, bool *out)
{
	int value;
	if (strcmp(type, "b") != 0 || sd_bus_message_read_basic(message, 'b', &value) <= 0) {
		sd_bus_message_skip(message, type);
		return false;
	}
	*out = value != 0;
	return true;
}

static const char *read_text(sd_bus_message *message, const char *type)
{
	const char *value;
	if (strcmp(type, "s") != 0 || sd_bus_message_read_basic(message, 's', &value) <= 0) {
		sd_bus_message_skip(message, type);
		return "";
	}
	return value;
}

static bool read_console(struct client_console *console, const char *name, const char *type,
			 sd_bus_message *message)
{
	if (strcmp(name, "Width") == 0) {
		return read_uint(message, type, &console->info.width);
	}
	if (strcmp(name, "Height") == 0) {
		return read_uint(message, type, &console->info.height);
	}
	if (strcmp(name, "Label") == 0) {
		snprintf(console->label, sizeof(console->label), "%s", read_text(message, type));
	} else if (strcmp(name, "Type") == 0) {
		console->info.graphic = strcmp(read_text(message, type), "Text") != 0;
	} else {
		sd_bus_message_skip(message, type);
	}
	return false;
}

static bool read_keyboard(struct client_console *console, const char *name, const char *type,
			  sd_bus_message *message)
{
	struct display_client *client = console->client;
	uint32_t leds;
	if (strcmp(name, "Modifiers") != 0) {
		sd_bus_message_skip(message, type);
	} else if (read_uint(message, type, &leds) && client->callbacks->leds != NULL) {
		client->callbacks->leds(client->data, leds);
	}
	return false;
}

static bool read_mouse(struct client_console *console, const char *name, const char *type,
		       sd_bus_message *message)
{
	struct display_client *client = console->client;
	bool absolute;
	if (strcmp(name, "IsAbsolute") != 0) {
		sd_bus_message_skip(message, type);
	} else if (read_bool(message, type, &absolute) && client->callbacks->absolute != NULL) {
		client->callbacks->absolute(client->data, absolute);
	}
	return false;
}

static bool read_touch(struct client_console *console, const char *name, const char *type,
		       sd_bus_message *message)
{
	int32_t slots;
	if (strcmp(name, "MaxSlots") == 0 && strcmp(type, "i") == 0 &&
	    sd_bus_message_read_basic(message, 'i', &slots) > 0) {
		console->info.has_touch = slots > 0;
	} else {
		sd_bus_message_skip(message, type);
	}
	return false;
}

static bool read_hesper(struct client_console *console, const char *name, const char *type,
			sd_bus_message *message)
{
	console->info.has_monitor = true;
	if (strcmp(name, "Enabled") == 0) {
		return read_bool(message, type, &console->info.enabled);
	}
	sd_bus_message_skip(message, type);
	return false;
}

static const struct interface interfaces[] = {
	{DISPLAY_CONSOLE, read_console}, {DISPLAY_KEYBOARD, read_keyboard},
	{DISPLAY_MOUSE, read_mouse},     {DISPLAY_TOUCH_SCREEN, read_touch},
	{DISPLAY_HESPER, read_hesper},
};

#define INTERFACES (sizeof(interfaces) / sizeof(interfaces[0]))

/* An a{sv}. True when something of the console has changed. */
static bool read_properties(struct client_console *console, property_reader read,
			    sd_bus_message *message)
{
	bool changed = false;
	if (sd_bus_message_enter_container(message, 'a', "{sv}") < 0) {
		return false;
	}
	while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
		const char *name;
		const char *type;
		if (sd_bus_message_read_basic(message, 's', &name) <= 0 ||
		    sd_bus_message_peek_type(message, NULL, &type) <= 0 ||
		    sd_bus_message_enter_container(message, 'v', type) <= 0) {
			return changed;
		}
		changed |= read(console, name, type, message);
		if (sd_bus_message_exit_container(message) < 0 ||
		    sd_bus_message_exit_container(message) < 0) {
			return changed;
		}
	}
	sd_bus_message_exit_container(message);
	return changed;
}

static void tell(struct client_console *console)
{
	struct display_client *client = console->client;
	console->told = true;
	if (client->callbacks->console != NULL) {
		client->callbacks->console(client->data, &console->info);
	}
	if (console->wanted && console->listener == NULL && client_alive(client)) {
		client_listener_create(console);
	}
}

static const struct interface *find_interface(const char *name)
{
	for (size_t i = 0; i < INTERFACES; i++) {
		if (strcmp(interfaces[i].name, name) == 0) {
			return &interfaces[i];
		}
	}
	return NULL;
}

static int ask_all(struct display_client *client, const char *path, const char *interface,
		   sd_bus_message_handler_t on_reply, void *data)
{
	return sd_bus_call_method_async(client->server.bus, NULL, client->destination, path,
					PROPERTIES, "GetAll", on_reply, data, "s", interface);
}

static int on_properties(sd_bus_message *reply, struct client_console *console,
			 property_reader read)
{
	if (!client_alive(console->client)) {
		return 0;
	}
	if (sd_bus_message_get_error(reply) == NULL) {
		read_properties(console, read, reply);
	}
	if (--console->questions == 0) {
		tell(console);
	}
	return 0;
}

static int on_console(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return on_properties(reply, data, read_console);
}

static int on_keyboard(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return on_properties(reply, data, read_keyboard);
}

static int on_mouse(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return on_properties(reply, data, read_mouse);
}

static int on_touch(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return on_properties(reply, data, read_touch);
}

static int on_hesper(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return on_properties(reply, data, read_hesper);
}

static int ask_console(struct client_console *console)
{
	static const sd_bus_message_handler_t handlers[INTERFACES] = {
		on_console, on_keyboard, on_mouse, on_touch, on_hesper,
	};
	char path[DISPLAY_CONSOLE_PATH_MAX];
	snprintf(path, sizeof(path), DISPLAY_CONSOLE_PATH "%u", console->info.id);
	for (size_t i = 0; i < INTERFACES; i++) {
		int r = ask_all(console->client, path, interfaces[i].name, handlers[i], console);
		if (r < 0) {
			return r;
		}
		console->questions++;
	}
	return 0;
}

/* The consoles that were wanted before it was known which there are. */
static bool all_there(struct display_client *client, const uint32_t *ids, size_t count)
{
	struct list *item;
	list_for_each (item, &client->consoles) {
		unsigned id = container_of(item, struct client_console, link)->info.id;
		bool there = false;
		for (size_t i = 0; i < count; i++) {
			there |= ids[i] == id;
		}
		if (!there) {
			log_error("there is no console %u", id);
			return false;
		}
	}
	return true;
}

static int take_consoles(struct display_client *client, const uint32_t *ids, size_t count)
{
	if (!all_there(client, ids, count)) {
		return -ENXIO;
	}
	for (size_t i = 0; i < count && i < MAX_CONSOLES; i++) {
		struct client_console *console = client_console_find(client, ids[i]);
		if (console != NULL && console->questions > 0) {
			continue; /* told twice */
		}
		if (console == NULL) {
			console = client_console_add(client, ids[i]);
		}
		int r = console == NULL ? -ENOMEM : ask_console(console);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

/* Of VM's properties, the ids. */
static int read_ids(sd_bus_message *reply, const uint32_t **ids, size_t *count)
{
	const void *array = NULL;
	size_t bytes = 0;
	int r = sd_bus_message_enter_container(reply, 'v', "au");
	if (r >= 0) {
		r = sd_bus_message_read_array(reply, 'u', &array, &bytes);
	}
	*ids = array;
	*count = bytes / sizeof(uint32_t);
	return r;
}

static void on_again(uv_timer_t *timer)
{
	struct display_client *client = timer->data;
	int r = client_ask_consoles(client);
	if (r < 0) {
		client_fail(client, r);
	}
}

/*
 * QEMU lets a peer connect before it puts its objects there (ui/dbus.c: authentication ends in a
 * thread of its own, and the main loop exports afterwards), so a first question can be too early.
 */
static bool too_early(struct display_client *client, const sd_bus_error *refusal)
{
	bool unknown =
		sd_bus_error_has_names(refusal, SD_BUS_ERROR_UNKNOWN_METHOD,
				       SD_BUS_ERROR_UNKNOWN_OBJECT, SD_BUS_ERROR_UNKNOWN_INTERFACE);
	return unknown && client->attempts++ < MAX_ATTEMPTS &&
	       uv_timer_start(&client->again, on_again, ATTEMPT_MS, 0) == 0;
}

static void tell_why(struct display_client *client, const sd_bus_error *refusal)
{
	if (client->destination != NULL &&
	    sd_bus_error_has_names(refusal, SD_BUS_ERROR_SERVICE_UNKNOWN,
				   SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
		log_error("no machine is on the bus. Fix: start QEMU with -display "
			  "dbus,addr=ADDRESS");
	} else {
		log_error("the server shows no machine: %s", refusal->message);
	}
}

static int on_vm(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct display_client *client = data;
	const sd_bus_error *refusal = sd_bus_message_get_error(reply);
	const uint32_t *ids;
	size_t count;
	if (!client_alive(client)) {
		return 0;
	}
	if (refusal != NULL) {
		if (!too_early(client, refusal)) {
			tell_why(client, refusal);
			client_fail(client, -EPROTO);
		}
		return 0;
	}
	int r = read_ids(reply, &ids, &count);
	if (r >= 0) {
		client->introduced = true;
		r = take_consoles(client, ids, count);
	}
	if (r < 0) {
		client_fail(client, r);
	}
	return 0;
}

static int on_changed(sd_bus_message *signal, void *data, sd_bus_error *error)
{
	struct display_client *client = data;
	const char *path = sd_bus_message_get_path(signal);
	const size_t prefix = strlen(DISPLAY_CONSOLE_PATH);
	const char *name;
	if (client->gone || path == NULL || strncmp(path, DISPLAY_CONSOLE_PATH, prefix) != 0 ||
	    sd_bus_message_read(signal, "s", &name) < 0) {
		return 0;
	}
	struct client_console *console =
		client_console_find(client, (unsigned)strtoul(path + prefix, NULL, 10));
	const struct interface *interface = find_interface(name);
	if (console != NULL && interface != NULL &&
	    read_properties(console, interface->read, signal) && console->told) {
		tell(console);
	}
	return 0;
}

int client_ask_consoles(struct display_client *client)
{
	return sd_bus_call_method_async(client->server.bus, NULL, client->destination,
					DISPLAY_VM_PATH, PROPERTIES, "Get", on_vm, client, "ss",
					DISPLAY_VM, "ConsoleIDs");
}

int client_introduce(struct display_client *client)
{
	int r = sd_bus_match_signal_async(client->server.bus, NULL, client->destination, NULL,
					  PROPERTIES, "PropertiesChanged", on_changed, NULL,
					  client);
	return r < 0 ? r : client_ask_consoles(client);
}
