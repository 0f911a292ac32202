/* SPDX-License-Identifier: MIT */
/*
 * A hesper-render that does what a broken or captured one could do. The name of its context says
 * what (see `deeds`); a name that is not there makes it behave: blobs are memfds, fences signal at
 * once. FAKE_RENDER_START in the environment makes it misbehave before it has a context.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "render/gate.h"
#include "render/wire.h"
#include "util/fd.h"

#define SOCKET 3

static bool submitted; /* since the last blob */
static unsigned known; /* imported, and not unreferenced */
static struct hesper_gate *gate;

static void say(const struct render_wire_message *message, int fd)
{
	if (render_wire_send(SOCKET, message, NULL, 0, fd) < 0) {
		_exit(0);
	}
}

static void say_ready(void)
{
	int fd = gate_create();
	gate = gate_map(fd);
	say(
		&(struct render_wire_message){
			.type = RENDER_WIRE_READY,
			.ready = {.capset = {.id = RENDER_CAPSET_VENUS, .size = 160}, .gate = 1}},
		fd);
	fd_close(&fd);
}

/* Until the gate is in that state. */
static void watch_gate(uint32_t state)
{
	while (gate != NULL && atomic_load(&gate->state) != state) {
		nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	}
}

static void say_done(uint32_t sequence, uint32_t fd_type, uint32_t map_info, int fd)
{
	say(&(struct render_wire_message){.type = RENDER_WIRE_DONE,
					  .sequence = sequence,
					  .done = {.fd_type = fd_type, .map_info = map_info}},
	    fd);
}

static void say_fence(uint32_t ring, uint64_t fence_id)
{
	say(&(struct render_wire_message){.type = RENDER_WIRE_FENCE,
					  .fence = {.fence_id = fence_id, .ring = ring}},
	    -1);
}

/* Any bytes, with any fds. */
static void say_raw(const void *bytes, size_t size, const int *fds, size_t count)
{
	struct iovec iov = {(void *)bytes, size};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(16 * sizeof(int))];
	} control = {0};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	if (count > 0) {
		header.msg_control = control.space;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	sendmsg(SOCKET, &header, MSG_NOSIGNAL);
}

static void rest(void)
{
	for (;;) {
		pause();
	}
}

