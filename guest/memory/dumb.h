/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_MEMORY_DUMB_H
#define HESPER_GUEST_MEMORY_DUMB_H

/*
 * Dumb buffers (the kernel's, of guest pages) imported into Vulkan, as compositors do it whose
 * buffers are not the GPU's. Each prints PASS or FAIL with what was seen; exit status 0 or 1.
 */

/* The GPU and the CPU see each other's writes, in count buffers at once. */
int dumb_run_shared(unsigned count);

/* The import fails with VK_ERROR_INVALID_EXTERNAL_HANDLE, and the context lives on. */
int dumb_run_refused(void);

#endif
