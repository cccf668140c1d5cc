/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath/mirror.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>

typedef struct {
    int ifindex;
    VtMirrorQdisc qdisc;
} MirrorLook;

static void
mirror_each_qdisc(struct nlmsghdr *header, gpointer user)
{
    MirrorLook *look = user;
    struct tcmsg *message = nlmsg_data(header);
    struct nlattr *attrs[TCA_MAX + 1];
    const char *kind;

    if (header->nlmsg_type != RTM_NEWQDISC || nlmsg_datalen(header) < (int)sizeof *message ||
        message->tcm_ifindex != look->ifindex ||
        nlmsg_parse(header, sizeof *message, attrs, TCA_MAX, NULL) < 0)
        return;
    kind = vt_netlink_attr_str(attrs[TCA_KIND]);
    if (g_strcmp0(kind, "clsact") == 0)
        look->qdisc = VT_MIRROR_CLSACT;
    else if (g_strcmp0(kind, "ingress") == 0)
        look->qdisc = VT_MIRROR_INGRESS;
}

gboolean
vt_mirror_qdisc(VtNetlink *netlink, int ifindex, VtMirrorQdisc *qdisc, GError **error)
{
    struct tcmsg header = { .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(RTM_GETQDISC, NLM_F_DUMP, &header, sizeof header);
    MirrorLook look = { .ifindex = ifindex };

    if (!vt_netlink_request(netlink, message, mirror_each_qdisc, &look, VT_NETLINK_TIMEOUT_MS, NULL, error)) {
        g_prefix_error(error, "Cannot list queueing disciplines: ");
        return FALSE;
    }
    *qdisc = look.qdisc;
    return TRUE;
}

static gboolean
mirror_send(VtNetlink *netlink, VtNetlinkMsg *message, const char *what, int *errnum, GError **error)
{
    if (vt_netlink_request(netlink, message, NULL, NULL, VT_NETLINK_TIMEOUT_MS, errnum, error))
        return TRUE;
    g_prefix_error(error, "Cannot %s: ", what);
    return FALSE;
}

static gboolean
mirror_change_qdisc(VtNetlink *netlink, int type, int flags, int ifindex, int *errnum, GError **error)
{
    struct tcmsg header = {
        .tcm_family = AF_UNSPEC,
        .tcm_ifindex = ifindex,
        .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
        .tcm_parent = TC_H_CLSACT,
    };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(type, flags, &header, sizeof header);

    nla_put_string(message, TCA_KIND, "clsact");
    return mirror_send(netlink, message, "change a clsact queueing discipline", errnum, error);
}

gboolean
vt_mirror_remove_qdisc(VtNetlink *netlink, int ifindex, GError **error)
{
    g_autoptr(GError) inner = NULL;
    int errnum = 0;

    if (mirror_change_qdisc(netlink, RTM_DELQDISC, 0, ifindex, &errnum, &inner) || errnum == ENOENT ||
        errnum == EINVAL || errnum == ENODEV)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
}

static VtNetlinkMsg *
mirror_filter_msg(int type, int flags, int ifindex, guint preference)
{
    struct tcmsg header = {
        .tcm_family = AF_UNSPEC,
        .tcm_ifindex = ifindex,
        .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS),
        .tcm_info = TC_H_MAKE(preference << 16, htons(ETH_P_ALL)),
    };

    return vt_netlink_msg(type, flags, &header, sizeof header);
}

typedef struct {
    struct tc_u32_sel sel;
    struct tc_u32_key keys[2];
} MirrorSelector;

/*
 * u32 counts from the network header: the destination address stands at -14, the source address at -8. It reads
 * words at multiples of four, so an address takes two of them, with masks.
 */
static void
mirror_select_mac(MirrorSelector *selector, const VtMac *mac, gboolean source)
{
    const guint8 *b = mac->bytes;

    selector->sel.nkeys = 2;
    if (source) {
        selector->keys[0] = (struct tc_u32_key){
            .mask = 0xffffffff,
            .val = htonl((guint32)b[0] << 24 | (guint32)b[1] << 16 | (guint32)b[2] << 8 | b[3]),
            .off = -8,
        };
        selector->keys[1] = (struct tc_u32_key){
            .mask = htonl(0xffff0000),
            .val = htonl((guint32)b[4] << 24 | (guint32)b[5] << 16),
            .off = -4,
        };
        return;
    }
    selector->keys[0] = (struct tc_u32_key){
        .mask = htonl(0x0000ffff),
        .val = htonl((guint32)b[0] << 8 | b[1]),
        .off = -16,
    };
    selector->keys[1] = (struct tc_u32_key){
        .mask = 0xffffffff,
        .val = htonl((guint32)b[2] << 24 | (guint32)b[3] << 16 | (guint32)b[4] << 8 | b[5]),
        .off = -12,
    };
}

