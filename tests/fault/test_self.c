/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "sample.h"

/* The catching itself: code that errs where a call fails is found out, code that does not is not. */

static void scenario(void *data)
{
	const enum sample_mistake *mistake = data;
	int error = sample_run(*mistake);
	FAULT_CHECK((error != 0) == fault_happened(), "it says %d", error);
	fault_stop();
	FAULT_CHECK(sample_run(SAMPLE_NONE) == 0, "it does not recover");
}

/* In a process that the mistake ends. */
static void expect_found(enum sample_mistake mistake)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		/* Its words are of no interest. */
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		fault_try_all(scenario, &mistake);
		_exit(0);
	}
	FAULT_CHECK(child > 0 && waitpid(child, &status, 0) == child, "no process");
	FAULT_CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 0, "mistake %d goes unnoticed",
		    mistake);
}

int main(void)
{
	fault_init("fault_self");
	for (enum sample_mistake mistake = SAMPLE_NONE + 1; mistake < SAMPLE_MISTAKES; mistake++) {
		expect_found(mistake);
	}
	enum sample_mistake none = SAMPLE_NONE;
	fault_try_all(scenario, &none);
	return fault_report();
}
