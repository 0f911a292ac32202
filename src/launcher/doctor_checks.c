/* SPDX-License-Identifier: MIT */
/* Nothing here loads a driver into this process: programs are asked. */
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/accel.h"
#include "launcher/demo.h"
#include "launcher/doctor.h"
#include "launcher/qemu_args.h"
#include "launcher/qemu_probe.h"
#include "launcher/supervise.h"

#define ASK_MS 60000

static struct finding *add(struct doctor *doctor, const char *subject, enum health health)
{
	if (doctor->count == DOCTOR_MAX_FINDINGS) {
		abort();
	}
	struct finding *finding = &doctor->findings[doctor->count++];
	*finding = (struct finding){.subject = subject, .health = health};
	return finding;
}

static void say(struct finding *finding, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct finding *finding, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}

static void advise(struct finding *finding, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void advise(struct finding *finding, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(finding->fix, sizeof(finding->fix), format, args);
	va_end(args);
}

static bool is_software(const char *device)
{
	return strstr(device, "llvmpipe") != NULL || strstr(device, "SwiftShader") != NULL;
}

static void examine_memory(struct doctor *doctor, const json_t *probe)
{
	const char *path = json_string_value(json_object_get(probe, "memory_path"));
	const char *reason = json_string_value(json_object_get(probe, "reason"));
	struct finding *finding =
		add(doctor, "memory path", path != NULL ? HEALTH_OK : HEALTH_BROKEN);
	say(finding, "%s: %s", path != NULL ? path : "none", reason != NULL ? reason : "unknown");
	if (path == NULL) {
		advise(finding, "use a driver with VK_EXT_external_memory_dma_buf or "
				"VK_EXT_external_memory_host");
	} else if (strcmp(path, "host-memory") == 0) {
		finding = add(doctor, "Vulkan layer",
			      doctor->paths.layer_dir[0] != '\0' ? HEALTH_OK : HEALTH_BROKEN);
		say(finding, "%s",
		    doctor->paths.layer_dir[0] != '\0' ? doctor->paths.layer_dir : "not found");
		if (finding->health == HEALTH_BROKEN) {
			advise(finding,
			       "install hesper completely: the host-memory path needs its layer");
		}
	}
}

/* hesperd --probe asks the driver, in a process of its own. */
static void examine_vulkan(struct doctor *doctor)
{
	const char *const argv[] = {doctor->paths.hesperd, "--probe", NULL};
	struct capture capture;
	if (doctor->paths.hesperd[0] == '\0') {
		struct finding *missing = add(doctor, "hesperd", HEALTH_BROKEN);
		say(missing, "not found beside this program");
		advise(missing, "build it (make), or install hesper completely");
		return;
	}
	capture_run(&capture, argv, ASK_MS);
	json_t *probe = json_loads(capture.out, 0, NULL);
	const char *device = json_string_value(json_object_get(probe, "device"));
	const char *driver = json_string_value(json_object_get(probe, "driver"));
	const char *error = json_string_value(json_object_get(probe, "error"));
	const char *fix = json_string_value(json_object_get(probe, "fix"));
	struct finding *finding = add(doctor, "Vulkan device", HEALTH_OK);
	if (device == NULL) {
		finding->health = HEALTH_BROKEN;
		say(finding, "%s", error != NULL ? error : capture_last_words(&capture));
		advise(finding, "%s", fix != NULL ? fix : "see what vulkaninfo --summary says");
	} else {
		say(finding, "%s (%s)", device, driver != NULL ? driver : "unknown driver");
		if (is_software(device)) {
			finding->health = HEALTH_WARNING;
			advise(finding,
			       "this draws on the processor; with a GPU, install its Vulkan "
			       "driver and see that /dev/dri/renderD128 can be opened");
		}
		examine_memory(doctor, probe);
	}
	json_decref(probe);
	capture_finish(&capture);
}

static void examine_qemu(struct doctor *doctor)
{
	char version[32];
	struct failure failure = {0};
	bool good = qemu_probe(doctor->qemu, version, &failure);
	struct finding *finding = add(doctor, "QEMU", good ? HEALTH_OK : HEALTH_BROKEN);
	if (good) {
		say(finding, "%s, with the device " QEMU_DEVICE, version);
	} else {
		say(finding, "%s%s%.200s", failure.what, failure.words[0][0] != '\0' ? ": " : "",
		    failure.words[0]);
		advise(finding, "%s", failure.fix);
	}
}

static void examine_accel(struct doctor *doctor)
{
	struct accel accel;
	accel_choose(&accel);
	struct finding *finding =
		add(doctor, "accelerator", accel.kvm ? HEALTH_OK : HEALTH_WARNING);
	say(finding, "%s: %s", accel.kvm ? "KVM" : "TCG", accel.reason);
	if (!accel.kvm) {
		advise(finding,
		       "guests run, but slowly; for KVM: enable virtualisation in the firmware "
		       "(or nested virtualisation of the host), and join the group kvm");
	}
}

static void examine_renderer(struct doctor *doctor)
{
	static const char *const servers[] = {"/usr/libexec/virgl_render_server",
					      "/usr/local/libexec/virgl_render_server"};
	struct finding *finding = add(doctor, "renderer", HEALTH_OK);
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		if (paths_has_program(servers[i])) {
			say(finding, "virglrenderer " HESPER_VIRGL_VERSION ", %s", servers[i]);
			return;
		}
	}
	finding->health = HEALTH_BROKEN;
	say(finding, "virglrenderer " HESPER_VIRGL_VERSION ", but there is no virgl_render_server");
	advise(finding, "install it (Debian: virgl-server)");
}

