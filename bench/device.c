/* SPDX-License-Identifier: MIT */
/*
 * What a command costs in hesperd, without a guest: a scripted front end, shared memory and real
 * sockets, a renderer that draws nothing. Prints JSON. `hesper bench device` runs it with one
 * set of options after the other.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "device_cases.h"
#include "samples.h"
#include "util/options.h"

#define MAX_SAMPLES (1u << 20)

struct device_options {
	const char *hesperd;
	const char *name;
	uint32_t batch;
	uint32_t wait; /* 0: interrupt, 1: spin */
	uint32_t cpus; /* enum target_cpus */
	uint32_t commands; /* of a round */
	uint32_t warm_up; /* commands */
	uint32_t rounds;
	struct option_size hold; /* 0: none */
	struct population population;
};

struct round {
	uint64_t wall_ns;
	uint64_t cpu_ns; /* hesperd's */
	uint64_t answered;
};

static int parse(struct device_options *options, int argc, char **argv)
{
	struct population *population = &options->population;
	*options = (struct device_options){
		.name = "no-op",
		.batch = 1,
		.commands = 20000,
		.warm_up = 2000,
		.rounds = 3,
		.population = {.resources = 10, .contexts = 1, .scanouts = 1, .entries = 1},
	};
	const struct option_spec specs[] = {
		{"hesperd", 0, OPTION_STRING, &options->hesperd, "PATH", "The hesperd to measure",
		 0, 0},
		{"case", 0, OPTION_STRING, &options->name, "NAME", "Which command", 0, 0},
		{"batch", 0, OPTION_UINT, &options->batch, "N", "Commands with one kick", 1,
		 FAST_SLOTS},
		{"wait", 0, OPTION_CHOICE, &options->wait, "interrupt|spin",
		 "How answers are waited for", 0, 0},
		{"cpus", 0, OPTION_CHOICE, &options->cpus, "apart|one|free",
		 "Processors of hesperd and of the front end", 0, 0},
		{"commands", 0, OPTION_UINT, &options->commands, "N", "Commands in a round", 1, 0},
		{"warm-up", 0, OPTION_UINT, &options->warm_up, "N", "Commands before the first", 0,
		 0},
		{"rounds", 0, OPTION_UINT, &options->rounds, "N", "Rounds", 1, 100},
		{"resources", 0, OPTION_UINT, &population->resources, "N",
		 "Resources that are there", 1, 60000},
		{"touched", 0, OPTION_UINT, &population->touched, "N",
		 "Of the resources, those that flush-hidden names; 0: all", 0, 60000},
		{"contexts", 0, OPTION_UINT, &population->contexts, "N", "Contexts that are there",
		 1, 64},
		{"scanouts", 0, OPTION_UINT, &population->scanouts, "N", "Screens with a picture",
		 1, 16},
		{"entries", 0, OPTION_UINT, &population->entries, "N",
		 "Pieces of memory of what create-unref makes", 1, 16384},
		{"hold", 0, OPTION_SIZE, &options->hold, "WxH",
		 "Measure nothing: show a still picture until the standard input ends", 1, 8192},
	};
	const struct option_table table = {
		.program = "hesper-bench-device",
		.operands = "[-- HESPERD-OPTION…]",
		.summary = "Measures hesperd with a scripted front end",
		.specs = specs,
		.count = sizeof(specs) / sizeof(specs[0]),
	};
	int first = options_parse(&table, argc, argv);
	if (first >= 0 && options->hesperd == NULL) {
		fprintf(stderr, "hesper-bench-device: --hesperd is missing\n");
		return -EINVAL;
	}
	return first;
}

