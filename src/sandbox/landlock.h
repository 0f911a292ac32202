/* SPDX-License-Identifier: MIT */
#ifndef HESPER_SANDBOX_LANDLOCK_H
#define HESPER_SANDBOX_LANDLOCK_H

/*
 * The Landlock stage: files by list. Restricts the calling thread and what it starts; a process
 * restricts itself while it has one thread.
 */
struct sandbox_files;

enum sandbox_access {
	SANDBOX_READ = 1, /* files and directories below it; maps them to run, too */
	SANDBOX_WRITE = 2, /* and changes, makes and removes files and directories below it */
	SANDBOX_DEVICE = 4, /* reads, writes and controls it, or the devices below it */
	SANDBOX_EXECUTE = 8, /* starts programs */
};

/*
 * Nothing is allowed at first: no file, no TCP, no abstract socket of others, no signal to others; as
 * far as this kernel can refuse it. Files that are open stay so. Negative errno; -EOPNOTSUPP: no
 * Landlock here.
 */
int sandbox_files_create(struct sandbox_files **out, const char **step);
void sandbox_files_destroy(struct sandbox_files *files);

/* access: of the bits above. A path that is not there is left out. */
void sandbox_files_allow(struct sandbox_files *files, const char *path, unsigned access);

/* TCP, and abstract sockets: for who has to connect to a window system. Before all other rules. */
void sandbox_files_allow_sockets(struct sandbox_files *files);

/* From now on. The list can be entered by others, too, until it is destroyed. no_new_privs is set. */
int sandbox_files_enter(struct sandbox_files *files, const char **step);

/* What a Vulkan driver reads, and the GPU's nodes: this host's, and what the environment names. */
void sandbox_files_allow_vulkan(struct sandbox_files *files);

/* Files and folders in the form of such a variable, "PATH:PATH". */
void sandbox_files_allow_list(struct sandbox_files *files, const char *list);

/*
 * A program with the interpreter and the libraries that it needs. For a script that is its
 * interpreter, too.
 */
void sandbox_files_allow_program(struct sandbox_files *files, const char *path);

/*
 * Makes a directory for compiled shaders that nobody else uses, $XDG_CACHE_HOME/hesper/shaders/name:
 * not the user's own cache, whose content other programs believe. Its path, to be freed, or NULL:
 * there can be none.
 */
char *sandbox_make_shader_cache(const char *name);

#endif
