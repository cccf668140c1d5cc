/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Network interfaces of the host: what they are, and the acts that guests need.
 *
 * Everything here asks the kernel and returns; each request is bounded by VT_NETLINK_TIMEOUT_MS.
 */
#pragma once

#include "util/fd.h"
#include "util/ident.h"
#include "util/netlink.h"

#include <net/if.h>

typedef struct {
    guint64 rx_bytes, rx_packets, rx_errors, rx_dropped;
    guint64 tx_bytes, tx_packets, tx_errors, tx_dropped;
} VtLinkStats;

/** A bridge's settings of one of its ports; the bridge module calls them so, too. */
typedef struct {
    guint8 learning;
    guint8 flood; /* unicast that no FDB entry knows */
    guint8 mcast_flood;
    guint8 bcast_flood;
    guint8 multicast_router; /* 0 never, 1 learned, 2 always */
} VtLinkPort;

typedef struct {
    int index;
    char name[IF_NAMESIZE];
    char kind[16];    /* "bridge", "tun", "veth", ...; "" for hardware */
    gboolean up;      /* administratively */
    gboolean running; /* and with carrier */
    VtMac mac;
    guint32 mtu;
    guint32 tx_queue_length;
    int master; /* ifindex; 0: none */
    int parent; /* ifindex of the link below (macvtap, VLAN, veth peer); 0: none */
    gboolean is_bridge_port;
    VtLinkPort port; /* when is_bridge_port */
    VtLinkStats stats;
} VtLinkInfo;

/**
 * vt_link_get - everything about an interface
 * @netlink: handle
 * @name:    its name
 * @info:    (out) set only on success
 * @error:   (out) NO_DEVICE when there is none of that name, SYSTEM, TIMEOUT
 *
 * Return: FALSE on failure.
 * Source: rtnetlink(7), RTM_GETLINK.
 */
gboolean vt_link_get(VtNetlink *netlink, const char *name, VtLinkInfo *info, GError **error);

/** As vt_link_get(), by interface index. */
gboolean vt_link_get_by_index(VtNetlink *netlink, int index, VtLinkInfo *info, GError **error);

/**
 * vt_link_index - index of an interface
 * @netlink: handle
 * @name:    its name
 * @error:   (out) as vt_link_get()
 *
 * Return: the index, or 0 with @error set.
 */
int vt_link_index(VtNetlink *netlink, const char *name, GError **error);

/** TRUE when an interface of that name exists. */
gboolean vt_link_exists(VtNetlink *netlink, const char *name);

/** TRUE when an interface of that name exists and is a Linux bridge. */
gboolean vt_link_is_bridge(VtNetlink *netlink, const char *name);

/**
 * vt_link_set_up - bring an interface up or down
 * @netlink: handle
 * @name:    its name
 * @up:      TRUE: up
 * @error:   (out) as vt_link_get()
 *
 * Return: FALSE on failure. The other setters are alike.
 */
gboolean vt_link_set_up(VtNetlink *netlink, const char *name, gboolean up, GError **error);

/** Make the interface a port of @master, or with NULL of none. */
gboolean vt_link_set_master(VtNetlink *netlink, const char *name, const char *master, GError **error);
gboolean vt_link_set_mtu(VtNetlink *netlink, const char *name, guint32 mtu, GError **error);
gboolean vt_link_set_mac(VtNetlink *netlink, const char *name, const VtMac *mac, GError **error);
/** How many frames may wait for a reader; for a tap, the length of its queue towards the guest. */
gboolean vt_link_set_tx_queue_length(VtNetlink *netlink, const char *name, guint32 frames, GError **error);

/**
 * vt_link_set_port - set how a bridge treats one of its ports
 * @netlink: handle
 * @name:    the port
 * @port:    all settings are written
 * @error:   (out) as vt_link_get(); SYSTEM when it is no bridge port
 *
 * Return: FALSE on failure.
 */
gboolean vt_link_set_port(VtNetlink *netlink, const char *name, const VtLinkPort *port, GError **error);

/** As vt_link_set_port(): an isolated port exchanges frames with ports only that are not. */
gboolean vt_link_set_isolated(VtNetlink *netlink, const char *name, gboolean isolated, GError **error);

/**
 * vt_link_delete - remove a virtual interface
 * @netlink: handle
 * @name:    one that is not there is no error
 * @error:   (out) SYSTEM, TIMEOUT
 *
 * Return: FALSE on failure.
 */
gboolean vt_link_delete(VtNetlink *netlink, const char *name, GError **error);

/**
 * vt_link_parse - an RTM_NEWLINK message into a struct, pure
 * @header: the message
 * @info:   (out) set only on success
 *
 * Return: FALSE when the message is malformed.
 */
gboolean vt_link_parse(struct nlmsghdr *header, VtLinkInfo *info);

/**
 * vt_link_attrs - what every RTM_NEWLINK message has, and its attributes, pure
 * @header: the message
 * @attrs:  (out) IFLA_MAX + 1 of them, by number; pointers into the message
 * @index:  (out) set only on success
 *
 * Return: (transfer none) the interface's name, or NULL when the message is malformed.
 */
const char *vt_link_attrs(struct nlmsghdr *header, struct nlattr **attrs, int *index);

/**
 * vt_link_name_valid - whether the kernel would take a name
 * @name: (nullable) what to check
 *
 * Return: TRUE for 1 to 15 printable characters without '/', ':' and blanks, not "." or "..".
 */
gboolean vt_link_name_valid(const char *name);
