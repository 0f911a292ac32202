/* SPDX-License-Identifier: MIT */
/*
 * Venus, one process a context.
 *
 * The spare. A process is always ready before it is needed: making a context costs a message, and
 * the next spare starts once the context is there. The first one says what guests are told (the
 * capset). A spare that dies is replaced only if it had come up, and not for ever, so that a renderer which cannot
 * start is tried once for each context that asks, not for ever.
 *
 * The end. A guest's requests are carried out in order, so what was asked for before a context's end is
 * still made: its process ends with the last answer, or by the watchdog. Its id is free at once.
 *
 * Sharing. Contexts do not see each other's processes. A blob's memory is known here by its fd, and
 * a context that attaches another's resource is sent that fd.
 */
#include "render/render_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "render/process.h"
#include "render/rings.h"
#include "render/spawner.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/idmap.h"
#include "util/list.h"
#include "util/log.h"

/* Contexts at their end whose blobs are awaited; beyond, they end without. */
#define MAX_ENDING 16

/* Of one context, at a time; and how large what is not there is. */
#define MAX_MISSING 64
#define MISSING_BYTES 4096

/* A spare that ends sooner after its start was no good; so many in a row, and there is none for a while. */
#define YOUNG_NS (2 * CLOCK_NS_PER_S)
#define MAX_YOUNG_DEATHS 8

struct venus {
	struct render render;
	const struct render_options *options;
	struct process_options process_options;
	bool paused;
	struct render_process *spare;
	bool spare_ready;
	uint64_t spare_started; /* ns */
	unsigned young_deaths; /* of spares, since one was of use */
	bool announced; /* the ready callback was called */
	bool destroyed;
	struct idmap contexts; /* id → struct context */
	struct list ending; /* struct context.ending_link */
	unsigned ending_count;
	struct idmap making; /* id → struct blob_request, of which there is no answer yet */
	struct idmap shared; /* resource → struct shared */
	void (*destroy_done)(void *data);
	void *destroy_data;
};

struct context {
	struct venus *venus;
	uint32_t id;
	char name[32]; /* for the log */
	struct render_process *process; /* NULL: lost */
	/* That its process knows: id → &made, &imported or &missing; or will, in the place held: &promised. */
	struct idmap resources;
	struct list holds; /* struct hold.context_link */
	unsigned missing_count;
	unsigned blobs; /* asked for, not answered */
	bool ended; /* by the guest */
	struct list ending_link;
	struct rings rings;
	render_done created;
	void *created_data;
};

static char made;
static char imported;
static char missing; /* it was told of memory that is of no use */
static char promised; /* another context makes it */

/* An import, in its place among what a context's process is told, of what is still being made. */
struct hold {
	struct list link; /* blob_request.holds */
	struct list context_link;
	struct context *context;
	struct outgoing *place;
};

/* A resource that contexts other than its maker's may attach. */
struct shared {
	struct memory *memory; /* that fd belongs to; NULL: the fd is ours */
	int fd;
	uint32_t fd_type; /* enum render_wire_fd_type */
	uint64_t size;
};

static struct venus *venus_of(struct render *render)
{
	return container_of(render, struct venus, render);
}

/* --- the spare ------------------------------------------------------------------------------ */

static void start_spare(struct venus *venus);

static void announce(struct venus *venus, int error, const struct render_capset *capset)
{
	venus->announced = true;
	venus->options->callbacks->ready(venus->options->data, error, capset);
}

static void spare_ready(void *data, const struct render_capset *capset)
{
	struct venus *venus = data;
	venus->spare_ready = true;
	if (!venus->announced) {
		announce(venus, 0, capset);
	}
}

static void spare_lost(void *data, const char *reason)
{
	struct venus *venus = data;
	bool young = clock_now_ns() - venus->spare_started < YOUNG_NS;
	bool again = venus->spare_ready;
	venus->young_deaths = young ? venus->young_deaths + 1 : 0;
	log_limited(LOG_WARN, "a renderer without a context failed: %s", reason);
	process_destroy(venus->spare);
	venus->spare = NULL;
	if (again && venus->young_deaths < MAX_YOUNG_DEATHS) {
		start_spare(venus);
	} else if (again) {
		log_error("%u renderers in a row ended right after their start: none stands by "
			  "until a program of the guest asks for one",
			  venus->young_deaths);
	} else if (!venus->announced) {
		announce(venus, -EIO, NULL);
	}
}

