/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_SERVER_PLACES_H
#define HESPER_RENDER_SERVER_PLACES_H

/* Where distributions put virgl_render_server. */
static const char *const render_server_places[] = {
	"/usr/libexec/virgl_render_server",
	"/usr/local/libexec/virgl_render_server",
	"/usr/lib/virglrenderer/virgl_render_server",
	"/usr/lib/virgl_render_server",
};

#define RENDER_SERVER_PLACES (sizeof(render_server_places) / sizeof(render_server_places[0]))

#endif
