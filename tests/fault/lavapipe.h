/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_FAULT_LAVAPIPE_H
#define HESPER_TESTS_FAULT_LAVAPIPE_H

#include <glob.h>
#include <stdbool.h>
#include <stdlib.h>

/* The environment in which the loader takes this driver only; false: it is not on this machine. */
static inline bool lavapipe_choose(void)
{
	static const char *const places[] = {"/usr/share/vulkan/icd.d/lvp_icd*.json",
					     "/usr/local/share/vulkan/icd.d/lvp_icd*.json"};
	bool found = false;
	for (size_t i = 0; !found && i < sizeof(places) / sizeof(places[0]); i++) {
		glob_t files;
		found = glob(places[i], 0, NULL, &files) == 0;
		if (found) {
			setenv("VK_DRIVER_FILES", files.gl_pathv[0], 1);
		}
		globfree(&files);
	}
	setenv("VK_LOADER_LAYERS_DISABLE", "~implicit~", 1);
	return found;
}

#endif
