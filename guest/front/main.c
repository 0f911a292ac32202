/* SPDX-License-Identifier: MIT */
/*
 * hesper-front: attacks on the virtio-gpu device that only somebody below the kernel's driver can
 * make. It takes the device away from that driver, plays a driver itself, byte by byte, and gives it
 * back; then, unless --no-cube, a cube has to draw.
 *
 *   hesper-front NAME…       those attacks, or groups of them; "all"
 *   hesper-front --list      their names, groups and what they expect
 *   --seed N                 of all that is random
 *   --no-cube                nothing drawn after each
 *
 * A line for each: PASS, FAIL with the reason, or LEFT OUT. Exit status: 1 when one failed, 2 when it
 * could not be tried.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attack.h"

#define CUBE "hesper-cube"
#define SILENCE_MS 20

static const struct attack_group *const groups[] = {
	&attacks_commands, &attacks_rings, &attacks_device,   &attacks_pictures,
	&attacks_screen,   &attacks_blobs, &attacks_contexts, &attacks_fences,
};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

struct options {
	uint64_t seed;
	bool cube;
};

static struct front front;

/*
 * A broken queue takes nothing more; the other one is as before. What comes on that one was sent later,
 * so the device has seen the attack when it answers there.
 */
static void expect_broken(void)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	const struct virtio_gpu_update_cursor move = {.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR};
	uint64_t answer;
	for (unsigned i = 0; i < 3; i++) {
		front_command(&front, 1, &move, sizeof(move), NULL, 0);
	}
	gpu_post(&front, 0, &request, sizeof(request), &answer);
	front_kick(&front, 0);
	front_expect_silence(&front, 0, SILENCE_MS);
	EXPECT(&front, 0, gpu_answer(&front, answer));
}

/* True, or a reason in front.reason. */
static bool run_attack(const struct attack *attack)
{
	if (setjmp(front.failed) != 0) {
		return false;
	}
	front_start(&front);
	attack->run(&front);
	if (attack->end == ANSWERS) {
		gpu_probe(&front);
	} else if (attack->end == BROKEN) {
		expect_broken();
	}
	/* Whatever it was: a driver that resets the device has all of it. */
	front_start(&front);
	gpu_probe(&front);
	gpu_make_picture(&front, 1, 64);
	EXPECT(&front, OK, gpu_transfer(&front, 1, 0, 0, 64, 64, 0));
	front_reset(&front);
	return true;
}

/* The last line that the cube printed is its JSON. */
static bool draw_cube(void)
{
	char line[4096];
	char last[4096] = "";
	FILE *cube = popen(CUBE " --frames 10 --check 5 --json - 2>&1", "r");
	if (cube == NULL) {
		snprintf(front.reason, sizeof(front.reason), "no cube");
		return false;
	}
	while (fgets(line, sizeof(line), cube) != NULL) {
		memcpy(last, line, sizeof(last));
	}
	int status = pclose(cube);
	bool right = status == 0 && strstr(last, "\"frames\": 10") != NULL &&
		     strstr(last, "\"mismatches\": 0") != NULL &&
		     strstr(last, "\"checked\": 0") == NULL;
	if (!right) {
		snprintf(front.reason, sizeof(front.reason), "the cube (status %d): %.400s", status,
			 last);
	}
	return right;
}

/* 0, 1 when it failed, 2 when the device could not be had or given back. */
static int try_attack(const struct attack *attack, const struct options *options)
{
	if (attack->end == LEFT_OUT) {
		printf("LEFT OUT %s: %s\n", attack->name, attack->expects);
		return 0;
	}
	uint64_t start = front_now_us();
	front.random = options->seed * 0x9e3779b97f4a7c15ull + 1;
	if (!front_open(&front)) {
		printf("FAIL %s: %s\n", attack->name, front.reason);
		return 2;
	}
	bool right = run_attack(attack);
	uint64_t attacked = front_now_us();
	char reason[sizeof(front.reason)];
	memcpy(reason, front.reason, sizeof(reason));
	if (!front_close(&front)) {
		printf("FAIL %s: %s\n", attack->name, front.reason);
		return 2;
	}
	if (right && options->cube && !draw_cube()) {
		right = false;
		memcpy(reason, front.reason, sizeof(reason));
	}
	if (right) {
		printf("PASS %s: %s (%.2f s, %.2f s with the cube)\n", attack->name,
		       attack->expects, (double)(attacked - start) / 1e6,
		       (double)(front_now_us() - start) / 1e6);
	} else {
		printf("FAIL %s: %s; expected: %s; --seed %llu\n", attack->name, reason,
		       attack->expects, (unsigned long long)options->seed);
	}
	return right ? 0 : 1;
}

/* Each in a process of its own: nothing of one is left for the next. */
static int try_apart(const struct attack *attack, const struct options *options)
{
	int status = 0;
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		int code = try_attack(attack, options);
		fflush(NULL);
		_exit(code);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
		printf("FAIL %s: hesper-front itself: status %#x\n", attack->name,
		       (unsigned)status);
		return 2;
	}
	return WEXITSTATUS(status);
}

static void list(void)
{
	static const char *const ends[] = {[ANSWERS] = "answers",
					   [BROKEN] = "broken",
					   [RESET] = "reset",
					   [LEFT_OUT] = "left-out"};
	for (unsigned i = 0; i < GROUPS; i++) {
		for (unsigned k = 0; k < groups[i]->count; k++) {
			const struct attack *attack = &groups[i]->attacks[k];
			printf("%s %s %s: %s\n", groups[i]->name, attack->name, ends[attack->end],
			       attack->expects);
		}
	}
}

/* All that name means; -1 when that is nothing. */
static int try_name(const char *name, const struct options *options)
{
	int worst = -1;
	for (unsigned i = 0; i < GROUPS; i++) {
		bool group = strcmp(name, "all") == 0 || strcmp(name, groups[i]->name) == 0;
		for (unsigned k = 0; k < groups[i]->count; k++) {
			const struct attack *attack = &groups[i]->attacks[k];
			if (group || strcmp(name, attack->name) == 0) {
				int code = try_apart(attack, options);
				worst = code > worst ? code : worst;
			}
		}
	}
	return worst;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: hesper-front [--seed N] [--no-cube] NAME… | GROUP… | all | --list\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct options options = {.seed = 1, .cube = true};
	int worst = 0;
	int tried = 0;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--list") == 0) {
			list();
			return 0;
		}
		if (strcmp(argv[i], "--no-cube") == 0) {
			options.cube = false;
		} else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
			options.seed = strtoull(argv[++i], NULL, 0);
		} else {
			int code = try_name(argv[i], &options);
			if (code < 0) {
				fprintf(stderr, "hesper-front: there is no attack %s\n", argv[i]);
				return usage();
			}
			worst = code > worst ? code : worst;
			tried++;
		}
	}
	return tried > 0 ? worst : usage();
}