static void ignore_fence(void *data, uint32_t ring, uint64_t fence_id)
{
}

static const struct render_process_callbacks spare_callbacks = {
	.ready = spare_ready,
	.fence = ignore_fence,
	.lost = spare_lost,
};

static int start_process(struct venus *venus, const struct render_process_callbacks *callbacks,
			 void *data, struct render_process **out)
{
	return process_create(&venus->process_options, callbacks, data, out);
}

static void start_spare(struct venus *venus)
{
	if (venus->spare != NULL || venus->destroyed) {
		return;
	}
	venus->spare_ready = false;
	venus->spare_started = clock_now_ns();
	int error = start_process(venus, &spare_callbacks, venus, &venus->spare);
	if (error < 0) {
		log_limited(LOG_ERROR, "cannot start a renderer: %s", strerror(-error));
	}
}

/* --- contexts ------------------------------------------------------------------------------- */

static struct context *find_context(struct venus *venus, uint32_t id)
{
	struct context *context = idmap_get(&venus->contexts, id);
	return context == NULL || context->process == NULL ? NULL : context;
}

static void context_fence(void *data, uint32_t ring, uint64_t fence_id)
{
	struct context *context = data;
	struct venus *venus = context->venus;
	venus->options->callbacks->fence(venus->options->data, context->id, ring, fence_id);
}

/* The guest's programs would wait, or draw into the void. See rings.c. */
static void condemn_rings(struct context *context)
{
	for (unsigned i = 0; i < context->rings.count; i++) {
		const struct ring *ring = &context->rings.list[i];
		const struct shared *shared = idmap_get(&context->venus->shared, ring->resource);
		bool own = idmap_get(&context->resources, ring->resource) == &made;
		if (own && shared != NULL && shared->memory != NULL) {
			int error = ring_condemn(ring, shared->memory);
			log_debug("context %u (%s): ring in resource %u: %s", context->id,
				  context->name, ring->resource, strerror(-error));
		}
	}
	context->rings.count = 0;
}

/* What is held goes with the process. */
static void forget_holds(struct context *context)
{
	while (!list_empty(&context->holds)) {
		struct hold *hold = container_of(context->holds.next, struct hold, context_link);
		list_remove(&hold->link);
		list_remove(&hold->context_link);
		free(hold);
	}
}

static void context_lost(void *data, const char *reason)
{
	struct context *context = data;
	struct venus *venus = context->venus;
	struct render_process *process = context->process;
	log_limited(LOG_WARN, "context %u (%s) is lost: %s", context->id, context->name, reason);
	context->process = NULL;
	condemn_rings(context);
	forget_holds(context);
	idmap_finish(&context->resources);
	idmap_init(&context->resources);
	venus->options->callbacks->context_lost(venus->options->data, context->id);
	process_destroy(process);
}

static const struct render_process_callbacks context_callbacks = {
	.fence = context_fence,
	.lost = context_lost,
};

static void context_created(void *data, struct process_answer *answer)
{
	struct context *context = data;
	struct venus *venus = context->venus;
	render_done done = context->created;
	context->created = NULL;
	done(context->created_data,
	     answer->status < 0 && context->ended ? -ECANCELED : answer->status);
	if (answer->status >= 0) {
		venus->young_deaths = 0;
	}
	start_spare(venus);
}

static void copy_name(struct context *context, const char *name, uint32_t length)
{
	size_t used = 0;
	for (uint32_t i = 0; i < length && name[i] != '\0' && used < sizeof(context->name) - 1;
	     i++) {
		context->name[used++] = name[i] < ' ' || name[i] > '~' ? '?' : name[i];
	}
	context->name[used] = '\0';
}

static int give_process(struct venus *venus, struct context *context)
{
	if (venus->spare == NULL) {
		return start_process(venus, &context_callbacks, context, &context->process);
	}
	context->process = venus->spare;
	venus->spare = NULL;
	process_adopt(context->process, &context_callbacks, context);
	return 0;
}

