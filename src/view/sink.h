/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_SINK_H
#define HESPER_VIEW_SINK_H

#include "display/input.h"

/* Where the translations of events go: to the machine, as if to this console. Main thread. */
struct sink {
	void (*send)(void *data, unsigned console, const struct display_input *input);
	void *data;
};

static inline void sink_send(const struct sink *sink, unsigned console,
			     const struct display_input *input)
{
	sink->send(sink->data, console, input);
}

#endif
