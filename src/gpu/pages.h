/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GPU_PAGES_H
#define HESPER_GPU_PAGES_H

#include <stdint.h>

#include "gpu/gpu.h"
#include "gpu/state.h"

/*
 * An fd that stands for the first size bytes of guest pages, rounded up to whole ones, and that
 * the renderer's Vulkan takes as a dma-buf; whoever has it shares the pages with the guest for as
 * long as it likes. way: not GPU_PAGES_REFUSE. udmabuf: /dev/udmabuf, or -1. The caller owns the
 * result. Negative errno: -EOPNOTSUPP pieces that are no whole pages or no host can share this way,
 * -E2BIG too many of them.
 */
int pages_share(const struct gpu_backing *backing, uint64_t size, enum gpu_pages way, int udmabuf);

#endif