static void venus_context_create(struct render *render, uint32_t id, uint32_t capset,
				 const char *name, uint32_t name_length, render_done done,
				 void *data)
{
	struct venus *venus = venus_of(render);
	struct context *context = calloc(1, sizeof(*context));
	if (context == NULL || idmap_set(&venus->contexts, id, context) < 0) {
		free(context);
		done(data, -ENOMEM);
		return;
	}
	context->venus = venus;
	context->id = id;
	context->created = done;
	context->created_data = data;
	list_init(&context->ending_link);
	list_init(&context->holds);
	idmap_init(&context->resources);
	copy_name(context, name, name_length);
	int error = give_process(venus, context);
	if (error < 0) {
		done(data, error);
		return;
	}
	struct render_wire_message message = {
		.type = RENDER_WIRE_CONTEXT,
		.context = {.context = id, .capset = capset},
	};
	if (name_length > sizeof(message.context.name)) {
		name_length = sizeof(message.context.name);
	}
	message.context.name_length = name_length;
	memcpy(message.context.name, name, name_length);
	process_request(context->process, &message, context_created, context);
}

/* Its requests are answered from inside this call. */
static void free_context(struct context *context)
{
	struct render_process *process = context->process;
	if (!list_empty(&context->ending_link)) {
		list_remove(&context->ending_link);
		context->venus->ending_count--;
	}
	context->process = NULL;
	forget_holds(context);
	process_destroy(process);
	idmap_finish(&context->resources);
	free(context);
}

static void ending_lost(void *data, const char *reason)
{
	struct context *context = data;
	log_limited(LOG_WARN, "context %u (%s) is lost at its end: %s", context->id, context->name,
		    reason);
	free_context(context);
}

static const struct render_process_callbacks ending_callbacks = {
	.fence = ignore_fence,
	.lost = ending_lost,
};

static void venus_context_destroy(struct render *render, uint32_t id, render_done done, void *data)
{
	struct venus *venus = venus_of(render);
	struct context *context = idmap_remove(&venus->contexts, id);
	if (context == NULL) {
		done(data, -ENOENT);
		return;
	}
	context->ended = true;
	if (context->process == NULL || context->blobs == 0 || venus->ending_count >= MAX_ENDING) {
		free_context(context);
	} else {
		process_adopt(context->process, &ending_callbacks, context);
		list_append(&venus->ending, &context->ending_link);
		venus->ending_count++;
	}
	done(data, 0);
}

/* --- resources ------------------------------------------------------------------------------ */

struct blob_request {
	struct context *context;
	uint32_t resource;
	uint64_t size;
	render_blob_done done;
	void *data;
	bool attached; /* by its maker */
	struct list holds; /* struct hold.link */
};

static void tell(struct context *context, enum render_wire_type type, uint32_t resource)
{
	process_tell(
		context->process,
		&(struct render_wire_message){.type = type, .resource = {.resource = resource}},
		-1);
}

/* What its process knows only by name, or not any more. */
static void forget(struct context *context, uint32_t resource)
{
	context->missing_count -= idmap_remove(&context->resources, resource) == &missing;
	tell(context, RENDER_WIRE_UNREF, resource);
}

static void forget_missing(struct context *context, uint32_t resource)
{
	if (idmap_get(&context->resources, resource) == &missing) {
		forget(context, resource);
	}
}

static void free_shared(struct shared *shared)
{
	if (shared == NULL) {
		return;
	}
	if (shared->memory != NULL) {
		memory_unref(shared->memory);
	} else {
		fd_close(&shared->fd);
	}
	free(shared);
}

/* The memory that came with an answer; NULL with *status for what cannot be. */
static struct memory *take_memory(struct venus *venus, const struct blob_request *request,
				  struct process_answer *answer, int *status)
{
	struct shared *shared = malloc(sizeof(*shared));
	struct memory *memory =
		memory_create(memory_kind_of_fd(answer->fd), answer->fd, request->size);
	if (memory == NULL || shared == NULL) {
		*status = shared == NULL ? -ENOMEM : -EIO;
		if (memory != NULL) {
			answer->fd = -1;
			memory_unref(memory);
		}
		free(shared);
		return NULL;
	}
	answer->fd = -1;
	*shared = (struct shared){memory_ref(memory), memory->fd, answer->fd_type, request->size};
	if (idmap_set(&venus->shared, request->resource, shared) < 0) {
		free_shared(shared);
		memory_unref(memory);
		*status = -ENOMEM;
		return NULL;
	}
	return memory;
}

