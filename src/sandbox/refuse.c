/* SPDX-License-Identifier: MIT */
#include "sandbox/refuse.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define CALLS 512

/* Found before: a handler cannot ask libseccomp. */
static const char *names[CALLS];
static atomic_bool told[CALLS];

static bool set_result(void *context, long result)
{
	ucontext_t *user = context;
#if defined(__x86_64__)
	user->uc_mcontext.gregs[REG_RAX] = result;
	return true;
#elif defined(__aarch64__)
	user->uc_mcontext.regs[0] = (unsigned long)result;
	return true;
#else
	return false;
#endif
}

static size_t append(char *line, size_t at, const char *text)
{
	size_t length = strlen(text);
	memcpy(line + at, text, length);
	return at + length;
}

static size_t append_number(char *line, size_t at, unsigned number)
{
	char digits[12];
	size_t first = sizeof(digits);
	do {
		digits[--first] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	memcpy(line + at, digits + first, sizeof(digits) - first);
	return at + sizeof(digits) - first;
}

/* util/log.h is not for signal handlers. */
static void tell(unsigned call)
{
	char line[160];
	size_t at = append(line, 0, "hesper: warning: sandbox: the system call ");
	at = append_number(line, at, call);
	if (call < CALLS && names[call] != NULL) {
		at = append(line, at, " (");
		at = append(line, at, names[call]);
		at = append(line, at, ")");
	}
	at = append(line, at, " was refused\n");
	ssize_t wrote = write(STDERR_FILENO, line, at);
	(void)wrote;
}

static void handle_trap(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	unsigned call = (unsigned)info->si_syscall;
	unsigned slot = call < CALLS ? call : 0;
	if (!atomic_exchange(&told[slot], true)) {
		tell(call);
	}
	set_result(context, -EPERM);
	errno = saved;
}

static void find_names(void)
{
	for (int call = 0; call < CALLS; call++) {
		/* malloc'ed, for as long as we live. */
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
		names[call] = name != NULL && strlen(name) <= 40 ? name : NULL;
	}
}

int refuse_start(void)
{
	ucontext_t none;
	struct sigaction action = {
		.sa_sigaction = handle_trap,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART,
	};
	if (!set_result(&none, 0)) {
		return -EOPNOTSUPP;
	}
	/* A process may enter more than one filter. */
	if (names[0] == NULL) {
		find_names();
	}
	return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}
