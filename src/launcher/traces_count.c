/* SPDX-License-Identifier: MIT */
#include "launcher/traces_impl.h"

#include <stdlib.h>
#include <string.h>

/*
 * Stages: the times of all slices of a name in a program, and of the halves of what overlaps. Frames:
 * what the programs tell of one, found by the id that they agree on; its flip is found by the number of
 * the flush, which "notify" tells. Nothing depends on the order of events, since each thread of each
 * program has written its own.
 */

#define TICKS_PER_US 1000.0

struct times {
	uint64_t *ns;
	size_t count;
	size_t room;
};

struct stage {
	json_int_t pid;
	char *name;
	struct times times;
	size_t marks;
};

struct span {
	uint64_t begin;
	uint64_t end; /* 0: it is not there */
};

struct frame_spans {
	char *flip; /* the key of its flip; NULL: no "notify" */
	struct span notify;
	struct span arrive;
	struct span copy;
	uint64_t submitted;
	struct span present;
};

/* Elements of a growing array, by key. */
struct table {
	json_t *places; /* key → index */
	void *rows;
	size_t count;
	size_t room;
	size_t row_size;
};

struct traces_figures {
	json_t *programs; /* pid → name */
	struct table stages;
	struct table frames; /* struct frame_spans */
	struct table flips; /* struct span */
	json_t *halves; /* "pid/category/id" → ns of the half that is there, negative: the end */
	json_t *lost; /* "pid\nwhat\nreason" → count */
};

/* --- tables ------------------------------------------------------------------------------------- */

static bool table_init(struct table *table, size_t row_size)
{
	table->places = json_object();
	table->row_size = row_size;
	return table->places != NULL;
}

static void *table_row(const struct table *table, size_t index)
{
	return (char *)table->rows + index * table->row_size;
}

static void *table_find(const struct table *table, const char *key)
{
	const json_t *place = json_object_get(table->places, key);
	return place != NULL ? table_row(table, (size_t)json_integer_value(place)) : NULL;
}

/* The row of that key, zeroed when it is new; NULL when there is no memory, or the key is no text. */
static void *table_get(struct table *table, const char *key)
{
	void *row = table_find(table, key);
	if (row != NULL) {
		return row;
	}
	if (table->count == table->room) {
		size_t room = table->room == 0 ? 256 : table->room * 2;
		void *more = reallocarray(table->rows, room, table->row_size);
		if (more == NULL) {
			return NULL;
		}
		table->rows = more;
		table->room = room;
	}
	if (json_object_set_new(table->places, key, json_integer((json_int_t)table->count)) < 0) {
		return NULL;
	}
	row = table_row(table, table->count++);
	memset(row, 0, table->row_size);
	return row;
}

struct traces_figures *traces_figures_create(void)
{
	struct traces_figures *figures = calloc(1, sizeof(*figures));
	if (figures == NULL) {
		return NULL;
	}
	figures->programs = json_object();
	figures->halves = json_object();
	figures->lost = json_object();
	if (!table_init(&figures->stages, sizeof(struct stage)) ||
	    !table_init(&figures->frames, sizeof(struct frame_spans)) ||
	    !table_init(&figures->flips, sizeof(struct span)) || figures->programs == NULL ||
	    figures->halves == NULL || figures->lost == NULL) {
		traces_figures_destroy(figures);
		return NULL;
	}
	return figures;
}

void traces_figures_destroy(struct traces_figures *figures)
{
	for (size_t i = 0; i < figures->stages.count; i++) {
		struct stage *stage = table_row(&figures->stages, i);
		free(stage->times.ns);
		free(stage->name);
	}
	for (size_t i = 0; i < figures->frames.count; i++) {
		free(((struct frame_spans *)table_row(&figures->frames, i))->flip);
	}
	struct table *tables[] = {&figures->stages, &figures->frames, &figures->flips};
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		json_decref(tables[i]->places);
		free(tables[i]->rows);
	}
	json_decref(figures->programs);
	json_decref(figures->halves);
	json_decref(figures->lost);
	free(figures);
}

/* --- events ------------------------------------------------------------------------------------- */

static bool times_add(struct times *times, uint64_t ns)
{
	if (times->count == times->room) {
		size_t room = times->room == 0 ? 256 : times->room * 2;
		uint64_t *more = reallocarray(times->ns, room, sizeof(*more));
		if (more == NULL) {
			return false;
		}
		times->ns = more;
		times->room = room;
	}
	times->ns[times->count++] = ns;
	return true;
}

