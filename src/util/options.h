/* SPDX-License-Identifier: MIT */
#ifndef HESPER_UTIL_OPTIONS_H
#define HESPER_UTIL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Options of a program as one table: the parser (getopt_long below it), --help and the man page
 * are made from it, so they agree.
 */
enum option_kind {
	OPTION_FLAG, /* no argument; target: bool */
	OPTION_STRING, /* target: const char *, points into argv */
	OPTION_UINT, /* target: uint32_t, decimal, min..max */
	OPTION_MILLI, /* target: uint32_t in thousandths; a decimal number, min..max whole units */
	OPTION_SIZE, /* target: struct option_size, WIDTHxHEIGHT, each min..max */
	OPTION_CHOICE, /* target: uint32_t, index into choices ("a|b|c") */
};

struct option_size {
	uint32_t width;
	uint32_t height;
};

struct option_spec {
	const char *name; /* without "--" */
	char letter; /* or 0 */
	enum option_kind kind;
	void *target; /* holds the default before parsing */
	const char *argument; /* shown in help: "PATH", "N" … or for a choice "a|b|c" */
	const char *help; /* one sentence, no full stop */
	uint32_t min;
	uint32_t max; /* 0 = no limit */
};

struct option_table {
	const char *program; /* "hesperd", or "hesper demo" for a sub-command */
	const char *operands; /* "[cube|triangle]", "" for none */
	const char *summary; /* one sentence */
	const struct option_spec *specs;
	size_t count;
	const char *const *notes; /* paragraphs after the options; NULL-terminated, or NULL */
};

/*
 * Parses argv[1..]. Returns the index of the first operand (operands are moved to the end), or
 * -EINVAL after a line on stderr that names the bad option and what is right. "--help" and
 * "--version" are always there: they print and return -ECANCELED (the program then exits 0).
 */
int options_parse(const struct option_table *table, int argc, char **argv);

/*
 * Pieces for the values that a program parses itself. A decimal number at *at, and one with up to
 * three decimals in thousandths; *at moves behind it. False when there is none or it is too large.
 */
bool options_number(const char **at, uint32_t *out);
bool options_thousandths(const char **at, uint32_t *out);

/* The help text. */
void options_help(const struct option_table *table, FILE *out);

/* The same in scdoc's language, for the man page (section 1). */
void options_man(const struct option_table *table, FILE *out);

#endif
