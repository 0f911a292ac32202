/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_PAGES_READER_H
#define HESPER_TESTS_PAGES_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* layer/pages.h, for tests whose own headers have the layer's names. */
struct reader_mapping {
	int fd;
	uint8_t *data;
	size_t size;
};
bool reader_is(int fd);
bool reader_holds(int fd);
int reader_adopt(struct reader_mapping *mapping, int fd, uint64_t size, uint64_t alignment);
void reader_finish(struct reader_mapping *mapping);

#endif
