/* SPDX-License-Identifier: MIT */
/*
 * hesper-attack: what a process in the guest can do to the GPU device that nobody should, as a table
 * of named attacks. One line for each: PASS or FAIL, and why.
 *
 *   hesper-attack [--seed N] NAME…   runs attacks, or the groups of that name, or "all"
 *   hesper-attack --list             name, group, what the host must see (contexts lost, commands
 *                                    refused), "screen" for those that need it, words; by tabs
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attack.h"

static const struct attack_group groups[] = {
	{"ids", attacks_on_ids},         {"lives", attacks_on_lives},
	{"memory", attacks_on_memory},   {"sizes", attacks_on_sizes},
	{"streams", attacks_by_streams}, {"rings", attacks_by_rings},
	{"storms", attacks_by_storms},   {"random", attacks_at_random},
	{"frames", attacks_on_frames},   {"screens", attacks_on_screens},
};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static uint64_t state = 1;

const char *wrong(const char *format, ...)
{
	static char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return text;
}

const char *expect(const char *what, int result, int error)
{
	if (result == error) {
		return NULL;
	}
	return wrong("%s: %s instead of %s", what, result < 0 ? strerror(-result) : "success",
		     error < 0 ? strerror(-error) : "success");
}

/* SplitMix64. */
uint64_t chance64(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint32_t chance(void)
{
	return (uint32_t)(chance64() >> 32);
}

int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

static void list(void)
{
	for (size_t g = 0; g < GROUPS; g++) {
		for (const struct attack *a = groups[g].attacks; a->name != NULL; a++) {
			char lost[16] = "any";
			if (a->lost >= 0) {
				snprintf(lost, sizeof(lost), "%d", a->lost);
			}
			printf("%s\t%s\t%s\t%d\t%s\t%s%s%s\n", a->name, groups[g].name, lost,
			       a->refused, a->master ? "screen" : "-",
			       a->left_out == NULL ? "" : "left out: ",
			       a->left_out == NULL ? "" : a->left_out,
			       a->left_out == NULL ? a->words : "");
		}
	}
}

static bool run(const struct attack *attack, uint64_t seed)
{
	if (attack->left_out != NULL) {
		printf("SKIP %s: %s\n", attack->name, attack->left_out);
		return true;
	}
	state = seed;
	int64_t start = now_ms();
	const char *why = attack->run();
	printf("%s %s: %s (%lld ms)\n", why == NULL ? "PASS" : "FAIL", attack->name,
	       why == NULL ? attack->words : why, (long long)(now_ms() - start));
	return why == NULL;
}

/* How many were run, or -1 when one failed. */
static int run_named(const char *name, uint64_t seed)
{
	int count = 0;
	bool good = true;
	for (size_t g = 0; g < GROUPS; g++) {
		bool all = strcmp(name, "all") == 0 || strcmp(name, groups[g].name) == 0;
		for (const struct attack *a = groups[g].attacks; a->name != NULL; a++) {
			if (all || strcmp(name, a->name) == 0) {
				good = run(a, seed) && good;
				count++;
			}
		}
	}
	return good ? count : -1;
}

int main(int argc, char **argv)
{
	uint64_t seed = 1;
	int status = argc < 2 ? 2 : 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc && status != 2; i++) {
		if (strcmp(argv[i], "--list") == 0) {
			list();
		} else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
			seed = strtoull(argv[++i], NULL, 10);
		} else {
			int count = run_named(argv[i], seed);
			if (count == 0) {
				fprintf(stderr, "hesper-attack: there is no attack %s\n", argv[i]);
				status = 2;
			} else if (count < 0) {
				status = 1;
			}
		}
	}
	if (argc < 2) {
		fprintf(stderr, "usage: hesper-attack --list | [--seed N] NAME…|GROUP…|all\n");
	}
	return status;
}
