/* SPDX-License-Identifier: MIT */
#include "launcher/control.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Exit statuses are 0 to 255 in decimal, and nothing else follows. */
static bool parse_status(const char *text, int *status)
{
	char *end;
	if (!isdigit((unsigned char)text[0]) || strlen(text) > 3) {
		return false;
	}
	*status = (int)strtol(text, &end, 10);
	return *end == '\0' && *status <= 255;
}

void control_parse(const char *line, struct control_message *message)
{
	*message = (struct control_message){.kind = CONTROL_NOISE};
	size_t length = strcspn(line, " ");
	if (length == 0 || length >= CONTROL_ID_SIZE || line[length] == '\0') {
		return;
	}
	memcpy(message->id, line, length);
	const char *rest = line + length + 1;
	if (strcmp(message->id, "hello") == 0 && rest[0] == '{') {
		message->kind = CONTROL_HELLO;
		message->text = rest;
		return;
	}
	const char *text = rest[0] != '\0' && rest[1] == ' ' ? rest + 2 : rest + strlen(rest);
	message->text = text;
	if (rest[0] == '>') {
		message->kind = CONTROL_OUTPUT;
	} else if (rest[0] == '?') {
		message->kind = CONTROL_REFUSED;
	} else if (rest[0] == '=' && text[0] == '{') {
		message->kind = CONTROL_APP;
	} else if (rest[0] == '=' && parse_status(text, &message->status)) {
		message->kind = CONTROL_EXIT;
	}
}
