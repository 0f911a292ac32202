/* SPDX-License-Identifier: MIT */
/*
 * Sending. A message goes into the socket at once if it fits and none waits before it; otherwise
 * into a queue that is emptied when the socket says so. A guest is told that its commands were
 * taken when they are in the socket, so a process that is slow slows its guest down; a queue beyond
 * its bounds belongs to a guest that does not wait, and loses the context.
 *
 * A message that cannot be written yet has its place in the queue all the same (process_hold): what comes
 * behind it waits, and the process is not to blame for that.
 *
 * Receiving. At most BATCH messages at a time, so that one process cannot keep the loop for itself.
 * Only what was asked for is accepted: an answer to the oldest open request, a fence that is
 * pending. So a process can say no more than its guest made it say.
 *
 * The watchdog counts beats of a timer rather than time: if hesperd itself was stopped for a while,
 * that is one beat. It is wound up by progress: an answer, or room in the socket. Fences are watched
 * apart (fence_watch.c): a GPU may be busy for longer.
 */
#include "render/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/virtio_gpu.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "render/fence_watch.h"
#include "render/gate.h"
#include "util/fd.h"
#include "util/log.h"

#define BATCH 64
#define MAX_QUEUED 4096
#define MAX_QUEUED_BYTES (128u << 20)
/* Descriptors in the queues of one process, and of all: hesperd has other use for its own. */
#define MAX_QUEUED_FILES 128
#define MAX_ALL_QUEUED_FILES 384
/* The time is over after this many beats without progress. */
#define WATCHDOG_BEATS 8
/* Starting up reads a driver's files, maybe from a slow disk. */
#define START_FACTOR 6

struct outgoing {
	struct list link;
	struct render_wire_message message;
	int fd;
	void *tail; /* malloc'ed */
	size_t tail_size;
	size_t bytes; /* for the bound; also what is in a memfd */
	render_done done; /* SUBMIT; or NULL */
	void *data;
	bool held; /* not known yet */
};

struct awaited {
	struct list link;
	uint32_t sequence;
	process_answered done;
	void *data;
};

struct render_process {
	struct spawner *spawner;
	const struct render_process_callbacks *callbacks;
	void *data;
	uint32_t id;
	int fd;
	uv_poll_t poll;
	uv_timer_t watchdog;
	uv_idle_t loss; /* runs when lost is to be said */
	unsigned handles;
	bool is_ready;
	bool broken; /* nothing is sent or read any more */
	bool wants_write;
	char reason[128];
	uint64_t watchdog_ms;
	unsigned beats;
	struct list outgoing;
	size_t outgoing_count;
	size_t outgoing_bytes;
	unsigned outgoing_files;
	struct list awaited;
	uint32_t sequence;
	uint32_t sent; /* sequence of the last request that is in the socket */
	struct fence_watch fences;
	struct hesper_gate *gate; /* NULL: it has none */
};

/* Of all processes. */
static unsigned queued_files;

static void handle_one_closed(void *data)
{
	struct render_process *process = data;
	if (--process->handles == 0) {
		free(process);
	}
}

static void handle_closed(uv_handle_t *handle)
{
	handle_one_closed(handle->data);
}

static void free_outgoing(struct render_process *process, struct outgoing *outgoing, int status)
{
	list_remove(&outgoing->link);
	process->outgoing_count--;
	process->outgoing_bytes -= outgoing->bytes;
	if (outgoing->fd >= 0) {
		process->outgoing_files--;
		queued_files--;
	}
	if (outgoing->done != NULL) {
		outgoing->done(outgoing->data, status);
	}
	fd_close(&outgoing->fd);
	free(outgoing->tail);
	free(outgoing);
}

static void fail_requests(struct render_process *process)
{
	while (!list_empty(&process->outgoing)) {
		free_outgoing(process, container_of(process->outgoing.next, struct outgoing, link),
			      -EIO);
	}
	while (!list_empty(&process->awaited)) {
		struct awaited *awaited = container_of(process->awaited.next, struct awaited, link);
		list_remove(&awaited->link);
		awaited->done(awaited->data, &(struct process_answer){.status = -EIO, .fd = -1});
		free(awaited);
	}
}