/* place: where in what its process is told; NULL: now. */
static void import(struct context *context, struct outgoing *place, uint32_t resource,
		   const struct shared *shared)
{
	const struct render_wire_message message = {
		.type = RENDER_WIRE_IMPORT,
		.import = {.resource = resource, .fd_type = shared->fd_type, .size = shared->size},
	};
	if (place == NULL) {
		process_tell(context->process, &message, shared->fd);
	} else {
		process_release(context->process, place, &message, shared->fd);
	}
}

/* virglrenderer answers who looks for such memory with a clean error. Of each its own: none is shared. */
static bool import_nothing(struct context *context, struct outgoing *place, uint32_t resource)
{
	struct shared nothing = {.fd = -1, .fd_type = RENDER_WIRE_FD_SHM, .size = MISSING_BYTES};
	log_limited(LOG_WARN, "resource %u cannot be shared with context %u (%s)", resource,
		    context->id, context->name);
	if (context->missing_count < MAX_MISSING) {
		nothing.fd = fd_memfd("hesper-missing", nothing.size);
	}
	if (nothing.fd >= 0) {
		import(context, place, resource, &nothing);
	} else if (place != NULL) {
		process_release(context->process, place, NULL, -1);
	}
	bool imported_nothing = nothing.fd >= 0;
	fd_close(&nothing.fd);
	return imported_nothing;
}

/* shared: NULL when there is none. What its process knows it as from then on; or NULL. */
static void *introduce(struct context *context, struct outgoing *place, uint32_t resource,
		       const struct shared *shared)
{
	if (shared != NULL) {
		import(context, place, resource, shared);
		return &imported;
	}
	return import_nothing(context, place, resource) ? &missing : NULL;
}

/* It is among the context's resources already, as whatever. */
static void note_known(struct context *context, uint32_t resource, void *as)
{
	context->missing_count += as == &missing;
	if (as == NULL) {
		idmap_remove(&context->resources, resource);
	} else {
		idmap_set(&context->resources, resource, as);
	}
}

static void introduce_now(struct context *context, uint32_t resource, const struct shared *shared)
{
	if (idmap_set(&context->resources, resource, &imported) == 0) {
		note_known(context, resource, introduce(context, NULL, resource, shared));
	}
}

static void promise(struct context *context, struct blob_request *maker)
{
	struct hold *hold = malloc(sizeof(*hold));
	if (hold == NULL || idmap_set(&context->resources, maker->resource, &promised) < 0) {
		free(hold);
		return;
	}
	*hold = (struct hold){.context = context, .place = process_hold(context->process)};
	if (hold->place == NULL) {
		free(hold);
		return;
	}
	list_append(&maker->holds, &hold->link);
	list_append(&context->holds, &hold->context_link);
}

/* Who was promised it and has detached it since has it for as long, and is told of that behind. */
static void keep_promise(struct hold *hold, uint32_t resource, const struct shared *shared)
{
	struct context *context = hold->context;
	struct outgoing *place = hold->place;
	bool attached = idmap_get(&context->resources, resource) == &promised;
	list_remove(&hold->link);
	list_remove(&hold->context_link);
	free(hold);
	void *known = introduce(context, place, resource, shared);
	if (attached) {
		note_known(context, resource, known);
	}
}

static void end_making(struct venus *venus, struct blob_request *request)
{
	if (idmap_get(&venus->making, request->resource) == request) {
		idmap_remove(&venus->making, request->resource);
	}
	while (!list_empty(&request->holds)) {
		keep_promise(container_of(request->holds.next, struct hold, link),
			     request->resource, idmap_get(&venus->shared, request->resource));
	}
}

static void import_resource(struct venus *venus, struct context *context, uint32_t resource)
{
	struct blob_request *maker = idmap_get(&venus->making, resource);
	if (maker != NULL) {
		promise(context, maker);
	} else {
		introduce_now(context, resource, idmap_get(&venus->shared, resource));
	}
}

