/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The <serial>, <console> and <channel> elements.
 */
#pragma once

#include "conf/element.h"

/**
 * vt_chardev_parse - read a <serial>, <console> or <channel>; the element's name gives the role
 * @ctx:  where problems go
 * @node: the element
 * @out:  (out) (transfer full) (nullable) what could be read; also set when there were problems
 *
 * Return: FALSE when there was a problem.
 * Source: libvirt formatdomain.rst, "Consoles, serial, parallel & channel devices".
 */
gboolean vt_chardev_parse(VtParseContext *ctx, xmlNode *node, VtCharDef **out);

/** Judge one character device, and its port or name against the others of its role. */
void vt_chardev_validate(VtParseContext *ctx, const VtDomainDef *def, const VtCharDef *chr);

/** Write the element as libvirt writes it; live values are left out with VT_XML_FORMAT_INACTIVE. */
void vt_chardev_format(VtXmlWriter *writer, const VtCharDef *chr, guint flags);
