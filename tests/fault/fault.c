/* SPDX-License-Identifier: MIT */
#include "fault.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "fault_impl.h"
#include "util/log.h"

/*
 * How calls fail. The linker's --wrap sends every call of malloc in the objects that it links to
 * __wrap_malloc (calls.c), which asks fault_now whether this one fails. It does so for our code
 * only: what libuv, sd-bus or libc call inside goes to libc as ever. libuv's memory is ours to
 * give (uv_replace_allocator) and fails too, but for one thing: libuv 1.50 aborts where its table
 * of watchers cannot grow, so its realloc is left alone. It also aborts when epoll_ctl or its
 * wake-up eventfd fail inside; uv_* calls of ours are made to fail instead.
 *
 * The test's own objects are built with -Dmalloc=__real_malloc and so on (meson.build), so they
 * neither fail nor count: "the n-th call" means the n-th of hesper's.
 *
 * What is left. Each pointer and mapping that a wrapped call returned is in a table until a wrapped
 * call takes it back. libc's own allocations (open_memstream) are not in it; the address
 * sanitizer's build sees those. A run must leave the table as it found it.
 *
 * Threads may run, but then the n-th call of one run is not always that of the next. All n are
 * tried anyway, and a scenario of one thread is the better one.
 */

#define RUN_SECONDS 60
#define TABLE_BITS 17
#define TABLE_SIZE (1u << TABLE_BITS)
#define MAX_FDS 512
#define MAX_FRAMES 24
#define MAX_RUNS 20000

static const char *const kind_names[FAULT_KINDS] = {
	"memory",  "mmap", "memfd",  "eventfd", "socket", "sendmsg",
	"recvmsg", "uv",   "thread", "call",    "bus",
};

/* In the order of the ways: see fault_impl.h. */
static const struct way {
	const char *name;
	int error;
	bool lasting; /* this call and all later ones */
	bool harmless;
} ways[FAULT_KINDS][FAULT_MAX_WAYS] = {
	[FAULT_MEMORY] = {{"once", ENOMEM, false, false}, {"from then on", ENOMEM, true, false}},
	[FAULT_MMAP] = {{"once", ENOMEM, false, false}},
	[FAULT_MEMFD] = {{"once", EMFILE, false, false}},
	[FAULT_EVENTFD] = {{"once", EMFILE, false, false}},
	[FAULT_SOCKET] = {{"once", EMFILE, false, false}, {"from then on", EMFILE, true, false}},
	[FAULT_SENDMSG] = {{"ENOBUFS", ENOBUFS, false, false},
			   {"EPIPE", EPIPE, false, false},
			   {"EAGAIN", EAGAIN, false, true}},
	[FAULT_RECVMSG] = {{"ECONNRESET", ECONNRESET, false, false},
			   {"a part", FAULT_PART, false, true},
			   {"EAGAIN", EAGAIN, false, true}},
	[FAULT_UV] = {{"once", ENOMEM, false, false}},
	[FAULT_THREAD] = {{"once", EAGAIN, false, false}},
	[FAULT_CALL] = {{"once", EPERM, false, false}},
	[FAULT_BUS] = {{"once", ENOMEM, false, false}},
};

/* In memory that a program may share (fault_lend). */
struct progress {
	atomic_uint calls; /* of this kind, in this run */
	atomic_bool happened;
	char program[256];
	char call[32]; /* what failed */
	uintptr_t frames[MAX_FRAMES]; /* of the program's file */
	int frame_count;
};

static struct progress own_progress;

static struct {
	const char *path;
	bool active;
	pid_t process; /* the others of a test are not to fail; 0: all are */
	bool lent; /* to programs; nothing fails here */
	struct progress *progress;
	enum fault_kind kind;
	unsigned way;
	unsigned at; /* 0: count only */
	atomic_bool stopped;
	atomic_bool relented;

