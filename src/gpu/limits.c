/* SPDX-License-Identifier: MIT */
#include "gpu/limits.h"

#include <linux/virtio_gpu.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gpu/state.h"
#include "util/log.h"

#define NO_MEMORY VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define KIB (1ull << 10)
#define MIB (1ull << 20)

/*
 * Kept for all that is not a guest's resource: two memory tables of each of five sessions (8 files),
 * their rings' events, 32 viewers with their listeners, 128 contexts' sockets, what waits for them
 * (render/process.c), and hesperd's own. A message of QEMU's whose files cannot be received would end
 * the machine.
 */
#define RESERVED_DESCRIPTORS 1024
#define LEAST_DESCRIPTORS 64

/*
 * Mappings: as many were tried with QEMU (protocols Q14). Command: Mesa's Venus sends kilobytes at most,
 * since what is large goes through memory that it shares; virglrenderer could not take more than `max`.
 */
const struct gpu_limit_info gpu_limit_table[GPU_LIMITS] = {
	[GPU_LIMIT_RESOURCES] = {"max-resources", 65536, 0, 1, "N",
				 "resources that the guest may have", NO_MEMORY},
	[GPU_LIMIT_CONTEXTS] = {"max-contexts", 128, 1024, 1, "N",
				"Vulkan contexts that the guest may have, three processes each",
				NO_MEMORY},
	[GPU_LIMIT_MEMORY] = {"max-memory", 0, 0, MIB, "MIB",
			      "host memory that the guest's resources and commands may take; else "
			      "half of the host's",
			      NO_MEMORY},
	[GPU_LIMIT_CONTEXT_MEMORY] = {"max-context-memory", 0, 0, MIB, "MIB",
				      "host memory that blobs of one context may take; else half "
				      "of --max-memory",
				      NO_MEMORY},
	[GPU_LIMIT_MAPPINGS] = {"max-mappings", 4096, 4096, 1, "N",
				"blobs that the guest may have mapped at a time", NO_MEMORY},
	[GPU_LIMIT_ENTRIES] = {"max-entries", 65536, 65536, 1, "N",
			       "pieces of guest memory that a resource may be made of",
			       BAD_PARAMETER},
	[GPU_LIMIT_COMMAND] = {"max-command", 256, RENDER_MAX_COMMANDS / KIB, KIB, "KIB",
			       "size of one submission of Vulkan commands", BAD_PARAMETER},
	[GPU_LIMIT_FENCES] = {"max-fences", 1024, 2048, 1, "N",
			      "commands with a fence that may be under way", NO_MEMORY},
	[GPU_LIMIT_DESCRIPTORS] = {"max-descriptors", 0, 0, 1, "N",
				   "files that the guest's resources may keep open; else what the "
				   "process may have, less a reserve",
				   NO_MEMORY},
};

static uint32_t half_of_memory(void)
{
	uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
	uint64_t mib = pages * (uint64_t)sysconf(_SC_PAGESIZE) / MIB / 2;
	return mib < 1024 ? 1024 : mib > UINT32_MAX ? UINT32_MAX : (uint32_t)mib;
}

static uint32_t free_descriptors(void)
{
	struct rlimit limit = {.rlim_cur = 1024};
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < RESERVED_DESCRIPTORS + LEAST_DESCRIPTORS) {
		return LEAST_DESCRIPTORS;
	}
	rlim_t rest = limit.rlim_cur - RESERVED_DESCRIPTORS;
	return rest > UINT32_MAX ? UINT32_MAX : (uint32_t)rest;
}

void gpu_limits_complete(struct gpu_limits *limits)
{
	uint32_t *values = limits->values;
	for (enum gpu_limit limit = 0; limit < GPU_LIMITS; limit++) {
		values[limit] = values[limit] != 0 ? values[limit] : gpu_limit_table[limit].usual;
	}
	if (values[GPU_LIMIT_MEMORY] == 0) {
		values[GPU_LIMIT_MEMORY] = half_of_memory();
	}
	if (values[GPU_LIMIT_CONTEXT_MEMORY] == 0) {
		values[GPU_LIMIT_CONTEXT_MEMORY] = (values[GPU_LIMIT_MEMORY] + 1) / 2;
	}
	if (values[GPU_LIMIT_DESCRIPTORS] == 0) {
		values[GPU_LIMIT_DESCRIPTORS] = free_descriptors();
	}
}

void limits_init(struct gpu *gpu, const struct gpu_limits *given)
{
	struct gpu_limits limits = *given;
	gpu_limits_complete(&limits);
	for (enum gpu_limit limit = 0; limit < GPU_LIMITS; limit++) {
		gpu->usage[limit].allowed =
			(uint64_t)limits.values[limit] * gpu_limit_table[limit].unit;
	}
}

void limits_reset(struct gpu *gpu)
{
	for (enum gpu_limit limit = 0; limit < GPU_LIMITS; limit++) {
		gpu->usage[limit].now = 0;
	}
}

/* One line for all of a kind. The numbers are the guest's; they say what to change. */
static void tell(const struct gpu *gpu, enum gpu_limit limit, uint64_t now, uint64_t amount)
{
	const struct gpu_limit_info *info = &gpu_limit_table[limit];
	static struct log_limit lines[GPU_LIMITS];
	log_write_limited(&lines[limit], LOG_WARN,
			  "the guest is at a limit: %llu%s in use, %llu more asked for, %llu "
			  "allowed (hesperd --%s): %.*s",
			  (unsigned long long)now, info->unit == 1 ? "" : " bytes",
			  (unsigned long long)amount, (unsigned long long)gpu->usage[limit].allowed,
			  info->name, (int)strcspn(info->meaning, ";"), info->meaning);
}

static bool refuse(struct gpu_command *command, enum gpu_limit limit, uint64_t now, uint64_t amount)
{
	struct gpu *gpu = command->gpu;
	gpu->usage[limit].refused++;
	tell(gpu, limit, now, amount);
	command_refuse(command, gpu_limit_table[limit].error);
	return false;
}

bool limit_take(struct gpu_command *command, enum gpu_limit limit, uint64_t amount)
{
	struct gpu_limit_usage *usage = &command->gpu->usage[limit];
	if (amount > usage->allowed || usage->now > usage->allowed - amount) {
		return refuse(command, limit, usage->now, amount);
	}
	usage->now += amount;
	usage->most = usage->now > usage->most ? usage->now : usage->most;
	return true;
}

void limit_give(struct gpu *gpu, enum gpu_limit limit, uint64_t amount)
{
	gpu->usage[limit].now -= amount;
}

bool limit_allows(struct gpu_command *command, enum gpu_limit limit, uint64_t now, uint64_t amount)
{
	struct gpu_limit_usage *usage = &command->gpu->usage[limit];
	if (amount > usage->allowed || now > usage->allowed - amount) {
		return refuse(command, limit, now, amount);
	}
	usage->most = now + amount > usage->most ? now + amount : usage->most;
	return true;
}
