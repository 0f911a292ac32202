/* SPDX-License-Identifier: MIT */
#include "display/client_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"

/* Which consoles the machine has; what they are like is client_properties.c's. */

/* QEMU's consoles are few; more than these are ignored. */
#define MAX_CONSOLES 64
/* How often, and how far apart, a server that has no machine yet is asked for it. */
#define MAX_ATTEMPTS 100
#define ATTEMPT_MS 20

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

void client_console_tell(struct client_console *console)
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
		int r = console == NULL ? -ENOMEM : client_ask_properties(console);
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
		log_error("the server shows no machine: %s", bus_refusal(refusal));
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

int client_ask_consoles(struct display_client *client)
{
	return sd_bus_call_method_async(client->server.bus, NULL, client->destination,
					DISPLAY_VM_PATH, DISPLAY_PROPERTIES, "Get", on_vm, client,
					"ss", DISPLAY_VM, "ConsoleIDs");
}

int client_introduce(struct display_client *client)
{
	int r = sd_bus_match_signal_async(client->server.bus, NULL, client->destination, NULL,
					  DISPLAY_PROPERTIES, "PropertiesChanged",
					  client_on_changed, NULL, client);
	return r < 0 ? r : client_ask_consoles(client);
}
