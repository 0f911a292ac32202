/* SPDX-License-Identifier: MIT */
#include "machines.h"

#include <pixman.h>
#include <drm_fourcc.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "display/names.h"
#include "fault.h"
#include "util/fd.h"

/* Plain sd-bus, one viewer at a time; waits, since there is nothing else to do. */

#define CALL_US (10ull * 1000 * 1000)
#define WAIT_US (20ull * 1000)
#define SIDE 8u

enum way {
	PEER,
	QUITTER,
	QMP,
	WAYS,
};

struct session {
	sd_bus *main;
	sd_bus *listener;
	int picture; /* memfd */
};

static pid_t children[3];
static unsigned child_count;

/* --- what it shows --------------------------------------------------------------------------- */

/* Takes the call. False: the viewer has gone. That it refuses a picture is its business. */
static bool send_call(struct session *session, sd_bus_message *call)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_call(session->listener, call, CALL_US, &error, NULL);
	bool refused = sd_bus_error_is_set(&error) &&
		       !sd_bus_error_has_name(&error, SD_BUS_ERROR_NO_REPLY) &&
		       !sd_bus_error_has_name(&error, SD_BUS_ERROR_DISCONNECTED);
	sd_bus_error_free(&error);
	sd_bus_message_unref(call);
	return r >= 0 || refused;
}

static sd_bus_message *call_of(struct session *session, const char *interface, const char *member)
{
	sd_bus_message *call = NULL;
	sd_bus_message_new_method_call(session->listener, &call, NULL, DISPLAY_LISTENER_PATH,
				       interface, member);
	return call;
}

#define CALL(session, interface, member, ...)                                                      \
	({                                                                                         \
		sd_bus_message *call_ = call_of(session, interface, member);                       \
		if (call_ != NULL) {                                                               \
			sd_bus_message_append(call_, __VA_ARGS__);                                 \
		}                                                                                  \
		call_ != NULL &&send_call(session, call_);                                         \
	})

static bool send_bytes(struct session *session, const char *member, uint32_t format, uint32_t bytes)
{
	static const uint8_t pixels[SIDE * SIDE * 4];
	sd_bus_message *call = call_of(session, DISPLAY_LISTENER, member);
	if (call == NULL) {
		return false;
	}
	if (strcmp(member, "Update") == 0) {
		sd_bus_message_append(call, "iiii", 0, 0, SIDE, SIDE);
	} else {
		sd_bus_message_append(call, "uu", SIDE, SIDE);
	}
	sd_bus_message_append(call, "uu", SIDE * bytes, format);
	sd_bus_message_append_array(call, 'y', pixels, (size_t)SIDE * SIDE * bytes);
	return send_call(session, call);
}

static bool send_cursor(struct session *session)
{
	static const uint8_t pixels[SIDE * SIDE * 4];
	sd_bus_message *call = call_of(session, DISPLAY_LISTENER, "CursorDefine");
	if (call == NULL) {
		return false;
	}
	sd_bus_message_append(call, "iiii", SIDE, SIDE, 1, 1);
	sd_bus_message_append_array(call, 'y', pixels, sizeof(pixels));
	return send_call(session, call);
}

/* Every way once. */
static bool show_pictures(struct session *session)
{
	int fd = session->picture;
	return send_bytes(session, "Scanout", PIXMAN_x8r8g8b8, 4) &&
	       send_bytes(session, "Update", PIXMAN_x8r8g8b8, 4) &&
	       CALL(session, DISPLAY_LISTENER, "ScanoutDMABUF", "huuuutb", fd, SIDE, SIDE, SIDE * 4,
		    DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR, 0) &&
	       CALL(session, DISPLAY_LISTENER, "UpdateDMABUF", "iiii", 0, 0, SIDE, SIDE) &&
	       CALL(session, DISPLAY_LISTENER_DMABUF2, "ScanoutDMABUF2", "ahuuuuauauuuuutb", 1, fd,
		    2, 2, 4, 4, 1, 0, 1, SIDE * 4, 1, DRM_FORMAT_XRGB8888, SIDE, SIDE,
		    DRM_FORMAT_MOD_LINEAR, 0) &&
	       CALL(session, DISPLAY_LISTENER, "UpdateDMABUF", "iiii", 0, 0, 4, 4) &&
	       CALL(session, DISPLAY_LISTENER_MAP, "ScanoutMap", "huuuuu", fd, 64, SIDE, SIDE,
		    SIDE * 4, PIXMAN_x8r8g8b8) &&
	       CALL(session, DISPLAY_LISTENER_MAP, "UpdateMap", "iiii", 1, 1, 2, 2) &&
	       send_bytes(session, "Scanout", PIXMAN_r5g6b5, 2) && send_cursor(session) &&
	       CALL(session, DISPLAY_LISTENER, "MouseSet", "iii", 3, 4, 1) &&
	       CALL(session, DISPLAY_LISTENER, "Disable", NULL);
}

