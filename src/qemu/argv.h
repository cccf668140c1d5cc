/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a definition to QEMU's command line. Pure: no fd is opened here; those that QEMU is to inherit come
 * in through VtArgvContext as numbers that are valid in the child.
 */
#pragma once

#include "qemu/argv-ctx.h"

/**
 * vt_argv_build - the command line of a guest
 * @def:   validated, with aliases (vt_alias_assign) and addresses (vt_slots_assign)
 * @caps:  of the QEMU that will run it
 * @ctx:   run-time values
 * @error: (out) CONFIG_UNSUPPORTED when @caps lacks what @def needs
 *
 * Return: (transfer full) NULL-terminated argv; argv[0] is the binary.
 */
char **vt_argv_build(const VtDomainDef *def, const VtQemuCaps *caps, const VtArgvContext *ctx,
                     GError **error);

/** One shell-quoted line per option ("-name guest=x" on one line, " \" at its end), as domxml-to-native. */
char *vt_argv_to_text(char *const *argv);

/**
 * vt_argv_net_device - the -device value of a NIC alone, for device_add ("driver,key=value")
 * @def: the domain
 * @net: one of its nets, alias and address set
 *
 * Return: (transfer full).
 */
char *vt_argv_net_device(const VtDomainDef *def, const VtNetDef *net);

/** As vt_argv_net_device(), for a host's PCI function. */
char *vt_argv_hostdev_device(const VtDomainDef *def, const VtHostdevDef *hostdev);
