/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The <virtualport> of an <interface>: of libvirt's kinds, Open vSwitch's.
 */
#pragma once

#include "conf/element.h"

/**
 * vt_virtualport_parse - read a <virtualport>
 * @ctx:  where problems go
 * @node: the element
 * @port: (out) filled in as far as possible; an interfaceid is made where there is none, except in a status file
 *
 * Return: FALSE when there was a problem.
 * Source: libvirt formatdomain.rst, "Open vSwitch"; ovs-vswitchd.conf.db(5), external_ids:iface-id.
 */
gboolean vt_virtualport_parse(VtParseContext *ctx, const xmlNode *node, VtVirtualPort *port);

/** Write the element, if there is one; one that start has found is written with VT_XML_FORMAT_STATUS only. */
void vt_virtualport_format(VtXmlWriter *writer, const VtVirtualPort *port, guint flags);
