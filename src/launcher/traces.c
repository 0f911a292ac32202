/* SPDX-License-Identifier: MIT */
#include "launcher/traces_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Our programs write an event a line, so a file is taken line by line: a file that ends in the middle
 * of one, or has something else in between, still gives all its other events, and a long one needs not
 * ten times its size as a tree in memory. A file of one long line, as others write them, is taken whole.
 */

/* Of time: what fits into int64_t as ns. */
#define MAX_TS_US 9e15

struct event {
	uint64_t ns;
	size_t index; /* so that the order of equal times stays */
	char *text; /* in a file's text, or owned */
	size_t size;
	bool owned;
};

struct traces {
	struct event *events;
	size_t count;
	size_t room;
	char **texts; /* of the files */
	size_t files;
	json_t *pids; /* number in the output → true */
	json_int_t last_pid; /* that was made up */
	struct traces_figures *figures;
};

/* A file while it is read. */
struct reader {
	struct traces *traces;
	struct traces_file *file;
	json_t *pids; /* number in the file → number in the output */
};

struct traces *traces_create(void)
{
	struct traces *traces = calloc(1, sizeof(*traces));
	if (traces == NULL) {
		return NULL;
	}
	traces->pids = json_object();
	traces->figures = traces_figures_create();
	if (traces->pids == NULL || traces->figures == NULL) {
		traces_destroy(traces);
		return NULL;
	}
	return traces;
}

void traces_destroy(struct traces *traces)
{
	if (traces == NULL) {
		return;
	}
	for (size_t i = 0; i < traces->count; i++) {
		if (traces->events[i].owned) {
			free(traces->events[i].text);
		}
	}
	for (size_t i = 0; i < traces->files; i++) {
		free(traces->texts[i]);
	}
	free(traces->events);
	free(traces->texts);
	json_decref(traces->pids);
	if (traces->figures != NULL) {
		traces_figures_destroy(traces->figures);
	}
	free(traces);
}

/* --- reading ------------------------------------------------------------------------------------ */

static int read_text(const char *path, char **text, size_t *size)
{
	struct stat info;
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		return -errno;
	}
	int error = fstat(fileno(file), &info) < 0 ? -errno : S_ISREG(info.st_mode) ? 0 : -EINVAL;
	*text = error == 0 ? malloc((size_t)info.st_size + 1) : NULL;
	if (error == 0 && *text == NULL) {
		error = -ENOMEM;
	}
	if (error == 0) {
		*size = fread(*text, 1, (size_t)info.st_size, file);
		error = ferror(file) ? -EIO : 0;
		(*text)[*size] = '\0';
	}
	if (error < 0) {
		free(*text);
		*text = NULL;
	}
	fclose(file);
	return error;
}

/* The number that a process of this file has in the output; negative when there is no memory. */
static json_int_t map_pid(struct reader *reader, json_int_t pid)
{
	struct traces *traces = reader->traces;
	char own[32];
	char name[32];
	snprintf(own, sizeof(own), "%" JSON_INTEGER_FORMAT, pid);
	const json_t *known = json_object_get(reader->pids, own);
	if (known != NULL) {
		return json_integer_value(known);
	}
	json_int_t chosen = pid;
	snprintf(name, sizeof(name), "%s", own);
	while (json_object_get(traces->pids, name) != NULL) {
		chosen = ++traces->last_pid;
		snprintf(name, sizeof(name), "%" JSON_INTEGER_FORMAT, chosen);
	}
	if (json_object_set_new(traces->pids, name, json_true()) < 0 ||
	    json_object_set_new(reader->pids, own, json_integer(chosen)) < 0) {
		return -1;
	}
	return chosen;
}

static struct event *new_event(struct traces *traces)
{
	if (traces->count == traces->room) {
		size_t room = traces->room == 0 ? 1024 : traces->room * 2;
		struct event *more = reallocarray(traces->events, room, sizeof(*more));
		if (more == NULL) {
			return NULL;
		}
		traces->events = more;
		traces->room = room;
	}
	struct event *event = &traces->events[traces->count];
	*event = (struct event){.index = traces->count};
	return event;
}

