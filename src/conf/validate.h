/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is a definition one that can work? A table of rules, all of which are judged.
 */
#pragma once

#include "conf/element.h"

/**
 * vt_validate_domain - judge a definition by every rule that does not depend on a QEMU
 * @ctx: gets a problem for each rule that is broken
 * @def: parsed and completed (vt_postparse_domain())
 */
void vt_validate_domain(VtParseContext *ctx, const VtDomainDef *def);

/**
 * vt_validate_first - as vt_validate_domain(), for those who want one answer
 * @def:   a definition, e.g. after a device was put into it
 * @error: (out) the first problem
 *
 * Return: FALSE when there was a problem.
 */
gboolean vt_validate_first(const VtDomainDef *def, GError **error);
