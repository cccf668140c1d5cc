/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The <hostdev> element: PCI functions of the host.
 */
#pragma once

#include "conf/element.h"

/**
 * vt_hostdev_parse - read a <hostdev>
 * @ctx:  where problems go
 * @node: the element
 * @out:  (out) (transfer full) (nullable) what could be read; also set when there were problems
 *
 * Return: FALSE when there was a problem.
 * Source: libvirt formatdomain.rst, "Host device assignment".
 */
gboolean vt_hostdev_parse(VtParseContext *ctx, xmlNode *node, VtHostdevDef **out);

/** Judge one host device, also that no other device of the domain takes the same function. */
void vt_hostdev_validate(VtParseContext *ctx, const VtDomainDef *def, const VtHostdevDef *hostdev);

/** Write the element as libvirt writes it; live values are left out with VT_XML_FORMAT_INACTIVE. */
void vt_hostdev_format(VtXmlWriter *writer, const VtHostdevDef *hostdev, guint flags);
