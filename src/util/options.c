/* SPDX-License-Identifier: MIT */
#include "util/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTIONS 64
#define CODE_FIRST 256
#define CODE_HELP (CODE_FIRST + MAX_OPTIONS)
#define CODE_VERSION (CODE_HELP + 1)
#define CODE_MAN (CODE_HELP + 2)

static int bad_value(const struct option_table *table, const struct option_spec *spec,
		     const char *text)
{
	fprintf(stderr, "%s: --%s cannot be '%s'", table->program, spec->name, text);
	if (spec->kind == OPTION_CHOICE) {
		fprintf(stderr, "; it is one of %s", spec->argument);
	} else if (spec->kind != OPTION_FLAG && spec->kind != OPTION_STRING) {
		fprintf(stderr, "; it is %s%u to %u",
			spec->kind == OPTION_SIZE ? "WIDTHxHEIGHT, each " : "a number from ",
			spec->min, spec->max == 0 ? UINT32_MAX : spec->max);
	}
	fprintf(stderr, "\n");
	return -EINVAL;
}

bool options_number(const char **at, uint32_t *out)
{
	uint64_t value = 0;
	if (!isdigit((unsigned char)**at)) {
		return false;
	}
	for (; isdigit((unsigned char)**at); ++*at) {
		value = value * 10 + (uint64_t)(**at - '0');
		if (value > UINT32_MAX) {
			return false;
		}
	}
	*out = (uint32_t)value;
	return true;
}

bool options_thousandths(const char **at, uint32_t *out)
{
	uint32_t whole;
	if (!options_number(at, &whole) || whole > UINT32_MAX / 1000 - 1) {
		return false;
	}
	*out = whole * 1000;
	if (**at != '.') {
		return true;
	}
	++*at;
	if (!isdigit((unsigned char)**at)) {
		return false;
	}
	for (uint32_t unit = 100; isdigit((unsigned char)**at); ++*at, unit /= 10) {
		if (unit == 0) {
			return false;
		}
		*out += unit * (uint32_t)(**at - '0');
	}
	return true;
}

static bool parse_milli(const struct option_spec *spec, const char *text)
{
	uint32_t value;
	if (!options_thousandths(&text, &value) || *text != '\0' || value / 1000 < spec->min ||
	    (spec->max != 0 && value > (uint64_t)spec->max * 1000)) {
		return false;
	}
	*(uint32_t *)spec->target = value;
	return true;
}

static bool parse_uint(const struct option_spec *spec, const char *text, char end, uint32_t *out,
		       const char **rest)
{
	if (!isdigit((unsigned char)text[0])) {
		return false;
	}
	char *stop;
	errno = 0;
	unsigned long value = strtoul(text, &stop, 10);
	if (errno != 0 || *stop != end || value > UINT32_MAX || value < spec->min ||
	    (spec->max != 0 && value > spec->max)) {
		return false;
	}
	*out = (uint32_t)value;
	*rest = stop + (end != '\0');
	return true;
}

static bool parse_choice(const char *choices, const char *text, uint32_t *out)
{
	size_t length = strlen(text);
	for (uint32_t index = 0;; index++) {
		size_t word = strcspn(choices, "|");
		if (word == length && memcmp(choices, text, length) == 0) {
			*out = index;
			return true;
		}
		if (choices[word] == '\0') {
			return false;
		}
		choices += word + 1;
	}
}

static int apply(const struct option_table *table, const struct option_spec *spec, const char *text)
{
	const char *rest;
	switch (spec->kind) {
	case OPTION_FLAG:
		*(bool *)spec->target = true;
		return 0;
	case OPTION_STRING:
		*(const char **)spec->target = text;
		return 0;
	case OPTION_UINT:
		return parse_uint(spec, text, '\0', spec->target, &rest)
			       ? 0
			       : bad_value(table, spec, text);
	case OPTION_MILLI:
		return parse_milli(spec, text) ? 0 : bad_value(table, spec, text);
	case OPTION_SIZE: {
		struct option_size size;
		if (!parse_uint(spec, text, 'x', &size.width, &rest) ||
		    !parse_uint(spec, rest, '\0', &size.height, &rest)) {
			return bad_value(table, spec, text);
		}
		*(struct option_size *)spec->target = size;
		return 0;
	}
	case OPTION_CHOICE:
		return parse_choice(spec->argument, text, spec->target)
			       ? 0
			       : bad_value(table, spec, text);
	}
	return -EINVAL;
}

