/* SPDX-License-Identifier: MIT */
#ifndef HESPER_SANDBOX_REFUSE_H
#define HESPER_SANDBOX_REFUSE_H

/*
 * Makes a system call that a filter traps (SECCOMP_RET_TRAP) fail with EPERM and leave one line in
 * the log, the first time that it is made: the process goes on. SIGSYS must not be blocked in any
 * thread, or the kernel ends the process. What is not known on this processor: negative errno.
 */
int refuse_start(void);

#endif