/* The slots are filled before the clock runs. */
static void run_batches(const struct bench *bench, const struct device_case *kind,
			struct fast_ring *ring, uint32_t commands, uint32_t batch, uint64_t *number,
			struct round *round, struct samples *samples)
{
	for (uint32_t done = 0; done < commands;) {
		uint32_t count = commands - done < batch ? commands - done : batch;
		for (uint32_t i = 0; i < count; i++) {
			struct fast_slot *slot = &ring->slots[i];
			*slot->request_size = kind->fill(bench, slot->request, *number + i);
			if (slot->response != NULL) {
				slot->response->type = 0;
			}
		}
		uint64_t took = fast_ring_run(ring, count);
		for (uint32_t i = 0; i < count && kind->response_size > 0; i++) {
			if (ring->slots[i].response->type != kind->good) {
				wire_fail("%s: command %llu is answered with %#x", kind->name,
					  (unsigned long long)(*number + i),
					  ring->slots[i].response->type);
			}
		}
		done += count;
		*number += count;
		round->wall_ns += took;
		round->answered += count;
		if (samples != NULL) {
			samples_add(samples, took);
		}
	}
}

static json_t *measure(struct bench *bench, const struct device_options *options,
		       const struct device_case *kind)
{
	struct fast_ring ring;
	struct samples samples;
	struct round warm_up = {0};
	uint64_t number = 0;
	json_t *rounds = json_array();
	fast_ring_init(&ring, &bench->target.front, kind->queue,
		       device_request_room(&bench->population), kind->response_size);
	ring.spin = options->wait == 1;
	samples_init(&samples, MAX_SAMPLES);
	/* An even number: what one command makes the next one removes. */
	run_batches(bench, kind, &ring, options->warm_up & ~1u, options->batch, &number, &warm_up,
		    NULL);
	uint64_t answered = warm_up.answered;
	for (uint32_t i = 0; i < options->rounds; i++) {
		struct round round = {0};
		uint64_t cpu = target_cpu_ns(&bench->target);
		run_batches(bench, kind, &ring, options->commands & ~1u, options->batch, &number,
			    &round, &samples);
		round.cpu_ns = target_cpu_ns(&bench->target) - cpu;
		double count = (double)round.answered;
		answered += round.answered;
		json_array_append_new(rounds, json_pack("{s:f, s:f}", "wall_ns",
							(double)round.wall_ns / count, "cpu_ns",
							(double)round.cpu_ns / count));
	}
	json_t *result =
		json_pack("{s:s, s:i, s:s, s:I, s:I, s:f, s:o, s:o}", "case", kind->name, "batch",
			  (int)options->batch, "wait", options->wait == 1 ? "spin" : "interrupt",
			  "commands", (json_int_t)number, "answered", (json_int_t)answered,
			  "ready_ms", (double)bench->target.ready_ns / 1e6, "rounds", rounds,
			  "batch_us", samples_json(&samples));
	samples_finish(&samples);
	return result;
}

static void hold(struct bench *bench, const struct device_options *options)
{
	char byte;
	bench_show_still(bench, options->hold.width, options->hold.height);
	printf("{\"pid\": %d, \"ready_ms\": %.3f}\n", bench->target.pid,
	       (double)bench->target.ready_ns / 1e6);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0) {
	}
}

int main(int argc, char **argv)
{
	static struct bench bench;
	struct device_options options;
	int first = parse(&options, argc, argv);
	if (first < 0) {
		return first == -ECANCELED ? 0 : 2;
	}
	const struct device_case *kind = device_case_find(options.name, 0);
	if (kind == NULL) {
		fprintf(stderr, "hesper-bench-device: there is no case '%s'; there are:\n",
			options.name);
		for (unsigned i = 0; (kind = device_case_find(NULL, i)) != NULL; i++) {
			fprintf(stderr, "  %-16s %s\n", kind->name, kind->words);
		}
		return 2;
	}
	bench.population = options.population;
	target_open(&bench.target, options.hesperd, argv + first, (enum target_cpus)options.cpus);
	if (options.hold.width != 0) {
		hold(&bench, &options);
	} else {
		bench_populate(&bench);
		json_t *result = measure(&bench, &options, kind);
		json_dumpf(result, stdout, JSON_REAL_PRECISION(7) | JSON_COMPACT);
		putchar('\n');
		json_decref(result);
	}
	target_close(&bench.target);
	return 0;
}
