/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_ATTACK_H
#define HESPER_GUEST_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One attack on the device by a process of the guest, through the kernel's driver. What has to come
 * of it is checked in two places: here, what the process itself can see (an errno, the bytes in a
 * mapping, whether its context still works); and on the host, by the statistics, what it cannot:
 * that the device refused commands, and which contexts were lost.
 */
struct attack {
	const char *name;
	const char *words; /* what is done; and what must come of it */
	/* NULL, or what was wrong (text that stays until the next call). */
	const char *(*run)(void);
	int lost; /* contexts that the device must give up; ATTACK_ANY: does not matter */
	int refused; /* commands that the device must refuse at least */
	bool master; /* needs the screen: no other program may have it */
	const char *left_out; /* why it is not run, or NULL */
};

#define ATTACK_ANY (-1)

struct attack_group {
	const char *name;
	const struct attack *attacks; /* ends with a name of NULL */
};

extern const struct attack attacks_on_ids[];
extern const struct attack attacks_on_lives[];
extern const struct attack attacks_on_memory[];
extern const struct attack attacks_on_sizes[];
extern const struct attack attacks_on_screens[];
extern const struct attack attacks_on_frames[];
extern const struct attack attacks_by_streams[];
extern const struct attack attacks_by_rings[];
extern const struct attack attacks_by_storms[];
extern const struct attack attacks_at_random[];

/* What went wrong, as text that stays until the next call. */
const char *wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* NULL when result is what it must be: error is 0 or a negative errno. */
const char *expect(const char *what, int result, int error);

/* Ends the calling attack when something is wrong. */
#define TRY(check)                                                                                 \
	do {                                                                                       \
		const char *wrong_ = (check);                                                      \
		if (wrong_ != NULL) {                                                              \
			return wrong_;                                                             \
		}                                                                                  \
	} while (0)

/* Numbers that --seed decides. */
uint32_t chance(void);
uint64_t chance64(void);

int64_t now_ms(void);

#endif
