/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath/mirror.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_gact.h>
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

#define MIRROR_NOWHERE (-1)

/* Where a filter stands and what it does with what it matches. */
typedef struct {
    guint hook; /* TC_H_MIN_EGRESS, TC_H_MIN_INGRESS */
    guint preference;
    int to;      /* 0: leave it alone, and to no later filter; MIRROR_NOWHERE: drop it */
    int eaction; /* TCA_EGRESS_MIRROR, TCA_EGRESS_REDIR */
} MirrorRule;

static VtNetlinkMsg *
mirror_filter_msg(int type, int flags, int ifindex, const MirrorRule *rule)
{
    struct tcmsg header = {
        .tcm_family = AF_UNSPEC,
        .tcm_ifindex = ifindex,
        .tcm_parent = TC_H_MAKE(TC_H_CLSACT, rule->hook),
        .tcm_info = TC_H_MAKE(rule->preference << 16, htons(ETH_P_ALL)),
    };

    return vt_netlink_msg(type, flags, &header, sizeof header);
}

typedef union {
    struct tc_u32_sel sel; /* ends with an array of keys */
    guint8 space[sizeof(struct tc_u32_sel) + 4 * sizeof(struct tc_u32_key)];
} MirrorSelector;

/*
 * u32 counts from the network header: the destination address stands at -14, the source address at -8. It reads
 * words at multiples of four, so an address takes two of them, with masks. What was selected before stays.
 */
static void
mirror_select_mac(MirrorSelector *selector, const VtMac *mac, gboolean source)
{
    const guint8 *b = mac->bytes;
    struct tc_u32_key *keys = &selector->sel.keys[selector->sel.nkeys];

    selector->sel.nkeys += 2;
    if (source) {
        keys[0] = (struct tc_u32_key){
            .mask = 0xffffffff,
            .val = htonl((guint32)b[0] << 24 | (guint32)b[1] << 16 | (guint32)b[2] << 8 | b[3]),
            .off = -8,
        };
        keys[1] = (struct tc_u32_key){
            .mask = htonl(0xffff0000),
            .val = htonl((guint32)b[4] << 24 | (guint32)b[5] << 16),
            .off = -4,
        };
        return;
    }
    keys[0] = (struct tc_u32_key){
        .mask = htonl(0x0000ffff),
        .val = htonl((guint32)b[0] << 8 | b[1]),
        .off = -16,
    };
    keys[1] = (struct tc_u32_key){
        .mask = 0xffffffff,
        .val = htonl((guint32)b[2] << 24 | (guint32)b[3] << 16 | (guint32)b[4] << 8 | b[5]),
        .off = -12,
    };
}

static void
mirror_put_action(VtNetlinkMsg *message, const MirrorRule *rule)
{
    const struct tc_gact drop = { .action = TC_ACT_SHOT };
    const struct tc_mirred mirred = {
        .action = rule->eaction == TCA_EGRESS_MIRROR ? TC_ACT_PIPE : TC_ACT_STOLEN,
        .eaction = rule->eaction,
        .ifindex = (guint32)rule->to,
    };
    struct nlattr *actions = nla_nest_start(message, TCA_U32_ACT);
    struct nlattr *first = nla_nest_start(message, 1);
    struct nlattr *options;

    nla_put_string(message, TCA_ACT_KIND, rule->to == MIRROR_NOWHERE ? "gact" : "mirred");
    options = nla_nest_start(message, TCA_ACT_OPTIONS | NLA_F_NESTED);
    if (rule->to == MIRROR_NOWHERE)
        nla_put(message, TCA_GACT_PARMS, sizeof drop, &drop);
    else
        nla_put(message, TCA_MIRRED_PARMS, sizeof mirred, &mirred);
    nla_nest_end(message, options);
    nla_nest_end(message, first);
    nla_nest_end(message, actions);
}

static gboolean
mirror_add_filter(VtNetlink *netlink, int from, const MirrorRule *rule, MirrorSelector *selector, int *errnum,
                  GError **error)
{
    g_autoptr(VtNetlinkMsg) message =
        mirror_filter_msg(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, from, rule);
    struct nlattr *options;

    selector->sel.flags = TC_U32_TERMINAL;
    nla_put_string(message, TCA_KIND, "u32");
    options = nla_nest_start(message, TCA_OPTIONS | NLA_F_NESTED);
    nla_put(message, TCA_U32_SEL,
            (int)(sizeof selector->sel + selector->sel.nkeys * sizeof selector->sel.keys[0]), selector);
    if (rule->to)
        mirror_put_action(message, rule);
    nla_nest_end(message, options);
    return mirror_send(netlink, message, "set up copies of frames", errnum, error);
}

static gboolean
mirror_delete_filter(VtNetlink *netlink, int from, const MirrorRule *rule, GError **error)
{
    g_autoptr(VtNetlinkMsg) message = mirror_filter_msg(RTM_DELTFILTER, 0, from, rule);
    g_autoptr(GError) inner = NULL;
    int errnum = 0;

    /* EINVAL: no clsact, and so no filters. */
    if (mirror_send(netlink, message, "end copies of frames", &errnum, &inner) || errnum == ENOENT ||
        errnum == EINVAL || errnum == ENODEV)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
}

/* All the places where filters of ours may stand. */
static const MirrorRule mirror_rules[] = {
    { .hook = TC_H_MIN_EGRESS, .preference = VT_MIRROR_PREFERENCE + 2 },
    { .hook = TC_H_MIN_EGRESS, .preference = VT_MIRROR_PREFERENCE + 1 },
    { .hook = TC_H_MIN_EGRESS, .preference = VT_MIRROR_PREFERENCE },
    { .hook = TC_H_MIN_INGRESS, .preference = VT_MIRROR_PREFERENCE },
};

