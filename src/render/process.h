/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_PROCESS_H
#define HESPER_RENDER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "render/render.h"
#include "render/spawner.h"
#include "render/wire.h"
#include "util/list.h"

/*
 * One hesper-render process as hesperd sees it. Nothing here waits for it. All on the thread of the
 * loop.
 *
 * Whatever goes wrong (it ends, says what it must not, does not take or answer what it is sent) is
 * one event: lost. It comes from the loop and never from inside a call; until then the process
 * takes requests and forgets them. Requests that were not answered by then get their done callback
 * with -EIO right after.
 */
struct render_process;

struct render_process_callbacks {
	/* First of all; at most once. */
	void (*ready)(void *data, const struct render_capset *capset);
	void (*fence)(void *data, uint32_t ring, uint64_t fence_id);
	/* Destroy it. reason: for people; valid during the call. */
	void (*lost)(void *data, const char *reason);
};

struct process_options {
	struct spawner *spawner;
	uv_loop_t *loop;
	uint64_t watchdog_ms; /* it may leave a request untouched or unanswered for; 0: ever */
	uint64_t gpu_watchdog_ms; /* as render_options has it */
	const bool *paused; /* fences have time */
};

/* Starts one. data is for the callbacks and may be changed by process_adopt. */
int process_create(const struct process_options *options,
		   const struct render_process_callbacks *callbacks, void *data,
		   struct render_process **out);

void process_adopt(struct render_process *process, const struct render_process_callbacks *callbacks,
		   void *data);

/* Kills it. Pending requests get -EIO at once; no callback comes after. NULL is accepted. */
void process_destroy(struct render_process *process);

/* fd: -1, or the callee's on success. For DONE with status 0. */
struct process_answer {
	int status; /* 0 or negative errno */
	uint32_t fd_type; /* enum render_wire_fd_type */
	uint32_t map_info;
	int fd;
};
typedef void (*process_answered)(void *data, struct process_answer *answer);

/* CONTEXT and BLOB. The sequence is filled in here. */
void process_request(struct render_process *process, struct render_wire_message *message,
		     process_answered done, void *data);

/* What is not answered: UNREF, ATTACH, DETACH; IMPORT with fd, of which a duplicate is sent. */
void process_tell(struct render_process *process, const struct render_wire_message *message,
		  int fd);

/*
 * Keeps a place for a message that cannot be told yet; all that is asked of the process from now on waits
 * behind it. NULL: the process is broken. process_release says what it is (and NULL: nothing), with fd as for
 * process_tell. With process_destroy what is still held is gone.
 */
struct outgoing;
struct outgoing *process_hold(struct render_process *process);
void process_release(struct render_process *process, struct outgoing *held,
		     const struct render_wire_message *message, int fd);

/* See render_context_gate. Of a process without a gate: nothing. */
void process_gate(struct render_process *process, enum hesper_gate_state state);

/*
 * done(0) when the process has been handed the commands, maybe from inside this call. Owns
 * submit->commands.
 */
void process_submit(struct render_process *process, const struct render_submit *submit,
		    render_done done, void *data);

#endif
