/* SPDX-License-Identifier: MIT */
/*
 * The command line of a stock QEMU. What matters here and is easy to get wrong:
 *  - guest memory must be a shared memfd, or the device cannot read it;
 *  - the GPU's chardev is a plain client without reconnect: QEMU cannot connect a device twice;
 *  - a comma in a path is written twice, everywhere but in options that take a path alone.
 */
#include "launcher/qemu_args.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hesper/control.h>

/* virtio-gpu and virtio-input: device id, queues and configuration bytes; virtio 1.4, 5.7 and 5.8. */
#define GPU_DEVICE                                                                                 \
	QEMU_DEVICE ",chardev=gpu,virtio-id=16,num_vqs=2,config_size=24,vq_size=256,addr=4"
#define INPUT_PROPERTIES "virtio-id=18,num_vqs=2,config_size=136,vq_size=64"

/*
 * Slots on the PCI bus. These devices have an interrupt line instead of messages (protocols Q11),
 * and q35 gives slots whose numbers are equal modulo 4 the same line. On the GPU's own line there is
 * nobody else: each interrupt asks every device of its line, and asking leaves the guest.
 */
static const struct {
	const char *name; /* of hesperd's socket, too */
	unsigned slot;
} inputs[] = {{"keyboard", 5}, {"tablet", 6}, {"mouse", 7}, {"touch", 9}};

struct builder {
	char **argv;
	size_t count;
	bool failed; /* out of memory: nothing is added any more */
};

static void add(struct builder *builder, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct builder *builder, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	if (builder->failed) {
		return;
	}
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	char **grown = realloc(builder->argv, (builder->count + 2) * sizeof(*grown));
	if (grown != NULL) {
		builder->argv = grown;
		grown[builder->count] = NULL;
	}
	if (length < 0 || grown == NULL) {
		free(length < 0 ? NULL : text);
		builder->failed = true;
		return;
	}
	grown[builder->count++] = text;
	grown[builder->count] = NULL;
}

/* A path as the value of a key: with its commas doubled. The caller frees it. NULL: out of memory. */
static char *as_value(struct builder *builder, const char *path)
{
	char *text = malloc(2 * strlen(path) + 1);
	if (text == NULL) {
		builder->failed = true;
		return NULL;
	}
	char *to = text;
	for (; *path != '\0'; path++) {
		*to++ = *path;
		if (*path == ',') {
			*to++ = ',';
		}
	}
	*to = '\0';
	return text;
}

static void add_with_path(struct builder *builder, const char *before, const char *path,
			  const char *after)
{
	char *value = as_value(builder, path);
	add(builder, "%s%s%s", before, value, after);
	free(value);
}

static void add_machine(struct builder *builder, const struct qemu_plan *plan)
{
	add(builder, "-nodefaults");
	add(builder, "-no-user-config");
	add(builder, "-name");
	add_with_path(builder, "", plan->name, "");
	add(builder, "-machine");
	add(builder, "q35,memory-backend=mem");
	add(builder, "-accel");
	add(builder, plan->kvm ? "kvm" : "tcg,thread=multi");
	add(builder, "-cpu");
	add(builder, plan->kvm ? "host" : "max");
	/*
	 * With one processor TCG makes plain loads and stores of the guest's atomic operations
	 * (CF_PARALLEL, tcg_cpu_init_cflags): then Venus' ring loses a wake-up now and then, since
	 * its other end is a process of the host, and the program waits for ever. Room for a second
	 * one keeps them atomic.
	 */
	add(builder, "-smp");
	if (!plan->kvm && plan->cpus == 1) {
		add(builder, "1,maxcpus=2");
	} else {
		add(builder, "%u", plan->cpus);
	}
	add(builder, "-m");
	add(builder, "%uM", plan->memory_mib);
	add(builder, "-object");
	add(builder, "memory-backend-memfd,id=mem,size=%uM,share=on", plan->memory_mib);
	add(builder, "-display");
	add(builder, "none");
}