	unsigned injected[FAULT_KINDS];
	struct timespec start;
	int only_kind; /* of the environment; -1 */
	unsigned only_at;
	unsigned only_way;
} state = {.only_kind = -1, .progress = &own_progress};

static _Thread_local unsigned spared;

/* --- what is left ---------------------------------------------------------------------------- */

struct entry {
	uintptr_t at; /* 0: empty */
	size_t size;
	void *caller;
	unsigned run;
	const char *what;
};

static struct entry table[TABLE_SIZE];
static unsigned table_used;
static unsigned run_number;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned home_of(uintptr_t at)
{
	return (unsigned)((at >> 4) * 0x9e3779b97f4a7c15ull >> (64 - TABLE_BITS));
}

static struct entry *find_entry(uintptr_t at)
{
	unsigned i = home_of(at);
	while (table[i].at != 0 && table[i].at != at) {
		i = (i + 1) & (TABLE_SIZE - 1);
	}
	return &table[i];
}

/* What follows may have wanted to be where this was. */
static void close_gap(unsigned gap)
{
	for (unsigned i = (gap + 1) & (TABLE_SIZE - 1); table[i].at != 0;
	     i = (i + 1) & (TABLE_SIZE - 1)) {
		unsigned home = home_of(table[i].at);
		if (((i - home) & (TABLE_SIZE - 1)) >= ((i - gap) & (TABLE_SIZE - 1))) {
			table[gap] = table[i];
			gap = i;
		}
	}
	table[gap].at = 0;
}

void fault_remember(const void *at, size_t size, const char *what, void *caller)
{
	if (at == NULL) {
		return;
	}
	pthread_mutex_lock(&table_lock);
	struct entry *entry = find_entry((uintptr_t)at);
	if (entry->at == 0) {
		table_used++;
		FAULT_CHECK(table_used < TABLE_SIZE / 4 * 3, "too many allocations");
	}
	*entry = (struct entry){(uintptr_t)at, size, caller, run_number, what};
	pthread_mutex_unlock(&table_lock);
}

void fault_forget(const void *at)
{
	pthread_mutex_lock(&table_lock);
	struct entry *entry = find_entry((uintptr_t)at);
	if (at != NULL && entry->at != 0) {
		table_used--;
		close_gap((unsigned)(entry - table));
	}
	pthread_mutex_unlock(&table_lock);
}

struct open_fd {
	int fd;
	int flags;
	char target[128];
};

struct open_fds {
	unsigned count;
	struct open_fd all[MAX_FDS];
};

static int by_number(const void *a, const void *b)
{
	return ((const struct open_fd *)a)->fd - ((const struct open_fd *)b)->fd;
}

static void list_fds(struct open_fds *list)
{
	list->count = 0;
	DIR *directory = opendir("/proc/self/fd");
	FAULT_CHECK(directory != NULL, "no /proc");
	const struct dirent *entry;
	while ((entry = readdir(directory)) != NULL) {
		int fd = atoi(entry->d_name);
		if (!isdigit((unsigned char)entry->d_name[0]) || fd == dirfd(directory)) {
			continue;
		}
		FAULT_CHECK(list->count < MAX_FDS, "too many fds");
		struct open_fd *open = &list->all[list->count++];
		char path[64];
		memset(open, 0, sizeof(*open));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		open->fd = fd;
		open->flags = fcntl(fd, F_GETFL);
		ssize_t length = readlink(path, open->target, sizeof(open->target) - 1);
		open->target[length < 0 ? 0 : length] = '\0';
	}
	closedir(directory);
	qsort(list->all, list->count, sizeof(list->all[0]), by_number);
}

static unsigned count_threads(void)
{
	unsigned count = 0;
	DIR *directory = opendir("/proc/self/task");
	FAULT_CHECK(directory != NULL, "no /proc");
	const struct dirent *entry;
	while ((entry = readdir(directory)) != NULL) {
		count += isdigit((unsigned char)entry->d_name[0]) ? 1 : 0;
	}
	closedir(directory);
	return count;
}