static void handle_loss(uv_idle_t *idle)
{
	struct render_process *process = idle->data;
	uv_idle_stop(idle);
	process->callbacks->lost(process->data, process->reason);
}

static void __attribute__((format(printf, 2, 3))) lose(struct render_process *process,
						       const char *format, ...)
{
	va_list args;
	if (process->broken) {
		return;
	}
	va_start(args, format);
	vsnprintf(process->reason, sizeof(process->reason), format, args);
	va_end(args);
	process->broken = true;
	uv_poll_stop(&process->poll);
	uv_timer_stop(&process->watchdog);
	fence_watch_stop(&process->fences);
	uv_idle_start(&process->loss, handle_loss);
}

static struct outgoing *first_outgoing(const struct render_process *process)
{
	return list_empty(&process->outgoing)
		       ? NULL
		       : container_of(process->outgoing.next, struct outgoing, link);
}

/* Whether it is the process's turn. */
static bool waits(const struct render_process *process)
{
	const struct outgoing *next = first_outgoing(process);
	if (!process->is_ready || (next != NULL && !next->held)) {
		return true;
	}
	/* In order, so if the oldest one has not been sent, none has. */
	return !list_empty(&process->awaited) &&
	       container_of(process->awaited.next, struct awaited, link)->sequence <= process->sent;
}

static void handle_beat(uv_timer_t *timer)
{
	struct render_process *process = timer->data;
	unsigned most = process->is_ready ? WATCHDOG_BEATS : WATCHDOG_BEATS * START_FACTOR;
	if (!waits(process)) {
		uv_timer_stop(timer);
	} else if (++process->beats > most) {
		lose(process, "%s for %.1f s",
		     process->is_ready ? "it has not answered" : "its process has not come up",
		     (double)process->watchdog_ms * most / WATCHDOG_BEATS / 1000);
	}
}

static void wind_up(struct render_process *process)
{
	process->beats = 0;
	if (process->watchdog_ms > 0 && !process->broken &&
	    !uv_is_active((uv_handle_t *)&process->watchdog)) {
		uint64_t beat = process->watchdog_ms / WATCHDOG_BEATS;
		uv_timer_start(&process->watchdog, handle_beat, beat, beat);
	}
}

static void handle_hung(void *data, uint32_t ring, uint64_t fence_id, double seconds)
{
	lose(data, "it hangs: fence %llu of its ring %u has been under way for %.1f s",
	     (unsigned long long)fence_id, ring, seconds);
}

static const struct fence_watch_callbacks fence_callbacks = {
	.hung = handle_hung,
	.closed = handle_one_closed,
};

/* Only memory whose size cannot shrink under those who map it: the guest's processors would fault. */
static bool is_shareable(int fd)
{
	struct statfs info;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0) {
		return true;
	}
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals >= 0) {
		return (seals & F_SEAL_SHRINK) != 0;
	}
	return fstatfs(fd, &info) == 0 && info.f_type == DMA_BUF_MAGIC;
}

static void take_answer(struct render_process *process, struct render_wire_buffer *buffer)
{
	const struct render_wire_message *message = &buffer->message;
	struct awaited *awaited = container_of(process->awaited.next, struct awaited, link);
	if (list_empty(&process->awaited) || awaited->sequence != message->sequence) {
		lose(process, "its process answered what was not asked");
		return;
	}
	if (message->done.status > 0 || message->done.status < -4095 ||
	    message->done.fd_type >= RENDER_WIRE_FD_TYPE_COUNT ||
	    message->done.map_info > VIRTIO_GPU_MAP_CACHE_WC ||
	    (buffer->fd >= 0 && !is_shareable(buffer->fd))) {
		lose(process, "its process gave an impossible answer");
		return;
	}
	struct process_answer answer = {
		.status = message->done.status,
		.fd_type = message->done.fd_type,
		.map_info = message->done.map_info,
		.fd = buffer->fd,
	};
	list_remove(&awaited->link);
	wind_up(process);
	awaited->done(awaited->data, &answer);
	buffer->fd = answer.fd;
	free(awaited);
}

