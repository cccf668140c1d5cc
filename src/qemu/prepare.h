/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What QEMU adds to a definition before it can run: machine version, implied controllers, slots, aliases.
 */
#pragma once

#include "conf/domain-def.h"
#include "qemu/alias.h" /* vt_alias_assign() */
#include "qemu/caps.h"

/**
 * vt_qemu_prepare_define - complete a definition at define time, so that a guest stays the same machine
 * @def:   parsed and validated
 * @caps:  of its emulator
 * @error: (out) CONFIG_UNSUPPORTED, XML_DETAIL: what this QEMU cannot run, by element and value
 *
 * Canonical machine type, implied controllers (pcie-root, root ports for devices, USB, SATA), PCI addresses
 * for all that have none (those that have one keep it), then every rule of qemu/validate.c.
 * Return: FALSE with @def in an unspecified but freeable state.
 */
gboolean vt_qemu_prepare_define(VtDomainDef *def, const VtQemuCaps *caps, GError **error);

/** As above, but every problem is appended to @problems (char *); TRUE when there was none. */
gboolean vt_qemu_prepare_check(VtDomainDef *def, const VtQemuCaps *caps, GPtrArray *problems);