int options_parse(const struct option_table *table, int argc, char **argv)
{
	struct option longs[MAX_OPTIONS + 4] = {0};
	char shorts[2 * MAX_OPTIONS + 4] = ":h";
	size_t letters = strlen(shorts);
	if (table->count > MAX_OPTIONS) {
		abort();
	}
	for (size_t i = 0; i < table->count; i++) {
		const struct option_spec *spec = &table->specs[i];
		int takes = spec->kind == OPTION_FLAG ? no_argument : required_argument;
		longs[i] = (struct option){spec->name, takes, NULL, CODE_FIRST + (int)i};
		if (spec->letter != 0) {
			shorts[letters++] = spec->letter;
			if (takes == required_argument) {
				shorts[letters++] = ':';
			}
		}
	}
	shorts[letters] = '\0';
	longs[table->count] = (struct option){"help", no_argument, NULL, CODE_HELP};
	longs[table->count + 1] = (struct option){"version", no_argument, NULL, CODE_VERSION};
	longs[table->count + 2] = (struct option){"man-page", no_argument, NULL, CODE_MAN};

	optind = 0;
	opterr = 0;
	int code;
	while ((code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_spec *spec = NULL;
		if (code == CODE_HELP || code == 'h') {
			options_help(table, stdout);
			return -ECANCELED;
		} else if (code == CODE_VERSION) {
			printf("%s %s\n", table->program, HESPER_VERSION);
			return -ECANCELED;
		} else if (code == CODE_MAN) {
			options_man(table, stdout);
			return -ECANCELED;
		} else if (code == ':') {
			fprintf(stderr, "%s: %s needs a value. Try '%s --help'\n", table->program,
				argv[optind - 1], table->program);
			return -EINVAL;
		} else if (code == '?') {
			fprintf(stderr, "%s: there is no option '%s'. Try '%s --help'\n",
				table->program, argv[optind - 1], table->program);
			return -EINVAL;
		}
		for (size_t i = 0; i < table->count; i++) {
			if (code == CODE_FIRST + (int)i || code == table->specs[i].letter) {
				spec = &table->specs[i];
			}
		}
		if (spec == NULL) {
			return -EINVAL;
		}
		int error = apply(table, spec, optarg);
		if (error < 0) {
			return error;
		}
	}
	return optind;
}

static void print_default(const struct option_spec *spec, FILE *out)
{
	const char *text;
	struct option_size size;
	switch (spec->kind) {
	case OPTION_FLAG:
		break;
	case OPTION_STRING:
		text = *(const char **)spec->target;
		if (text != NULL) {
			fprintf(out, " (default: %s)", text);
		}
		break;
	case OPTION_UINT:
		/* Below its range it means "not given". */
		if (*(uint32_t *)spec->target >= spec->min) {
			fprintf(out, " (default: %u)", *(uint32_t *)spec->target);
		}
		break;
	case OPTION_MILLI:
		fprintf(out, " (default: %g)", *(uint32_t *)spec->target / 1000.0);
		break;
	case OPTION_SIZE:
		size = *(struct option_size *)spec->target;
		if (size.width != 0) {
			fprintf(out, " (default: %ux%u)", size.width, size.height);
		}
		break;
	case OPTION_CHOICE:
		text = spec->argument;
		for (uint32_t i = *(uint32_t *)spec->target; i > 0; i--) {
			text += strcspn(text, "|") + 1;
		}
		fprintf(out, " (default: %.*s)", (int)strcspn(text, "|"), text);
		break;
	}
}

void options_help(const struct option_table *table, FILE *out)
{
	fprintf(out, "Usage: %s [OPTION…]%s%s\n%s.\n\n", table->program,
		table->operands[0] != '\0' ? " " : "", table->operands, table->summary);
	for (size_t i = 0; i < table->count; i++) {
		const struct option_spec *spec = &table->specs[i];
		char left[96];
		char letter[8] = "    ";
		if (spec->letter != 0) {
			snprintf(letter, sizeof(letter), "-%c, ", spec->letter);
		}
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, spec->name,
			 spec->kind == OPTION_FLAG ? "" : "=",
			 spec->kind == OPTION_FLAG ? "" : spec->argument);
		if (strlen(left) > 30) {
			fprintf(out, "  %s\n  %-30s  %s", left, "", spec->help);
		} else {
			fprintf(out, "  %-30s  %s", left, spec->help);
		}
		print_default(spec, out);
		fputc('\n', out);
	}
	fprintf(out, "  %-30s  %s\n  %-30s  %s\n", "-h, --help", "print this and exit",
		"    --version", "print the version and exit");
	for (size_t i = 0; table->notes != NULL && table->notes[i] != NULL; i++) {
		fprintf(out, "\n%s\n", table->notes[i]);
	}
}

/*
 * scdoc reads *, _ and \ as markup, and more at the start of a line; a line that is indented by
 * spaces becomes a line of its own.
 */
static void put_scdoc(const char *text, FILE *out)
{
	text += strspn(text, " ");
	bool at_start = true;
	for (; *text != '\0'; text++) {
		if (text[0] == '\n' && text[1] == ' ') {
			fputs("++\n", out);
			text += strspn(text + 1, " ");
			at_start = true;
			continue;
		}
		if (strchr("\\*_", *text) != NULL || (at_start && strchr("-#|", *text) != NULL)) {
			fputc('\\', out);
		}
		fputc(*text, out);
		at_start = *text == '\n';
	}
}

void options_man(const struct option_table *table, FILE *out)
{
	char page[64];
	snprintf(page, sizeof(page), "%s", table->program);
	for (char *c = page; *c != '\0'; c++) {
		*c = *c == ' ' ? '-' : *c;
	}
	fprintf(out, "%s(1)\n\n# NAME\n\n%s - ", page, page);
	put_scdoc(table->summary, out);
	fprintf(out, "\n\n# SYNOPSIS\n\n*%s* [options] ", table->program);
	put_scdoc(table->operands, out);
	fprintf(out, "\n\n# OPTIONS\n\n");
	for (size_t i = 0; i < table->count; i++) {
		const struct option_spec *spec = &table->specs[i];
		if (spec->letter != 0) {
			fprintf(out, "*-%c*, ", spec->letter);
		}
		fprintf(out, "*--%s*", spec->name);
		if (spec->kind != OPTION_FLAG) {
			fputc('=', out);
			put_scdoc(spec->argument, out);
		}
		fprintf(out, "\n\t");
		put_scdoc(spec->help, out);
		print_default(spec, out);
		fprintf(out, "\n\n");
	}
	fprintf(out, "*-h*, *--help*\n\tprint help and exit\n\n*--version*\n\tprint the version "
		     "and exit\n");
	for (size_t i = 0; table->notes != NULL && table->notes[i] != NULL; i++) {
		fprintf(out, "%s", i == 0 ? "\n# NOTES\n\n" : "\n");
		put_scdoc(table->notes[i], out);
		fputc('\n', out);
	}
}
