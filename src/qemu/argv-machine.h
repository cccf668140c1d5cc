/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options about the machine itself: type, memory, CPUs, clock, boot, controllers.
 */
#pragma once

#include "qemu/argv-ctx.h"

/** -name, -S */
gboolean vt_argv_machine_name(VtArgvBuild *build, GError **error);
/** -machine, -accel */
gboolean vt_argv_machine_type(VtArgvBuild *build, GError **error);
/** -cpu */
gboolean vt_argv_machine_cpu(VtArgvBuild *build, GError **error);
/** -m, -object memory-backend-ram, -overcommit */
gboolean vt_argv_machine_memory(VtArgvBuild *build, GError **error);
/** -smp */
gboolean vt_argv_machine_smp(VtArgvBuild *build, GError **error);
/** -uuid, -display, -no-user-config, -nodefaults */
gboolean vt_argv_machine_identity(VtArgvBuild *build, GError **error);
/** -rtc and the options of timers */
gboolean vt_argv_machine_clock(VtArgvBuild *build, GError **error);
/** -no-shutdown, -no-acpi, power management */
gboolean vt_argv_machine_power(VtArgvBuild *build, GError **error);
/** -boot, -kernel, -initrd, -append */
gboolean vt_argv_machine_boot(VtArgvBuild *build, GError **error);
/** -device of every controller, parents before children */
gboolean vt_argv_machine_controllers(VtArgvBuild *build, GError **error);
/** -sandbox, -msg */
gboolean vt_argv_machine_process(VtArgvBuild *build, GError **error);

/** QEMU's driver of a controller; NULL when it is part of the machine, or there is none. */
const char *vt_argv_machine_controller_driver(const VtDomainDef *def, const VtControllerDef *controller);