static const char *sandbox_hint(const char *stage)
{
	if (strcmp(stage, "namespaces") == 0 || strcmp(stage, "empty root") == 0) {
		return "let users make user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
		       "kernel.apparmor_restrict_unprivileged_userns=0, or the container's option)";
	}
	if (strcmp(stage, "Landlock") == 0) {
		return "use Linux 5.13 or newer with landlock among its security modules (lsm=)";
	}
	return "let the container make the system call that failed";
}

/* hesperd --check-sandbox tries each stage in a child. */
static void examine_sandbox(struct doctor *doctor)
{
	const char *const argv[] = {doctor->paths.hesperd, "--check-sandbox", NULL};
	struct capture capture;
	if (doctor->paths.hesperd[0] == '\0') {
		return;
	}
	capture_run(&capture, argv, ASK_MS);
	json_t *stages = json_loads(capture.out, 0, NULL);
	struct finding *finding = add(doctor, "sandbox", HEALTH_OK);
	size_t index;
	json_t *stage;
	if (!json_is_array(stages)) {
		finding->health = HEALTH_BROKEN;
		say(finding, "it could not be tried: %s", capture_last_words(&capture));
		advise(finding, "see what hesperd --check-sandbox says");
	}
	json_array_foreach(stages, index, stage)
	{
		const char *name = json_string_value(json_object_get(stage, "stage"));
		if (json_is_true(json_object_get(stage, "works")) || name == NULL) {
			continue;
		}
		/* The first that is missing is told; --check-sandbox has all. */
		finding->health = HEALTH_WARNING;
		say(finding, "no %s (%s: %s): %s", name,
		    json_string_value(json_object_get(stage, "step")),
		    json_string_value(json_object_get(stage, "error")),
		    json_string_value(json_object_get(stage, "loss")));
		advise(finding, "%s", sandbox_hint(name));
		break;
	}
	if (finding->health == HEALTH_OK) {
		say(finding, "every stage works: privileges, namespaces, empty root, Landlock, "
			     "system calls");
	}
	json_decref(stages);
	capture_finish(&capture);
}

static void examine_guest(struct doctor *doctor)
{
	const char *const argv[] = {doctor->paths.guest_build, "--print", NULL};
	struct capture capture;
	if (doctor->paths.guest_build[0] == '\0') {
		struct finding *missing = add(doctor, "guest image", HEALTH_BROKEN);
		say(missing, "its recipe, guest/build, was not found");
		advise(missing, "install hesper completely, or run it from the source tree");
		return;
	}
	capture_run(&capture, argv, ASK_MS);
	struct finding *finding = add(doctor, "guest image", HEALTH_OK);
	if (capture.status == 0) {
		say(finding, "ready: %s", capture_last_words(&capture));
	} else {
		say(finding, "not made yet; the first 'hesper demo' makes it, in some minutes");
	}
	capture_finish(&capture);
}

static void examine_display(struct doctor *doctor)
{
	const char *wayland = getenv("WAYLAND_DISPLAY");
	const char *x11 = getenv("DISPLAY");
	struct finding *finding = add(doctor, "display", HEALTH_OK);
	if (wayland != NULL && wayland[0] != '\0') {
		say(finding, "Wayland (%s)", wayland);
	} else if (demo_has_display()) {
		say(finding, "X11 (%s)", x11);
	} else {
		finding->health = HEALTH_WARNING;
		say(finding, "none: windows cannot be opened, --headless works");
		advise(finding, "run it in a desktop session (DISPLAY or WAYLAND_DISPLAY)");
	}
}

void doctor_examine(struct doctor *doctor)
{
	examine_vulkan(doctor);
	examine_qemu(doctor);
	examine_accel(doctor);
	examine_renderer(doctor);
	examine_sandbox(doctor);
	examine_guest(doctor);
	examine_display(doctor);
}