/* --- what it answers ------------------------------------------------------------------------- */

static int make_server(int fd, sd_bus **out)
{
	sd_id128_t id;
	int r = sd_bus_new(out);
	if (r < 0) {
		return r;
	}
	sd_id128_randomize(&id);
	sd_bus_set_fd(*out, fd, fd);
	sd_bus_set_server(*out, 1, id);
	sd_bus_set_anonymous(*out, 1);
	sd_bus_set_trusted(*out, 1);
	sd_bus_negotiate_fds(*out, 1);
	return sd_bus_start(*out);
}

static int on_call(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct session *session = data;
	int fd;
	if (sd_bus_message_is_method_call(call, DISPLAY_PROPERTIES, "Get")) {
		sd_bus_reply_method_return(call, "v", "au", 1, 0);
		return 1;
	}
	if (!sd_bus_message_is_method_call(call, DISPLAY_CONSOLE, "RegisterListener")) {
		return 0;
	}
	session->listener = sd_bus_close_unref(session->listener);
	if (sd_bus_message_read(call, "h", &fd) >= 0) {
		fd = fd_dup(fd);
		make_server(fd, &session->listener);
	}
	sd_bus_reply_method_return(call, "");
	return 1;
}

/* Until the viewer goes, or the first picture is shown. */
static void serve(struct session *session, bool once)
{
	for (;;) {
		int r;
		while ((r = sd_bus_process(session->main, NULL)) > 0) {
		}
		if (r < 0) {
			return;
		}
		if (session->listener == NULL) {
			sd_bus_wait(session->main, WAIT_US);
			continue;
		}
		if (!show_pictures(session)) {
			session->listener = sd_bus_close_unref(session->listener);
		}
		if (once) {
			return;
		}
	}
}

/* Takes fd. */
static void serve_fd(int fd, bool once)
{
	struct session session = {.picture = fd_memfd("picture", 4096)};
	if (make_server(fd, &session.main) >= 0) {
		sd_bus_add_filter(session.main, NULL, on_call, &session);
		serve(&session, once);
	}
	sd_bus_close_unref(session.listener);
	sd_bus_close_unref(session.main);
	close(session.picture);
}

/* The descriptor that comes with what is said, if any; -2: nobody speaks any more. */
static int hear(int fd)
{
	char text[512];
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {text, sizeof(text)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) <= 0) {
		return -2;
	}
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int got = -1;
	if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
		memcpy(&got, CMSG_DATA(header), sizeof(got));
	}
	return got;
}

