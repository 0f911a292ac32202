/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_FAULT_MACHINES_H
#define HESPER_TESTS_FAULT_MACHINES_H

/*
 * Machines of other people, for viewers to connect to: processes of their own, in which nothing
 * fails. They show pictures in every way there is, again and again, as long as a viewer looks.
 */

struct machines {
	char folder[64];
	char peer[80]; /* sockets: of a display, */
	char quitter[80]; /* of one that leaves after its first picture, */
	char qmp[80]; /* of QMP, */
	char bus[96]; /* and the address of a message bus; "": there is none here */
};

/* Before anything fails. They end with this process. */
void machines_start(struct machines *machines);
void machines_stop(struct machines *machines);

#endif
