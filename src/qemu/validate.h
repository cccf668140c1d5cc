/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Can this QEMU run this definition, and will the teams in it really work?
 */
#pragma once

#include "conf/element.h"
#include "qemu/caps.h"

typedef struct {
    const char *name; /* lower case and hyphens, for tests and the documentation */
    const char *what; /* what is demanded, in words */
    void (*check)(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps);
} VtQemuValidateRule;

/** Every rule, in the order in which they are applied. */
extern const VtQemuValidateRule vt_qemu_validate_rules[];
extern const gsize vt_qemu_validate_rules_count;

/**
 * vt_qemu_validate_domain - apply every rule
 * @ctx:  gets the problems: CONFIG_UNSUPPORTED (this QEMU cannot), XML_DETAIL (no QEMU could)
 * @def:  with addresses (vt_slots_assign)
 * @caps: of its emulator
 *
 * Return: TRUE when there was no problem.
 */
gboolean vt_qemu_validate_domain(VtParseContext *ctx, const VtDomainDef *def, const VtQemuCaps *caps);
