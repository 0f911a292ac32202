/* SPDX-License-Identifier: MIT */
#ifndef HESPER_CONTROL_H
#define HESPER_CONTROL_H

/*
 * The virtio-serial port through which the host runs commands in the demo guest. guest/init looks
 * for it by this name; guest/control/control.c has the protocol.
 */
#define HESPER_CONTROL_PORT "org.hesper.control"

#endif
