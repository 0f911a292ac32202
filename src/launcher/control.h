/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_CONTROL_H
#define HESPER_LAUNCHER_CONTROL_H

/*
 * Lines that the demo guest sends on its control port (guest/control/control.c has the protocol).
 * Ours to the guest are "ID COMMAND" and "!ID SIGNAL".
 */
enum control_kind {
	CONTROL_NOISE, /* none of these: ignored */
	CONTROL_HELLO, /* "hello {json}": the guest is up */
	CONTROL_APP, /* "app = {json}": the command of the kernel's command line ended */
	CONTROL_OUTPUT, /* "ID > text": a line that command ID wrote */
	CONTROL_EXIT, /* "ID = N": command ID ended with status N */
	CONTROL_REFUSED, /* "ID ? words": it was not started */
};

#define CONTROL_ID_SIZE 33

struct control_message {
	enum control_kind kind;
	char id[CONTROL_ID_SIZE]; /* of OUTPUT, EXIT and REFUSED */
	int status; /* of EXIT */
	const char *text; /* of the others; inside the line */
};

void control_parse(const char *line, struct control_message *message);

#endif
