/* SPDX-License-Identifier: MIT */
#include "launcher/failure.h"

#include <stdarg.h>
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

void failure_log(struct failure *failure, const char *path)
{
	snprintf(failure->log, sizeof(failure->log), "%s", path);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		return;
	}
	char line[sizeof(failure->words)];
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		if (strspn(line, " \t") != strlen(line)) {
			memcpy(failure->words, line, sizeof(line));
		}
	}
	fclose(file);
}

void failure_print(const struct failure *failure, FILE *out)
{
	fprintf(out, "hesper: %s\n", failure->what);
	if (failure->words[0] != '\0') {
		fprintf(out, "  it said: %s\n", failure->words);
	}
	if (failure->fix[0] != '\0' && strstr(failure->words, "Fix: ") == NULL) {
		fprintf(out, "  fix: %s\n", failure->fix);
	}
	if (failure->log[0] != '\0') {
		fprintf(out, "  log: %s\n", failure->log);
	}
}
