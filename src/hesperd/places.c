/* SPDX-License-Identifier: MIT */
#include "hesperd/places.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Directory of this program, without the last slash; false when /proc is not there. */
static bool own_directory(char *out, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", out, size - 1);
	if (length <= 0) {
		return false;
	}
	out[length] = '\0';
	char *slash = strrchr(out, '/');
	if (slash == NULL) {
		return false;
	}
	*slash = '\0';
	return true;
}

bool places_try(char *out, size_t size, const char *directory, const char *rest)
{
	int length = snprintf(out, size, "%s/%s", directory, rest);
	return length > 0 && (size_t)length < size && access(out, R_OK) == 0;
}

bool places_find(char *out, size_t size, const char *in_tree, const char *installed,
		 const char *name)
{
	char own[PATH_MAX];
	char place[2 * PATH_MAX];
	if (own_directory(own, sizeof(own))) {
		snprintf(place, sizeof(place), "%s/%s", own, in_tree);
		if (places_try(out, size, place, name)) {
			return true;
		}
	}
	return places_try(out, size, installed, name);
}
