/* SPDX-License-Identifier: MIT */
/*
 * hesperd's side. Two sockets: to the spawner that works, and to the one that stands by. When the
 * first closes while we live, its processes end with it (the kernel sees to that), the second takes
 * its place and is asked for a new one to stand by. What such a one leaves becomes ours, as the first process
 * of the pid namespace, and is reaped here.
 *
 * Nothing here waits for a spawner: what its socket does not take yet is kept in order.
 */
#include "render/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "render/spawner_impl.h"
#include "util/fd.h"
#include "util/list.h"
#include "util/log.h"

extern char **environ;

/* A START or KILL that waits. */
struct order {
	struct list link;
	struct spawner_message message;
	int fd; /* START: the process's socket; or -1 */
};

struct line {
	struct spawner *spawner;
	int fd; /* -1: none */
	pid_t pid; /* our child until it is reaped; 0 */
	uv_poll_t poll;
	bool open; /* the handle is */
};

struct spawner {
	uv_loop_t *loop;
	struct line *works; /* one of lines */
	struct line *stands_by;
	struct line lines[2];
	struct list orders; /* struct order, for the one that works */
	uv_signal_t orphans;
	bool destroyed;
	unsigned closing; /* handles */
	void (*destroy_done)(void *data);
	void *destroy_data;
};

static bool same_name(const char *a, const char *b)
{
	size_t length = strcspn(a, "=");
	return strncmp(a, b, length + 1) == 0;
}

/* Our environment with extra's names replaced; only the array is allocated. */
static char **merge_environment(char *const *extra)
{
	size_t count = 0;
	size_t added = 0;
	while (environ[count] != NULL) {
		count++;
	}
	while (extra != NULL && extra[added] != NULL) {
		added++;
	}
	char **merged = calloc(count + added + 1, sizeof(*merged));
	if (merged == NULL) {
		return NULL;
	}
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		bool replaced = false;
		for (size_t j = 0; j < added; j++) {
			replaced = replaced || same_name(extra[j], environ[i]);
		}
		if (!replaced) {
			merged[used++] = environ[i];
		}
	}
	for (size_t j = 0; j < added; j++) {
		merged[used++] = extra[j];
	}
	return merged;
}

static _Noreturn void run(int socket, char *const *argv, char *const *environment,
			  const struct spawner_hooks *hooks, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* Nothing of hesperd's is ours: not the machine's socket, not what somebody waits on. */
	int low = dup2(socket, STDERR_FILENO + 1);
	if (getppid() != parent || low < 0) {
		_exit(1);
	}
	fcntl(low, F_SETFD, FD_CLOEXEC);
	close_range((unsigned)low + 1, ~0u, 0);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	fd_close(&null);
	if (hooks->spawner != NULL) {
		hooks->spawner(hooks->data);
	}
	spawner_main(low, argv, environment, hooks);
}

int spawner_create(char *const *argv, char *const *extra_environment,
		   const struct spawner_hooks *hooks, struct spawner **out)
{
	static const struct spawner_hooks none;
	int pair[2];
	struct spawner *spawner = calloc(1, sizeof(*spawner));
	char **environment = merge_environment(extra_environment);
	if (spawner == NULL || environment == NULL ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		free(spawner);
		free(environment);
		return -ENOMEM;
	}
	pid_t self = getpid();
	pid_t pid = _Fork();
	if (pid == 0) {
		run(pair[1], argv, environment, hooks != NULL ? hooks : &none, self);
	}
	int error = -errno;
	free(environment);
	fd_close(&pair[1]);
	if (pid < 0) {
		fd_close(&pair[0]);
		free(spawner);
		return error;
	}
	for (int i = 0; i < 2; i++) {
		spawner->lines[i] = (struct line){.spawner = spawner, .fd = -1};
	}
	list_init(&spawner->orders);
	spawner->works = &spawner->lines[0];
	spawner->stands_by = &spawner->lines[1];
	spawner->works->fd = pair[0];
	spawner->works->pid = pid;
	*out = spawner;
	return 0;
}

static void ask_for_stand_by(struct spawner *spawner)
{
	spawner_send(spawner->works->fd, &(struct spawner_message){.op = SPAWNER_STAND_BY}, -1,
		     MSG_DONTWAIT);
}

static void free_order(struct order *order)
{
	list_remove(&order->link);
	fd_close(&order->fd);
	free(order);
}