static void take_ready(struct render_process *process, const struct render_wire_buffer *buffer)
{
	const struct render_capset *capset = &buffer->message.ready.capset;
	if (process->is_ready || capset->id == 0 || capset->size > sizeof(capset->data)) {
		lose(process, "its process introduced itself wrongly");
		return;
	}
	if (buffer->fd >= 0) {
		process->gate = gate_map(buffer->fd);
		if (process->gate == NULL) {
			lose(process, "its process gave a gate that is none");
			return;
		}
	}
	process->is_ready = true;
	wind_up(process);
	if (process->callbacks->ready != NULL) {
		process->callbacks->ready(process->data, capset);
	}
}

static void take_fence(struct render_process *process, const struct render_wire_message *message)
{
	uint32_t ring = message->fence.ring;
	if (!fence_watch_take(&process->fences, ring)) {
		lose(process, "its process signalled a fence that there is not");
		return;
	}
	process->callbacks->fence(process->data, ring, message->fence.fence_id);
}

static void take_message(struct render_process *process, struct render_wire_buffer *buffer)
{
	struct render_wire_message *message = &buffer->message;
	if (!process->is_ready && message->type != RENDER_WIRE_READY &&
	    message->type != RENDER_WIRE_LOST) {
		lose(process, "its process did not introduce itself");
		return;
	}
	switch ((enum render_wire_type)message->type) {
	case RENDER_WIRE_READY:
		take_ready(process, buffer);
		return;
	case RENDER_WIRE_DONE:
		take_answer(process, buffer);
		return;
	case RENDER_WIRE_FENCE:
		take_fence(process, message);
		return;
	default:
		message->lost.reason[sizeof(message->lost.reason) - 1] = '\0';
		for (char *c = message->lost.reason; *c != '\0'; c++) {
			*c = *c < ' ' || *c > '~' ? '?' : *c;
		}
		lose(process, "%s", message->lost.reason);
	}
}

static void read_messages(struct render_process *process)
{
	static struct render_wire_buffer buffer;
	for (int i = 0; i < BATCH && !process->broken; i++) {
		int got = render_wire_receive(process->fd, RENDER_WIRE_HESPERD, &buffer);
		if (got == -EAGAIN) {
			return;
		}
		if (got == 1) {
			take_message(process, &buffer);
			fd_close(&buffer.fd);
		} else if (got == 0) {
			lose(process, "its renderer ended");
		} else if (got == -EPROTO) {
			lose(process, "its process broke the protocol");
		} else {
			lose(process, "its socket failed: %s", strerror(-got));
		}
	}
}

static void handle_events(uv_poll_t *poll, int status, int events);

static void set_wants_write(struct render_process *process, bool wants)
{
	if (process->wants_write != wants && !process->broken) {
		process->wants_write = wants;
		int error = uv_poll_start(&process->poll, UV_READABLE | (wants ? UV_WRITABLE : 0),
					  handle_events);
		if (error < 0) {
			lose(process, "its socket cannot be waited for: %s", strerror(-error));
		}
	}
}

/* From now on it may be answered. */
static void note_sent(struct render_process *process, const struct render_wire_message *message)
{
	if (message->type == RENDER_WIRE_CONTEXT || message->type == RENDER_WIRE_BLOB) {
		process->sent = message->sequence;
	}
	if (message->type == RENDER_WIRE_SUBMIT && message->submit.fence &&
	    fence_watch_add(&process->fences, message->submit.ring, message->submit.fence_id) < 0) {
		lose(process, "hesperd is out of memory");
	}
}

static void write_messages(struct render_process *process)
{
	struct outgoing *next;
	while ((next = first_outgoing(process)) != NULL && !next->held && !process->broken) {
		int error = render_wire_send(process->fd, &next->message, next->tail,
					     next->tail_size, next->fd);
		if (error == -EAGAIN) {
			return;
		}
		if (error < 0) {
			/* What it said before its end is of more use. */
			read_messages(process);
			lose(process, "its process takes nothing: %s", strerror(-error));
			return;
		}
		wind_up(process);
		note_sent(process, &next->message);
		free_outgoing(process, next, 0);
	}
	set_wants_write(process, false);
}

