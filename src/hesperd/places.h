/* SPDX-License-Identifier: MIT */
#ifndef HESPER_HESPERD_PLACES_H
#define HESPER_HESPERD_PLACES_H

#include <stdbool.h>
#include <stddef.h>

/* Where the other parts of hesper are. */

/* Writes "directory/rest" to out; true when there is such a file to read. */
bool places_try(char *out, size_t size, const char *directory, const char *rest);

/* Beside this program (in_tree is from there) in a build tree, else where it was installed. */
bool places_find(char *out, size_t size, const char *in_tree, const char *installed,
		 const char *name);

#endif