static void blob_created(void *data, struct process_answer *answer)
{
	struct blob_request *request = data;
	struct context *context = request->context;
	struct memory *memory = NULL;
	int status = answer->status;
	context->blobs--;
	if (status == 0) {
		status = idmap_set(&context->resources, request->resource, &made);
		if (status == 0 && answer->fd >= 0) {
			memory = take_memory(context->venus, request, answer, &status);
		}
		if (status < 0) {
			idmap_remove(&context->resources, request->resource);
			tell(context, RENDER_WIRE_UNREF, request->resource);
		}
	}
	if (status < 0 && request->attached && context->process != NULL) {
		introduce_now(context, request->resource, NULL);
	}
	end_making(context->venus, request);
	bool last = context->blobs == 0 && context->process != NULL &&
		    !list_empty(&context->ending_link);
	request->done(request->data, status, memory, status == 0 ? answer->map_info : 0);
	free(request);
	if (last) {
		free_context(context);
	}
}

static void venus_blob_create(struct render *render, const struct render_blob *blob,
			      render_blob_done done, void *data)
{
	struct context *context = find_context(venus_of(render), blob->context);
	struct blob_request *request = malloc(sizeof(*request));
	if (context == NULL || request == NULL) {
		free(request);
		done(data, context == NULL ? -ENOENT : -ENOMEM, NULL, 0);
		return;
	}
	forget_missing(context, blob->resource);
	*request =
		(struct blob_request){context, blob->resource, blob->size, done, data, false, {0}};
	list_init(&request->holds);
	if (idmap_set(&venus_of(render)->making, blob->resource, request) < 0) {
		free(request);
		done(data, -ENOMEM, NULL, 0);
		return;
	}
	struct render_wire_message message = {
		.type = RENDER_WIRE_BLOB,
		.blob = {.resource = blob->resource,
			 .flags = blob->flags,
			 .blob_id = blob->blob_id,
			 .size = blob->size},
	};
	context->blobs++;
	process_request(context->process, &message, blob_created, request);
}

static void venus_resource_import(struct render *render, uint32_t resource, enum render_memory kind,
				  int fd, uint64_t size)
{
	struct shared *shared = malloc(sizeof(*shared));
	if (shared != NULL) {
		*shared = (struct shared){
			.fd = fd,
			.fd_type = kind == RENDER_MEMORY_SHM ? RENDER_WIRE_FD_SHM
							     : RENDER_WIRE_FD_DMA_BUF,
			.size = size,
		};
	}
	if (shared == NULL || idmap_set(&venus_of(render)->shared, resource, shared) < 0) {
		log_limited(LOG_ERROR, "out of memory: resource %u is not shared", resource);
		free(shared);
		close(fd);
	}
}

static void venus_resource_unref(struct render *render, uint32_t resource)
{
	struct venus *venus = venus_of(render);
	size_t cursor = 0;
	struct context *context;
	while ((context = idmap_next(&venus->contexts, &cursor)) != NULL) {
		if (idmap_get(&context->resources, resource) != NULL) {
			forget(context, resource);
		}
	}
	free_shared(idmap_remove(&venus->shared, resource));
}

/* Whether it is about to make the resource itself; its process is told of that, and then of this. */
static bool makes(struct context *context, uint32_t resource, bool attached)
{
	struct blob_request *request = idmap_get(&context->venus->making, resource);
	if (request == NULL || request->context != context) {
		return false;
	}
	request->attached = attached;
	return true;
}

static void venus_context_attach(struct render *render, uint32_t id, uint32_t resource)
{
	struct venus *venus = venus_of(render);
	struct context *context = find_context(venus, id);
	if (context == NULL) {
		return;
	}
	if (idmap_get(&venus->shared, resource) != NULL ||
	    idmap_get(&venus->making, resource) != NULL) {
		forget_missing(context, resource);
	}
	void *known = idmap_get(&context->resources, resource);
	if (known == &made || makes(context, resource, true)) {
		tell(context, RENDER_WIRE_ATTACH, resource);
	} else if (known == NULL) {
		import_resource(venus, context, resource);
	}
}

