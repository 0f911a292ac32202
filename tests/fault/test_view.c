/* SPDX-License-Identifier: MIT */
/*
 * hesper-view without a window, from its first call to its last, while the n-th one fails: it shows
 * what a machine shows in each way, writes its files and ends, or ends with status 1; the next one
 * does all of it. The driver's calls (lavapipe) and the loader's do not fail.
 */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <vulkan/vulkan.h>

#include "fault.h"
#include "fault_impl.h"
#include "lavapipe.h"
#include "machines.h"

/* The program's, which is built with -Dmain=hesper_view_main. */
int hesper_view_main(int argc, char **argv);

/* Jansson's memory is the viewer's. */
void *__wrap_malloc(size_t size);
void __wrap_free(void *at);

static struct machines machines;
static char picture[128];
static char summary[128];

static bool is_there(const char *path)
{
	struct stat info;
	return stat(path, &info) == 0 && info.st_size > 0;
}

static bool view(void)
{
	char *argv[] = {"hesper-view", "--socket",     machines.peer, "--headless", "--frames",
			"6",           "--screenshot", picture,       "--summary",  summary,
			"--sandbox",   "off",          "--log",       "error",      NULL};
	unlink(picture);
	unlink(summary);
	int status = hesper_view_main(sizeof(argv) / sizeof(argv[0]) - 1, argv);
	FAULT_CHECK(status == 0 || status == 1, "status %d", status);
	FAULT_CHECK(status != 0 || (is_there(picture) && is_there(summary)),
		    "it says that all went well, but a file is missing");
	return status == 0;
}

/* A viewer waits for memory as long as its machine does: after a while there is some again. */
static void on_while(int number)
{
	fault_relent();
}

static void set_while(long ms)
{
	static timer_t timer;
	static bool made;
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	const struct timespec time = {.tv_nsec = ms * 1000000};
	const struct itimerspec when = {.it_value = time, .it_interval = time};
	if (!made) {
		signal(SIGRTMIN, on_while);
		FAULT_CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "no timer");
		made = true;
	}
	timer_settime(timer, 0, &when, NULL);
}

static void scenario(void *data)
{
	static unsigned runs;
	set_while(300);
	bool right = view();
	set_while(0);
	FAULT_CHECK(right || fault_excuses(), "the viewer fails");
	fault_stop();
	/* Another takes as long as all else. */
	FAULT_CHECK(++runs % 4 != 0 || view(), "the next viewer fails");
}

int main(void)
{
	VkInstance keeps; /* the loader's libraries where they are */
	VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
	fault_init("fault_view");
	if (!lavapipe_choose()) {
		printf("no lavapipe on this machine\n");
		return 77;
	}
	/* Nothing of its own that outlives a device. */
	setenv("LP_NUM_THREADS", "0", 1);
	setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
	fault_set_quiet(getenv("FAULT_LOG") == NULL);
	json_set_alloc_funcs(__wrap_malloc, __wrap_free);
	machines_start(&machines);
	snprintf(picture, sizeof(picture), "%s/picture.png", machines.folder);
	snprintf(summary, sizeof(summary), "%s/summary.json", machines.folder);
	FAULT_CHECK(vkCreateInstance(&info, NULL, &keeps) == VK_SUCCESS, "no Vulkan");
	/* What is said over the connection is fault_client's. */
	static const enum fault_kind kinds[] = {FAULT_MEMORY,  FAULT_MMAP, FAULT_MEMFD,
						FAULT_EVENTFD, FAULT_UV,   FAULT_SOCKET,
						FAULT_THREAD,  FAULT_CALL};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		fault_try(kinds[i], scenario, NULL);
	}
	vkDestroyInstance(keeps, NULL);
	unlink(picture);
	unlink(summary);
	machines_stop(&machines);
	return fault_report();
}