static void handle_events(uv_poll_t *poll, int status, int events)
{
	struct render_process *process = poll->data;
	if (status < 0) {
		/* What libuv says of POLLERR is EBADF; reading tells what it is. */
		read_messages(process);
		lose(process, "its socket failed: %s", strerror(-status));
		return;
	}
	/* Either may destroy nothing: that happens in handle_loss only. */
	if ((events & UV_READABLE) != 0) {
		read_messages(process);
	}
	if ((events & UV_WRITABLE) != 0) {
		write_messages(process);
	}
}

/* True when it is in the socket; otherwise it waits, or the process is broken. */
static bool send_now(struct render_process *process, const struct render_wire_message *message,
		     const void *tail, size_t tail_size, int fd)
{
	if (process->broken || !list_empty(&process->outgoing)) {
		return false;
	}
	/* All other errors come again when it waits. */
	bool sent = render_wire_send(process->fd, message, tail, tail_size, fd) == 0;
	if (sent) {
		note_sent(process, message);
	}
	return sent;
}

/* True: there is room for one more of these. */
static bool may_queue_file(struct render_process *process, int fd)
{
	if (fd >= 0 &&
	    (process->outgoing_files >= MAX_QUEUED_FILES || queued_files >= MAX_ALL_QUEUED_FILES)) {
		lose(process, "%u files of it, and %u in all, wait for a process",
		     process->outgoing_files, queued_files);
		return false;
	}
	return true;
}

/* Takes over tail and fd. NULL: the process is broken. */
static struct outgoing *enqueue(struct render_process *process, const struct outgoing *values)
{
	struct outgoing *outgoing = malloc(sizeof(*outgoing));
	if (outgoing == NULL) {
		lose(process, "hesperd is out of memory");
	} else if (process->outgoing_count >= MAX_QUEUED ||
		   process->outgoing_bytes + values->bytes > MAX_QUEUED_BYTES) {
		lose(process, "%zu messages and %zu KiB of commands wait for its process",
		     process->outgoing_count, process->outgoing_bytes / 1024);
	}
	if (outgoing == NULL || process->broken || !may_queue_file(process, values->fd)) {
		free(outgoing);
		free(values->tail);
		if (values->fd >= 0) {
			close(values->fd);
		}
		if (values->done != NULL) {
			values->done(values->data, -EIO);
		}
		return NULL;
	}
	*outgoing = *values;
	if (list_empty(&process->outgoing)) {
		wind_up(process);
	}
	list_append(&process->outgoing, &outgoing->link);
	process->outgoing_count++;
	process->outgoing_bytes += outgoing->bytes;
	if (outgoing->fd >= 0) {
		process->outgoing_files++;
		queued_files++;
	}
	set_wants_write(process, !first_outgoing(process)->held);
	return outgoing;
}

void process_tell(struct render_process *process, const struct render_wire_message *message, int fd)
{
	if (send_now(process, message, NULL, 0, fd)) {
		return;
	}
	int copy = fd < 0 ? -1 : fd_dup(fd);
	if (fd >= 0 && copy < 0) {
		lose(process, "hesperd has no descriptor left: %s", strerror(-copy));
		return;
	}
	enqueue(process, &(struct outgoing){.message = *message, .fd = copy});
}

struct outgoing *process_hold(struct render_process *process)
{
	return process->broken ? NULL
			       : enqueue(process, &(struct outgoing){.fd = -1, .held = true});
}

void process_release(struct render_process *process, struct outgoing *held,
		     const struct render_wire_message *message, int fd)
{
	held->held = false;
	if (message == NULL) {
		free_outgoing(process, held, 0);
	} else {
		held->message = *message;
		int copy = fd < 0 ? -1 : fd_dup(fd);
		if (fd >= 0 && copy < 0) {
			lose(process, "hesperd has no descriptor left: %s", strerror(-copy));
			return;
		}
		if (!may_queue_file(process, copy)) {
			close(copy);
			return;
		}
		held->fd = copy;
		process->outgoing_files += copy >= 0;
		queued_files += copy >= 0;
	}
	const struct outgoing *next = first_outgoing(process);
	wind_up(process);
	set_wants_write(process, next != NULL && !next->held);
}

