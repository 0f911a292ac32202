/* SPDX-License-Identifier: MIT */
#include "util/counters.h"

_Atomic uint64_t counter_values[COUNTER_COUNT];

static const char *const names[] = {
	[COUNTER_CPU_COPIED_BYTES] = "cpu_copied_bytes",
	[COUNTER_COMMANDS] = "commands",
	[COUNTER_COMMAND_ERRORS] = "command_errors",
	[COUNTER_SET_SCANOUT] = "scanout_commands",
	[COUNTER_SET_SCANOUT_BLOB] = "scanout_blob_commands",
	[COUNTER_FLUSHES] = "flushes",
	[COUNTER_TRANSFERS_2D] = "transfers_2d",
	[COUNTER_SUBMITS] = "submits",
	[COUNTER_FENCES] = "fences",
	[COUNTER_CONTEXTS_CREATED] = "contexts",
	[COUNTER_CONTEXTS_LOST] = "contexts_lost",
	[COUNTER_BLOBS_CREATED] = "blobs",
	[COUNTER_MAPS] = "maps",
	[COUNTER_UNMAPS] = "unmaps",
	[COUNTER_MAP_FAILURES] = "map_failures",
	[COUNTER_PAGES_SHARED] = "guest_pages_shared",
	[COUNTER_PAGES_REFUSED] = "guest_pages_refused",
	[COUNTER_PACED] = "paced",
	[COUNTER_HOT_PLUG_EVENTS] = "hot_plug_events",
	[COUNTER_FRAMES_SENT] = "frames_sent",
	[COUNTER_FRAMES_DROPPED] = "frames_dropped",
	[COUNTER_FRAMES_PRESENTED] = "frames_presented",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == COUNTER_COUNT, "one name a counter");

const char *counter_name(enum counter counter)
{
	return names[counter];
}
