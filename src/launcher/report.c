/* SPDX-License-Identifier: MIT */
#include "launcher/report.h"

#include <stdio.h>
#include <string.h>

/* Where a figure comes from. "SUM" ones add what two parts count. */
enum part {
	PART_DEVICE,
	PART_VIEW,
	PART_GUEST,
	PART_MANIFEST,
	PART_COUNT,
};

static const char *const part_names[] = {
	[PART_DEVICE] = "hesperd",
	[PART_VIEW] = "hesper-view",
	[PART_GUEST] = "the program in the guest",
	[PART_MANIFEST] = "the guest image's manifest",
};
_Static_assert(sizeof(part_names) / sizeof(part_names[0]) == PART_COUNT, "one name a part");

struct figure {
	const char *name; /* in the summary */
	enum part part;
	const char *key; /* in what that part said */
	json_type type; /* JSON_REAL: any number; JSON_TRUE: none, it is set otherwise */
	enum part more_part; /* with more_key: an integer to add */
	const char *more_key;
};

/* In the order of the summary. A figure without a key is set by set_known. */
static const struct figure figures[] = {
	{"app"},
	{"width", PART_VIEW, "width", JSON_INTEGER},
	{"height", PART_VIEW, "height", JSON_INTEGER},
	{"format", PART_VIEW, "format", JSON_STRING},
	{"refresh_hz"},
	{"frames_flipped", PART_GUEST, "frames", JSON_INTEGER},
	{"frames_presented", PART_VIEW, "frames_presented", JSON_INTEGER},
	{"frames_dropped", PART_VIEW, "frames_dropped", JSON_INTEGER, PART_DEVICE,
	 "frames_dropped"},
	{"seconds", PART_VIEW, "seconds", JSON_REAL},
	{"fps", PART_VIEW, "fps", JSON_REAL},
	{"frame_ms", PART_VIEW, "frame_ms", JSON_OBJECT},
	{"memory_path", PART_DEVICE, "memory_path", JSON_STRING},
	{"cpu_copied_bytes", PART_VIEW, "cpu_copied_bytes", JSON_INTEGER, PART_DEVICE,
	 "blob_path_cpu_copied_bytes"},
	{"scanout_blob_commands", PART_DEVICE, "scanout_blob_commands", JSON_INTEGER},
	{"contexts", PART_DEVICE, "contexts", JSON_INTEGER},
	{"host_device", PART_DEVICE, "host_device", JSON_STRING},
	{"accel"},
	{"qemu"},
	{"guest_mesa", PART_MANIFEST, "mesa", JSON_STRING},
	{"virglrenderer", PART_DEVICE, "virglrenderer", JSON_STRING},
	{"picture"},
};

/* A number as people write it: json would print the nearest double in full. */
static json_t *rounded(double value)
{
	char text[64];
	double result;
	snprintf(text, sizeof(text), "%.3f", value);
	sscanf(text, "%lf", &result);
	return json_real(result);
}

static json_t *known(const struct report_input *input, const char *name)
{
	if (strcmp(name, "app") == 0) {
		return json_string(input->app);
	} else if (strcmp(name, "refresh_hz") == 0) {
		return json_integer(input->refresh);
	} else if (strcmp(name, "accel") == 0) {
		return json_string(input->kvm ? "kvm" : "tcg");
	} else if (strcmp(name, "qemu") == 0) {
		return json_string(input->qemu);
	}
	return input->picture != NULL ? json_string(input->picture) : json_null();
}

static const json_t *lookup(const json_t *const parts[], enum part part, const char *key,
			    json_type type, struct failure *failure)
{
	const json_t *value = json_object_get(parts[part], key);
	bool right = type == JSON_REAL ? json_is_number(value)
				       : value != NULL && json_typeof(value) == type;
	if (!right) {
		failure_set(failure, "the summary lacks a figure: %s did not tell '%s'",
			    part_names[part], key);
	}
	return right ? value : NULL;
}

static json_t *take(const json_t *const parts[], const struct figure *figure,
		    struct failure *failure)
{
	const json_t *value = lookup(parts, figure->part, figure->key, figure->type, failure);
	if (value == NULL) {
		return NULL;
	}
	if (figure->type == JSON_REAL) {
		return rounded(json_number_value(value));
	}
	if (figure->more_key == NULL) {
		return json_deep_copy(value);
	}
	const json_t *more =
		lookup(parts, figure->more_part, figure->more_key, JSON_INTEGER, failure);
	return more == NULL ? NULL
			    : json_integer(json_integer_value(value) + json_integer_value(more));
}

json_t *report_build(const struct report_input *input, struct failure *failure)
{
	const json_t *const parts[] = {
		[PART_DEVICE] = input->device,
		[PART_VIEW] = input->view,
		[PART_GUEST] = input->guest,
		[PART_MANIFEST] = input->manifest,
	};
	json_t *summary = json_object();
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		const struct figure *figure = &figures[i];
		json_t *value = figure->key != NULL ? take(parts, figure, failure)
						    : known(input, figure->name);
		if (value == NULL) {
			json_decref(summary);
			return NULL;
		}
		json_object_set_new(summary, figure->name, value);
	}
	return summary;
}

void report_line(const json_t *summary, char *line, size_t size)
{
	snprintf(line, size,
		 "demo: %s %lldx%lld, %lld frames, %.1f fps, %s path, %lld bytes copied by the CPU",
		 json_string_value(json_object_get(summary, "app")),
		 (long long)json_integer_value(json_object_get(summary, "width")),
		 (long long)json_integer_value(json_object_get(summary, "height")),
		 (long long)json_integer_value(json_object_get(summary, "frames_presented")),
		 json_number_value(json_object_get(summary, "fps")),
		 json_string_value(json_object_get(summary, "memory_path")),
		 (long long)json_integer_value(json_object_get(summary, "cpu_copied_bytes")));
}
