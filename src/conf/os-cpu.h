/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The <os> and <cpu> elements.
 */
#pragma once

#include "conf/element.h"

/**
 * vt_os_cpu_parse_os - read <os>: type, direct kernel boot, boot devices
 * @ctx:  where problems go
 * @node: the element
 * @os:   (out) an empty VtOsDef
 *
 * Return: FALSE when there was a problem.
 * Source: libvirt formatdomain.rst, "Operating system booting".
 */
gboolean vt_os_cpu_parse_os(VtParseContext *ctx, const xmlNode *node, VtOsDef *os);
void vt_os_cpu_format_os(VtXmlWriter *writer, const VtOsDef *os);

/**
 * vt_os_cpu_parse_cpu - read <cpu>: mode, model, topology, features
 * @ctx:  where problems go
 * @node: the element
 * @cpu:  (out) a VtCpuDef whose features array exists
 *
 * Return: FALSE when there was a problem.
 * Source: libvirt formatdomain.rst, "CPU model and topology".
 */
gboolean vt_os_cpu_parse_cpu(VtParseContext *ctx, const xmlNode *node, VtCpuDef *cpu);
void vt_os_cpu_format_cpu(VtXmlWriter *writer, const VtCpuDef *cpu);

/** Values of <os> and <cpu> that depend on one another or on the vCPUs. */
void vt_os_cpu_validate(VtParseContext *ctx, const VtDomainDef *def);
