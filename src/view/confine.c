/* SPDX-License-Identifier: MIT */
/*
 * What a viewer keeps: its window system, its GPU, reading what is installed. A picture from a guest
 * that takes it over can draw and listen to what is typed into its windows; on X11 that is all that
 * is typed, so who does not trust a guest shows it on Wayland.
 *
 * The session's D-Bus is not connected to: a service manager there starts programs for whoever asks.
 */
#include "view/confine.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/filter.h"
#include "sandbox/landlock.h"
#include "util/log.h"

#define STAGES (1u << SANDBOX_PRIVILEGES | 1u << SANDBOX_LANDLOCK | 1u << SANDBOX_SYSTEM_CALLS)

static int fail(const char *what, int error)
{
	log_error("sandbox: %s failed: %s", what, strerror(-error));
	return error;
}

static void allow_of_home(struct sandbox_files *files, const char *rest)
{
	char path[PATH_MAX];
	const char *home = getenv("HOME");
	if (home != NULL && home[0] == '/') {
		snprintf(path, sizeof(path), "%s/%s", home, rest);
		sandbox_files_allow(files, path, SANDBOX_READ);
	}
}

static int enter_files(const char **step)
{
	static const char *const readable[] = {
		/* A display by name. */
		"/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services",
		"/etc/host.conf", "/etc/gai.conf", "/run/systemd/resolve",
		/* Who this host and this user are, to X11 and D-Bus. */
		"/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/passwd",
		"/proc/sys/kernel/ngroups_max", "/proc/sys/kernel/cap_last_cap",
		/* Keyboards. */
		"/etc/X11", "/etc/xkb", "/var/lib/xkb"};
	struct sandbox_files *files;
	int error = sandbox_files_create(&files, step);
	if (error < 0) {
		return error;
	}
	/* It has to connect; once it has, its filter refuses them. */
	sandbox_files_allow_sockets(files);
	sandbox_files_allow_vulkan(files);
	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
		sandbox_files_allow(files, readable[i], SANDBOX_READ);
	}
	const char *authority = getenv("XAUTHORITY");
	if (authority != NULL) {
		sandbox_files_allow(files, authority, SANDBOX_READ);
	} else {
		allow_of_home(files, ".Xauthority");
	}
	/* Pointers' shapes, and keys' compositions. */
	allow_of_home(files, ".icons");
	allow_of_home(files, ".local/share/icons");
	allow_of_home(files, ".XCompose");
	allow_of_home(files, ".config/xkb");
	char *cache = sandbox_make_shader_cache("view");
	if (cache != NULL) {
		sandbox_files_allow(files, cache, SANDBOX_WRITE);
		setenv("MESA_SHADER_CACHE_DIR", cache, 1);
		setenv("__GL_SHADER_DISK_CACHE_PATH", cache, 1);
		free(cache);
	}
	error = sandbox_files_enter(files, step);
	sandbox_files_destroy(files);
	return error;
}

static int enter_filter(enum sandbox_profile profile, const char **step)
{
	struct sandbox_filter *filter;
	*step = "libseccomp";
	int error = sandbox_filter_create(profile, &filter);
	if (error == 0) {
		error = sandbox_filter_enter(filter, step);
		sandbox_filter_destroy(filter);
	}
	return error;
}

int view_confine(struct sandbox *sandbox, const struct view_options *options,
		 struct errands *errands)
{
	const char *step = "";
	int error = sandbox_begin(sandbox, (enum sandbox_mode)options->sandbox, STAGES);
	errands_init(errands);
	errands->paths[VIEW_SCREENSHOT] = options->screenshot;
	errands->paths[VIEW_SUMMARY] = options->summary;
	if (error < 0 || options->sandbox == SANDBOX_OFF) {
		return error;
	}
	if (options->screenshot != NULL || options->summary != NULL) {
		error = errands_start(errands);
	}
	if (error < 0) {
		return fail("fork", error);
	}
	setenv("DBUS_SESSION_BUS_ADDRESS", "disabled:", 1);
	sandbox_hide();
	if (sandbox_has(sandbox, SANDBOX_PRIVILEGES)) {
		error = sandbox_drop_privileges(0, &step);
	}
	if (error == 0 && sandbox_has(sandbox, SANDBOX_LANDLOCK)) {
		error = enter_files(&step);
	}
	if (error == 0 && sandbox_has(sandbox, SANDBOX_SYSTEM_CALLS)) {
		error = enter_filter(SANDBOX_VIEW, &step);
	}
	return error < 0 ? fail(step, error) : 0;
}

int view_confine_connected(struct sandbox *sandbox)
{
	const char *step = "";
	int error = 0;
	if (sandbox_has(sandbox, SANDBOX_SYSTEM_CALLS)) {
		error = enter_filter(SANDBOX_VIEW_CONNECTED, &step);
		/* Entered once. */
		sandbox->abilities[SANDBOX_SYSTEM_CALLS].works = false;
	}
	return error < 0 ? fail(step, error) : 0;
}
