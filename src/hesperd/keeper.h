/* SPDX-License-Identifier: MIT */
#ifndef HESPER_HESPERD_KEEPER_H
#define HESPER_HESPERD_KEEPER_H

#include <sys/types.h>

#include "sandbox/errands.h"

/* The paths that hesperd has to do with once it sees no files any more. */
enum keeper_path {
	KEEPER_MACHINE, /* the vhost-user socket */
	KEEPER_DISPLAY,
	KEEPER_STATS,
	KEEPER_INPUT, /* the first of four sockets */
};

/* A process that removes what was made when who will be the keeper is killed before it could. */
struct keeper_sweeper {
	struct errands *errands; /* that both see; NULL: there is no sweeper */
	pid_t pid;
	int alive; /* closed with the keeper */
};

/* Forks it, with the paths as they are: while there is one thread, before a pid namespace is prepared. */
void keeper_start_sweeper(struct keeper_sweeper *sweeper, const struct errands *errands);

/*
 * Splits the process in two. The call returns in the new one, which is to become the device: a child,
 * and the first of its pid namespace if the caller has prepared one. The old one never returns: it
 * keeps the process's number, passes signals on, runs errands, and ends as the device does. Neither
 * outlives the other.
 *
 * SIGTERM, SIGINT and SIGUSR1 are blocked in the new one until keeper_unblock: one that comes
 * before it listens is not lost.
 *
 * In the old one on failure: negative errno. While there is one thread.
 */
int keeper_split(struct errands *errands, struct keeper_sweeper *sweeper);
void keeper_unblock(void);

#endif