static struct stage *stage_of(struct traces_figures *figures, json_int_t pid, const char *name)
{
	char *key;
	if (asprintf(&key, "%" JSON_INTEGER_FORMAT "/%s", pid, name) < 0) {
		return NULL;
	}
	struct stage *stage = table_get(&figures->stages, key);
	free(key);
	if (stage != NULL && stage->name == NULL) {
		stage->pid = pid;
		stage->name = strdup(name);
	}
	return stage == NULL || stage->name == NULL ? NULL : stage;
}

static bool note_program(struct traces_figures *figures, json_t *args, json_int_t pid)
{
	char key[32];
	json_t *name = json_object_get(args, "name");
	snprintf(key, sizeof(key), "%" JSON_INTEGER_FORMAT, pid);
	return !json_is_string(name) || json_object_set(figures->programs, key, name) == 0;
}

static const char *program_of(const struct traces_figures *figures, json_int_t pid)
{
	char key[32];
	snprintf(key, sizeof(key), "%" JSON_INTEGER_FORMAT, pid);
	const char *name = json_string_value(json_object_get(figures->programs, key));
	return name != NULL ? name : "?";
}

/* Of one server: a head's flushes are counted by it. NULL when there is no memory. */
static char *flip_key(json_int_t pid, const json_t *args)
{
	char *key;
	int size = asprintf(
		&key, "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT,
		pid, json_integer_value(json_object_get(args, "head")),
		json_integer_value(json_object_get(args, "flush")));
	return size < 0 ? NULL : key;
}

static bool note_flip(struct traces_figures *figures, const json_t *args, json_int_t pid,
		      struct span span)
{
	char *key = flip_key(pid, args);
	struct span *flip = key != NULL ? table_get(&figures->flips, key) : NULL;
	free(key);
	if (flip != NULL) {
		*flip = span;
	}
	return flip != NULL;
}

/* A slice that tells which frame it is about. */
static bool note_frame(struct traces_figures *figures, const char *name, const json_t *args,
		       json_int_t pid, struct span span)
{
	const char *id = json_string_value(json_object_get(args, "frame"));
	if (id == NULL) {
		return true;
	}
	struct frame_spans *frame = table_get(&figures->frames, id);
	if (frame == NULL) {
		return false;
	}
	if (strcmp(name, "notify") == 0) {
		frame->notify = span;
		free(frame->flip);
		frame->flip = flip_key(pid, args);
		return frame->flip != NULL;
	} else if (strcmp(name, "arrive") == 0) {
		frame->arrive = span;
	} else if (strcmp(name, "gpu copy") == 0) {
		double us = json_number_value(json_object_get(args, "submit_us"));
		frame->copy = span;
		frame->submitted = span.begin + (uint64_t)(us > 0 ? us * TICKS_PER_US : 0);
	} else if (strcmp(name, "present") == 0) {
		frame->present = span;
	}
	return true;
}

static bool add_slice(struct traces_figures *figures, const json_t *event, const char *name,
		      json_int_t pid, uint64_t ns)
{
	const json_t *args = json_object_get(event, "args");
	double us = json_number_value(json_object_get(event, "dur"));
	uint64_t took = us > 0 && us < 9e15 ? (uint64_t)(us * TICKS_PER_US + 0.5) : 0;
	struct span span = {ns, ns + took};
	struct stage *stage = stage_of(figures, pid, name);
	if (stage == NULL || !times_add(&stage->times, took)) {
		return false;
	}
	return strcmp(name, "flip") == 0 ? note_flip(figures, args, pid, span)
					 : note_frame(figures, name, args, pid, span);
}

/* The other half may have come before, whichever it is. */
static bool add_half(struct traces_figures *figures, const json_t *event, const char *name,
		     json_int_t pid, uint64_t ns, bool is_end)
{
	char *key;
	const char *category = json_string_value(json_object_get(event, "cat"));
	const char *id = json_string_value(json_object_get(json_object_get(event, "id2"), "local"));
	if (category == NULL || id == NULL) {
		return true; /* of another program */
	}
	if (asprintf(&key, "%" JSON_INTEGER_FORMAT "/%s/%s", pid, category, id) < 0) {
		return false;
	}
	const json_t *half = json_object_get(figures->halves, key);
	json_int_t other = json_integer_value(half);
	bool right;
	if (half == NULL || (other < 0) == is_end) {
		json_int_t stamp = (json_int_t)ns + 1;
		right = json_object_set_new(figures->halves, key,
					    json_integer(is_end ? -stamp : stamp)) == 0;
	} else {
		uint64_t then = (uint64_t)(other < 0 ? -other : other) - 1;
		uint64_t took = is_end ? ns - then : then - ns;
		struct stage *stage = stage_of(figures, pid, name);
		json_object_del(figures->halves, key);
		right = stage != NULL && ((int64_t)took < 0 || times_add(&stage->times, took));
	}
	free(key);
	return right;
}

