/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_ACCEL_H
#define HESPER_LAUNCHER_ACCEL_H

#include <stdbool.h>

/* How QEMU runs the guest's instructions. */
struct accel {
	bool kvm; /* else TCG */
	char reason[160]; /* why, in words */
};

/* Looks at the processor's flags, then at /dev/kvm. */
void accel_choose(struct accel *accel);

/*
 * The same of given files (for tests): cpuinfo in the format of /proc/cpuinfo, kvm a device node.
 * A processor without svm and vmx gets TCG even where the node is there: a stock kernel does not
 * boot under such a KVM.
 */
void accel_choose_from(struct accel *accel, const char *cpuinfo, const char *kvm);

#endif
