/* SPDX-License-Identifier: MIT */
/*
 * The library keeps global state and its callback table by pointer, so there is one session in a
 * process; everything but the fence callback runs on the main thread. The fence callback comes from
 * a thread of the library that holds the context's timeline lock: it only sends. hesperd reads at
 * all times, so that cannot stop for good.
 *
 * The library does not say when the context's process dies: its calls fail from then on, and its
 * thread spins at a full core (protocols §5.4). The socket to that process says so at once, so we
 * look for it among the fds that appear while the context is made.
 *
 * API used: what 1.1 and 1.3 share. Return codes are positive or negative errno, so they are only
 * tested against 0.
 */
#include "render/program/session.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <virglrenderer.h>

#include "render/program/server.h"
#include "util/fd.h"
#include "util/log.h"

#define VENUS_FLAGS                                                                                \
	(VIRGL_RENDERER_VENUS | VIRGL_RENDERER_NO_VIRGL | VIRGL_RENDERER_RENDER_SERVER |           \
	 VIRGL_RENDERER_THREAD_SYNC | VIRGL_RENDERER_ASYNC_FENCE_CB |                              \
	 VIRGL_RENDERER_USE_EXTERNAL_BLOB)

/* The process has a handful of them before it has a context. */
#define MAX_OWN_FDS 64

static void handle_fence(void *cookie, uint32_t context, uint32_t ring, uint64_t fence_id)
{
	struct session *session = cookie;
	const struct render_wire_message message = {
		.type = RENDER_WIRE_FENCE,
		.fence = {.fence_id = fence_id, .ring = ring},
	};
	/* When hesperd is gone, the main thread sees it. */
	render_wire_send(session->socket, &message, NULL, 0, -1);
}

static int handle_get_server_fd(void *cookie, uint32_t version)
{
	struct session *session = cookie;
	const char *path = session->server_path;
	if (path == NULL) {
		path = server_find();
	}
	if (path == NULL) {
		log_error("no virgl_render_server found. Fix: install virglrenderer's server "
			  "(Debian: virgl-server), or set RENDER_SERVER_EXEC_PATH");
		return -1;
	}
	int fd = server_start(path, &session->server);
	if (fd < 0) {
		log_error("cannot start %s: %s", path, strerror(-fd));
		return -1;
	}
	return fd;
}

/* The library keeps the pointer. */
static struct virgl_renderer_callbacks callbacks = {
	.version = 3,
	.write_context_fence = handle_fence,
	.get_server_fd = handle_get_server_fd,
};

static void handle_log(enum virgl_log_level_flags level, const char *message, void *data)
{
	int length = (int)strcspn(message, "\n");
	if (level >= VIRGL_LOG_LEVEL_ERROR) {
		log_limited(LOG_WARN, "virglrenderer: %.*s", length, message);
	} else {
		log_debug("virglrenderer: %.*s", length, message);
	}
}

int session_init(struct session *session, int socket, const char *server_path,
		 struct render_capset *capset)
{
	*session = (struct session){
		.socket = socket,
		.server_path = server_path,
		.server = -1,
		.worker = -1,
	};
	virgl_set_log_callback(handle_log, NULL, NULL);
	/* Without a server of ours the library would start one that nobody watches. */
	if (virgl_renderer_init(session, VENUS_FLAGS, &callbacks) != 0 || session->server < 0) {
		log_error("virglrenderer could not start its Vulkan (Venus) renderer");
		return -EIO;
	}
	*capset = (struct render_capset){.id = RENDER_CAPSET_VENUS};
	virgl_renderer_get_cap_set(RENDER_CAPSET_VENUS, &capset->version, &capset->size);
	if (capset->size == 0 || capset->size > sizeof(capset->data)) {
		log_error("this virglrenderer was built without Venus");
		return -ENOTSUP;
	}
	virgl_renderer_fill_caps(RENDER_CAPSET_VENUS, capset->version, capset->data);
	return 0;
}

