/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The <interface> element.
 */
#pragma once

#include "conf/element.h"

/**
 * vt_net_parse - read an <interface>
 * @ctx:  where problems go
 * @node: the element
 * @out:  (out) (transfer full) (nullable) what could be read; also set when there were problems
 *
 * Return: FALSE when there was a problem.
 * Source: libvirt formatdomain.rst, "Network interfaces".
 */
gboolean vt_net_parse(VtParseContext *ctx, xmlNode *node, VtNetDef **out);

/** Judge one interface by its own values; what concerns its team is conf/teaming's. */
void vt_net_validate(VtParseContext *ctx, const VtDomainDef *def, const VtNetDef *net);

/** Write the element as libvirt writes it; live values are left out with VT_XML_FORMAT_INACTIVE. */
void vt_net_format(VtXmlWriter *writer, const VtNetDef *net, guint flags);

/** The interface as the XML has it: itself, or for a live one what a network or a policy was asked for. */
const VtNetDef *vt_net_configured(const VtNetDef *net);

/** Put the interfaces that have become live in @taken, a copy of @def or of a part of it, into @def. */
void vt_net_adopt(VtDomainDef *def, const VtDomainDef *taken);
/** Read a <vlan>, of an interface or of a network's port. FALSE when there was a problem. */
gboolean vt_net_parse_vlan(VtParseContext *ctx, const xmlNode *node, VtVlanDef *vlan);

/** TRUE when the interface's tap is, or is to be, a port of Open vSwitch. */
gboolean vt_net_is_ovs(const VtNetDef *net);

/** TRUE for a name that was given by us or by libvirt at start ("vnet3", "macvtap0"): no part of the definition. */
gboolean vt_net_target_is_automatic(const char *dev);
