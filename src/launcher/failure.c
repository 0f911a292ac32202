/* SPDX-License-Identifier: MIT */
#include "launcher/failure.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

void failure_set(struct failure *failure, const char *format, ...)
{
	*failure = (struct failure){0};
	va_list args;
	va_start(args, format);
	vsnprintf(failure->what, sizeof(failure->what), format, args);
	va_end(args);
}

void failure_fix(struct failure *failure, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(failure->fix, sizeof(failure->fix), format, args);
	va_end(args);
}

void failure_ended(struct failure *failure, int status, const char *who, ...)
{
	char name[256];
	va_list args;
	va_start(args, who);
	vsnprintf(name, sizeof(name), who, args);
	va_end(args);
	if (status > 128 && strsignal(status - 128) != NULL) {
		failure_set(failure, "%s was ended by signal %d (%s)", name, status - 128,
			    strsignal(status - 128));
	} else {
		failure_set(failure, "%s ended with status %d", name, status);
	}
}

void failure_say(struct failure *failure, const char *line)
{
	int used = 0;
	while (used < FAILURE_LINES && failure->words[used][0] != '\0') {
		used++;
	}
	if (used == FAILURE_LINES) {
		memmove(failure->words[0], failure->words[1],
			sizeof(failure->words) - sizeof(failure->words[0]));
		used--;
	}
	snprintf(failure->words[used], sizeof(failure->words[used]), "%s", line);
}

void failure_log(struct failure *failure, const char *path)
{
	snprintf(failure->log, sizeof(failure->log), "%s", path);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		return;
	}
	char line[sizeof(failure->words[0])];
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		if (strspn(line, " \t") != strlen(line)) {
			failure_say(failure, line);
		}
	}
	fclose(file);
}

void failure_print(const struct failure *failure, FILE *out)
{
	bool told = failure->fix[0] == '\0';
	fprintf(out, "hesper: %s\n", failure->what);
	for (int i = 0; i < FAILURE_LINES && failure->words[i][0] != '\0'; i++) {
		fprintf(out, "  it said: %s\n", failure->words[i]);
		told |= strstr(failure->words[i], "Fix: ") != NULL;
	}
	if (!told) {
		fprintf(out, "  fix: %s\n", failure->fix);
	}
	if (failure->log[0] != '\0') {
		fprintf(out, "  log: %s\n", failure->log);
	}
}
