/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_SPAWNER_IMPL_H
#define HESPER_RENDER_SPAWNER_IMPL_H

#include <stdint.h>

/* Between hesperd and a spawner, on a SOCK_SEQPACKET socket. */
enum spawner_op {
	/* To the spawner. */
	SPAWNER_START, /* one fd: the process's socket */
	SPAWNER_KILL,
	SPAWNER_STAND_BY, /* make another spawner */
	/* To hesperd. */
	SPAWNER_ENDED,
	SPAWNER_STANDS_BY, /* one fd: the socket to it */
};

struct spawner_message {
	uint32_t op; /* enum spawner_op */
	uint32_t id; /* START, KILL, ENDED; of STANDS_BY its process */
	int32_t status; /* ENDED: as waitpid gives it */
};

/* fd: -1 or one to duplicate. Negative errno. */
int spawner_send(int socket, const struct spawner_message *message, int fd, int flags);
/* 1: a message, *fd is -1 or the reader's. 0: closed. Negative errno. */
int spawner_receive(int socket, struct spawner_message *message, int *fd, int flags);

struct spawner_hooks;

/* The spawner's own process: serves socket until it is closed. environment: all of it. */
_Noreturn void spawner_main(int socket, char *const *argv, char *const *environment,
			    const struct spawner_hooks *hooks);

#endif