gboolean
vt_mirror_stop(VtNetlink *netlink, int from, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(mirror_rules); i++)
        if (!mirror_delete_filter(netlink, from, &mirror_rules[i], error))
            return FALSE;
    return TRUE;
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

static const VtMac mirror_broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

/*
 * What comes from the guest itself must not get back to it: a guest that sends over one leg while the other is fed would
 * find its own addresses taken. A kernel without act_gact cannot drop it; there it is kept from the copies alone.
 */
static gboolean
mirror_keep_echoes(VtNetlink *netlink, int from, const MirrorRule *rule, MirrorSelector *address, int *errnum,
                   GError **error)
{
    MirrorRule drop = *rule;
    g_autoptr(GError) inner = NULL;

    drop.to = MIRROR_NOWHERE;
    if (mirror_add_filter(netlink, from, &drop, address, errnum, &inner))
        return TRUE;
    if (*errnum == ENOENT)
        return mirror_add_filter(netlink, from, rule, address, errnum, error);
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
}

static gboolean
mirror_add_filters(VtNetlink *netlink, int from, int to, VtMirrorWhat what, const VtMac *mac, int *errnum,
                   GError **error)
{
    MirrorSelector address = { .space = { 0 } };
    MirrorSelector all = { .space = { 0 } }; /* a key with mask 0 matches everything */
    MirrorRule first = { .hook = TC_H_MIN_EGRESS,
                         .preference = VT_MIRROR_PREFERENCE,
                         .eaction = TCA_EGRESS_MIRROR };
    MirrorRule broadcasts = first, others = first;

    mirror_select_mac(&address, mac, what != VT_MIRROR_ONLY_TO);
    if (what == VT_MIRROR_ONLY_TO) {
        first.to = to;
        return mirror_add_filter(netlink, from, &first, &address, errnum, error);
    }
    broadcasts.preference += 1;
    others.preference += 2;
    others.to = to;
    all.sel.nkeys = 1;
    if (!mirror_keep_echoes(netlink, from, &first, &address, errnum, error))
        return FALSE;
    if (what == VT_MIRROR_NOT_FROM_NOR_BROADCAST) {
        address.sel.nkeys = 0;
        mirror_select_mac(&address, &mirror_broadcast, FALSE);
        if (!mirror_add_filter(netlink, from, &broadcasts, &address, errnum, error))
            return FALSE;
    }
    return mirror_add_filter(netlink, from, &others, &all, errnum, error);
}

/* A kernel that lacks what is needed says so in its own way. */
static gboolean
mirror_explain(GError *inner, int errnum, GError **error)
{
    g_autoptr(GError) owned = inner;

    if (errnum == ENOENT)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            "%s: this kernel lacks the modules cls_u32 or act_mirred.", inner->message);
    g_propagate_error(error, g_steal_pointer(&owned));
    return FALSE;
}

gboolean
vt_mirror_start(VtNetlink *netlink, int from, int to, VtMirrorWhat what, const VtMac *mac, GError **error)
{
    GError *inner = NULL;
    int errnum = 0;

    if (!vt_mirror_stop(netlink, from, error))
        return FALSE;
    if (mirror_add_filters(netlink, from, to, what, mac, &errnum, &inner))
        return TRUE;
    vt_mirror_stop(netlink, from, NULL);
    return mirror_explain(inner, errnum, error);
}

/* Of several filters of one preference that match, the kernel takes the one that was added first. */
static gboolean
mirror_drop_echoes(VtNetlink *netlink, int from, const VtMac *mac, const GArray *echoes, int *errnum,
                   GError **error)
{
    const MirrorRule rule = { .hook = TC_H_MIN_INGRESS,
                              .preference = VT_MIRROR_PREFERENCE,
                              .to = MIRROR_NOWHERE };
    g_autoptr(GError) inner = NULL;

    for (guint i = 0; echoes && i < echoes->len; i++) {
        MirrorSelector both = { .space = { 0 } };

        mirror_select_mac(&both, mac, FALSE);
        mirror_select_mac(&both, &g_array_index(echoes, VtMac, i), TRUE);
        if (!mirror_add_filter(netlink, from, &rule, &both, errnum, &inner)) {
            /* No act_gact: an echo is a frame too many, which is no reason to give up. */
            if (*errnum == ENOENT)
                break;
            g_propagate_error(error, g_steal_pointer(&inner));
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
vt_mirror_divert(VtNetlink *netlink, int from, int to, const VtMac *mac, const GArray *echoes, GError **error)
{
    MirrorRule rule = {
        .hook = TC_H_MIN_INGRESS,
        .preference = VT_MIRROR_PREFERENCE,
        .to = to,
        .eaction = TCA_EGRESS_REDIR,
    };
    MirrorSelector address = { .space = { 0 } };
    GError *inner = NULL;
    int errnum = 0;

    mirror_select_mac(&address, mac, FALSE);
    if (!mirror_delete_filter(netlink, from, &rule, error))
        return FALSE;
    if (mirror_drop_echoes(netlink, from, mac, echoes, &errnum, &inner) &&
        mirror_add_filter(netlink, from, &rule, &address, &errnum, &inner))
        return TRUE;
    mirror_delete_filter(netlink, from, &rule, NULL);
    return mirror_explain(inner, errnum, error);
}
