/* SPDX-License-Identifier: MIT */
/*
 * The conformance suite's runner. A test runs until it returns or jumps back here with a verdict; what
 * it left open is closed here. Nothing survives from one test to the next but the back end itself when
 * it is not ours to start.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/options.h"

enum verdict { PASS, FAIL, SKIP };

static const char *const verdict_words[] = {"pass", "fail", "skip"};

static struct {
	jmp_buf end;
	char words[512]; /* of the verdict */
	char *notes; /* lines */
	size_t notes_size;
	FILE *notes_file;
	bool tap;
	unsigned counts[3];
	unsigned number;
} run;

static void say(const char *format, va_list args)
{
	vsnprintf(run.words, sizeof(run.words), format, args);
}

void conformance_fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
	longjmp(run.end, 1 + FAIL);
}

void conformance_skip(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
	longjmp(run.end, 1 + SKIP);
}

/* The front end's word that something is wrong. */
void wire_failed(const char *file, int line, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
	longjmp(run.end, 1 + FAIL);
}

void conformance_note(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vfprintf(run.notes_file, format, args);
	va_end(args);
	fputc('\n', run.notes_file);
}

static void check_needs(const struct subject *subject, const struct conformance_test *test)
{
	const struct wire_front *front = &subject->front;
	uint64_t missing = test->needs & ~front->offered;
	uint64_t missing_protocol = test->needs_protocol & ~front->protocol_offered;
	if (missing != 0) {
		conformance_skip("the back end does not offer %s",
				 feature_name(missing & -missing));
	}
	if (missing_protocol != 0) {
		conformance_skip("the back end does not offer %s",
				 protocol_feature_name(missing_protocol & -missing_protocol));
	}
}

/* Where the test jumps out of is another function: nothing here is in a register then. */
static enum verdict run_to_its_end(struct subject *subject, const struct conformance_test *test)
{
	int ended = setjmp(run.end);
	if (ended > 0) {
		return (enum verdict)(ended - 1);
	}
	run.words[0] = '\0';
	subject_open(subject, test->stage == RUNNING ? GREETED : test->stage);
	if (test->stage != CONNECTED) {
		check_needs(subject, test);
	}
	if (test->stage == RUNNING) {
		wire_start(&subject->front, subject->features);
	}
	test->run(subject, test->data);
	return PASS;
}

