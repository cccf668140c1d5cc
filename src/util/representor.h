/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Representors: in switchdev mode a NIC shows each port of its switch, VFs included, as an interface of the host.
 */
#pragma once

#include "util/error.h"
#include "util/netlink.h"

#include <net/if.h>

#define VT_REPRESENTOR_ID_MAX 32 /* bytes, MAX_PHYS_ITEM_ID_LEN */

typedef struct {
    int index;
    char name[IF_NAMESIZE];
    guint8 switch_id[VT_REPRESENTOR_ID_MAX];
    gsize switch_id_length; /* 0: this interface is no port of a switch */
    gboolean is_vf;         /* it stands for a VF of this host */
    guint pf, vf;           /* when is_vf: number of the PF within its NIC, and of the VF */
} VtRepresentor;

/**
 * vt_representor_parse - what an RTM_NEWLINK message says about a port of a switch, pure
 * @header: the message
 * @port:   (out) set only on success
 *
 * Return: FALSE when the message is malformed.
 * Source: linux/if_link.h, IFLA_PHYS_SWITCH_ID and IFLA_PHYS_PORT_NAME; kernel's networking/switchdev.rst and
 * networking/devlink/devlink-port.rst: "pf0vf3". Ports of another host's functions ("c1pf0vf3") are no VFs of ours.
 */
gboolean vt_representor_parse(struct nlmsghdr *header, VtRepresentor *port);

/**
 * vt_representor_find - the representor of a VF
 * @netlink: handle
 * @uplink:  the PF's interface
 * @pf:      number of the PF within its NIC: its PCI function
 * @vf:      number of the VF
 * @port:    (out) set only on success
 * @error:   (out) NO_DEVICE: there is none, so the NIC is not in switchdev mode; SYSTEM, TIMEOUT
 *
 * Return: FALSE on failure.
 */
gboolean vt_representor_find(VtNetlink *netlink, const char *uplink, guint pf, guint vf, VtRepresentor *port,
                             GError **error);
