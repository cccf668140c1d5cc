/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Monitor, serial ports, consoles, channels, and the small devices that have no file of their own.
 */
#pragma once

#include "qemu/argv-ctx.h"

/** -chardev and -mon of our monitor. */
gboolean vt_argv_char_monitor(VtArgvBuild *build, GError **error);
/** Serial ports, channels, virtio consoles. */
gboolean vt_argv_char_all(VtArgvBuild *build, GError **error);
/** Inputs that are not part of the machine, the silent audio back end, watchdogs. */
gboolean vt_argv_char_inputs(VtArgvBuild *build, GError **error);
/** The memory balloon. */
gboolean vt_argv_char_balloon(VtArgvBuild *build, GError **error);
/** Random number generators. */
gboolean vt_argv_char_rngs(VtArgvBuild *build, GError **error);

/** Where the socket of a channel is that says no path itself: in the guest's run-time directory. (transfer full) */
char *vt_argv_char_channel_path(const VtArgvBuild *build, const VtCharDef *channel);