static void print_fds(const char *when, const struct open_fds *list)
{
	fprintf(stderr, "fds %s:", when);
	for (unsigned i = 0; i < list->count; i++) {
		fprintf(stderr, " %d:%s:%o", list->all[i].fd, list->all[i].target,
			(unsigned)list->all[i].flags);
	}
	fprintf(stderr, "\n");
}

static void print_frames(void *const *frames, int count);

static void check_fds(const struct open_fds *before)
{
	static struct open_fds after;
	list_fds(&after);
	bool same = before->count == after.count &&
		    memcmp(before->all, after.all, before->count * sizeof(after.all[0])) == 0;
	if (!same) {
		print_fds("before", before);
		print_fds("after", &after);
	}
	FAULT_CHECK(same, "the open fds are not the same as before");
}

static void check_threads(unsigned before)
{
	/* One that was joined may be listed for a moment more. */
	unsigned now = count_threads();
	for (unsigned i = 0; now != before && i < 1000; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		now = count_threads();
	}
	FAULT_CHECK(now == before, "%u threads before, %u now", before, now);
}

static void check_memory(void)
{
	unsigned left = 0;
	for (unsigned i = 0; i < TABLE_SIZE; i++) {
		if (table[i].at == 0 || table[i].run != run_number) {
			continue;
		}
		left++;
		fprintf(stderr, "left: %zu bytes of %s, made at\n", table[i].size, table[i].what);
		print_frames(&table[i].caller, 1);
	}
	FAULT_CHECK(left == 0, "%u allocations or mappings are left", left);
}

/* --- words ----------------------------------------------------------------------------------- */

/* As the file has it: position independent programs are somewhere. */
static uintptr_t in_file(const void *frame)
{
	extern const char __executable_start;
	return (uintptr_t)frame - (uintptr_t)&__executable_start - 1;
}

static void print_lines(const uintptr_t *frames, int count)
{
	char command[2048];
	size_t used = (size_t)snprintf(command, sizeof(command), "addr2line -s -f -p -e %s",
				       state.progress->program);
	for (int i = 0; i < count && used < sizeof(command) - 32; i++) {
		used += (size_t)snprintf(command + used, sizeof(command) - used, " 0x%" PRIxPTR,
					 frames[i]);
	}
	strcat(command, " >&2");
	fflush(NULL);
	if (system(command) != 0) {
		fprintf(stderr, "%s\n", command);
	}
}

static void print_frames(void *const *frames, int count)
{
	uintptr_t places[MAX_FRAMES];
	for (int i = 0; i < count; i++) {
		places[i] = in_file(frames[i]);
	}
	print_lines(places, count);
}

static void name_program(void)
{
	ssize_t size = readlink("/proc/self/exe", state.progress->program,
				sizeof(state.progress->program) - 1);
	state.progress->program[size < 0 ? 0 : size] = '\0';
}

static void tell(void)
{
	state.active = false;
	if (state.process == 0) {
		/* Who lent the fault tells the rest. */
		_exit(FAULT_BROKEN);
	}
	if (state.at == 0) {
		fprintf(stderr, "%s: no fault (counting %s)\n", state.path, kind_names[state.kind]);
		return;
	}
	fprintf(stderr, "%s: FAULT_KIND=%s FAULT_AT=%u FAULT_WAY=%u (%s)%s\n", state.path,
		kind_names[state.kind], state.at, state.way, ways[state.kind][state.way].name,
		state.progress->happened ? ", which was" : ", not yet");
	if (state.progress->happened) {
		fprintf(stderr, "%s at\n", state.progress->call);
		print_lines(state.progress->frames, state.progress->frame_count);
	}
}

void fault_fail(const char *file, int line, const char *condition, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "%s:%d: %s: ", file, line, condition);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	tell();
	_exit(1);
}

