/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host PCI functions by VFIO: <hostdev> and <interface type='hostdev'>.
 */
#pragma once

#include "qemu/argv-ctx.h"

/** -device of every host device, interfaces first. */
gboolean vt_argv_hostdev_all(VtArgvBuild *build, GError **error);

/**
 * vt_argv_hostdev_vfio - the value of -device for a host PCI function
 * @def:     the domain
 * @host:    which function of the host
 * @info:    alias and address in the guest
 * @teaming: of the device
 *
 * Return: (transfer full).
 * Source: QEMU hw/vfio/pci.c properties, as `-device vfio-pci,help` prints them.
 */
char *vt_argv_hostdev_vfio(const VtDomainDef *def, const VtHostPci *host, const VtDeviceInfo *info,
                           const VtTeaming *teaming);
