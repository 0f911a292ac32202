/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_NAMES_H
#define HESPER_DISPLAY_NAMES_H

/* Names of QEMU's ui/dbus-display1.xml. Private to src/display. */

#define DISPLAY_ROOT_PATH "/org/qemu/Display1"
#define DISPLAY_VM_PATH DISPLAY_ROOT_PATH "/VM"
#define DISPLAY_CONSOLE_PATH DISPLAY_ROOT_PATH "/Console_" /* and its id, decimal */
#define DISPLAY_CONSOLE_PATH_MAX (sizeof(DISPLAY_CONSOLE_PATH) + 12)
#define DISPLAY_LISTENER_PATH DISPLAY_ROOT_PATH "/Listener"

#define DISPLAY_BUS_NAME "org.qemu" /* QEMU's on a message bus */
#define DISPLAY_VM "org.qemu.Display1.VM"
#define DISPLAY_CONSOLE "org.qemu.Display1.Console"
#define DISPLAY_KEYBOARD "org.qemu.Display1.Keyboard"
#define DISPLAY_MOUSE "org.qemu.Display1.Mouse"
#define DISPLAY_TOUCH_SCREEN "org.qemu.Display1.MultiTouch"
#define DISPLAY_LISTENER "org.qemu.Display1.Listener"
/* What a listener may offer beyond that, told by its property Interfaces. */
#define DISPLAY_LISTENER_MAP "org.qemu.Display1.Listener.Unix.Map"
#define DISPLAY_LISTENER_DMABUF2 "org.qemu.Display1.Listener.Unix.ScanoutDMABUF2"

/*
 * hesperd's own, on each console:
 *   property Enabled b  the guest has a monitor there
 *   property Name s   the output's name, as in the guest's EDID
 *   method SetMonitor(u width, u height, u width_mm, u height_mm, u refresh_mhz)
 *                           pixels, width 0 disconnects; refresh 0 leaves it as it is
 *   method RelMotion(i dx, i dy)  as Mouse.RelMotion, but whatever IsAbsolute says: both
 *                           kinds of pointer are always there
 *   method Scroll(i dx, i dy)  1/120 of a wheel's click, y > 0 is up
 */
#define DISPLAY_HESPER "org.hesper.Display1.Console"

#define DISPLAY_PROPERTIES "org.freedesktop.DBus.Properties"

#define DISPLAY_ERROR_FAILED "org.qemu.Display1.Error.Failed"
#define DISPLAY_ERROR_INVALID "org.qemu.Display1.Error.Invalid"

/* The D-Bus specification's limit for one array ("Marshaling containers"). */
#define DISPLAY_MAX_ARRAY_BYTES (64u << 20)

/* DRM_FORMAT_MOD_LINEAR and DRM_FORMAT_MOD_INVALID ("what the driver does by default"). */
#define DISPLAY_MODIFIER_LINEAR 0ull
#define DISPLAY_MODIFIER_INVALID 0x00ffffffffffffffull

#endif
