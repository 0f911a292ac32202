/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_RUNTIME_H
#define HESPER_LAUNCHER_RUNTIME_H

/* A private directory for sockets, for as long as the launcher lives. */

/*
 * Makes it, after removing those of launchers that were killed. path is at least PATH_MAX. *lock is what says
 * that we live: keep it open until the directory is removed. Negative errno.
 */
int runtime_make(char *path, int *lock);

/* Removes it, and closes lock. */
void runtime_remove(const char *path, int *lock);

#endif
