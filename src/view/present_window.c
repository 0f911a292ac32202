/* SPDX-License-Identifier: MIT */
#include "view/presenter.h"
#include "util/log.h"
struct presenter *present_window_create(struct vk *vk, const struct view_options *options)
{
	log_error("no window yet");
	return NULL;
}
