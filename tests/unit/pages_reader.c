/* SPDX-License-Identifier: MIT */
#include "pages_reader.h"

#include "pages.h" /* of layer/ */

bool reader_is(int fd)
{
	return pages_is(fd);
}

bool reader_holds(int fd)
{
	return pages_hold(fd);
}

int reader_adopt(struct reader_mapping *mapping, int fd, uint64_t size, uint64_t alignment)
{
	struct backing backing;
	int error = pages_adopt(&backing, fd, size, alignment);
	*mapping = (struct reader_mapping){backing.fd, backing.data, backing.size};
	return error;
}

void reader_finish(struct reader_mapping *mapping)
{
	struct backing backing = {.fd = mapping->fd, .data = mapping->data, .size = mapping->size};
	backing_finish(&backing);
}
