/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_QMP_H
#define HESPER_LAUNCHER_QMP_H

#include <jansson.h>
#include <stdbool.h>

#include "launcher/channel.h"

/* QEMU's monitor protocol (qemu docs/interop/qmp-spec), the asking end. */
enum qmp_kind {
	QMP_INVALID,
	QMP_GREETING,
	QMP_RETURN,
	QMP_ERROR,
	QMP_EVENT,
};

struct qmp_message {
	enum qmp_kind kind;
	json_t *json; /* the whole message; owned */
	const char *text; /* name of the event, words of the error; else NULL. Inside json */
};

/* One line from QEMU. QMP_INVALID (json NULL) when it is not QMP. */
void qmp_parse(const char *line, struct qmp_message *message);
void qmp_message_finish(struct qmp_message *message);

struct qmp {
	struct channel channel;
	bool ready; /* capabilities are negotiated */
	bool deaf; /* they could not be asked for, or the answer was not understood */
	bool quit_wanted;
	void (*event)(void *data, const char *name, const json_t *message); /* or NULL */
	void (*closed)(void *data);
	void *data;
};

/* Owns fd. Set event, closed and data before. Negative errno; closed(data) as of channel_open. */
int qmp_open(struct qmp *qmp, uv_loop_t *loop, int fd);

/*
 * A command without arguments. Without effect before QEMU is ready for commands. Negative errno when
 * it could not be sent, or never can be.
 */
int qmp_command(struct qmp *qmp, const char *name);

/* Ends QEMU: now, or as soon as it listens. Negative errno as of qmp_command. */
int qmp_quit(struct qmp *qmp);

void qmp_close(struct qmp *qmp);

#endif
