/* SPDX-License-Identifier: MIT */
#include "launcher/qmp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/log.h"

void qmp_parse(const char *line, struct qmp_message *message)
{
	*message = (struct qmp_message){.json = json_loads(line, 0, NULL)};
	const json_t *json = message->json;
	const json_t *error = json_object_get(json, "error");
	const char *event = json_string_value(json_object_get(json, "event"));
	if (json_is_object(json_object_get(json, "QMP"))) {
		message->kind = QMP_GREETING;
	} else if (json_object_get(json, "return") != NULL) {
		message->kind = QMP_RETURN;
	} else if (json_is_object(error)) {
		message->kind = QMP_ERROR;
		message->text = json_string_value(json_object_get(error, "desc"));
	} else if (event != NULL) {
		message->kind = QMP_EVENT;
		message->text = event;
	} else {
		qmp_message_finish(message);
	}
}

void qmp_message_finish(struct qmp_message *message)
{
	json_decref(message->json);
	*message = (struct qmp_message){.kind = QMP_INVALID};
}

static void on_line(void *data, const char *line)
{
	struct qmp *qmp = data;
	struct qmp_message message;
	qmp_parse(line, &message);
	switch (message.kind) {
	case QMP_GREETING:
		qmp->deaf = channel_send(&qmp->channel, "{\"execute\": \"qmp_capabilities\"}") < 0;
		break;
	case QMP_RETURN:
		if (!qmp->ready) {
			qmp->ready = true;
			if (qmp->quit_wanted) {
				qmp_command(qmp, "quit");
			}
		}
		break;
	case QMP_ERROR:
		log_warn("QEMU refused a command: %s", message.text != NULL ? message.text : line);
		break;
	case QMP_EVENT:
		if (qmp->event != NULL) {
			qmp->event(qmp->data, message.text, message.json);
		}
		break;
	case QMP_INVALID:
		log_warn("QEMU said on its monitor: %s", line);
		qmp->deaf |= !qmp->ready; /* if not the greeting, then the answer to ours */
		break;
	}
	qmp_message_finish(&message);
}

static void on_closed(void *data)
{
	struct qmp *qmp = data;
	if (qmp->closed != NULL) {
		qmp->closed(qmp->data);
	}
}

int qmp_open(struct qmp *qmp, uv_loop_t *loop, int fd)
{
	qmp->ready = false;
	qmp->deaf = false;
	qmp->quit_wanted = false;
	return channel_open(&qmp->channel, loop, fd, on_line, on_closed, qmp);
}

int qmp_command(struct qmp *qmp, const char *name)
{
	char text[128];
	if (!qmp->ready) {
		return qmp->deaf ? -EPIPE : 0;
	}
	snprintf(text, sizeof(text), "{\"execute\": \"%s\"}", name);
	return channel_send(&qmp->channel, text);
}

int qmp_quit(struct qmp *qmp)
{
	qmp->quit_wanted = true;
	return qmp_command(qmp, "quit");
}

void qmp_close(struct qmp *qmp)
{
	channel_close(&qmp->channel);
}
