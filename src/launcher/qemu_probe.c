/* SPDX-License-Identifier: MIT */
#include "launcher/qemu_probe.h"

#include <stdlib.h>

#include "launcher/paths.h"
#include "launcher/qemu_args.h"
#include "launcher/supervise.h"

#define PROBE_MS 20000

static const char get_newer[] = "install QEMU 11.1 or newer (Debian 13: qemu-system-x86 from "
				"trixie-backports), or name another with --qemu or HESPER_QEMU";

const char *qemu_binary(const char *option)
{
	const char *environment = getenv("HESPER_QEMU");
	if (option != NULL) {
		return option;
	}
	return environment != NULL && environment[0] != '\0' ? environment : "qemu-system-x86_64";
}

static bool probe_version(const char *binary, char version[32], struct failure *failure)
{
	const char *const argv[] = {binary, "--version", NULL};
	struct capture capture;
	capture_run(&capture, argv, PROBE_MS);
	bool known = capture.status == 0 && qemu_version_parse(capture.out, version, 32);
	if (!known) {
		failure_set(failure, "'%s --version' does not say what QEMU says", binary);
		failure_say(failure, capture_last_words(&capture));
		failure_fix(failure, "%s", get_newer);
	}
	capture_finish(&capture);
	return known;
}

static bool probe_device(const char *binary, struct failure *failure)
{
	const char *const argv[] = {binary, "-device", QEMU_DEVICE ",help", NULL};
	struct capture capture;
	capture_run(&capture, argv, PROBE_MS);
	bool there = capture.status == 0;
	if (!there) {
		failure_set(failure, "this QEMU (%s) has no device " QEMU_DEVICE, binary);
		failure_say(failure, capture_last_words(&capture));
		failure_fix(
			failure,
			"use a QEMU that is built with it, as Debian's is: --qemu or HESPER_QEMU");
	}
	capture_finish(&capture);
	return there;
}

bool qemu_probe(const char *binary, char version[32], struct failure *failure)
{
	version[0] = '\0';
	if (!paths_has_program(binary)) {
		failure_set(failure, "QEMU was not found: there is no program '%s'", binary);
		failure_fix(failure, "%s", get_newer);
		return false;
	}
	if (!probe_version(binary, version, failure)) {
		return false;
	}
	if (!qemu_version_is(version, QEMU_MIN_MAJOR, QEMU_MIN_MINOR)) {
		failure_set(failure,
			    "QEMU %s is too old: hesper needs %d.%d, the first that can map memory "
			    "of a vhost-user device into the guest",
			    version, QEMU_MIN_MAJOR, QEMU_MIN_MINOR);
		failure_fix(failure, "%s", get_newer);
		return false;
	}
	return probe_device(binary, failure);
}
