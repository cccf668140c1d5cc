/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The <controller> element.
 */
#pragma once

#include "conf/element.h"

/**
 * vt_controller_parse - read a <controller>
 * @ctx:  where problems go
 * @node: the element
 * @out:  (out) (transfer full) (nullable) what could be read; also set when there were problems
 *
 * Return: FALSE when there was a problem.
 * Source: libvirt formatdomain.rst, "Controllers".
 */
gboolean vt_controller_parse(VtParseContext *ctx, xmlNode *node, VtControllerDef **out);

/** Judge one controller, and its index against those of its type. */
void vt_controller_validate(VtParseContext *ctx, const VtDomainDef *def, const VtControllerDef *controller);

/** Write the element as libvirt writes it. */
void vt_controller_format(VtXmlWriter *writer, const VtControllerDef *controller, guint flags);

/** The controller of that type and index; NULL without one. (transfer none) */
VtControllerDef *vt_controller_find(const VtDomainDef *def, VtControllerType type, int index);

/** "pci", "usb", "sata", "virtio-serial". */
const char *vt_controller_type_name(VtControllerType type);
