/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define LINK_FLAG_LOWER_UP (1u << 16) /* linux/if.h, which cannot be had beside net/if.h */

gboolean
vt_link_name_valid(const char *name)
{
    gsize length = name ? strlen(name) : 0;

    if (length == 0 || length >= IF_NAMESIZE || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return FALSE;
    for (const char *p = name; *p; p++)
        if (*p == '/' || *p == ':' || !g_ascii_isgraph(*p))
            return FALSE;
    return TRUE;
}

static void
link_parse_stats(const struct nlattr *attr, VtLinkStats *stats)
{
    struct rtnl_link_stats64 raw = { 0 };

    if (!attr)
        return;
    memcpy(&raw, nla_data(attr), MIN(sizeof raw, (gsize)nla_len(attr)));
    *stats = (VtLinkStats){
        .rx_bytes = raw.rx_bytes,
        .rx_packets = raw.rx_packets,
        .rx_errors = raw.rx_errors,
        .rx_dropped = raw.rx_dropped,
        .tx_bytes = raw.tx_bytes,
        .tx_packets = raw.tx_packets,
        .tx_errors = raw.tx_errors,
        .tx_dropped = raw.tx_dropped,
    };
}

static void
link_parse_port(struct nlattr *attr, VtLinkPort *port)
{
    struct nlattr *attrs[IFLA_BRPORT_MAX + 1];

    if (nla_parse_nested(attrs, IFLA_BRPORT_MAX, attr, NULL) < 0)
        return;
    *port = (VtLinkPort){
        .learning = vt_netlink_attr_u8(attrs[IFLA_BRPORT_LEARNING], 1),
        .flood = vt_netlink_attr_u8(attrs[IFLA_BRPORT_UNICAST_FLOOD], 1),
        .mcast_flood = vt_netlink_attr_u8(attrs[IFLA_BRPORT_MCAST_FLOOD], 1),
        .bcast_flood = vt_netlink_attr_u8(attrs[IFLA_BRPORT_BCAST_FLOOD], 1),
        .multicast_router = vt_netlink_attr_u8(attrs[IFLA_BRPORT_MULTICAST_ROUTER], 1),
    };
}

static void
link_parse_kind(struct nlattr *attr, VtLinkInfo *info)
{
    struct nlattr *attrs[IFLA_INFO_MAX + 1];
    const char *kind;
    const char *slave_kind;

    if (!attr || nla_parse_nested(attrs, IFLA_INFO_MAX, attr, NULL) < 0)
        return;
    kind = vt_netlink_attr_str(attrs[IFLA_INFO_KIND]);
    slave_kind = vt_netlink_attr_str(attrs[IFLA_INFO_SLAVE_KIND]);
    if (kind)
        g_strlcpy(info->kind, kind, sizeof info->kind);
    if (g_strcmp0(slave_kind, "bridge") != 0)
        return;
    info->is_bridge_port = TRUE;
    if (attrs[IFLA_INFO_SLAVE_DATA])
        link_parse_port(attrs[IFLA_INFO_SLAVE_DATA], &info->port);
}

const char *
vt_link_attrs(struct nlmsghdr *header, struct nlattr **attrs, int *index)
{
    const struct ifinfomsg *message = nlmsg_data(header);
    const char *name;

    if (header->nlmsg_type != RTM_NEWLINK || nlmsg_datalen(header) < (int)sizeof *message ||
        nlmsg_parse(header, sizeof *message, attrs, IFLA_MAX, NULL) < 0)
        return NULL;
    name = vt_netlink_attr_str(attrs[IFLA_IFNAME]);
    if (!name || message->ifi_index <= 0)
        return NULL;
    *index = message->ifi_index;
    return name;
}

gboolean
vt_link_parse(struct nlmsghdr *header, VtLinkInfo *info)
{
    struct nlattr *attrs[IFLA_MAX + 1];
    struct ifinfomsg *message = nlmsg_data(header);
    VtLinkInfo out = { 0 };
    const char *name;

    name = vt_link_attrs(header, attrs, &out.index);
    if (!name)
        return FALSE;
    g_strlcpy(out.name, name, sizeof out.name);
    out.up = (message->ifi_flags & IFF_UP) != 0;
    out.running = (message->ifi_flags & LINK_FLAG_LOWER_UP) != 0;
    if (attrs[IFLA_ADDRESS] && nla_len(attrs[IFLA_ADDRESS]) == sizeof out.mac.bytes)
        memcpy(out.mac.bytes, nla_data(attrs[IFLA_ADDRESS]), sizeof out.mac.bytes);
    out.mtu = vt_netlink_attr_u32(attrs[IFLA_MTU], 0);
    out.tx_queue_length = vt_netlink_attr_u32(attrs[IFLA_TXQLEN], 0);
    out.master = (int)vt_netlink_attr_u32(attrs[IFLA_MASTER], 0);
    out.parent = (int)vt_netlink_attr_u32(attrs[IFLA_LINK], 0);
    link_parse_stats(attrs[IFLA_STATS64], &out.stats);
    link_parse_kind(attrs[IFLA_LINKINFO], &out);
    *info = out;
    return TRUE;
}

typedef struct {
    VtLinkInfo *info;
    gboolean found;
} LinkGet;

static void
link_each(struct nlmsghdr *header, gpointer user)
{
    LinkGet *get = user;

    if (!get->found)
        get->found = vt_link_parse(header, get->info);
}

static gboolean
link_get(VtNetlink *netlink, const char *name, int index, VtLinkInfo *info, GError **error)
{
    struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = index };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(RTM_GETLINK, 0, &header, sizeof header);
    LinkGet get = { .info = info };
    g_autoptr(GError) inner = NULL;
    int errnum = 0;

    if (name)
        nla_put_string(message, IFLA_IFNAME, name);
    if (!vt_netlink_request(netlink, message, link_each, &get, VT_NETLINK_TIMEOUT_MS, &errnum, &inner) &&
        errnum != ENODEV) {
        g_propagate_error(error, g_steal_pointer(&inner));
        return FALSE;
    }
    if (get.found)
        return TRUE;
    if (name)
        return vt_error_set(error, VT_ERROR_NO_DEVICE, "There is no network interface '%s'.", name);
    return vt_error_set(error, VT_ERROR_NO_DEVICE, "There is no network interface of index %d.", index);
}

