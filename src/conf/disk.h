/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The <disk> element: image files on virtio and SATA.
 */
#pragma once

#include "conf/element.h"

/**
 * vt_disk_parse - read a <disk>
 * @ctx:  where problems go
 * @node: the element
 * @out:  (out) (transfer full) (nullable) what could be read; also set when there were problems
 *
 * Return: FALSE when there was a problem.
 * Source: libvirt formatdomain.rst, "Hard drives, floppy disks, CDROMs".
 */
gboolean vt_disk_parse(VtParseContext *ctx, xmlNode *node, VtDiskDef **out);

/** Judge one disk, and its target and address against the other disks of the domain. */
void vt_disk_validate(VtParseContext *ctx, const VtDomainDef *def, const VtDiskDef *disk);

/** Write the element as libvirt writes it; live values are left out with VT_XML_FORMAT_INACTIVE. */
void vt_disk_format(VtXmlWriter *writer, const VtDiskDef *disk, guint flags);