static void handle_death(int signal)
{
	static const struct sigaction as_ever = {.sa_handler = SIG_DFL};
	sigaction(SIGSEGV, &as_ever, NULL);
	sigaction(SIGABRT, &as_ever, NULL);
	void *frames[MAX_FRAMES];
	int count = state.process == 0 ? 0 : backtrace(frames, MAX_FRAMES);
	fprintf(stderr, "signal %d: %s, at\n", signal, strsignal(signal));
	print_frames(frames, count);
	tell();
	_exit(1);
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void set_up_signals(void)
{
	static const int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGALRM, SIGILL};
	struct sigaction action = {.sa_handler = handle_death};
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaction(signals[i], &action, NULL);
	}
	if (state.process != 0) {
		signal(SIGPIPE, SIG_IGN);
	}
	if (__sanitizer_set_death_callback != NULL) {
		__sanitizer_set_death_callback(tell);
	}
}

/* --- a fault --------------------------------------------------------------------------------- */

bool fault_wanted(enum fault_kind kind)
{
	return state.active && kind == state.kind && spared == 0 && !state.stopped &&
	       !state.relented && !state.lent && (state.process == 0 || state.process == getpid());
}

int fault_now(enum fault_kind kind, const char *call, bool may_be_short, bool may_wait,
	      bool only_wait)
{
	if (!fault_wanted(kind)) {
		return 0;
	}
	const struct way *way = &ways[kind][state.way];
	bool waits = way->error == EAGAIN && way->harmless;
	if ((way->error == FAULT_PART && !may_be_short) || (waits && !may_wait) ||
	    (only_wait && !waits)) {
		return 0;
	}
	unsigned n = atomic_fetch_add(&state.progress->calls, 1) + 1;
	if (state.at == 0 || (n != state.at && !(way->lasting && n > state.at))) {
		return 0;
	}
	state.progress->happened = true;
	if (n == state.at) {
		void *frames[MAX_FRAMES];
		int count = backtrace(frames, MAX_FRAMES);
		for (int i = 0; i < count; i++) {
			state.progress->frames[i] = in_file(frames[i]);
		}
		state.progress->frame_count = count;
		snprintf(state.progress->call, sizeof(state.progress->call), "%s", call);
	}
	return way->error;
}

bool fault_happened(void)
{
	return state.progress->happened;
}

bool fault_is_harmless(void)
{
	return ways[state.kind][state.way].harmless;
}

bool fault_excuses(void)
{
	return state.progress->happened && !state.stopped && !fault_is_harmless();
}

void fault_stop(void)
{
	state.stopped = true;
}

bool fault_relent(void)
{
	bool lasted =
		state.progress->happened && !state.relented && ways[state.kind][state.way].lasting;
	state.relented = lasted || state.relented;
	return lasted;
}

void fault_spare_begin(void)
{
	spared++;
}

void fault_spare_end(void)
{
	spared--;
}

/* --- other programs ------------------------------------------------------------------------- */

#define LENT_FD 200