static void finish(struct spawner *spawner)
{
	if (spawner->destroy_done != NULL) {
		spawner->destroy_done(spawner->destroy_data);
	}
	free(spawner);
}

static void finish_if_closed(struct spawner *spawner)
{
	if (spawner->destroyed && spawner->closing == 0 && !spawner->lines[0].open &&
	    !spawner->lines[1].open) {
		finish(spawner);
	}
}

static void handle_closed(uv_handle_t *handle)
{
	struct line *line = handle->data;
	line->open = false;
	line->spawner->closing--;
	finish_if_closed(line->spawner);
}

static void handle_orphans_closed(uv_handle_t *handle)
{
	struct spawner *spawner = handle->data;
	spawner->closing--;
	finish_if_closed(spawner);
}

static void handle_child(uv_signal_t *handle, int number)
{
	struct spawner *spawner = handle->data;
	pid_t pid;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		for (int i = 0; i < 2; i++) {
			spawner->lines[i].pid =
				spawner->lines[i].pid == pid ? 0 : spawner->lines[i].pid;
		}
	}
}

/* When it has closed its socket: it does that by ending. */
static void close_line(struct line *line)
{
	if (line->open && !uv_is_closing((uv_handle_t *)&line->poll)) {
		line->spawner->closing++;
		uv_close((uv_handle_t *)&line->poll, handle_closed);
	}
	fd_close(&line->fd);
	if (line->pid > 0) {
		waitpid(line->pid, NULL, 0);
		line->pid = 0;
	}
}

static void handle_line(uv_poll_t *poll, int status, int events);

static int open_line(struct line *line, int fd)
{
	int error = uv_poll_init(line->spawner->loop, &line->poll, fd);
	if (error < 0) {
		return error;
	}
	line->open = true;
	line->poll.data = line;
	error = uv_poll_start(&line->poll, UV_READABLE, handle_line);
	if (error < 0) {
		line->spawner->closing++;
		uv_close((uv_handle_t *)&line->poll, handle_closed);
		return error;
	}
	line->fd = fd;
	return 0;
}

static int send_order(struct spawner *spawner, const struct spawner_message *message, int fd)
{
	return spawner_send(spawner->works->fd, message, fd, MSG_DONTWAIT);
}

static void send_orders(struct spawner *spawner)
{
	while (!list_empty(&spawner->orders) && spawner->works->fd >= 0) {
		struct order *order = container_of(spawner->orders.next, struct order, link);
		/* One that cannot be sent at all is seen by the end of its socket. */
		if (send_order(spawner, &order->message, order->fd) == -EAGAIN) {
			break;
		}
		free_order(order);
	}
	struct line *line = spawner->works;
	if (line->open && line->fd >= 0) {
		int writable = list_empty(&spawner->orders) ? 0 : UV_WRITABLE;
		int error = uv_poll_start(&line->poll, UV_READABLE | writable, handle_line);
		if (error < 0) {
			log_error("the process that starts renderers cannot be waited for: %s",
				  strerror(-error));
		}
	}
}

static int keep_order(struct spawner *spawner, const struct spawner_message *message, int fd)
{
	struct order *order = malloc(sizeof(*order));
	int copy = fd < 0 || order == NULL ? -1 : fd_dup(fd);
	if (order == NULL || (fd >= 0 && copy < 0)) {
		free(order);
		return -ENOMEM;
	}
	*order = (struct order){.message = *message, .fd = copy};
	list_append(&spawner->orders, &order->link);
	send_orders(spawner);
	return 0;
}

static void handle_end(struct line *line)
{
	struct spawner *spawner = line->spawner;
	close_line(line);
	if (spawner->destroyed) {
		return;
	}
	if (line == spawner->stands_by) {
		ask_for_stand_by(spawner);
		return;
	}
	log_warn("the process that starts renderers died%s",
		 spawner->stands_by->fd >= 0 ? "; another takes over"
					     : ": no program of the guest can use Vulkan any more");
	spawner->works = spawner->stands_by;
	spawner->stands_by = line;
	if (spawner->works->fd >= 0) {
		ask_for_stand_by(spawner);
	}
}

