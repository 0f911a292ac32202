/* SPDX-License-Identifier: MIT */
#include "display/client_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What a console is like: properties, asked for with GetAll, and PropertiesChanged. An interface
 * that a console does not have answers with an error, which says just that.
 */

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
					DISPLAY_PROPERTIES, "GetAll", on_reply, data, "s",
					interface);
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
		client_console_tell(console);
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

int client_ask_properties(struct client_console *console)
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

int client_on_changed(sd_bus_message *signal, void *data, sd_bus_error *error)
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
		client_console_tell(console);
	}
	return 0;
}
