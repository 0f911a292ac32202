/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_QEMU_LOG_H
#define HESPER_LAUNCHER_QEMU_LOG_H

#include <stdbool.h>

/*
 * QEMU announces each blob that is mapped into the guest's window to the device as one more memory
 * region. From the ninth region on there is no room for that in its message: it says so in two
 * lines for each map and unmap, sends nothing, and all works on (the device knows its own window).
 * True for those two lines, whatever the program's name before them.
 */
bool qemu_log_is_harmless(const char *line);

#endif
