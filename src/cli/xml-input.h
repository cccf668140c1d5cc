/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What commands that take a domain's XML have in common: reading the file, and finding its emulator.
 */
#pragma once

#include "conf/domain-def.h"
#include "qemu/caps.h"

/** Text of a file, or of standard input for "-"; at most 4 MiB. (transfer full) NULL: @error. */
char *vt_xml_input_read(const char *path, GError **error);

/**
 * vt_xml_input_caps - capabilities of a definition's emulator
 * @def:       the definition; without <emulator> the first qemu-system-ARCH in PATH is taken, and set
 * @caps_file: (nullable) a file of stored capabilities to use in place of a probe
 * @error:     (out) as vt_qemu_caps_probe()
 *
 * Return: (transfer full).
 */
VtQemuCaps *vt_xml_input_caps(VtDomainDef *def, const char *caps_file, GError **error);