gboolean
vt_link_get(VtNetlink *netlink, const char *name, VtLinkInfo *info, GError **error)
{
    if (!vt_link_name_valid(name))
        return vt_error_set(error, VT_ERROR_NO_DEVICE, "'%s' cannot be the name of a network interface.",
                            name);
    return link_get(netlink, name, 0, info, error);
}

gboolean
vt_link_get_by_index(VtNetlink *netlink, int index, VtLinkInfo *info, GError **error)
{
    return link_get(netlink, NULL, index, info, error);
}

int
vt_link_index(VtNetlink *netlink, const char *name, GError **error)
{
    VtLinkInfo info;

    return vt_link_get(netlink, name, &info, error) ? info.index : 0;
}

gboolean
vt_link_exists(VtNetlink *netlink, const char *name)
{
    VtLinkInfo info;

    return vt_link_get(netlink, name, &info, NULL);
}

gboolean
vt_link_is_bridge(VtNetlink *netlink, const char *name)
{
    VtLinkInfo info;

    return vt_link_get(netlink, name, &info, NULL) && strcmp(info.kind, "bridge") == 0;
}

/* A request that changes the link @name; the caller adds attributes. NULL when there is no such link. */
static VtNetlinkMsg *
link_change(VtNetlink *netlink, const char *name, struct ifinfomsg *header, GError **error)
{
    header->ifi_index = vt_link_index(netlink, name, error);
    if (header->ifi_index == 0)
        return NULL;
    return vt_netlink_msg(RTM_NEWLINK, 0, header, sizeof *header);
}

static gboolean
link_send(VtNetlink *netlink, VtNetlinkMsg *message, const char *what, const char *name, GError **error)
{
    if (vt_netlink_request(netlink, message, NULL, NULL, VT_NETLINK_TIMEOUT_MS, NULL, error))
        return TRUE;
    g_prefix_error(error, "Cannot set the %s of '%s': ", what, name);
    return FALSE;
}

gboolean
vt_link_set_up(VtNetlink *netlink, const char *name, gboolean up, GError **error)
{
    struct ifinfomsg header = { .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP };
    g_autoptr(VtNetlinkMsg) message = link_change(netlink, name, &header, error);

    return message && link_send(netlink, message, "state", name, error);
}

gboolean
vt_link_set_master(VtNetlink *netlink, const char *name, const char *master, GError **error)
{
    struct ifinfomsg header = { 0 };
    g_autoptr(VtNetlinkMsg) message = link_change(netlink, name, &header, error);
    int master_index = 0;

    if (!message)
        return FALSE;
    if (master) {
        master_index = vt_link_index(netlink, master, error);
        if (master_index == 0)
            return FALSE;
    }
    nla_put_u32(message, IFLA_MASTER, (guint32)master_index);
    return link_send(netlink, message, "bridge", name, error);
}