static void venus_context_detach(struct render *render, uint32_t id, uint32_t resource)
{
	struct context *context = find_context(venus_of(render), id);
	if (context == NULL) {
		return;
	}
	void *known = idmap_get(&context->resources, resource);
	if (known == &made || makes(context, resource, false)) {
		tell(context, RENDER_WIRE_DETACH, resource);
	} else if (known != NULL) {
		forget(context, resource);
	}
}

static void venus_context_gate(struct render *render, uint32_t id, enum hesper_gate_state state)
{
	const struct context *context = find_context((struct venus *)render, id);
	if (context != NULL) {
		process_gate(context->process, state);
	}
}

static void venus_submit(struct render *render, const struct render_submit *submit,
			 render_done done, void *data)
{
	struct context *context = find_context(venus_of(render), submit->context);
	if (context == NULL || submit->ring >= RENDER_MAX_RINGS) {
		free(submit->commands);
		done(data, context == NULL ? -ENOENT : -EINVAL);
		return;
	}
	rings_note(&context->rings, submit->commands, submit->size);
	process_submit(context->process, submit, done, data);
}

/* --- all of it ------------------------------------------------------------------------------ */

static void venus_reset(struct render *render)
{
	struct venus *venus = venus_of(render);
	struct idmap contexts = venus->contexts;
	struct idmap shared = venus->shared;
	size_t cursor = 0;
	struct context *context;
	struct shared *one;
	idmap_init(&venus->contexts);
	idmap_init(&venus->shared);
	while ((context = idmap_next(&contexts, &cursor)) != NULL) {
		free_context(context);
	}
	while (!list_empty(&venus->ending)) {
		free_context(container_of(venus->ending.next, struct context, ending_link));
	}
	cursor = 0;
	while ((one = idmap_next(&shared, &cursor)) != NULL) {
		free_shared(one);
	}
	idmap_finish(&contexts);
	idmap_finish(&shared);
}

static void venus_pause(struct render *render, bool paused)
{
	venus_of(render)->paused = paused;
}

static int venus_create(const struct render_options *options, uv_loop_t *loop, struct render **out)
{
	struct venus *venus = calloc(1, sizeof(*venus));
	if (venus == NULL) {
		return -ENOMEM;
	}
	venus->options = options;
	venus->process_options = (struct process_options){
		.spawner = options->spawner,
		.loop = loop,
		.watchdog_ms = options->watchdog_ms,
		.gpu_watchdog_ms = options->gpu_watchdog_ms,
		.paused = &venus->paused,
	};
	idmap_init(&venus->contexts);
	list_init(&venus->ending);
	idmap_init(&venus->making);
	idmap_init(&venus->shared);
	int error = spawner_attach(options->spawner, loop);
	if (error == 0) {
		error = start_process(venus, &spare_callbacks, venus, &venus->spare);
	}
	if (error < 0) {
		free(venus);
		return error;
	}
	*out = &venus->render;
	return 0;
}

static void handle_all_ended(void *data)
{
	struct venus *venus = data;
	if (venus->destroy_done != NULL) {
		venus->destroy_done(venus->destroy_data);
	}
	free(venus);
}

static void venus_destroy(struct render *render, void (*done)(void *data), void *data)
{
	struct venus *venus = venus_of(render);
	venus->destroyed = true;
	venus->destroy_done = done;
	venus->destroy_data = data;
	venus_reset(render);
	idmap_finish(&venus->contexts);
	idmap_finish(&venus->making);
	idmap_finish(&venus->shared);
	process_destroy(venus->spare);
	venus->spare = NULL;
	spawner_destroy(venus->options->spawner, handle_all_ended, venus);
}

const struct render_impl render_venus = {
	.name = "venus",
	.create = venus_create,
	.destroy = venus_destroy,
	.context_create = venus_context_create,
	.context_destroy = venus_context_destroy,
	.blob_create = venus_blob_create,
	.resource_import = venus_resource_import,
	.resource_unref = venus_resource_unref,
	.context_attach = venus_context_attach,
	.context_detach = venus_context_detach,
	.submit = venus_submit,
	.context_gate = venus_context_gate,
	.reset = venus_reset,
	.pause = venus_pause,
};
