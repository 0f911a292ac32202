/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_SPAWNER_H
#define HESPER_RENDER_SPAWNER_H

#include <stdint.h>
#include <uv.h>

/*
 * Starts and kills hesper-render processes for a hesperd that may no longer fork, exec or see
 * processes: a process of its own, split off at the very start. Each one that it starts leads a
 * process group, which is killed as a whole when its leader ends. When hesperd ends, in whatever
 * way, nothing of this stays.
 *
 * A second spawner stands by, and takes over if the first is killed.
 */
struct spawner;

/* The fd that a started process finds its socket on. */
#define SPAWNER_CHILD_FD 3

/*
 * How its processes are confined. The functions run in processes of their own, that have one thread,
 * and must not fail quietly.
 */
struct spawner_hooks {
	unsigned namespaces; /* CLONE_NEW*: of each started process */
	void (*spawner)(void *data); /* in the spawner, before it serves */
	int (*program)(void *data); /* in a started process, before execve; negative: it ends */
	void *data;
};

/*
 * Forks: while the caller has one thread, and before it opens what nobody else may hold. Every
 * process started runs argv (argv[0] is a path) with our environment plus extra_environment
 * ("NAME=VALUE", or NULL); all may be freed afterwards. hooks may be NULL. Negative errno.
 */
int spawner_create(char *const *argv, char *const *extra_environment,
		   const struct spawner_hooks *hooks, struct spawner **out);

/* What follows belongs to the thread of this loop. Negative errno. */
int spawner_attach(struct spawner *spawner, uv_loop_t *loop);

/*
 * Starts a process and names it id, > 0 and never used before; closes socket. Its end is seen by
 * the other end of that socket, also if it could not be started. Negative errno.
 */
int spawner_start(struct spawner *spawner, uint32_t id, int socket);

/* The process and all that it started. Nothing happens if it has ended. */
void spawner_kill(struct spawner *spawner, uint32_t id);

/* done(data): no process is left. It comes at once without spawner_attach. done may be NULL. */
void spawner_destroy(struct spawner *spawner, void (*done)(void *data), void *data);

#endif
