/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_SUMMARY_H
#define HESPER_VIEW_SUMMARY_H

#include <stdbool.h>

#include "view/confine.h"
#include "view/console.h"
#include "view/source.h"
#include "view/stats.h"

/* What the summary is about, beside the counters. */
struct summary {
	const struct stats *stats;
	const struct vk *vk;
	uint64_t dropped;
	uint64_t copied; /* bytes of pixels that the CPU copied */
	enum source_path path;
	const char *present_mode; /* NULL: there are no windows */
	const struct console *consoles; /* VIEW_MAX_CONSOLES */
	const struct console *first; /* whose size and format stand for all */
};

/*
 * Writes JSON; VIEW_SUMMARY appears whole or not at all. wait: for that; else for nothing. False after
 * words in the log.
 */
bool summary_write(const struct summary *summary, struct errands *errands, bool wait);

/*
 * One line of JSON about the live rate. Left out when fd would block: a reader that sleeps must
 * not stop the picture.
 */
void summary_status(const struct summary *summary, int fd);

#endif
