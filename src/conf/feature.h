/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The <features>, <clock> and <pm> elements.
 */
#pragma once

#include "conf/element.h"

/**
 * vt_feature_parse - read <features>
 * @ctx:  where problems go
 * @node: the element
 * @def:  gets acpi, apic, pae and vmport
 *
 * Return: FALSE when there was a problem.
 * Source: libvirt formatdomain.rst, "Hypervisor features".
 */
gboolean vt_feature_parse(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def);
void vt_feature_format(VtXmlWriter *writer, const VtDomainDef *def);

/**
 * vt_feature_parse_clock - read <clock>
 * @ctx:   where problems go
 * @node:  the element
 * @clock: (out) a VtClockDef whose timers array exists
 *
 * Return: FALSE when there was a problem.
 * Source: libvirt formatdomain.rst, "Time keeping".
 */
gboolean vt_feature_parse_clock(VtParseContext *ctx, const xmlNode *node, VtClockDef *clock);
void vt_feature_format_clock(VtXmlWriter *writer, const VtClockDef *clock);

/** <pm>: suspend-to-mem and suspend-to-disk. */
gboolean vt_feature_parse_pm(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def);
void vt_feature_format_pm(VtXmlWriter *writer, const VtDomainDef *def);
