/* SPDX-License-Identifier: MIT */
#include "launcher/progress.h"

#include <stdarg.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/trace.h"

#define REPEAT_NS (5 * CLOCK_NS_PER_S)
/* Longer notes would wrap, and then not be rewritten. */
#define NOTE_COLUMNS 50

void progress_init(struct progress *progress, FILE *out)
{
	*progress = (struct progress){.out = out, .terminal = isatty(fileno(out)) == 1};
}

static bool may_repeat(struct progress *progress)
{
	uint64_t now = clock_now_ns();
	if (progress->terminal) {
		return true;
	}
	if (now - progress->shown_ns < REPEAT_NS) {
		return false;
	}
	progress->shown_ns = now;
	return true;
}

static void show(struct progress *progress, bool end, const char *text)
{
	bool staged = progress->stage[0] != '\0';
	fprintf(progress->out, "%shesper: %s%s%s%s", progress->terminal ? "\r\033[K" : "",
		progress->stage, staged ? " … " : "", text, end || !progress->terminal ? "\n" : "");
	fflush(progress->out);
	progress->dirty = progress->terminal && !end;
}

static void trace_stage(const struct progress *progress, const char *result)
{
	if (trace_on() && progress->stage[0] != '\0') {
		trace_slice(TRACE_LAUNCHER, progress->stage, progress->begun_ns, clock_now_ns(),
			    TRACE_ARGS(TRACE_TEXT("result", result)));
	}
}

void progress_begin(struct progress *progress, const char *stage)
{
	progress_break(progress);
	snprintf(progress->stage, sizeof(progress->stage), "%s", stage);
	progress->begun_ns = clock_now_ns();
	progress->shown_ns = progress->begun_ns;
	if (progress->terminal) {
		show(progress, false, "");
	}
}

void progress_note(struct progress *progress, const char *text)
{
	if (progress->stage[0] != '\0' && may_repeat(progress)) {
		char cut[NOTE_COLUMNS * 4];
		snprintf(cut, sizeof(cut), "%.*s", progress->terminal ? NOTE_COLUMNS : 160, text);
		show(progress, false, cut);
	}
}

void progress_done(struct progress *progress, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	show(progress, true, text);
	trace_stage(progress, text);
	progress->stage[0] = '\0';
}

void progress_live(struct progress *progress, const char *format, ...)
{
	if (progress->stage[0] != '\0' || !may_repeat(progress)) {
		return;
	}
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	show(progress, false, text);
}

void progress_break(struct progress *progress)
{
	if (progress->dirty) {
		fputc('\n', progress->out);
		progress->dirty = false;
	}
	trace_stage(progress, "did not end");
	progress->stage[0] = '\0';
}