static void
mirror_put_action(VtNetlinkMsg *message, int to)
{
    struct tc_mirred mirred = { .action = TC_ACT_PIPE, .eaction = TCA_EGRESS_MIRROR, .ifindex = (guint32)to };
    struct nlattr *actions = nla_nest_start(message, TCA_U32_ACT);
    struct nlattr *first = nla_nest_start(message, 1);
    struct nlattr *options;

    nla_put_string(message, TCA_ACT_KIND, "mirred");
    options = nla_nest_start(message, TCA_ACT_OPTIONS | NLA_F_NESTED);
    nla_put(message, TCA_MIRRED_PARMS, sizeof mirred, &mirred);
    nla_nest_end(message, options);
    nla_nest_end(message, first);
    nla_nest_end(message, actions);
}

/* One filter: frames that @selector matches are copied to @to; with 0 they are left alone by later filters. */
static gboolean
mirror_add_filter(VtNetlink *netlink, int from, guint preference, MirrorSelector *selector, int to,
                  int *errnum, GError **error)
{
    g_autoptr(VtNetlinkMsg) message =
        mirror_filter_msg(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, from, preference);
    struct nlattr *options;

    selector->sel.flags = TC_U32_TERMINAL;
    nla_put_string(message, TCA_KIND, "u32");
    options = nla_nest_start(message, TCA_OPTIONS | NLA_F_NESTED);
    nla_put(message, TCA_U32_SEL,
            (int)(sizeof selector->sel + selector->sel.nkeys * sizeof selector->keys[0]), selector);
    if (to)
        mirror_put_action(message, to);
    nla_nest_end(message, options);
    return mirror_send(netlink, message, "set up copies of frames", errnum, error);
}

static gboolean
mirror_delete_filter(VtNetlink *netlink, int from, guint preference, GError **error)
{
    g_autoptr(VtNetlinkMsg) message = mirror_filter_msg(RTM_DELTFILTER, 0, from, preference);
    g_autoptr(GError) inner = NULL;
    int errnum = 0;

    /* EINVAL: no clsact, and so no filters. */
    if (mirror_send(netlink, message, "end copies of frames", &errnum, &inner) || errnum == ENOENT ||
        errnum == EINVAL || errnum == ENODEV)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
}

gboolean
vt_mirror_stop(VtNetlink *netlink, int from, GError **error)
{
    return mirror_delete_filter(netlink, from, VT_MIRROR_PREFERENCE + 1, error) &&
           mirror_delete_filter(netlink, from, VT_MIRROR_PREFERENCE, error);
}

gboolean
vt_mirror_add_qdisc(VtNetlink *netlink, int ifindex, GError **error)
{
    VtMirrorQdisc qdisc;
    int errnum = 0;

    if (!vt_mirror_qdisc(netlink, ifindex, &qdisc, error))
        return FALSE;
    if (qdisc == VT_MIRROR_CLSACT)
        return TRUE;
    if (qdisc == VT_MIRROR_INGRESS)
        return vt_error_set(
            error, VT_ERROR_UNSUPPORTED,
            "The interface of index %d has an ingress queueing discipline: copies need a clsact in its "
            "place.",
            ifindex);
    return mirror_change_qdisc(netlink, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex, &errnum, error);
}

static gboolean
mirror_add_filters(VtNetlink *netlink, int from, int to, VtMirrorWhat what, const VtMac *mac, int *errnum,
                   GError **error)
{
    MirrorSelector address = { .keys = { { 0 } } };
    MirrorSelector all = { .sel = { .nkeys = 1 } }; /* a key with mask 0 matches everything */

    mirror_select_mac(&address, mac, what == VT_MIRROR_NOT_FROM);
    if (what == VT_MIRROR_ONLY_TO)
        return mirror_add_filter(netlink, from, VT_MIRROR_PREFERENCE, &address, to, errnum, error);
    return mirror_add_filter(netlink, from, VT_MIRROR_PREFERENCE, &address, 0, errnum, error) &&
           mirror_add_filter(netlink, from, VT_MIRROR_PREFERENCE + 1, &all, to, errnum, error);
}

gboolean
vt_mirror_start(VtNetlink *netlink, int from, int to, VtMirrorWhat what, const VtMac *mac, GError **error)
{
    g_autoptr(GError) inner = NULL;
    int errnum = 0;

    if (!vt_mirror_stop(netlink, from, error))
        return FALSE;
    if (mirror_add_filters(netlink, from, to, what, mac, &errnum, &inner))
        return TRUE;
    vt_mirror_stop(netlink, from, NULL);
    if (errnum == ENOENT)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            "%s: this kernel lacks the modules cls_u32 or act_mirred.", inner->message);
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
}
