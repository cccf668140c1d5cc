/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks: the -blockdev pair of each and its device.
 */
#pragma once

#include "qemu/argv-ctx.h"

/** -blockdev (storage, then format) and -device of every disk. */
gboolean vt_argv_disk_all(VtArgvBuild *build, GError **error);

/**
 * vt_argv_disk_blockdev - the value of -blockdev for one of a disk's two nodes
 * @disk:    with a source
 * @number:  N of "libvirt-N-storage" and "libvirt-N-format"
 * @storage: TRUE: the file; FALSE: the format on top of it
 *
 * Return: (transfer full) "key=value,..." (keyval syntax).
 * Source: QAPI BlockdevOptions; cache= as in QEMU's qemu-options (cache modes).
 */
char *vt_argv_disk_blockdev(const VtDiskDef *disk, guint number, gboolean storage);

/** The value of -device for a disk; (transfer full). */
char *vt_argv_disk_device(const VtDomainDef *def, const VtDiskDef *disk, guint number);
