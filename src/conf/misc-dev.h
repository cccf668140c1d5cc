/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The small devices: <memballoon>, <rng>, <input>, <watchdog> and <audio type='none'>.
 *
 * All follow conf/element.h: parse notes every problem in @ctx and gives out what it could read; format
 * writes as libvirt does. Source: libvirt formatdomain.rst, sections of the same names.
 */
#pragma once

#include "conf/element.h"

/** Parse each: FALSE when nothing could be read; @out is set (transfer full) otherwise. */
gboolean vt_misc_dev_parse_memballoon(VtParseContext *ctx, xmlNode *node, VtMemballoonDef **out);
gboolean vt_misc_dev_parse_rng(VtParseContext *ctx, xmlNode *node, VtRngDef **out);
gboolean vt_misc_dev_parse_input(VtParseContext *ctx, xmlNode *node, VtInputDef **out);
gboolean vt_misc_dev_parse_watchdog(VtParseContext *ctx, xmlNode *node, VtWatchdogDef **out);

/** Only <audio id='N' type='none'/> is supported; FALSE with a problem for any other. */
gboolean vt_misc_dev_parse_audio(VtParseContext *ctx, xmlNode *node);

/** Note in @ctx whatever could not work with @def. */
void vt_misc_dev_validate_memballoon(VtParseContext *ctx, const VtDomainDef *def,
                                     const VtMemballoonDef *balloon);
void vt_misc_dev_validate_rng(VtParseContext *ctx, const VtDomainDef *def, const VtRngDef *rng);
void vt_misc_dev_validate_input(VtParseContext *ctx, const VtDomainDef *def, const VtInputDef *input);
void vt_misc_dev_validate_watchdog(VtParseContext *ctx, const VtDomainDef *def,
                                   const VtWatchdogDef *watchdog);

/** Write each as libvirt does. */
void vt_misc_dev_format_memballoon(VtXmlWriter *writer, const VtMemballoonDef *balloon, guint flags);
void vt_misc_dev_format_rng(VtXmlWriter *writer, const VtRngDef *rng, guint flags);
void vt_misc_dev_format_input(VtXmlWriter *writer, const VtInputDef *input, guint flags);
void vt_misc_dev_format_watchdog(VtXmlWriter *writer, const VtWatchdogDef *watchdog, guint flags);
void vt_misc_dev_format_audio(VtXmlWriter *writer);
