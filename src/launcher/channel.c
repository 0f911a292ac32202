/* SPDX-License-Identifier: MIT */
#include "launcher/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/list.h"
#include "util/log.h"

struct sending {
	uv_write_t request;
	char text[];
};

int channel_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct channel *channel = handle->data;
	lines_finish(&channel->lines);
	if (channel->closed != NULL) {
		channel->closed(channel->data);
	}
}

void channel_close(struct channel *channel)
{
	if (channel->open) {
		channel->open = false;
		uv_close((uv_handle_t *)&channel->pipe, on_closed);
	}
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char bytes[65536];
	*buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
	struct channel *channel = stream->data;
	if (count > 0) {
		lines_feed(&channel->lines, buf->base, (size_t)count);
	} else if (count < 0) {
		channel_close(channel);
	}
}

int channel_open(struct channel *channel, uv_loop_t *loop, int fd, lines_callback line,
		 void (*closed)(void *data), void *data)
{
	*channel = (struct channel){.closed = closed, .data = data};
	int error = lines_init(&channel->lines, line, data);
	if (error == 0) {
		error = uv_pipe_init(loop, &channel->pipe, 0);
	}
	if (error < 0) {
		lines_finish(&channel->lines);
		close(fd);
		return error;
	}
	channel->pipe.data = channel;
	channel->open = true;
	error = uv_pipe_open(&channel->pipe, fd);
	if (error < 0) {
		close(fd);
	} else {
		error = uv_read_start((uv_stream_t *)&channel->pipe, on_alloc, on_read);
	}
	if (error < 0) {
		channel_close(channel);
	}
	return error;
}

static void on_sent(uv_write_t *request, int status)
{
	free(container_of(request, struct sending, request));
}

int channel_send(struct channel *channel, const char *text)
{
	size_t length = strlen(text);
	if (!channel->open) {
		return 0;
	}
	struct sending *sending = malloc(sizeof(*sending) + length + 1);
	if (sending == NULL) {
		log_error("cannot send '%s': out of memory", text);
		return -ENOMEM;
	}
	memcpy(sending->text, text, length);
	sending->text[length] = '\n';
	uv_buf_t buf = uv_buf_init(sending->text, (unsigned)length + 1);
	int error = uv_write(&sending->request, (uv_stream_t *)&channel->pipe, &buf, 1, on_sent);
	if (error < 0) {
		log_error("cannot send '%s': %s", text, uv_strerror(error));
		free(sending);
	}
	return error;
}
