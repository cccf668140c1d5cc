/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The document of a port of a virtual network: what an interface asks a network daemon for, and what the answer makes
 * of the interface. Pure.
 */
#pragma once

#include "conf/domain-def.h"
#include "util/error.h"

/**
 * vt_net_port_xml_format - the port that an interface needs
 * @net:   of type NETWORK, as the XML has it
 * @port:  UUID that the port shall have
 * @name:  of the domain
 * @uuid:  of the domain
 *
 * Return: (transfer full) the document for virNetworkPortCreateXML().
 * Source: libvirt, formatnetworkport.
 */
char *vt_net_port_xml_format(const VtNetDef *net, const VtUuid *port, const char *name, const VtUuid *uuid);

/**
 * vt_net_port_xml_apply - make of an interface what its network gave it
 * @net:   of type NETWORK; becomes live: a network's or the host's bridge, a macvtap, or a function of the host; what
 *         the XML said is kept in .configured
 * @port:  UUID of the port
 * @text:  the network daemon's answer
 * @error: (out) CONFIG_UNSUPPORTED naming what we cannot do, XML_DETAIL: the answer is malformed
 *
 * Return: FALSE with @net as it was.
 */
gboolean vt_net_port_xml_apply(VtNetDef *net, const VtUuid *port, const char *text, GError **error);
