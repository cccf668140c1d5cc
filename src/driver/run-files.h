/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of one run of a guest: the directory of its sockets, its pid file, its log. docs/files.md lists them.
 */
#pragma once

#include "driver/domain-obj.h"

/** Make the directory of this run (domain id and the beginning of its name); the domain remembers it. */
gboolean vt_run_files_make(VtDriver *driver, VtDomain *domain, GError **error);

/** Remove the directory of the run, with what QEMU left in it, and the pid file; absent ones are fine. */
gboolean vt_run_files_remove(VtDriver *driver, VtDomain *domain, GError **error);

/** Path of the QMP socket, below the directory of the run. (transfer full) */
char *vt_run_files_monitor(const VtDomain *domain);

/** Path of the pid file, which a successor of a killed daemon finds by the domain's name. (transfer full) */
char *vt_run_files_pid(VtDriver *driver, const VtDomain *domain);

/** Path of QEMU's log. (transfer full) */
char *vt_run_files_log(VtDriver *driver, const VtDomain *domain);
