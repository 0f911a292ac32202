/* SPDX-License-Identifier: MIT */
#include "display/qmp.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/fd.h"
#include "util/log.h"

/*
 * THEORY OF OPERATION
 *
 * QEMU greets, we answer each of its replies with the next command of a short list, the second of
 * which carries the descriptor. Events come in between and are skipped. A message ends where its
 * JSON does: QMP can be told to spread one over many lines.
 *
 * A QMP socket serves one client at a time, but the kernel lets others connect all the same: they
 * hear nothing. So silence has a limit.
 */

#define SILENCE_MS 5000
#define MAX_MESSAGE 65536
#define FD_NAME "hesper-view"

struct command {
	const char *text;
	bool with_fd;
};

static const struct command commands[] = {
	{"{\"execute\":\"qmp_capabilities\",\"id\":0}\n", false},
	{"{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"" FD_NAME "\"},\"id\":1}\n", true},
	{"{\"execute\":\"add_client\",\"arguments\":{\"protocol\":\"@dbus-display\","
	 "\"fdname\":\"" FD_NAME "\"},\"id\":2}\n",
	 false},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

struct qmp {
	uv_poll_t poll;
	uv_timer_t silence;
	int fd;
	int display; /* until it is sent */
	bool greeted;
	unsigned next; /* the command to send next; the one before it is under way */
	const char *out; /* what is left to send of it */
	char in[MAX_MESSAGE];
	size_t in_size;
	unsigned open_handles;
	void (*done)(void *data, int error); /* NULL: told, or not wanted any more */
	void (*closed)(void *data);
	void *data;
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void finish(struct qmp *qmp, int error)
{
	void (*done)(void *data, int error) = qmp->done;
	qmp->done = NULL;
	uv_poll_stop(&qmp->poll);
	uv_timer_stop(&qmp->silence);
	if (done != NULL) {
		done(qmp->data, error);
	}
}

static void on_silence(uv_timer_t *timer)
{
	struct qmp *qmp = timer->data;
	if (qmp->greeted) {
		log_error("QEMU does not answer over its QMP socket");
	} else {
		log_error(
			"the QMP socket is silent. Another program is connected to it (one can be "
			"at a time), or it is no QMP socket");
	}
	finish(qmp, -ETIMEDOUT);
}

static int wait_for(struct qmp *qmp, int events)
{
	int r = uv_poll_start(&qmp->poll, events, on_poll);
	return r < 0 ? r : uv_timer_start(&qmp->silence, on_silence, SILENCE_MS, 0);
}

/* As much of the command as the socket takes; the descriptor goes with its first byte. */
static int send_part(struct qmp *qmp, bool with_fd)
{
	struct iovec iov = {.iov_base = (char *)qmp->out, .iov_len = strlen(qmp->out)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (with_fd) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &qmp->display, sizeof(int));
	}
	ssize_t sent = sendmsg(qmp->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	qmp->out += sent;
	if (with_fd && sent > 0) {
		fd_close(&qmp->display);
	}
	return 0;
}

static int flush(struct qmp *qmp)
{
	bool with_fd = commands[qmp->next - 1].with_fd && qmp->display >= 0;
	int r = send_part(qmp, with_fd);
	if (r >= 0) {
		r = wait_for(qmp, *qmp->out != '\0' ? UV_READABLE | UV_WRITABLE : UV_READABLE);
	}
	if (r < 0) {
		log_error("cannot send to the QMP socket: %s", strerror(-r));
		finish(qmp, r);
	}
	return r;
}

static int send_next(struct qmp *qmp)
{
	qmp->out = commands[qmp->next++].text;
	return flush(qmp);
}

static int refuse(struct qmp *qmp, json_t *error)
{
	const char *why = json_string_value(json_object_get(error, "desc"));
	why = why != NULL ? why : "no reason given";
	if (qmp->next == COMMANDS) {
		log_error("QEMU does not share its display: %s. Fix: start QEMU with -display "
			  "dbus,p2p=yes",
			  why);
	} else {
		log_error("QEMU refuses a QMP command: %s", why);
	}
	finish(qmp, -EPROTO);
	return -EPROTO;
}

/* Negative when the exchange is over. */
static int on_message(struct qmp *qmp, json_t *message)
{
	if (!qmp->greeted) {
		if (json_object_get(message, "QMP") == NULL) {
			log_error("the socket is no QMP socket: it does not greet as QEMU does");
			finish(qmp, -EPROTO);
			return -EPROTO;
		}
		qmp->greeted = true;
		return send_next(qmp);
	}
	if (json_object_get(message, "error") != NULL) {
		return refuse(qmp, json_object_get(message, "error"));
	}
	json_t *id = json_object_get(message, "id");
	if (json_object_get(message, "return") == NULL || qmp->next == 0 ||
	    json_integer_value(id) != (json_int_t)qmp->next - 1) {
		return 0; /* an event */
	}
	if (qmp->next < COMMANDS) {
		return send_next(qmp);
	}
	finish(qmp, 0);
	return -ECANCELED;
}

static bool blank(const struct qmp *qmp)
{
	for (size_t i = 0; i < qmp->in_size; i++) {
		if (strchr(" \t\r\n", qmp->in[i]) == NULL) {
			return false;
		}
	}
	return true;
}

/* Every message that is complete. Negative when the exchange is over. */
static int parse(struct qmp *qmp)
{
	int r = 0;
	while (r >= 0 && !blank(qmp)) {
		json_error_t error;
		json_t *message = json_loadb(qmp->in, qmp->in_size, JSON_DISABLE_EOF_CHECK, &error);
		if (message == NULL) {
			bool partial =
				json_error_code(&error) == json_error_premature_end_of_input &&
				qmp->in_size < sizeof(qmp->in);
			if (!partial) {
				log_error("the socket is no QMP socket: %s", error.text);
				finish(qmp, -EPROTO);
			}
			return partial ? 0 : -EPROTO;
		}
		size_t used = (size_t)error.position;
		memmove(qmp->in, qmp->in + used, qmp->in_size - used);
		qmp->in_size -= used;
		r = on_message(qmp, message);
		json_decref(message);
	}
	if (blank(qmp)) {
		qmp->in_size = 0;
	}
	return r;
}

static void receive(struct qmp *qmp)
{
	ssize_t got =
		recv(qmp->fd, qmp->in + qmp->in_size, sizeof(qmp->in) - qmp->in_size, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (got <= 0) {
		int error = got < 0 ? -errno : -ECONNRESET;
		log_error("the QMP socket was closed: %s", strerror(-error));
		finish(qmp, error);
		return;
	}
	qmp->in_size += (size_t)got;
	parse(qmp);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct qmp *qmp = poll->data;
	if ((events & UV_WRITABLE) != 0 && qmp->next > 0 && *qmp->out != '\0' && flush(qmp) < 0) {
		return;
	}
	if (status < 0 || (events & UV_READABLE) != 0) {
		receive(qmp);
	}
}

int qmp_create(uv_loop_t *loop, int fd, int display, void (*done)(void *data, int error),
	       void *data, struct qmp **out)
{
	struct qmp *qmp = calloc(1, sizeof(*qmp));
	if (qmp == NULL) {
		return -ENOMEM;
	}
	int r = uv_poll_init(loop, &qmp->poll, fd);
	if (r < 0) {
		free(qmp);
		return r;
	}
	uv_timer_init(loop, &qmp->silence);
	qmp->open_handles = 2;
	qmp->poll.data = qmp;
	qmp->silence.data = qmp;
	qmp->fd = fd;
	qmp->display = display;
	qmp->done = done;
	qmp->data = data;
	r = wait_for(qmp, UV_READABLE);
	if (r < 0) {
		qmp->fd = -1; /* the caller's, as the other is */
		qmp->display = -1;
		qmp_destroy(qmp, NULL);
		return r;
	}
	*out = qmp;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct qmp *qmp = handle->data;
	if (--qmp->open_handles > 0) {
		return;
	}
	void (*closed)(void *data) = qmp->closed;
	void *data = qmp->data;
	free(qmp);
	if (closed != NULL) {
		closed(data);
	}
}

void qmp_destroy(struct qmp *qmp, void (*closed)(void *data))
{
	qmp->done = NULL;
	qmp->closed = closed;
	uv_close((uv_handle_t *)&qmp->poll, on_closed);
	uv_close((uv_handle_t *)&qmp->silence, on_closed);
	fd_close(&qmp->fd);
	fd_close(&qmp->display);
}
