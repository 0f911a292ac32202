/* SPDX-License-Identifier: MIT */
#include "display/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "display/names.h"
#include "util/fd.h"
#include "util/log.h"

/* The object VM, and what each Console_N tells of itself, as one peer sees them. */

static const char *const no_interfaces[] = {NULL};
static const char *const console_interfaces[] = {
	DISPLAY_KEYBOARD, DISPLAY_MOUSE, DISPLAY_TOUCH_SCREEN, DISPLAY_HESPER, NULL,
};

static int get_name(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct display_server *server = data;
	return sd_bus_message_append(reply, "s", server->vm_name);
}

static int get_uuid(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *data, sd_bus_error *error)
{
	/* What QEMU tells for a VM that was given none. */
	return sd_bus_message_append(reply, "s", "00000000-0000-0000-0000-000000000000");
}

static int get_console_ids(sd_bus *bus, const char *path, const char *interface,
			   const char *property, sd_bus_message *reply, void *data,
			   sd_bus_error *error)
{
	struct display_server *server = data;
	uint32_t ids[DISPLAY_MAX_HEADS];
	for (unsigned i = 0; i < server->head_count; i++) {
		ids[i] = i;
	}
	return sd_bus_message_append_array(reply, 'u', ids, server->head_count * sizeof(ids[0]));
}

static int get_vm_interfaces(sd_bus *bus, const char *path, const char *interface,
			     const char *property, sd_bus_message *reply, void *data,
			     sd_bus_error *error)
{
	return sd_bus_message_append_strv(reply, (char **)no_interfaces);
}

static int get_interfaces(sd_bus *bus, const char *path, const char *interface,
			  const char *property, sd_bus_message *reply, void *data,
			  sd_bus_error *error)
{
	return sd_bus_message_append_strv(reply, (char **)console_interfaces);
}

static int get_label(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *data, sd_bus_error *error)
{
	const struct head *head = ((struct peer_console *)data)->head;
	return sd_bus_message_append(reply, "s", head->name[0] != '\0' ? head->name : "virtio-gpu");
}

static int get_type(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", "Graphic");
}

static int get_address(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *data, sd_bus_error *error)
{
	/* Only QEMU knows where it put the device. */
	return sd_bus_message_append(reply, "s", "");
}

static int get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct head *head = ((struct peer_console *)data)->head;
	uint32_t value = head->index;
	if (strcmp(property, "Width") == 0) {
		value = head->width;
	} else if (strcmp(property, "Height") == 0) {
		value = head->height;
	}
	return sd_bus_message_append(reply, "u", value);
}

static bool is_stream_socket(int fd)
{
	int domain = -1;
	int type = -1;
	socklen_t size = sizeof(int);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

static int on_register_listener(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct head *head = ((struct peer_console *)data)->head;
	int lent;
	int r = sd_bus_message_read(message, "h", &lent);
	if (r < 0) {
		return r;
	}
	if (!is_stream_socket(lent)) {
		return sd_bus_error_set(error, DISPLAY_ERROR_INVALID,
					"the listener is not a connected unix stream socket");
	}
	int fd = fd_dup(lent);
	if (fd < 0) {
		return sd_bus_error_set_errnof(error, -fd, "cannot keep the listener's socket");
	}
	r = listener_create(head, fd);
	if (r < 0) {
		fd_close(&fd);
		log_limited(LOG_WARN, "display: turned a listener away: %s", strerror(-r));
		return sd_bus_error_setf(error, DISPLAY_ERROR_FAILED, "no room for a listener: %s",
					 strerror(-r));
	}
	return sd_bus_reply_method_return(message, "");
}

static int on_set_ui_info(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct head *head = ((struct peer_console *)data)->head;
	uint16_t width_mm;
	uint16_t height_mm;
	int32_t x;
	int32_t y;
	uint32_t width;
	uint32_t height;
	int r = sd_bus_message_read(message, "qqiiuu", &width_mm, &height_mm, &x, &y, &width,
				    &height);
	if (r < 0) {
		return r;
	}
	const struct display_monitor monitor = {
		.width = width, .height = height, .width_mm = width_mm, .height_mm = height_mm};
	head_tell_monitor(head, &monitor);
	return sd_bus_reply_method_return(message, "");
}

static const sd_bus_vtable vm_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Name", "s", get_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("UUID", "s", get_uuid, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("ConsoleIDs", "au", get_console_ids, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Interfaces", "as", get_vm_interfaces, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable console_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("RegisterListener", SD_BUS_ARGS("h", listener), SD_BUS_NO_RESULT,
				on_register_listener, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("SetUIInfo",
				SD_BUS_ARGS("q", width_mm, "q", height_mm, "i", xoff, "i", yoff,
					    "u", width, "u", height),
				SD_BUS_NO_RESULT, on_set_ui_info, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("Label", "s", get_label, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Head", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Type", "s", get_type, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Width", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Height", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("DeviceAddress", "s", get_address, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Interfaces", "as", get_interfaces, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END,
};

int console_add_vm(struct peer *peer)
{
	return sd_bus_add_object_vtable(peer->bus.bus, NULL, DISPLAY_VM_PATH, DISPLAY_VM, vm_vtable,
					peer->server);
}

int console_add(struct peer_console *console, const char *path)
{
	return sd_bus_add_object_vtable(console->peer->bus.bus, NULL, path, DISPLAY_CONSOLE,
					console_vtable, console);
}
