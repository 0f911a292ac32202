/* SPDX-License-Identifier: MIT */
/*
 * Venus through libvirglrenderer, whose contexts run in processes of a render server.
 *
 * The library keeps global state and its callback table by pointer: there is one renderer in a
 * process, and everything but the fence callback runs on the render thread. The fence callback
 * comes from a thread of the library that holds the context's timeline lock: it only queues.
 *
 * A context that failed once is lost: it is destroyed in the library at once (its sync thread
 * would spin at a full core otherwise, protocols §5.4) and remembered as lost until the guest
 * destroys it. API used: what 1.1 and 1.3 share. Return codes are positive or negative errno, so
 * they are only tested against 0.
 */
#include "render/render_impl.h"

#include <errno.h>
#include <linux/virtio_gpu.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <virglrenderer.h>

#include "render/server_process.h"
#include "util/fd.h"
#include "util/idmap.h"
#include "util/log.h"

#define VENUS_FLAGS                                                                                \
	(VIRGL_RENDERER_VENUS | VIRGL_RENDERER_NO_VIRGL | VIRGL_RENDERER_RENDER_SERVER |           \
	 VIRGL_RENDERER_THREAD_SYNC | VIRGL_RENDERER_ASYNC_FENCE_CB |                              \
	 VIRGL_RENDERER_USE_EXTERNAL_BLOB)

struct venus {
	struct render *render;
	const struct render_options *options;
	pid_t server;  /* 0: none */
	struct idmap contexts; /* id → &context_alive or &context_lost */
};

static char context_alive;
static char context_lost;

static void handle_fence(void *cookie, uint32_t context, uint32_t ring, uint64_t fence_id)
{
	struct venus *venus = cookie;
	render_report_fence(venus->render, context, ring, fence_id);
}

