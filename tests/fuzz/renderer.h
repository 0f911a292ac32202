/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_FUZZ_RENDERER_H
#define HESPER_TESTS_FUZZ_RENDERER_H

#include "fuzz.h"
#include "render/render_impl.h"

/*
 * A renderer that keeps the promises of render/render.h and no more: it answers late or from inside
 * the call, refuses, lets fences signal before or long after their submission's answer, and loses
 * contexts, all as the input says.
 */
extern const struct render_impl renderer_impl;

enum renderer_manner {
	RENDERER_INSIDE, /* answers from inside the call */
	RENDERER_LATER, /* keeps them for renderer_answer */
};

/* How it takes what comes from now on. */
void renderer_set_manner(struct render *render, enum renderer_manner manner);

enum renderer_answer {
	RENDERER_OK, /* a fence signals after the answer */
	RENDERER_FENCE_FIRST,
	RENDERER_FENCE_LATER, /* see renderer_signal */
	RENDERER_REFUSE,
	RENDERER_OPAQUE, /* a blob without memory */
	RENDERER_ANSWERS,
};

/* Answers the which-th request that may be answered now; false: there are fewer. */
bool renderer_answer(struct render *render, unsigned which, enum renderer_answer how);

/* Signals the which-th fence that is pending, and those before it of its ring. */
bool renderer_signal(struct render *render, unsigned which);

void renderer_lose(struct render *render, uint32_t context);

/* Requests not answered and fences not signalled. */
unsigned renderer_pending(const struct render *render);

/* Whether the gate of a context is closed. */
bool renderer_holds_back(const struct render *render);

#endif