static void print_lines(const char *prefix, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		printf("%s%.*s\n", prefix, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void print(enum verdict verdict, const char *group, const struct conformance_test *test)
{
	if (run.tap) {
		printf("%s %u - %s.%s%s%s\n", verdict == FAIL ? "not ok" : "ok", ++run.number,
		       group, test->name, verdict == SKIP ? " # SKIP " : "",
		       verdict == SKIP ? run.words : "");
		print_lines("# ", verdict == FAIL ? run.words : "");
		print_lines("# note: ", run.notes);
	} else {
		printf("%s  %s.%s%s%s", verdict_words[verdict], group, test->name,
		       verdict != PASS ? ": " : "", run.words);
		printf(verdict == FAIL ? " (%s)\n" : "\n", test->spec);
		print_lines("      note: ", run.notes);
	}
	fflush(stdout);
}

static void run_test(struct backend *backend, bool give_display, const char *group,
		     const struct conformance_test *test)
{
	char words[128];
	struct subject subject = {.backend = backend, .give_display = give_display};
	run.notes_file = open_memstream(&run.notes, &run.notes_size);
	backend->ended = false;
	backend->status = 0;
	enum verdict verdict = run_to_its_end(&subject, test);
	subject_close(&subject);
	if (backend_crashed(backend, words, sizeof(words))) {
		size_t used = strlen(run.words);
		snprintf(run.words + used, sizeof(run.words) - used, "%s%s", used > 0 ? "; " : "",
			 words);
		verdict = FAIL;
	}
	fclose(run.notes_file);
	run.counts[verdict]++;
	print(verdict, group, test);
	free(run.notes);
}

static bool is_wanted(const char *group, const char *test, char *const *names, int count)
{
	for (int i = 0; i < count; i++) {
		size_t len = strlen(group);
		if (strcmp(names[i], group) == 0 ||
		    (strncmp(names[i], group, len) == 0 && names[i][len] == '.' &&
		     strcmp(names[i] + len + 1, test) == 0)) {
			return true;
		}
	}
	return count == 0;
}

static unsigned for_each(struct backend *backend, bool give_display, bool list, char *const *names,
			 int name_count)
{
	const struct conformance_group *const groups[] = {
		&session_group,  &messages_group,   rings_group(),
		&commands_group, sequences_group(), &window_group,
	};
	unsigned count = 0;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		for (size_t k = 0; k < groups[i]->count; k++) {
			const struct conformance_test *test = &groups[i]->tests[k];
			if (!is_wanted(groups[i]->name, test->name, names, name_count)) {
				continue;
			}
			count++;
			if (list) {
				printf("%s.%s (%s)\n", groups[i]->name, test->name, test->spec);
			} else if (backend != NULL) {
				run_test(backend, give_display, groups[i]->name, test);
			}
		}
	}
	return count;
}

static int run_all(struct backend *backend, bool give_display, char *const *names, int count)
{
	uint64_t begin = clock_now_ns();
	if (run.tap) {
		printf("TAP version 13\n1..%u\n", for_each(NULL, false, false, names, count));
	}
	if (for_each(backend, give_display, false, names, count) == 0) {
		fprintf(stderr, "hesper-conformance: there is no such test (--list)\n");
		return 2;
	}
	printf("%s%u passed, %u failed, %u skipped\n", run.tap ? "# " : "", run.counts[PASS],
	       run.counts[FAIL], run.counts[SKIP]);
	fprintf(stderr, "%.1f s\n", (double)(clock_now_ns() - begin) / CLOCK_NS_PER_S);
	return run.counts[FAIL] > 0 ? 1 : 0;
}

static const char *const notes[] = {
	"Tests a vhost-user back end that is a virtio-gpu device: what it offers is tested, and "
	"what it "
	"does not offer is skipped. A test ends with pass, fail or skip; notes tell of what the "
	"specifications leave open.",
	"With --start, each test starts the back end anew, and one that dies by a signal fails the "
	"test. "
	"Without, the back end must serve one connection after the other at the socket.",
	"The exit status is 0 when no test failed, 1 when one did, 2 when nothing could be tested.",
	NULL};

int main(int argc, char **argv)
{
	struct backend backend = {.log = -1, .pidfd = -1};
	const char *log = NULL;
	uint32_t crash_status = 0;
	bool list = false;
	bool give_display = false;
	char directory[] = "/tmp/hesper-conformance-XXXXXX";
	char path[sizeof(directory) + 8];
	const struct option_spec specs[] = {
		{"socket", 0, OPTION_STRING, &backend.path, "PATH",
		 "the back end's socket; with --start, else one of the suite's own"},
		{"start", 0, OPTION_STRING, &backend.command, "COMMAND",
		 "start the back end by this line of sh for each test; %s stands for the socket"},
		{"gpu-socket", 0, OPTION_FLAG, &give_display, "",
		 "the back end is one of QEMU's vhost-user-gpu device: be its display, too"},
		{"crash-status", 0, OPTION_UINT, &crash_status, "N",
		 "an exit status that is a crash: 99 of sanitizers with exitcode=99", 1, 255},
		{"log", 0, OPTION_STRING, &log, "FILE",
		 "append the back end's output to this file"},
		{"tap", 0, OPTION_FLAG, &run.tap, "", "print TAP"},
		{"list", 0, OPTION_FLAG, &list, "", "print the tests' names, and exit"},
	};
	const struct option_table table = {
		.program = "hesper-conformance",
		.operands = "[GROUP|GROUP.TEST…]",
		.summary = "Tests any virtio-gpu back end that speaks vhost-user",
		.specs = specs,
		.count = sizeof(specs) / sizeof(specs[0]),
		.notes = notes,
	};
	int first = options_parse(&table, argc, argv);
	if (first < 0) {
		return first == -ECANCELED ? 0 : 2;
	}
	backend.crash_status = (int)crash_status;
	if (list) {
		return for_each(NULL, false, true, argv + first, argc - first) > 0 ? 0 : 2;
	}
	if (backend.path == NULL && backend.command == NULL) {
		fprintf(stderr, "hesper-conformance: --socket or --start is needed\n");
		return 2;
	}
	bool own = backend.path == NULL;
	if (own) {
		if (mkdtemp(directory) == NULL) {
			perror("hesper-conformance: /tmp");
			return 2;
		}
		snprintf(path, sizeof(path), "%s/socket", directory);
		backend.path = path;
	}
	if (log != NULL) {
		backend.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
		if (backend.log < 0) {
			perror(log);
			return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	int status = run_all(&backend, give_display, argv + first, argc - first);
	fd_close(&backend.log);
	if (own) {
		unlink(path);
		rmdir(directory);
	}
	return status;
}