static bool say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* As QEMU; the viewer closes this one when it has what it wants. */
static void serve_qmp(int fd)
{
	bool right = say(fd, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n") &&
		     hear(fd) != -2 && say(fd, "{\"return\": {}, \"id\": 0}\r\n");
	int display = right ? hear(fd) : -1;
	right = display >= 0 &&
		say(fd, "{\"event\": \"RESUME\"}\r\n{\"return\": {}, \"id\": 1}\r\n") &&
		hear(fd) != -2 && say(fd, "{\"return\": {}, \"id\": 2}\r\n");
	close(fd);
	if (right) {
		serve_fd(display, false);
	} else if (display >= 0) {
		close(display);
	}
}

static void run_sockets(const int sockets[WAYS])
{
	struct pollfd polled[WAYS];
	for (;;) {
		for (int i = 0; i < WAYS; i++) {
			polled[i] = (struct pollfd){.fd = sockets[i], .events = POLLIN};
		}
		poll(polled, WAYS, -1);
		for (int i = 0; i < WAYS; i++) {
			int fd = polled[i].revents != 0
					 ? accept4(sockets[i], NULL, NULL, SOCK_CLOEXEC)
					 : -1;
			if (fd < 0) {
				continue;
			}
			if (i == QMP) {
				serve_qmp(fd);
			} else {
				serve_fd(fd, i == QUITTER);
			}
		}
	}
}

/* --- on a message bus ------------------------------------------------------------------------ */

static void run_on_bus(const char *address, int ready)
{
	struct session session = {.picture = fd_memfd("picture", 4096)};
	if (sd_bus_new(&session.main) < 0 || sd_bus_set_address(session.main, address) < 0 ||
	    sd_bus_set_bus_client(session.main, 1) < 0 ||
	    sd_bus_negotiate_fds(session.main, 1) < 0 || sd_bus_start(session.main) < 0 ||
	    sd_bus_add_filter(session.main, NULL, on_call, &session) < 0 ||
	    sd_bus_request_name(session.main, DISPLAY_BUS_NAME, 0) < 0 ||
	    write(ready, "r", 1) != 1) {
		_exit(1);
	}
	serve(&session, false);
	_exit(1);
}

static pid_t fork_child(void)
{
	pid_t child = fork();
	FAULT_CHECK(child >= 0, "no process");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGALRM, SIG_DFL);
	} else {
		children[child_count++] = child;
	}
	return child;
}

/* "": there is no dbus-daemon. */
static void start_bus(struct machines *machines)
{
	char first[sizeof(machines->bus)];
	int out[2];
	FAULT_CHECK(pipe(out) == 0, "no pipe");
	snprintf(first, sizeof(first), "--address=unix:path=%s/bus", machines->folder);
	if (fork_child() == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		execlp("dbus-daemon", "dbus-daemon", "--session", "--nofork", "--nosyslog",
		       "--nopidfile", "--print-address=1", first, NULL);
		_exit(127);
	}
	close(out[1]);
	char text[256];
	bool there = read(out[0], text, sizeof(text)) > 0;
	close(out[0]);
	if (!there) {
		return;
	}
	FAULT_CHECK(pipe(out) == 0, "no pipe");
	snprintf(machines->bus, sizeof(machines->bus), "unix:path=%s/bus", machines->folder);
	if (fork_child() == 0) {
		run_on_bus(machines->bus, out[1]);
	}
	close(out[1]);
	FAULT_CHECK(read(out[0], text, 1) == 1, "no machine on the bus");
	close(out[0]);
}

void machines_start(struct machines *machines)
{
	int sockets[WAYS];
	*machines = (struct machines){.folder = "/tmp/hesper-machines-XXXXXX"};
	FAULT_CHECK(mkdtemp(machines->folder) != NULL, "no folder");
	snprintf(machines->peer, sizeof(machines->peer), "%s/peer", machines->folder);
	snprintf(machines->quitter, sizeof(machines->quitter), "%s/quitter", machines->folder);
	snprintf(machines->qmp, sizeof(machines->qmp), "%s/qmp", machines->folder);
	const char *const paths[WAYS] = {machines->peer, machines->quitter, machines->qmp};
	for (int i = 0; i < WAYS; i++) {
		sockets[i] = fd_listen(paths[i], 8);
		FAULT_CHECK(sockets[i] >= 0, "no socket");
	}
	if (fork_child() == 0) {
		run_sockets(sockets);
	}
	fd_close_all(sockets, WAYS);
	start_bus(machines);
}

void machines_stop(struct machines *machines)
{
	const char *const names[] = {"peer", "quitter", "qmp", "bus"};
	for (unsigned i = 0; i < child_count; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", machines->folder, names[i]);
		unlink(path);
	}
	rmdir(machines->folder);
}