static bool add_mark(struct traces_figures *figures, const json_t *event, const char *name,
		     json_int_t pid)
{
	const char *reason =
		json_string_value(json_object_get(json_object_get(event, "args"), "reason"));
	char *key;
	if (reason == NULL) {
		struct stage *stage = stage_of(figures, pid, name);
		if (stage != NULL) {
			stage->marks++;
		}
		return stage != NULL;
	}
	if (asprintf(&key, "%" JSON_INTEGER_FORMAT "\n%s\n%s", pid, name, reason) < 0) {
		return false;
	}
	json_int_t before = json_integer_value(json_object_get(figures->lost, key));
	bool right = json_object_set_new(figures->lost, key, json_integer(before + 1)) == 0;
	free(key);
	return right;
}

bool traces_figures_add(struct traces_figures *figures, const json_t *event, json_int_t pid,
			uint64_t ns)
{
	char phase = json_string_value(json_object_get(event, "ph"))[0];
	const char *name = json_string_value(json_object_get(event, "name"));
	if (name == NULL) {
		return true;
	}
	switch (phase) {
	case 'M':
		return strcmp(name, "process_name") != 0 ||
		       note_program(figures, json_object_get(event, "args"), pid);
	case 'X':
		return add_slice(figures, event, name, pid, ns);
	case 'b':
	case 'e':
		return add_half(figures, event, name, pid, ns, phase == 'e');
	case 'i':
		return add_mark(figures, event, name, pid);
	default:
		return true;
	}
}

/* --- figures ------------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* The smallest one that so many percent are not above, in µs. */
static double percentile(const struct times *times, unsigned percent)
{
	if (times->count == 0) {
		return 0;
	}
	size_t rank = (times->count * percent + 99) / 100;
	return (double)times->ns[rank > 0 ? rank - 1 : 0] / TICKS_PER_US;
}

/* Sorts them. */
static json_t *describe_times(struct times *times)
{
	if (times->count > 0) {
		qsort(times->ns, times->count, sizeof(times->ns[0]), compare);
	}
	return json_pack("{s:I, s:f, s:f, s:f, s:f}", "count", (json_int_t)times->count, "p50_us",
			 percentile(times, 50), "p90_us", percentile(times, 90), "p99_us",
			 percentile(times, 99), "max_us", percentile(times, 100));
}

/* Two viewers of a name are one row. */
static json_t *describe_stages(struct traces_figures *figures)
{
	json_t *all = json_array();
	for (size_t i = 0; i < figures->stages.count; i++) {
		struct stage *stage = table_row(&figures->stages, i);
		const char *program = program_of(figures, stage->pid);
		for (size_t j = i + 1; j < figures->stages.count; j++) {
			struct stage *other = table_row(&figures->stages, j);
			if (strcmp(other->name, stage->name) != 0 ||
			    strcmp(program_of(figures, other->pid), program) != 0) {
				continue;
			}
			for (size_t k = 0; k < other->times.count; k++) {
				if (!times_add(&stage->times, other->times.ns[k])) {
					break;
				}
			}
			other->times.count = 0;
			stage->marks += other->marks;
			other->marks = 0;
		}
		if (stage->times.count > 0) {
			json_t *row = describe_times(&stage->times);
			json_object_set_new(row, "program", json_string(program));
			json_object_set_new(row, "stage", json_string(stage->name));
			json_array_append_new(all, row);
		} else if (stage->marks > 0) {
			json_array_append_new(all, json_pack("{s:s, s:s, s:I}", "program", program,
							     "stage", stage->name, "count",
							     (json_int_t)stage->marks));
		}
	}
	return all;
}

/* What a frame has been through since its flip was decoded. */
enum milestone {
	TOLD,
	ARRIVED,
	SUBMITTED,
	COPIED,
	PRESENTED,
	ANSWERED,
	MILESTONES,
};
static const char *const milestones[] = {
	[TOLD] = "decoded_to_notified",       [ARRIVED] = "decoded_to_arrived",
	[SUBMITTED] = "decoded_to_submitted", [COPIED] = "decoded_to_copied",
	[PRESENTED] = "decoded_to_presented", [ANSWERED] = "decoded_to_answered",
};
_Static_assert(sizeof(milestones) / sizeof(milestones[0]) == MILESTONES, "one name a milestone");