static struct progress *map_progress(int fd)
{
	void *at = mmap(NULL, sizeof(struct progress), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	FAULT_CHECK(at != MAP_FAILED, "no memory to share");
	return at;
}

void fault_lend(char *variable, size_t size)
{
	if (!state.lent) {
		int fd = memfd_create("fault", 0);
		FAULT_CHECK(ftruncate(fd, sizeof(struct progress)) == 0, "no memory to share");
		FAULT_CHECK(dup2(fd, LENT_FD) == LENT_FD, "no descriptor %d", LENT_FD);
		close(fd);
		state.progress = map_progress(LENT_FD);
		state.lent = true;
	}
	snprintf(variable, size, "FAULT_LENT=%d %u %u", (int)state.kind, state.way, state.at);
}

void fault_borrow(void)
{
	int kind;
	const char *lent = getenv("FAULT_LENT");
	if (lent == NULL || sscanf(lent, "%d %u %u", &kind, &state.way, &state.at) != 3) {
		return;
	}
	void *warm[2];
	backtrace(warm, 2);
	state.path = "a program";
	state.kind = (enum fault_kind)kind;
	state.process = 0;
	state.progress = map_progress(LENT_FD);
	name_program();
	close(LENT_FD);
	unsetenv("FAULT_LENT");
	fault_replace_allocator();
	set_up_signals();
	state.active = true;
}

/* --- runs ------------------------------------------------------------------------------------ */

static void run(fault_scenario scenario, void *data, bool judge)
{
	static struct open_fds before;
	list_fds(&before);
	unsigned threads = count_threads();
	run_number++;
	state.process = getpid();
	state.progress->calls = 0;
	state.stopped = false;
	state.relented = false;
	state.progress->happened = false;
	alarm(RUN_SECONDS);
	state.active = true;
	scenario(data);
	state.active = false;
	alarm(0);
	if (judge) {
		check_threads(threads);
		check_fds(&before);
		check_memory();
	}
}

static unsigned number_of(const char *variable, unsigned otherwise)
{
	const char *text = getenv(variable);
	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void try_way(fault_scenario scenario, void *data)
{
	const unsigned stride = number_of("FAULT_STRIDE", 1);
	if (state.only_kind >= 0) {
		state.at = state.only_at;
		run(scenario, data, true);
		return;
	}
	for (state.at = 1; state.at < MAX_RUNS; state.at += stride) {
		run(scenario, data, true);
		if (!state.progress->happened) {
			break;
		}
		state.injected[state.kind]++;
	}
	FAULT_CHECK(!state.progress->happened, "this has no end");
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

void fault_try(enum fault_kind kind, fault_scenario scenario, void *data)
{
	if (state.only_kind >= 0 && state.only_kind != (int)kind) {
		return;
	}
	state.kind = kind;
	for (state.way = 0; state.way < FAULT_MAX_WAYS && ways[kind][state.way].name != NULL;
	     state.way++) {
		if (state.only_kind >= 0 && state.only_way != state.way) {
			continue;
		}
		struct timespec start;
		clock_gettime(CLOCK_MONOTONIC, &start);
		unsigned before = run_number;
		state.at = 0;
		run(scenario, data, false);
		run(scenario, data, true);
		try_way(scenario, data);
		printf("# %s, %s, %s: %u runs, %.1f s\n", state.path, kind_names[kind],
		       ways[kind][state.way].name, run_number - before, seconds_since(&start));
		fflush(stdout);
	}
}

void fault_try_all(fault_scenario scenario, void *data)
{
	for (enum fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
		fault_try(kind, scenario, data);
	}
}

void fault_init(const char *path)
{
	void *warm[2];
	backtrace(warm, 2);
	state.path = path;
	clock_gettime(CLOCK_MONOTONIC, &state.start);
	const char *kind = getenv("FAULT_KIND");
	for (int i = 0; kind != NULL && i < FAULT_KINDS; i++) {
		if (strcmp(kind, kind_names[i]) == 0) {
			state.only_kind = i;
		}
	}
	state.only_at = number_of("FAULT_AT", 1);
	state.only_way = number_of("FAULT_WAY", 0);
	state.process = getpid();
	name_program();
	fault_replace_allocator();
	set_up_signals();
	fault_set_quiet(getenv("FAULT_LOG") == NULL);
	log_init("fault", getenv("FAULT_LOG") == NULL ? LOG_WARN : LOG_DEBUG);
}

int fault_report(void)
{
	unsigned total = 0;
	printf("%s:", state.path);
	for (int i = 0; i < FAULT_KINDS; i++) {
		total += state.injected[i];
		if (state.injected[i] > 0) {
			printf(" %s %u,", kind_names[i], state.injected[i]);
		}
	}
	printf(" %u faults in %u runs, %.1f s\n", total, run_number, seconds_since(&state.start));
	return total > 0 || state.only_kind >= 0 ? 0 : 1;
}