static void add_gpu(struct builder *builder, const struct qemu_plan *plan)
{
	add(builder, "-chardev");
	add_with_path(builder, "socket,id=gpu,path=", plan->gpu_socket, "");
	add(builder, "-device");
	add(builder, GPU_DEVICE);
}

static void add_input(struct builder *builder, const struct qemu_plan *plan)
{
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		char *directory = as_value(builder, plan->input_dir);
		add(builder, "-chardev");
		add(builder, "socket,id=%s,path=%s/%s.sock", inputs[i].name, directory,
		    inputs[i].name);
		add(builder, "-device");
		add(builder, "%s,chardev=%s,%s,addr=%u", QEMU_DEVICE, inputs[i].name,
		    INPUT_PROPERTIES, inputs[i].slot);
		free(directory);
	}
}

static void add_system(struct builder *builder, const struct qemu_plan *plan)
{
	add(builder, "-kernel");
	add(builder, "%s", plan->kernel);
	add(builder, "-initrd");
	add(builder, "%s", plan->initrd);
	add(builder, "-append");
	add(builder, "%s", plan->append);
	for (size_t i = 0; i < plan->disk_count; i++) {
		char before[96];
		snprintf(before, sizeof(before),
			 "if=none,id=disk%zu,format=raw,readonly=on,file=", i);
		add(builder, "-drive");
		add_with_path(builder, before, plan->disks[i], "");
		add(builder, "-device");
		add(builder, "virtio-blk-pci,drive=disk%zu", i);
	}
	add(builder, "-device");
	add(builder, "virtio-rng-pci");
}

static void add_control(struct builder *builder, const struct qemu_plan *plan)
{
	add(builder, "-chardev");
	add_with_path(builder, "file,id=console,path=", plan->console_log, "");
	add(builder, "-serial");
	add(builder, "chardev:console");
	add(builder, "-chardev");
	add(builder, "socket,id=control,fd=%d", plan->control_fd);
	add(builder, "-device");
	add(builder, "virtio-serial-pci");
	add(builder, "-device");
	add(builder, "virtserialport,chardev=control,name=" HESPER_CONTROL_PORT);
	add(builder, "-chardev");
	add(builder, "socket,id=qmp0,fd=%d", plan->qmp_fd);
	add(builder, "-object");
	add(builder, "monitor-qmp,id=monitor0,chardev=qmp0");
	if (plan->qmp_socket != NULL) {
		add(builder, "-chardev");
		add_with_path(builder, "socket,id=qmp1,server=on,wait=off,path=", plan->qmp_socket,
			      "");
		add(builder, "-object");
		add(builder, "monitor-qmp,id=monitor1,chardev=qmp1");
	}
}

char **qemu_args_build(const struct qemu_plan *plan)
{
	struct builder builder = {0};
	add(&builder, "%s", plan->binary);
	add_machine(&builder, plan);
	add_gpu(&builder, plan);
	if (plan->input_dir != NULL) {
		add_input(&builder, plan);
	}
	add_system(&builder, plan);
	add_control(&builder, plan);
	if (builder.failed) {
		qemu_args_free(builder.argv);
		return NULL;
	}
	return builder.argv;
}

void qemu_args_free(char **argv)
{
	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++) {
		free(argv[i]);
	}
	free(argv);
}

bool qemu_version_parse(const char *text, char *version, size_t size)
{
	const char *start = strstr(text, "version ");
	if (start == NULL) {
		return false;
	}
	start += strlen("version ");
	size_t length = strspn(start, "0123456789.");
	if (!isdigit((unsigned char)start[0]) || length >= size) {
		return false;
	}
	memcpy(version, start, length);
	version[length] = '\0';
	return true;
}

bool qemu_version_is(const char *version, unsigned major, unsigned minor)
{
	unsigned have_major;
	unsigned have_minor = 0;
	if (sscanf(version, "%u.%u", &have_major, &have_minor) < 1) {
		return false;
	}
	return have_major > major || (have_major == major && have_minor >= minor);
}
