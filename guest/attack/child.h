/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_ATTACK_CHILD_H
#define HESPER_GUEST_ATTACK_CHILD_H

/*
 * An attack that ends by the death of its process. run(data) is called in a child and says "ready" by
 * its return, or goes on for ever; the child is killed after it returned, or after_ms if that is not
 * negative. NULL, or what run said was wrong.
 */
const char *child_kill(const char *(*run)(void *data), void *data, int after_ms);

#endif