static int handle_get_server_fd(void *cookie, uint32_t version)
{
	struct venus *venus = cookie;
	const char *path = venus->options->server_path;
	if (path == NULL) {
		path = server_process_find();
	}
	if (path == NULL) {
		log_error("no virgl_render_server found. Fix: install virglrenderer's server "
			  "(Debian: virgl-server), or set RENDER_SERVER_EXEC_PATH");
		return -1;
	}
	int fd = server_process_start(path, venus->options->server_environment, &venus->server);
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

static void stop_server(struct venus *venus)
{
	if (venus->server > 0) {
		kill(venus->server, SIGTERM);
		while (waitpid(venus->server, NULL, 0) < 0 && errno == EINTR) {
		}
		venus->server = 0;
	}
}

static int venus_init(struct render *render, const struct render_options *options, uv_loop_t *loop,
		      struct render_capset *capset, void **state)
{
	struct venus *venus = calloc(1, sizeof(*venus));
	if (venus == NULL) {
		return -ENOMEM;
	}
	venus->render = render;
	venus->options = options;
	idmap_init(&venus->contexts);
	virgl_set_log_callback(handle_log, NULL, NULL);
	uint32_t version = 0;
	uint32_t size = 0;
	if (virgl_renderer_init(venus, VENUS_FLAGS, &callbacks) != 0) {
		log_error("virglrenderer could not start its Vulkan (Venus) renderer");
		stop_server(venus);
		free(venus);
		return -EIO;
	}
	virgl_renderer_get_cap_set(RENDER_CAPSET_VENUS, &version, &size);
	if (size == 0 || size > sizeof(capset->data)) {
		log_error("this virglrenderer was built without Venus");
		virgl_renderer_cleanup(venus);
		stop_server(venus);
		free(venus);
		return -ENOTSUP;
	}
	capset->id = RENDER_CAPSET_VENUS;
	capset->version = version;
	capset->size = size;
	virgl_renderer_fill_caps(RENDER_CAPSET_VENUS, version, capset->data);
	*state = venus;
	return 0;
}

static bool alive(struct venus *venus, uint32_t context)
{
	return idmap_get(&venus->contexts, context) == &context_alive;
}

static int lose(struct venus *venus, uint32_t context, const char *what)
{
	log_limited(LOG_WARN, "context %u is lost: %s failed in the renderer", context, what);
	virgl_renderer_context_destroy(context);
	idmap_set(&venus->contexts, context, &context_lost);
	render_report_lost(venus->render, context);
	return -EIO;
}

static int create_context(struct venus *venus, const struct render_request *request)
{
	int error = idmap_set(&venus->contexts, request->context, &context_alive);
	if (error < 0) {
		return error;
	}
	if (virgl_renderer_context_create_with_flags(request->context, request->create.capset,
						     request->create.name_length,
						     request->create.name) != 0) {
		idmap_remove(&venus->contexts, request->context);
		return -EIO;
	}
	return 0;
}

static int export_blob(struct render_request *request)
{
	uint32_t type;
	int fd = -1;
	if (virgl_renderer_resource_get_map_info(request->resource, &request->blob.map_info) != 0) {
		request->blob.map_info = 0;
	}
	if (virgl_renderer_resource_export_blob(request->resource, &type, &fd) != 0) {
		/* Memory that the guest neither maps nor shares needs no fd. */
		return 0;
	}
	if (type == VIRGL_RENDERER_BLOB_FD_TYPE_OPAQUE) {
		fd_close(&fd);
		return 0;
	}
	request->blob.memory = memory_create(memory_kind_of_fd(fd), fd, request->blob.args.size);
	if (request->blob.memory == NULL) {
		fd_close(&fd);
		return -EIO;
	}
	return 0;
}

static int create_blob(struct venus *venus, struct render_request *request)
{
	const struct render_blob *blob = &request->blob.args;
	if (!alive(venus, blob->context)) {
		return -ENOENT;
	}
	uint32_t flags = blob->flags;
	/*
	 * Importing a blob into the context that made it works only if the library keeps the
	 * fd, which 1.1.0 does for CROSS_DEVICE blobs alone; compositors do import theirs.
	 */
	if ((flags & VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE) != 0) {
		flags |= VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE;
	}
	const struct virgl_renderer_resource_create_blob_args args = {
		.res_handle = blob->resource,
		.ctx_id = blob->context,
		.blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
		.blob_flags = flags,
		.blob_id = blob->blob_id,
		.size = blob->size,
	};
	if (virgl_renderer_resource_create_blob(&args) != 0) {
		return -EIO;
	}
	int error = export_blob(request);
	if (error < 0) {
		virgl_renderer_resource_unref(blob->resource);
	}
	return error;
}

/* The library takes the fd, but for arguments that it refuses. */
static int import_resource(struct render_request *request)
{
	const struct virgl_renderer_resource_import_blob_args args = {
		.res_handle = request->resource,
		.blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
		.fd_type = request->import.kind == RENDER_MEMORY_DMA_BUF
				   ? VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF
				   : VIRGL_RENDERER_BLOB_FD_TYPE_SHM,
		.fd = request->import.fd,
		.size = request->import.size,
	};
	int error = virgl_renderer_resource_import_blob(&args);
	if (error != -EINVAL) {
		request->import.fd = -1;
	}
	if (error != 0) {
		log_limited(LOG_WARN, "resource %u: the renderer does not take its pages",
			    request->resource);
	}
	return error;
}

static int submit(struct venus *venus, const struct render_request *request)
{
	const struct render_submit *args = &request->submit;
	if (!alive(venus, args->context)) {
		return -ENOENT;
	}
	if (args->size > 0 && virgl_renderer_submit_cmd(args->commands, (int)args->context,
							(int)(args->size / 4)) != 0) {
		return lose(venus, args->context, "a command buffer");
	}
	if (args->fence && virgl_renderer_context_create_fence(args->context, 0, args->ring,
							       args->fence_id) != 0) {
		return lose(venus, args->context, "a fence");
	}
	return 0;
}

static int destroy_context(struct venus *venus, uint32_t context)
{
	void *state = idmap_get(&venus->contexts, context);
	if (state == &context_alive) {
		virgl_renderer_context_destroy(context);
	}
	idmap_remove(&venus->contexts, context);
	return state == NULL ? -ENOENT : 0;
}

static void venus_execute(void *state, struct render_request *request)
{
	struct venus *venus = state;
	switch (request->op) {
	case RENDER_OP_CONTEXT_CREATE:
		request->status = create_context(venus, request);
		return;
	case RENDER_OP_CONTEXT_DESTROY:
		request->status = destroy_context(venus, request->context);
		return;
	case RENDER_OP_BLOB_CREATE:
		request->status = create_blob(venus, request);
		return;
	case RENDER_OP_RESOURCE_IMPORT:
		request->status = import_resource(request);
		return;
	case RENDER_OP_RESOURCE_UNREF:
		virgl_renderer_resource_unref(request->resource);
		return;
	case RENDER_OP_ATTACH:
		if (alive(venus, request->context)) {
			virgl_renderer_ctx_attach_resource((int)request->context,
							   (int)request->resource);
		}
		return;
	case RENDER_OP_DETACH:
		if (alive(venus, request->context)) {
			virgl_renderer_ctx_detach_resource((int)request->context,
							   (int)request->resource);
		}
		return;
	case RENDER_OP_SUBMIT:
		request->status = submit(venus, request);
		return;
	case RENDER_OP_RESET:
		virgl_renderer_reset();
		idmap_finish(&venus->contexts);
		idmap_init(&venus->contexts);
		return;
	}
}

static void venus_finish(void *state)
{
	struct venus *venus = state;
	virgl_renderer_reset();
	virgl_renderer_cleanup(venus);
	stop_server(venus);
	idmap_finish(&venus->contexts);
	free(venus);
}

const struct render_impl render_venus = {
	.name = "venus",
	.init = venus_init,
	.execute = venus_execute,
	.finish = venus_finish,
};