gboolean
vt_link_set_mtu(VtNetlink *netlink, const char *name, guint32 mtu, GError **error)
{
    struct ifinfomsg header = { 0 };
    g_autoptr(VtNetlinkMsg) message = link_change(netlink, name, &header, error);

    if (!message)
        return FALSE;
    nla_put_u32(message, IFLA_MTU, mtu);
    return link_send(netlink, message, "MTU", name, error);
}

gboolean
vt_link_set_mac(VtNetlink *netlink, const char *name, const VtMac *mac, GError **error)
{
    struct ifinfomsg header = { 0 };
    g_autoptr(VtNetlinkMsg) message = link_change(netlink, name, &header, error);

    if (!message)
        return FALSE;
    nla_put(message, IFLA_ADDRESS, sizeof mac->bytes, mac->bytes);
    return link_send(netlink, message, "MAC address", name, error);
}

gboolean
vt_link_set_tx_queue_length(VtNetlink *netlink, const char *name, guint32 frames, GError **error)
{
    struct ifinfomsg header = { 0 };
    g_autoptr(VtNetlinkMsg) message = link_change(netlink, name, &header, error);

    if (!message)
        return FALSE;
    nla_put_u32(message, IFLA_TXQLEN, frames);
    return link_send(netlink, message, "queue length", name, error);
}

gboolean
vt_link_set_port(VtNetlink *netlink, const char *name, const VtLinkPort *port, GError **error)
{
    struct ifinfomsg header = { .ifi_family = AF_BRIDGE };
    g_autoptr(VtNetlinkMsg) message = link_change(netlink, name, &header, error);
    struct nlattr *nest;

    if (!message)
        return FALSE;
    nlmsg_hdr(message)->nlmsg_type = RTM_SETLINK; /* the bridge module listens to this one only */
    nest = nla_nest_start(message, IFLA_PROTINFO | NLA_F_NESTED);
    nla_put_u8(message, IFLA_BRPORT_LEARNING, port->learning);
    nla_put_u8(message, IFLA_BRPORT_UNICAST_FLOOD, port->flood);
    nla_put_u8(message, IFLA_BRPORT_MCAST_FLOOD, port->mcast_flood);
    nla_put_u8(message, IFLA_BRPORT_BCAST_FLOOD, port->bcast_flood);
    nla_put_u8(message, IFLA_BRPORT_MULTICAST_ROUTER, port->multicast_router);
    nla_nest_end(message, nest);
    return link_send(netlink, message, "bridge port settings", name, error);
}

gboolean
vt_link_set_isolated(VtNetlink *netlink, const char *name, gboolean isolated, GError **error)
{
    struct ifinfomsg header = { .ifi_family = AF_BRIDGE };
    g_autoptr(VtNetlinkMsg) message = link_change(netlink, name, &header, error);
    struct nlattr *nest;

    if (!message)
        return FALSE;
    nlmsg_hdr(message)->nlmsg_type = RTM_SETLINK;
    nest = nla_nest_start(message, IFLA_PROTINFO | NLA_F_NESTED);
    nla_put_u8(message, IFLA_BRPORT_ISOLATED, isolated ? 1 : 0);
    nla_nest_end(message, nest);
    return link_send(netlink, message, "isolation of a bridge port", name, error);
}

gboolean
vt_link_delete(VtNetlink *netlink, const char *name, GError **error)
{
    g_autoptr(GError) inner = NULL;
    struct ifinfomsg header = { .ifi_index = vt_link_index(netlink, name, &inner) };
    g_autoptr(VtNetlinkMsg) message = NULL;
    int errnum = 0;

    if (header.ifi_index == 0) {
        if (g_error_matches(inner, VT_ERROR, VT_ERROR_NO_DEVICE))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&inner));
        return FALSE;
    }
    message = vt_netlink_msg(RTM_DELLINK, 0, &header, sizeof header);
    if (vt_netlink_request(netlink, message, NULL, NULL, VT_NETLINK_TIMEOUT_MS, &errnum, &inner) ||
        errnum == ENODEV)
        return TRUE;
    g_propagate_prefixed_error(error, g_steal_pointer(&inner), "Cannot remove '%s': ", name);
    return FALSE;
}
