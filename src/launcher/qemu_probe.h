/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_QEMU_PROBE_H
#define HESPER_LAUNCHER_QEMU_PROBE_H

#include <stdbool.h>

#include "launcher/failure.h"

/* The QEMU to use: option (may be NULL), else $HESPER_QEMU, else the name for PATH. */
const char *qemu_binary(const char *option);

/*
 * Whether this QEMU can do it: it is there, answers, is new enough and has the device. version (32
 * bytes) is set as soon as it is known, else empty. False with failure filled. Runs QEMU twice.
 */
bool qemu_probe(const char *binary, char version[32], struct failure *failure);

#endif
