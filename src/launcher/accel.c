/* SPDX-License-Identifier: MIT */
#include "launcher/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util/fd.h"

/* The only version there has ever been; linux/Documentation/virt/kvm/api.rst, 4.1. */
#define KVM_STABLE_API 12

/* Whether a word of the list is one of svm and vmx. Modifies the list. */
static bool has_virtualisation(char *flags)
{
	char *rest;
	for (char *word = strtok_r(flags, " \t\n", &rest); word != NULL;
	     word = strtok_r(NULL, " \t\n", &rest)) {
		if (strcmp(word, "svm") == 0 || strcmp(word, "vmx") == 0) {
			return true;
		}
	}
	return false;
}

static bool cpu_can(const char *cpuinfo)
{
	FILE *file = fopen(cpuinfo, "re");
	if (file == NULL) {
		return false;
	}
	char line[8192];
	bool can = false;
	while (!can && fgets(line, sizeof(line), file) != NULL) {
		char *flags = strchr(line, ':');
		if (strncmp(line, "flags", 5) == 0 && flags != NULL) {
			can = has_virtualisation(flags + 1);
		}
	}
	fclose(file);
	return can;
}

void accel_choose_from(struct accel *accel, const char *cpuinfo, const char *kvm)
{
	*accel = (struct accel){0};
	if (!cpu_can(cpuinfo)) {
		snprintf(accel->reason, sizeof(accel->reason),
			 "the processor offers neither svm nor vmx");
		return;
	}
	int fd = open(kvm, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		snprintf(accel->reason, sizeof(accel->reason), "%s: %s", kvm, strerror(errno));
		return;
	}
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);
	fd_close(&fd);
	if (version != KVM_STABLE_API) {
		snprintf(accel->reason, sizeof(accel->reason), "%s does not answer as KVM does",
			 kvm);
		return;
	}
	accel->kvm = true;
	snprintf(accel->reason, sizeof(accel->reason), "%s works", kvm);
}

void accel_choose(struct accel *accel)
{
	accel_choose_from(accel, "/proc/cpuinfo", "/dev/kvm");
}