/* What it does when it is asked for a blob. `done` would be the right answer. */
static void lie_about_blob(const char *deed, const struct render_wire_message *request)
{
	struct render_wire_message done = {
		.type = RENDER_WIRE_DONE,
		.sequence = request->sequence,
		.done = {.fd_type = RENDER_WIRE_FD_SHM, .map_info = 1},
	};
	size_t size = render_wire_size(RENDER_WIRE_DONE);
	int memory = fd_memfd("fake", request->blob.size);
	if (strcmp(deed, "stall") == 0) {
		rest();
	} else if (strcmp(deed, "stop") == 0) {
		raise(SIGSTOP);
		rest(); /* it is not heeded from the first process of a pid namespace */
	} else if (strcmp(deed, "crash") == 0 || strcmp(deed, "mute") == 0) {
		/* A fault, not a signal: the first process of a pid namespace gets no other. */
		signal(SIGILL, SIG_DFL);
		__builtin_trap();
	} else if (strcmp(deed, "exit") == 0) {
		_exit(0);
	} else if (strcmp(deed, "lost") == 0) {
		struct render_wire_message lost = {.type = RENDER_WIRE_LOST};
		memset(lost.lost.reason, 0x1b, sizeof(lost.lost.reason));
		say(&lost, -1);
	} else if (strcmp(deed, "short") == 0) {
		say_raw(&done, size - 1, &memory, 1);
	} else if (strcmp(deed, "one-byte") == 0) {
		say_raw(&done, 1, NULL, 0);
	} else if (strcmp(deed, "long") == 0) {
		char bytes[256] = {0};
		memcpy(bytes, &done, size);
		say_raw(bytes, sizeof(bytes), &memory, 1);
	} else if (strcmp(deed, "huge") == 0) {
		static char bytes[100000];
		memcpy(bytes, &done, size);
		say_raw(bytes, sizeof(bytes), &memory, 1);
	} else if (strcmp(deed, "empty") == 0) {
		say_raw("", 0, NULL, 0);
	} else if (strcmp(deed, "type") == 0) {
		done.type = 0xffffffff;
		say_raw(&done, size, NULL, 0);
	} else if (strcmp(deed, "request") == 0) {
		done.type = RENDER_WIRE_BLOB;
		say_raw(&done, sizeof(done), NULL, 0);
	} else if (strcmp(deed, "sequence") == 0) {
		done.sequence++;
		say(&done, memory);
	} else if (strcmp(deed, "twice") == 0) {
		say(&done, memory);
		say(&done, memory);
	} else if (strcmp(deed, "status") == 0) {
		done.done.status = 7;
		say(&done, memory);
	} else if (strcmp(deed, "map-info") == 0) {
		done.done.map_info = 200;
		say(&done, memory);
	} else if (strcmp(deed, "fd-type") == 0) {
		done.done.fd_type = 77;
		say(&done, memory);
	} else if (strcmp(deed, "no-fd") == 0) {
		say_raw(&done, size, NULL, 0);
	} else if (strcmp(deed, "two-fds") == 0) {
		const int fds[] = {memory, memory};
		say_raw(&done, size, fds, 2);
	} else if (strcmp(deed, "many-fds") == 0) {
		int fds[16];
		for (int i = 0; i < 16; i++) {
			fds[i] = memory;
		}
		say_raw(&done, size, fds, 16);
	} else if (strcmp(deed, "fd-unasked") == 0) {
		done.done.fd_type = RENDER_WIRE_FD_NONE;
		say_raw(&done, size, &memory, 1);
	} else if (strcmp(deed, "file") == 0) {
		say(&done, open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	} else if (strcmp(deed, "pipe") == 0) {
		int ends[2];
		if (pipe(ends) == 0) {
			say(&done, ends[0]);
		}
	} else if (strcmp(deed, "shrinking") == 0) {
		/* Its size could be changed under the guest: only sealed memory is taken. */
		int other = memfd_create("fake", MFD_CLOEXEC);
		if (ftruncate(other, (off_t)request->blob.size) == 0) {
			say(&done, other);
		}
	} else if (strcmp(deed, "small") == 0) {
		say(&done, fd_memfd("fake", 4096));
	} else if (strcmp(deed, "ready-twice") == 0) {
		say_ready();
	} else if (strcmp(deed, "fence") == 0) {
		say_fence(1, 1);
	} else if (strcmp(deed, "ring") == 0) {
		say_fence(0xffffffff, 1);
	} else if (strcmp(deed, "slow") == 0 || (strcmp(deed, "in-order") == 0 && submitted)) {
		submitted = false;
		nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
		say(&done, memory);
	} else if (strcmp(deed, "in-order") == 0) {
		done.done.status = -EIO;
		done.done.fd_type = RENDER_WIRE_FD_NONE;
		say(&done, -1);
	} else if (strcmp(deed, "flood") == 0) {
		for (;;) {
			say_fence(0, 1);
		}
	} else {
		say_done(request->sequence, RENDER_WIRE_FD_SHM, 1, memory);
	}
	fd_close(&memory);
}

/*
 * Fences that do not come, come late, or come on the ring of the processor alone. "names" ends unless as many
 * resources were imported as the ring's number is.
 */
static void submit(const char *deed, const struct render_wire_message *message)
{
	static struct {
		uint32_t ring;
		uint64_t id;
	} last;
	uint32_t ring = message->submit.ring;
	submitted = true;
	if (strcmp(deed, "gate") == 0) {
		watch_gate(ring);
	}
	if (strcmp(deed, "names") == 0 && known != ring) {
		_exit(1);
	}
	if (message->submit.fence == 0 || strcmp(deed, "mute") == 0 ||
	    (strcmp(deed, "mute-gpu") == 0 && ring != 0)) {
		return;
	}
	if (strcmp(deed, "late") != 0) {
		say_fence(ring, message->submit.fence_id);
		return;
	}
	/* One is always missing. */
	if (last.id != 0) {
		say_fence(last.ring, last.id);
	}
	last.ring = ring;
	last.id = message->submit.fence_id;
}

/* Memory that another context shares: answers what stands in its first word with the inverse. */
static void check_import(const struct render_wire_message *message, int fd)
{
	uint32_t *words =
		mmap(NULL, message->import.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (words != MAP_FAILED) {
		words[1] = ~words[0];
		munmap(words, message->import.size);
	}
}

static void misbehave_at_start(void)
{
	const char *deed = getenv("FAKE_RENDER_START");
	if (deed == NULL) {
		return;
	}
	if (strcmp(deed, "exit") == 0) {
		_exit(1);
	} else if (strcmp(deed, "silent") == 0) {
		rest();
	} else if (strcmp(deed, "fence") == 0) {
		say_fence(0, 1);
	} else if (strcmp(deed, "brief") == 0) {
		say_ready();
		_exit(1);
	} else if (strncmp(deed, "gate-", strlen("gate-")) == 0) {
		/* One that could shrink under who maps it, one that is too small, and what is no memory. */
		int fd = strcmp(deed, "gate-loose") == 0   ? memfd_create("fake", MFD_CLOEXEC)
			 : strcmp(deed, "gate-short") == 0 ? fd_memfd("fake", 16)
							   : open("/dev/null", O_RDWR | O_CLOEXEC);
		if (strcmp(deed, "gate-loose") == 0 && ftruncate(fd, HESPER_GATE_BYTES) < 0) {
			_exit(1);
		}
		say(&(struct render_wire_message){.type = RENDER_WIRE_READY,
						  .ready = {.capset = {.id = RENDER_CAPSET_VENUS,
								       .size = 160},
							    .gate = 1}},
		    fd);
	} else if (strcmp(deed, "capset") == 0) {
		say(&(struct render_wire_message){.type = RENDER_WIRE_READY,
						  .ready.capset = {.id = 4,
								   .size = RENDER_MAX_CAPSET + 1}},
		    -1);
	}
}

int main(void)
{
	static struct render_wire_buffer buffer;
	bool forgot = false; /* a resource */
	char deed[sizeof(buffer.message.context.name) + 1] = "";
	misbehave_at_start();
	say_ready();
	while (render_wire_receive(SOCKET, RENDER_WIRE_PROCESS, &buffer) == 1) {
		const struct render_wire_message *message = &buffer.message;
		switch (message->type) {
		case RENDER_WIRE_CONTEXT:
			memcpy(deed, message->context.name, message->context.name_length);
			if (strcmp(deed, "stall-early") == 0) {
				rest();
			}
			say_done(message->sequence, RENDER_WIRE_FD_NONE, 0, -1);
			if (strcmp(deed, "deaf") == 0) {
				rest();
			}
			break;
		case RENDER_WIRE_BLOB:
			lie_about_blob(deed, message);
			break;
		case RENDER_WIRE_SUBMIT:
			if (strcmp(deed, "in-order") == 0 && forgot) {
				_exit(1);
			}
			submit(deed, message);
			break;
		case RENDER_WIRE_DETACH:
			forgot = true;
			break;
		case RENDER_WIRE_IMPORT:
			known++;
			check_import(message, buffer.fd);
			break;
		case RENDER_WIRE_UNREF:
			known--;
			forgot = true;
			break;
		default:
			break;
		}
		fd_close(&buffer.fd);
	}
	return 0;
}
