/* SPDX-License-Identifier: MIT */
/* Calls of sd-bus, which needs memory for nearly everything: see calls.c. */
#include <stdarg.h>
#include <systemd/sd-bus.h>

#include "fault_impl.h"

#define FAIL(name)                                                                                 \
	do {                                                                                       \
		int error_ = fault_now(FAULT_BUS, name, false, false, false);                      \
		if (error_ != 0) {                                                                 \
			return -error_;                                                            \
		}                                                                                  \
	} while (0)

/* name(parameters): what is passed on is in brackets. */
#define WRAP(name, parameters, arguments)                                                          \
	int __real_##name parameters;                                                              \
	int __wrap_##name parameters;                                                              \
	int __wrap_##name parameters                                                               \
	{                                                                                          \
		FAIL(#name);                                                                       \
		return __real_##name arguments;                                                    \
	}

/* --- connections ----------------------------------------------------------------------------- */

WRAP(sd_bus_new, (sd_bus * *bus), (bus))
WRAP(sd_bus_set_fd, (sd_bus * bus, int input, int output), (bus, input, output))
WRAP(sd_bus_set_server, (sd_bus * bus, int on, sd_id128_t id), (bus, on, id))
WRAP(sd_bus_set_anonymous, (sd_bus * bus, int on), (bus, on))
WRAP(sd_bus_set_trusted, (sd_bus * bus, int on), (bus, on))
WRAP(sd_bus_set_address, (sd_bus * bus, const char *address), (bus, address))
WRAP(sd_bus_set_bus_client, (sd_bus * bus, int on), (bus, on))
WRAP(sd_bus_negotiate_fds, (sd_bus * bus, int on), (bus, on))
WRAP(sd_bus_start, (sd_bus * bus), (bus))
WRAP(sd_bus_process, (sd_bus * bus, sd_bus_message **message), (bus, message))
WRAP(sd_bus_get_events, (sd_bus * bus), (bus))
WRAP(sd_bus_get_timeout, (sd_bus * bus, uint64_t *until), (bus, until))
WRAP(sd_bus_get_fd, (sd_bus * bus), (bus))

/* --- objects and signals --------------------------------------------------------------------- */

WRAP(sd_bus_add_object_manager, (sd_bus * bus, sd_bus_slot **slot, const char *path),
     (bus, slot, path))
WRAP(sd_bus_add_object_vtable,
     (sd_bus * bus, sd_bus_slot **slot, const char *path, const char *interface,
      const sd_bus_vtable *vtable, void *data),
     (bus, slot, path, interface, vtable, data))
WRAP(sd_bus_add_match_async,
     (sd_bus * bus, sd_bus_slot **slot, const char *match, sd_bus_message_handler_t callback,
      sd_bus_message_handler_t installed, void *data),
     (bus, slot, match, callback, installed, data))
WRAP(sd_bus_match_signal_async,
     (sd_bus * bus, sd_bus_slot **slot, const char *sender, const char *path, const char *interface,
      const char *member, sd_bus_message_handler_t callback, sd_bus_message_handler_t installed,
      void *data),
     (bus, slot, sender, path, interface, member, callback, installed, data))
WRAP(sd_bus_emit_properties_changed_strv,
     (sd_bus * bus, const char *path, const char *interface, char **names),
     (bus, path, interface, names))

/* --- messages -------------------------------------------------------------------------------- */

WRAP(sd_bus_message_new_method_call,
     (sd_bus * bus, sd_bus_message **message, const char *destination, const char *path,
      const char *interface, const char *member),
     (bus, message, destination, path, interface, member))
WRAP(sd_bus_message_append_array,
     (sd_bus_message * message, char type, const void *array, size_t size),
     (message, type, array, size))
WRAP(sd_bus_message_append_array_space,
     (sd_bus_message * message, char type, size_t size, void **array), (message, type, size, array))
WRAP(sd_bus_message_append_strv, (sd_bus_message * message, char **list), (message, list))
WRAP(sd_bus_message_enter_container, (sd_bus_message * message, char type, const char *contents),
     (message, type, contents))
WRAP(sd_bus_message_exit_container, (sd_bus_message * message), (message))
WRAP(sd_bus_message_read_array,
     (sd_bus_message * message, char type, const void **array, size_t *size),
     (message, type, array, size))
WRAP(sd_bus_message_read_basic, (sd_bus_message * message, char type, void *value),
     (message, type, value))
WRAP(sd_bus_message_set_expect_reply, (sd_bus_message * message, int on), (message, on))
WRAP(sd_bus_send, (sd_bus * bus, sd_bus_message *message, uint64_t *cookie), (bus, message, cookie))
WRAP(sd_bus_call_async,
     (sd_bus * bus, sd_bus_slot **slot, sd_bus_message *message, sd_bus_message_handler_t callback,
      void *data, uint64_t us),
     (bus, slot, message, callback, data, us))

int __wrap_sd_bus_message_append(sd_bus_message *message, const char *types, ...);
int __wrap_sd_bus_message_append(sd_bus_message *message, const char *types, ...)
{
	va_list arguments;
	FAIL("sd_bus_message_append");
	va_start(arguments, types);
	int r = sd_bus_message_appendv(message, types, arguments);
	va_end(arguments);
	return r;
}

int __wrap_sd_bus_message_read(sd_bus_message *message, const char *types, ...);
int __wrap_sd_bus_message_read(sd_bus_message *message, const char *types, ...)
{
	va_list arguments;
	FAIL("sd_bus_message_read");
	va_start(arguments, types);
	int r = sd_bus_message_readv(message, types, arguments);
	va_end(arguments);
	return r;
}

int __wrap_sd_bus_call_method_async(sd_bus *bus, sd_bus_slot **slot, const char *destination,
				    const char *path, const char *interface, const char *member,
				    sd_bus_message_handler_t callback, void *data,
				    const char *types, ...);
int __wrap_sd_bus_call_method_async(sd_bus *bus, sd_bus_slot **slot, const char *destination,
				    const char *path, const char *interface, const char *member,
				    sd_bus_message_handler_t callback, void *data,
				    const char *types, ...)
{
	va_list arguments;
	FAIL("sd_bus_call_method_async");
	va_start(arguments, types);
	int r = sd_bus_call_method_asyncv(bus, slot, destination, path, interface, member, callback,
					  data, types, arguments);
	va_end(arguments);
	return r;
}

/* Ours never answer with anything. */
int __wrap_sd_bus_reply_method_return(sd_bus_message *call, const char *types, ...);
int __real_sd_bus_reply_method_return(sd_bus_message *call, const char *types, ...);
int __wrap_sd_bus_reply_method_return(sd_bus_message *call, const char *types, ...)
{
	FAIL("sd_bus_reply_method_return");
	return __real_sd_bus_reply_method_return(call, "");
}