/* text may be NULL: the event is written anew. 0, -EINVAL when it is none, or -ENOMEM. */
static int take_event(struct reader *reader, json_t *json, char *text, size_t size)
{
	const char *phase = json_string_value(json_object_get(json, "ph"));
	const json_t *pid = json_object_get(json, "pid");
	const json_t *time = json_object_get(json, "ts");
	double us = json_number_value(time);
	bool timeless = phase != NULL && phase[0] == 'M' && time == NULL;
	if (phase == NULL || strlen(phase) != 1 || !json_is_integer(pid) ||
	    json_integer_value(pid) < 0 || (!json_is_number(time) && !timeless) || us < 0 ||
	    us > MAX_TS_US) {
		return -EINVAL;
	}
	json_int_t own = json_integer_value(pid);
	json_int_t mapped = map_pid(reader, own);
	struct event *event = mapped < 0 ? NULL : new_event(reader->traces);
	if (event == NULL) {
		return -ENOMEM;
	}
	event->ns = (uint64_t)(us * 1000 + 0.5);
	event->text = text;
	event->size = size;
	if (mapped != own || text == NULL) {
		json_object_set_new(json, "pid", json_integer(mapped));
		event->text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));
		event->owned = true;
		event->size = event->text != NULL ? strlen(event->text) : 0;
	}
	if (event->text == NULL ||
	    !traces_figures_add(reader->traces->figures, json, mapped, event->ns)) {
		return -ENOMEM;
	}
	reader->traces->count++;
	reader->file->events++;
	return 0;
}

/* What an array has around its elements. */
static bool is_around(char c)
{
	return strchr(" \t\r\n,[]", c) != NULL;
}

static int take_line(struct reader *reader, char *line, size_t size, bool last)
{
	while (size > 0 && line[0] != '\0' && is_around(line[0])) {
		line++;
		size--;
	}
	while (size > 0 && line[size - 1] != '\0' && is_around(line[size - 1])) {
		size--;
	}
	if (size == 0) {
		return 0;
	}
	json_t *json = json_loadb(line, size, 0, NULL);
	int error = json_is_object(json) ? take_event(reader, json, line, size) : -EINVAL;
	json_decref(json);
	if (error == -EINVAL) {
		reader->file->bad++;
		reader->file->cut_off = last;
		error = 0;
	}
	return error;
}

static int take_lines(struct reader *reader, char *text, size_t size)
{
	char *end = text + size;
	int error = 0;
	while (text < end && error == 0) {
		char *stop = memchr(text, '\n', (size_t)(end - text));
		stop = stop != NULL ? stop : end;
		error = take_line(reader, text, (size_t)(stop - text), stop == end);
		text = stop + 1;
	}
	return error;
}

/* As one JSON text: an array of events, or an object with such an array. */
static int take_whole(struct reader *reader, const char *text, size_t size)
{
	json_t *whole = json_loadb(text, size, 0, NULL);
	json_t *array = json_is_object(whole) ? json_object_get(whole, "traceEvents") : whole;
	json_t *event;
	size_t i;
	int error = 0;
	if (json_is_array(array)) {
		*reader->file = (struct traces_file){0};
	}
	json_array_foreach(array, i, event)
	{
		int result = json_is_object(event) ? take_event(reader, event, NULL, 0) : -EINVAL;
		reader->file->bad += result == -EINVAL;
		error = result == -ENOMEM ? result : error;
	}
	json_decref(whole);
	return error;
}

int traces_add(struct traces *traces, const char *path, struct traces_file *file)
{
	size_t size = 0;
	char *text = NULL;
	*file = (struct traces_file){0};
	char **texts = reallocarray(traces->texts, traces->files + 1, sizeof(*texts));
	if (texts == NULL) {
		return -ENOMEM;
	}
	traces->texts = texts;
	int error = read_text(path, &text, &size);
	if (error < 0) {
		return error;
	}
	struct reader reader = {.traces = traces, .file = file, .pids = json_object()};
	traces->texts[traces->files++] = text;
	error = reader.pids == NULL ? -ENOMEM : take_lines(&reader, text, size);
	if (error == 0 && file->events == 0) {
		error = take_whole(&reader, text, size);
	}
	json_decref(reader.pids);
	return error;
}

/* --- writing ------------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	const struct event *x = a;
	const struct event *y = b;
	if (x->ns != y->ns) {
		return x->ns < y->ns ? -1 : 1;
	}
	return x->index < y->index ? -1 : x->index > y->index;
}

int traces_write(const struct traces *traces, const char *path)
{
	char *partial;
	if (asprintf(&partial, "%s.part", path) < 0) {
		return -ENOMEM;
	}
	if (traces->count > 0) {
		qsort(traces->events, traces->count, sizeof(traces->events[0]), compare);
	}
	FILE *out = fopen(partial, "we");
	int error = out == NULL ? -errno : 0;
	if (out != NULL) {
		fputs("[", out);
		for (size_t i = 0; i < traces->count; i++) {
			fputs(i == 0 ? "\n" : ",\n", out);
			fwrite(traces->events[i].text, 1, traces->events[i].size, out);
		}
		fputs("\n]\n", out);
		error = ferror(out) ? -EIO : 0;
		if (fclose(out) != 0) {
			error = -errno;
		}
		if (error == 0 && rename(partial, path) < 0) {
			error = -errno;
		}
		if (error < 0) {
			unlink(partial);
		}
	}
	free(partial);
	return error;
}

json_t *traces_count(struct traces *traces)
{
	return traces_figures_describe(traces->figures);
}