void process_request(struct render_process *process, struct render_wire_message *message,
		     process_answered done, void *data)
{
	struct awaited *awaited = malloc(sizeof(*awaited));
	if (awaited == NULL || process->broken) {
		free(awaited);
		done(data, &(struct process_answer){.status = -EIO, .fd = -1});
		return;
	}
	message->sequence = ++process->sequence;
	*awaited = (struct awaited){
		.sequence = message->sequence,
		.done = done,
		.data = data,
	};
	if (!waits(process)) {
		wind_up(process);
	}
	list_append(&process->awaited, &awaited->link);
	process_tell(process, message, -1);
}

void process_submit(struct render_process *process, const struct render_submit *submit,
		    render_done done, void *data)
{
	struct render_wire_message message = {
		.type = RENDER_WIRE_SUBMIT,
		.submit = {.size = submit->size,
			   .fence = submit->fence,
			   .ring = submit->ring,
			   .fence_id = submit->fence_id},
	};
	struct outgoing outgoing = {
		.fd = -1,
		.bytes = submit->size,
		.done = done,
		.data = data,
	};
	if (submit->size <= RENDER_WIRE_INLINE_BYTES) {
		outgoing.tail = submit->commands;
		outgoing.tail_size = submit->size;
	} else {
		outgoing.fd = render_wire_pack(submit->commands, submit->size);
		free(submit->commands);
		if (outgoing.fd < 0) {
			lose(process, "no memory for its commands: %s", strerror(-outgoing.fd));
			done(data, -ENOMEM);
			return;
		}
	}
	if (send_now(process, &message, outgoing.tail, outgoing.tail_size, outgoing.fd)) {
		free(outgoing.tail);
		fd_close(&outgoing.fd);
		done(data, 0);
		return;
	}
	outgoing.message = message;
	enqueue(process, &outgoing);
}

void process_gate(struct render_process *process, enum hesper_gate_state state)
{
	gate_set(process->gate, state);
}

int process_create(const struct process_options *options,
		   const struct render_process_callbacks *callbacks, void *data,
		   struct render_process **out)
{
	static uint32_t last_id;
	int pair[2];
	struct render_process *process = calloc(1, sizeof(*process));
	if (process == NULL) {
		return -ENOMEM;
	}
	*process = (struct render_process){
		.spawner = options->spawner,
		.callbacks = callbacks,
		.data = data,
		.id = ++last_id,
		.fd = -1,
		.watchdog_ms = options->watchdog_ms,
		.handles = 4,
	};
	list_init(&process->outgoing);
	list_init(&process->awaited);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		int error = -errno;
		free(process);
		return error;
	}
	process->fd = pair[0];
	int error = fd_set_nonblock(process->fd, true);
	if (error == 0) {
		error = uv_poll_init(options->loop, &process->poll, process->fd);
	}
	if (error < 0) {
		fd_close_all(pair, 2);
		free(process);
		return error;
	}
	uv_timer_init(options->loop, &process->watchdog);
	uv_idle_init(options->loop, &process->loss);
	fence_watch_init(&process->fences, options->loop, options->gpu_watchdog_ms, options->paused,
			 &fence_callbacks, process);
	process->poll.data = process;
	process->watchdog.data = process;
	process->loss.data = process;
	wind_up(process);
	error = uv_poll_start(&process->poll, UV_READABLE, handle_events);
	if (error < 0) {
		close(pair[1]);
	} else {
		error = spawner_start(options->spawner, process->id, pair[1]);
	}
	if (error < 0) {
		lose(process, "no process could be started for it: %s", strerror(-error));
	}
	*out = process;
	return 0;
}

void process_adopt(struct render_process *process, const struct render_process_callbacks *callbacks,
		   void *data)
{
	process->callbacks = callbacks;
	process->data = data;
}

void process_destroy(struct render_process *process)
{
	if (process == NULL) {
		return;
	}
	process->broken = true;
	spawner_kill(process->spawner, process->id);
	uv_close((uv_handle_t *)&process->poll, handle_closed);
	uv_close((uv_handle_t *)&process->watchdog, handle_closed);
	uv_close((uv_handle_t *)&process->loss, handle_closed);
	fence_watch_close(&process->fences);
	fd_close(&process->fd);
	gate_unmap(process->gate);
	process->gate = NULL;
	fail_requests(process);
}
