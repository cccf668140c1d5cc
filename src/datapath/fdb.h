/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Forwarding entries: of a Linux bridge (`master`) and of a NIC's own switch (`self`).
 */
#pragma once

#include "util/ident.h"
#include "util/netlink.h"

typedef struct {
    int ifindex; /* of the port, or of the NIC */
    int bridge;  /* ifindex of the bridge that has it; 0 for `self` */
    VtMac mac;
    guint16 vlan;  /* 0: none (of a VLAN-aware bridge: all of the port) */
    guint16 state; /* NUD_NOARP: static; NUD_PERMANENT: of the port itself; NUD_REACHABLE: learned */
    guint8 flags;  /* NTF_MASTER, NTF_SELF, NTF_STICKY */
} VtFdbEntry;

/**
 * vt_fdb_list - the entries of a bridge or of a NIC
 * @netlink: handle
 * @bridge:  ifindex of a bridge: its entries; 0: the `self` entries of @port
 * @port:    ifindex of one port or NIC; 0: all ports of @bridge
 * @mac:     (nullable) only those of this address
 * @error:   (out) SYSTEM, TIMEOUT
 *
 * Return: (transfer full) array of VtFdbEntry, or NULL.
 * Source: rtnetlink(7) RTM_GETNEIGH of family AF_BRIDGE; linux/neighbour.h.
 */
GArray *vt_fdb_list(VtNetlink *netlink, int bridge, int port, const VtMac *mac, GError **error);

/**
 * vt_fdb_set - add an entry, or move it to another port
 * @netlink: handle
 * @entry:   what shall be there; its bridge follows from the port
 * @error:   (out) OPERATION_FAILED: a NIC has no room for it (igb also when it has that very entry), SYSTEM, TIMEOUT
 *
 * Return: FALSE on failure.
 */
gboolean vt_fdb_set(VtNetlink *netlink, const VtFdbEntry *entry, GError **error);

/**
 * vt_fdb_delete - remove an entry from a port
 * @netlink: handle
 * @entry:   port, address, VLAN and NTF_MASTER or NTF_SELF count
 * @error:   (out) SYSTEM, TIMEOUT; an entry or port that is not there is no error
 *
 * Return: FALSE on failure.
 */
gboolean vt_fdb_delete(VtNetlink *netlink, const VtFdbEntry *entry, GError **error);

/**
 * vt_fdb_pin - send a guest's frames to one port of a bridge, whatever is learned
 * @netlink: handle
 * @port:    ifindex of the port
 * @mac:     the guest's address
 * @error:   (out) SYSTEM, TIMEOUT
 *
 * The entry is static and sticky: a frame from the guest's address that comes in elsewhere (late, or looped
 * back by a switch) does not move it.
 * Return: FALSE on failure.
 */
gboolean vt_fdb_pin(VtNetlink *netlink, int port, const VtMac *mac, GError **error);

/**
 * vt_fdb_unpin - remove what vt_fdb_pin() has added
 * @netlink: handle
 * @port:    ifindex of the port
 * @mac:     the guest's address
 * @error:   (out) SYSTEM, TIMEOUT
 *
 * Return: FALSE on failure; nothing there to remove is none.
 */
gboolean vt_fdb_unpin(VtNetlink *netlink, int port, const VtMac *mac, GError **error);