static void take_stand_by(struct spawner *spawner, int fd, pid_t pid)
{
	struct line *line = spawner->stands_by;
	if (!spawner->destroyed && line->fd < 0 && !line->open && open_line(line, fd) == 0) {
		line->pid = pid;
		return;
	}
	/* Nobody needs it any more. It ends when it sees that. */
	fd_close(&fd);
	waitpid(pid, NULL, 0);
}

static void handle_line(uv_poll_t *poll, int status, int events)
{
	struct line *line = poll->data;
	struct spawner *spawner = line->spawner;
	struct spawner_message message;
	int fd;
	if (line == spawner->works && (events & UV_WRITABLE) != 0) {
		send_orders(spawner);
	}
	int got = spawner_receive(line->fd, &message, &fd, MSG_DONTWAIT);
	if (got == -EAGAIN) {
		return;
	}
	if (got <= 0) {
		fd_close(&fd);
		handle_end(line);
		return;
	}
	if (message.op == SPAWNER_ENDED) {
		int signal = WIFSIGNALED(message.status) ? WTERMSIG(message.status) : 0;
		log_debug("hesper-render %u ended: %s %d", message.id,
			  signal != 0 ? "signal" : "status",
			  signal != 0 ? signal : WEXITSTATUS(message.status));
	} else if (message.op == SPAWNER_STANDS_BY && fd >= 0) {
		take_stand_by(spawner, fd, (pid_t)message.id);
		fd = -1;
	}
	fd_close(&fd);
}

int spawner_attach(struct spawner *spawner, uv_loop_t *loop)
{
	int error = uv_signal_init(loop, &spawner->orphans);
	if (error < 0) {
		return error;
	}
	spawner->loop = loop;
	spawner->orphans.data = spawner;
	error = uv_signal_start(&spawner->orphans, handle_child, SIGCHLD);
	if (error == 0) {
		error = open_line(spawner->works, spawner->works->fd);
	}
	if (error == 0) {
		ask_for_stand_by(spawner);
	}
	return error;
}

int spawner_start(struct spawner *spawner, uint32_t id, int socket)
{
	const struct spawner_message message = {.op = SPAWNER_START, .id = id};
	int error = -ESRCH;
	while (spawner->works->fd >= 0) {
		error = list_empty(&spawner->orders) ? send_order(spawner, &message, socket)
						     : -EAGAIN;
		if (error == -EAGAIN) {
			error = keep_order(spawner, &message, socket);
		}
		if (error != -EPIPE && error != -ECONNRESET) {
			break;
		}
		handle_end(spawner->works);
	}
	close(socket);
	return error;
}

/* What was not asked for yet need not be. So what waits is bounded by what there may be, in files, too. */
static bool forget_start(struct spawner *spawner, uint32_t id)
{
	for (struct list *at = spawner->orders.next; at != &spawner->orders; at = at->next) {
		struct order *order = container_of(at, struct order, link);
		if (order->message.op == SPAWNER_START && order->message.id == id) {
			free_order(order);
			return true;
		}
	}
	return false;
}

void spawner_kill(struct spawner *spawner, uint32_t id)
{
	const struct spawner_message message = {.op = SPAWNER_KILL, .id = id};
	if (spawner->works->fd < 0 || forget_start(spawner, id)) {
		return;
	}
	int error = list_empty(&spawner->orders) ? send_order(spawner, &message, -1) : -EAGAIN;
	if (error == -EAGAIN) {
		/* Without memory for it: the process loses its socket, and sees that. */
		keep_order(spawner, &message, -1);
	}
}

void spawner_destroy(struct spawner *spawner, void (*done)(void *data), void *data)
{
	spawner->destroyed = true;
	spawner->destroy_done = done;
	spawner->destroy_data = data;
	while (!list_empty(&spawner->orders)) {
		free_order(container_of(spawner->orders.next, struct order, link));
	}
	bool waits = spawner->closing > 0;
	if (spawner->loop != NULL) {
		uv_close((uv_handle_t *)&spawner->orphans, handle_orphans_closed);
		spawner->closing++;
		waits = true;
	}
	for (int i = 0; i < 2; i++) {
		struct line *line = &spawner->lines[i];
		if (line->fd >= 0 && line->open && !uv_is_closing((uv_handle_t *)&line->poll)) {
			/* It sees our end, ends, and we see its. */
			shutdown(line->fd, SHUT_WR);
			waits = true;
		} else {
			close_line(line);
		}
	}
	if (!waits) {
		finish(spawner);
	}
}
