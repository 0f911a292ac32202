/* SPDX-License-Identifier: MIT */
#include "launcher/qemu_log.h"

#include <stddef.h>
#include <string.h>

/* hw/virtio/vhost-user.c, vhost_user_set_mem_table; hw/virtio/vhost.c, vhost_commit. */
static const char *const harmless[] = {
	"Failed preparing vhost-user memory table msg",
	"vhost_set_mem_table failed: No buffer space available (105)",
	/* backend_read, of what hesperd has taken back: src/vhost/revocable.c. */
	"Received unexpected msg type: 1212502786.", /* CONFIG_CHANGE */
	"Received unexpected msg type: 1212502793.", /* SHMEM_MAP */
	"Received unexpected msg type: 1212502794.", /* SHMEM_UNMAP */
};

bool qemu_log_is_harmless(const char *line)
{
	const char *text = strstr(line, ": ");
	/* "qemu-system-x86_64: TEXT"; a line without the program's name is not QEMU's report. */
	if (text == NULL || memchr(line, ' ', (size_t)(text - line)) != NULL) {
		return false;
	}
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		if (strcmp(text + 2, harmless[i]) == 0) {
			return true;
		}
	}
	return false;
}