static int answer(struct session *session, uint32_t sequence, int status, uint32_t fd_type, int fd,
		  uint32_t map_info)
{
	const struct render_wire_message message = {
		.type = RENDER_WIRE_DONE,
		.sequence = sequence,
		.done = {.status = status, .fd_type = fd_type, .map_info = map_info},
	};
	return render_wire_send(session->socket, &message, NULL, 0, fd);
}

static bool is_seqpacket(int fd)
{
	int type = 0;
	socklen_t size = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/*
 * The library hands commands on in one datagram, but for their first 256 bytes, which go ahead. The
 * kernel refuses a datagram that is larger than the sender's buffer less 32 bytes (EMSGSIZE); that
 * would lose the context. Linux begins with 208 KiB, and net.core.wmem_max lets us double at least that.
 */
static uint32_t make_room_for_commands(int worker)
{
	const int wanted = RENDER_MAX_COMMANDS;
	int room = 0;
	socklen_t size = sizeof(room);
	setsockopt(worker, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	if (getsockopt(worker, SOL_SOCKET, SO_SNDBUF, &room, &size) < 0) {
		return UINT32_MAX; /* that socket was not found: let the library try */
	}
	return (uint32_t)room - 32 + 256;
}

static const char *create_context(struct session *session,
				  const struct render_wire_message *message)
{
	bool before[MAX_OWN_FDS];
	uint32_t context = message->context.context;
	if (session->context != 0 || message->context.name_length > sizeof(message->context.name)) {
		return "a second context in one process";
	}
	for (int fd = 0; fd < MAX_OWN_FDS; fd++) {
		before[fd] = fcntl(fd, F_GETFD) >= 0;
	}
	if (virgl_renderer_context_create_with_flags(context, message->context.capset,
						     message->context.name_length,
						     message->context.name) != 0) {
		return "the render server made none";
	}
	session->context = context;
	for (int fd = 0; fd < MAX_OWN_FDS && session->worker < 0; fd++) {
		if (!before[fd] && is_seqpacket(fd)) {
			session->worker = fd;
		}
	}
	if (session->worker < 0) {
		log_warn("the death of context %u's process would be seen late: its socket was not "
			 "found",
			 context);
	}
	session->max_commands = make_room_for_commands(session->worker);
	answer(session, message->sequence, 0, RENDER_WIRE_FD_NONE, -1, 0);
	return NULL;
}

static bool worker_is_gone(const struct session *session)
{
	struct pollfd poll_fd = {.fd = session->worker};
	return session->worker >= 0 && poll(&poll_fd, 1, 0) > 0;
}

static const char *create_blob(struct session *session, const struct render_wire_message *message)
{
	uint32_t resource = message->blob.resource;
	uint32_t flags = message->blob.flags;
	/*
	 * Importing a blob into the context that made it works only if the library keeps the
	 * fd, which 1.1.0 does for CROSS_DEVICE blobs alone; compositors do import theirs.
	 */
	if ((flags & VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE) != 0) {
		flags |= VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE;
	}
	const struct virgl_renderer_resource_create_blob_args args = {
		.res_handle = resource,
		.ctx_id = session->context,
		.blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
		.blob_flags = flags,
		.blob_id = message->blob.blob_id,
		.size = message->blob.size,
	};
	if (virgl_renderer_resource_create_blob(&args) != 0) {
		if (worker_is_gone(session)) {
			return "its process died";
		}
		answer(session, message->sequence, -EIO, RENDER_WIRE_FD_NONE, -1, 0);
		return NULL;
	}
	uint32_t map_info;
	uint32_t type;
	int fd = -1;
	uint32_t fd_type = RENDER_WIRE_FD_NONE;
	if (virgl_renderer_resource_get_map_info(resource, &map_info) != 0) {
		map_info = 0;
	}
	/* Memory that the guest neither maps nor shares needs no fd, and may have none. */
	if (virgl_renderer_resource_export_blob(resource, &type, &fd) == 0) {
		if (type == VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF) {
			fd_type = RENDER_WIRE_FD_DMA_BUF;
		} else if (type == VIRGL_RENDERER_BLOB_FD_TYPE_SHM) {
			fd_type = RENDER_WIRE_FD_SHM;
		}
	}
	answer(session, message->sequence, 0, fd_type, fd_type == RENDER_WIRE_FD_NONE ? -1 : fd,
	       map_info);
	fd_close(&fd);
	return NULL;
}

static const char *import_resource(struct session *session, struct render_wire_buffer *buffer)
{
	const struct render_wire_message *message = &buffer->message;
	uint32_t resource = message->import.resource;
	const struct virgl_renderer_resource_import_blob_args args = {
		.res_handle = resource,
		.blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
		.fd_type = message->import.fd_type == RENDER_WIRE_FD_SHM
				   ? VIRGL_RENDERER_BLOB_FD_TYPE_SHM
				   : VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF,
		.fd = buffer->fd,
		.size = message->import.size,
	};
	int error = virgl_renderer_resource_import_blob(&args);
	if (error != -EINVAL) {
		/* The library takes it, but for arguments that it refuses. */
		buffer->fd = -1;
	}
	if (error != 0) {
		log_limited(LOG_WARN, "resource %u cannot be shared with context %u", resource,
			    session->context);
		return NULL;
	}
	virgl_renderer_ctx_attach_resource((int)session->context, (int)resource);
	return NULL;
}

static const char *submit(struct session *session, struct render_wire_buffer *buffer)
{
	const struct render_wire_message *message = &buffer->message;
	uint32_t size = message->submit.size;
	void *commands = buffer->tail;
	if (size > session->max_commands) {
		return "net.core.wmem_max is too small for its commands";
	}
	if (buffer->fd >= 0) {
		commands = fd_size(buffer->fd) < size
				   ? MAP_FAILED
				   : mmap(NULL, size, PROT_READ, MAP_PRIVATE, buffer->fd, 0);
		if (commands == MAP_FAILED) {
			return "its commands could not be read";
		}
	}
	int error = size == 0 ? 0
			      : virgl_renderer_submit_cmd(commands, (int)session->context,
							  (int)(size / 4));
	if (buffer->fd >= 0) {
		munmap(commands, size);
	}
	if (error != 0) {
		return "a command buffer failed in the renderer";
	}
	if (message->submit.fence != 0 &&
	    virgl_renderer_context_create_fence(session->context, 0, message->submit.ring,
						message->submit.fence_id) != 0) {
		return "a fence failed in the renderer";
	}
	return NULL;
}

const char *session_execute(struct session *session, struct render_wire_buffer *buffer)
{
	const struct render_wire_message *message = &buffer->message;
	int resource = (int)message->resource.resource;
	const char *lost = NULL;
	if (message->type != RENDER_WIRE_CONTEXT && session->context == 0) {
		fd_close(&buffer->fd);
		return "a request before its context";
	}
	switch ((enum render_wire_type)message->type) {
	case RENDER_WIRE_CONTEXT:
		lost = create_context(session, message);
		break;
	case RENDER_WIRE_BLOB:
		lost = create_blob(session, message);
		break;
	case RENDER_WIRE_UNREF:
		virgl_renderer_resource_unref((uint32_t)resource);
		break;
	case RENDER_WIRE_IMPORT:
		lost = import_resource(session, buffer);
		break;
	case RENDER_WIRE_ATTACH:
		virgl_renderer_ctx_attach_resource((int)session->context, resource);
		break;
	case RENDER_WIRE_DETACH:
		virgl_renderer_ctx_detach_resource((int)session->context, resource);
		break;
	case RENDER_WIRE_SUBMIT:
		lost = submit(session, buffer);
		break;
	default:
		break;
	}
	fd_close(&buffer->fd);
	return lost;
}
