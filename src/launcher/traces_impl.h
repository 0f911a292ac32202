/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_TRACES_IMPL_H
#define HESPER_LAUNCHER_TRACES_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/traces.h"

/* What traces.c (files) and traces_count.c (figures) know of each other. */

struct traces_figures;

struct traces_figures *traces_figures_create(void);
void traces_figures_destroy(struct traces_figures *figures);

/* One more event, in any order. False when there is no memory. */
bool traces_figures_add(struct traces_figures *figures, const json_t *event, json_int_t pid,
			uint64_t ns);

json_t *traces_figures_describe(struct traces_figures *figures);

#endif
