/* SPDX-License-Identifier: MIT */
#include "render/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int gate_create(void)
{
	int fd = memfd_create("hesper-gate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		return -errno;
	}
	if (ftruncate(fd, HESPER_GATE_BYTES) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

struct hesper_gate *gate_map(int fd)
{
	struct stat stat;
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &stat) < 0 ||
	    stat.st_size < HESPER_GATE_BYTES) {
		return NULL;
	}
	void *at = mmap(NULL, HESPER_GATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

void gate_set(struct hesper_gate *gate, enum hesper_gate_state state)
{
	if (gate == NULL) {
		return;
	}
	atomic_store(&gate->state, state);
	if (atomic_load(&gate->waiters) > 0) {
		syscall(SYS_futex, &gate->state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	}
}

void gate_unmap(struct hesper_gate *gate)
{
	if (gate != NULL) {
		munmap(gate, HESPER_GATE_BYTES);
	}
}
