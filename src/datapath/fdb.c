/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath/fdb.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#ifndef NTF_STICKY
#define NTF_STICKY (1 << 6) /* Linux 4.20 */
#endif

typedef struct {
    GArray *entries;
    int bridge;
    int port;
    const VtMac *mac;
} FdbList;

static void
fdb_each(struct nlmsghdr *header, gpointer user)
{
    FdbList *list = user;
    struct ndmsg *message = nlmsg_data(header);
    struct nlattr *attrs[NDA_MAX + 1];
    VtFdbEntry entry = { 0 };

    if (header->nlmsg_type != RTM_NEWNEIGH || nlmsg_datalen(header) < (int)sizeof *message ||
        message->ndm_family != AF_BRIDGE || nlmsg_parse(header, sizeof *message, attrs, NDA_MAX, NULL) < 0)
        return;
    if (!attrs[NDA_LLADDR] || nla_len(attrs[NDA_LLADDR]) != sizeof entry.mac.bytes)
        return;
    memcpy(entry.mac.bytes, nla_data(attrs[NDA_LLADDR]), sizeof entry.mac.bytes);
    entry.ifindex = message->ndm_ifindex;
    entry.bridge = (int)vt_netlink_attr_u32(attrs[NDA_MASTER], 0);
    entry.state = message->ndm_state;
    /* The kernel tells whose table it is by NDA_MASTER, but wants to be told by flags. */
    entry.flags = (message->ndm_flags & NTF_STICKY) | (entry.bridge ? NTF_MASTER : NTF_SELF);
    if (attrs[NDA_VLAN] && nla_len(attrs[NDA_VLAN]) >= 2)
        entry.vlan = nla_get_u16(attrs[NDA_VLAN]);
    /* Kernels differ in how well they filter, so it is done here too. */
    if (entry.bridge != list->bridge || (list->port && entry.ifindex != list->port) ||
        (list->mac && !vt_mac_equal(list->mac, &entry.mac)))
        return;
    g_array_append_val(list->entries, entry);
}

GArray *
vt_fdb_list(VtNetlink *netlink, int bridge, int port, const VtMac *mac, GError **error)
{
    struct ifinfomsg header = { .ifi_family = AF_BRIDGE, .ifi_index = bridge ? 0 : port };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(RTM_GETNEIGH, NLM_F_DUMP, &header, sizeof header);
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(VtFdbEntry));
    FdbList list = { .entries = entries, .bridge = bridge, .port = port, .mac = mac };

    if (bridge)
        nla_put_u32(message, IFLA_MASTER, (guint32)bridge);
    if (!vt_netlink_request(netlink, message, fdb_each, &list, VT_NETLINK_TIMEOUT_MS, NULL, error)) {
        g_prefix_error(error, "Cannot list forwarding entries: ");
        return NULL;
    }
    return g_steal_pointer(&entries);
}

static gboolean
fdb_send(VtNetlink *netlink, int type, int flags, const VtFdbEntry *entry, int *errnum, GError **error)
{
    struct ndmsg header = {
        .ndm_family = AF_BRIDGE,
        .ndm_ifindex = entry->ifindex,
        .ndm_state = entry->state,
        .ndm_flags = entry->flags,
    };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(type, flags, &header, sizeof header);
    char mac[VT_MAC_STRING_SIZE];

    nla_put(message, NDA_LLADDR, sizeof entry->mac.bytes, entry->mac.bytes);
    if (entry->vlan)
        nla_put_u16(message, NDA_VLAN, entry->vlan);
    if (vt_netlink_request(netlink, message, NULL, NULL, VT_NETLINK_TIMEOUT_MS, errnum, error))
        return TRUE;
    g_prefix_error(error, "Cannot change the forwarding entry of '%s': ", vt_mac_format(&entry->mac, mac));
    return FALSE;
}

gboolean
vt_fdb_set(VtNetlink *netlink, const VtFdbEntry *entry, GError **error)
{
    g_autoptr(GError) inner = NULL;
    int errnum = 0;

    if (fdb_send(netlink, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, entry, &errnum, &inner))
        return TRUE;
    /* A NIC's own table knows no replacing: it is there, and that is what was asked for. */
    if (errnum == EEXIST && (entry->flags & NTF_SELF))
        return TRUE;
    if ((errnum == ENOMEM || errnum == ENOSPC) && (entry->flags & NTF_SELF))
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "The NIC has no room for it: %s",
                            inner->message);
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
}

gboolean
vt_fdb_delete(VtNetlink *netlink, const VtFdbEntry *entry, GError **error)
{
    g_autoptr(GError) inner = NULL;
    int errnum = 0;

    if (fdb_send(netlink, RTM_DELNEIGH, 0, entry, &errnum, &inner) || errnum == ENOENT || errnum == ENODEV)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
}

gboolean
vt_fdb_pin(VtNetlink *netlink, int port, const VtMac *mac, GError **error)
{
    VtFdbEntry entry = { .ifindex = port, .mac = *mac, .state = NUD_NOARP, .flags = NTF_MASTER | NTF_STICKY };

    return vt_fdb_set(netlink, &entry, error);
}

gboolean
vt_fdb_unpin(VtNetlink *netlink, int port, const VtMac *mac, GError **error)
{
    VtFdbEntry entry = { .ifindex = port, .mac = *mac, .state = NUD_NOARP, .flags = NTF_MASTER };

    return vt_fdb_delete(netlink, &entry, error);
}