/* A complete one's times go into all. False when there is no memory. */
static bool count_frame(const struct frame_spans *frame, const struct span *flip,
			struct times all[MILESTONES])
{
	const uint64_t at[] = {
		[TOLD] = frame->notify.begin,     [ARRIVED] = frame->arrive.begin,
		[SUBMITTED] = frame->submitted,   [COPIED] = frame->copy.end,
		[PRESENTED] = frame->present.end, [ANSWERED] = frame->notify.end,
	};
	bool right = true;
	for (int i = 0; i < MILESTONES; i++) {
		right &= times_add(&all[i], at[i] > flip->begin ? at[i] - flip->begin : 0);
	}
	return right;
}

static json_t *describe_frames(struct traces_figures *figures)
{
	struct times all[MILESTONES] = {0};
	size_t presented = 0;
	size_t complete = 0;
	for (size_t i = 0; i < figures->frames.count; i++) {
		const struct frame_spans *frame = table_row(&figures->frames, i);
		const struct span *flip =
			frame->flip != NULL ? table_find(&figures->flips, frame->flip) : NULL;
		presented += frame->present.end != 0;
		if (flip != NULL && frame->present.end != 0 && frame->copy.end != 0 &&
		    frame->arrive.end != 0 && count_frame(frame, flip, all)) {
			complete++;
		}
	}
	json_t *frames = json_pack("{s:I, s:I}", "presented", (json_int_t)presented, "complete",
				   (json_int_t)complete);
	for (int i = 0; i < MILESTONES; i++) {
		json_object_set_new(frames, milestones[i], describe_times(&all[i]));
		free(all[i].ns);
	}
	return frames;
}

static json_t *describe_lost(const struct traces_figures *figures)
{
	json_t *all = json_array();
	const char *key;
	json_t *count;
	json_object_foreach(figures->lost, key, count)
	{
		const char *what = strchr(key, '\n');
		const char *reason = what != NULL ? strchr(what + 1, '\n') : NULL;
		if (reason != NULL) {
			json_array_append_new(all,
					      json_pack("{s:s, s:s%, s:s, s:O}", "program",
							program_of(figures, atoll(key)), "what",
							what + 1, (size_t)(reason - what - 1),
							"reason", reason + 1, "count", count));
		}
	}
	return all;
}

json_t *traces_figures_describe(struct traces_figures *figures)
{
	return json_pack("{s:o, s:o, s:o, s:I}", "stages", describe_stages(figures), "frames",
			 describe_frames(figures), "left_out", describe_lost(figures), "unfinished",
			 (json_int_t)json_object_size(figures->halves));
}

/* --- for people --------------------------------------------------------------------------------- */

static double figure(const json_t *row, const char *name)
{
	return json_number_value(json_object_get(row, name));
}

static const char *word(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));
	return text != NULL ? text : "";
}

static void print_row(const char *program, const char *name, const json_t *row, FILE *out)
{
	fprintf(out, "%-12s %-24s %8.0f", program, name, figure(row, "count"));
	if (json_object_get(row, "p50_us") != NULL) {
		fprintf(out, " %10.1f %10.1f %10.1f %10.1f", figure(row, "p50_us"),
			figure(row, "p90_us"), figure(row, "p99_us"), figure(row, "max_us"));
	}
	fputc('\n', out);
}

void traces_print(const json_t *figures, FILE *out)
{
	const json_t *frames = json_object_get(figures, "frames");
	size_t index;
	const json_t *row;
	fprintf(out, "%-12s %-24s %8s %10s %10s %10s %10s\n", "program", "stage", "count", "p50 µs",
		"  p90 µs", "  p99 µs", "  max µs");
	json_array_foreach(json_object_get(figures, "stages"), index, row)
	{
		print_row(word(row, "program"), word(row, "stage"), row, out);
	}
	fprintf(out, "\n%.0f frames presented, of %.0f all is known; since the flip was decoded:\n",
		figure(frames, "presented"), figure(frames, "complete"));
	for (int i = 0; i < MILESTONES; i++) {
		print_row("", milestones[i] + strlen("decoded_to_"),
			  json_object_get(frames, milestones[i]), out);
	}
	json_array_foreach(json_object_get(figures, "left_out"), index, row)
	{
		fprintf(out, "%s%-12s %-24s %8.0f  %s\n", index == 0 ? "\n" : "",
			word(row, "program"), word(row, "what"), figure(row, "count"),
			word(row, "reason"));
	}
	if (figure(figures, "unfinished") > 0) {
		fprintf(out, "\n%.0f did not end while it was traced\n",
			figure(figures, "unfinished"));
	}
}
