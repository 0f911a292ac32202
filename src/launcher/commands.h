/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_COMMANDS_H
#define HESPER_LAUNCHER_COMMANDS_H

/* The sub-commands that have no header of their own. argv[0] is the sub-command. Exit statuses. */
int view_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int bench_main(int argc, char **argv);
int trace_main(int argc, char **argv);

#endif
