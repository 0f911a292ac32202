/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xcb/xcb.h>

/*
 * Does to a window what a user and a window manager do:
 *   fake_user resize WINDOW WIDTH HEIGHT
 *   fake_user close WINDOW          (WM_DELETE_WINDOW)
 */

static xcb_atom_t atom(xcb_connection_t *x11, const char *name)
{
	xcb_intern_atom_reply_t *reply = xcb_intern_atom_reply(
		x11, xcb_intern_atom(x11, 0, (uint16_t)strlen(name), name), NULL);
	xcb_atom_t value = reply != NULL ? reply->atom : XCB_ATOM_NONE;
	free(reply);
	return value;
}

static void resize(xcb_connection_t *x11, xcb_window_t window, uint32_t width, uint32_t height)
{
	const uint32_t values[] = {width, height};
	xcb_configure_window(x11, window, XCB_CONFIG_WINDOW_WIDTH | XCB_CONFIG_WINDOW_HEIGHT,
			     values);
}

static void ask_to_close(xcb_connection_t *x11, xcb_window_t window)
{
	const xcb_client_message_event_t event = {
		.response_type = XCB_CLIENT_MESSAGE,
		.format = 32,
		.window = window,
		.type = atom(x11, "WM_PROTOCOLS"),
		.data.data32 = {atom(x11, "WM_DELETE_WINDOW"), XCB_CURRENT_TIME}};
	xcb_send_event(x11, 0, window, XCB_EVENT_MASK_NO_EVENT, (const char *)&event);
}

int main(int argc, char **argv)
{
	xcb_connection_t *x11 = xcb_connect(NULL, NULL);
	if (argc < 3 || xcb_connection_has_error(x11) != 0) {
		fprintf(stderr, "fake_user: resize WINDOW WIDTH HEIGHT | close WINDOW\n");
		return 1;
	}
	xcb_window_t window = (xcb_window_t)strtoul(argv[2], NULL, 0);
	if (strcmp(argv[1], "resize") == 0 && argc == 5) {
		resize(x11, window, (uint32_t)atoi(argv[3]), (uint32_t)atoi(argv[4]));
	} else {
		ask_to_close(x11, window);
	}
	/* A reply says that the server has seen all of it. */
	free(xcb_get_input_focus_reply(x11, xcb_get_input_focus(x11), NULL));
	xcb_disconnect(x11);
	return 0;
}
