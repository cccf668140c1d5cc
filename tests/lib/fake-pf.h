/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A PF with VFs in the kernel's place: answers RTM_GETLINK with RTEXT_FILTER_VF and RTM_SETLINK with VF settings
 * of one interface, with the manners of real drivers. Everything else goes to the kernel, when asked to.
 */
#pragma once

#include "util/fd.h"
#include "util/netlink.h"
#include "util/vf.h"

#include "lib/kernel-answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define FAKE_PF_VFS 4

typedef struct {
    int ifindex;
    VtVfSettings vfs[FAKE_PF_VFS];
    guint64 sent[FAKE_PF_VFS]; /* frames that the VF has sent; 0 also where the driver does not count them */
    guint busy;                /* so many settings are refused with EBUSY */
    guint unsupported;         /* VtVfField: refused with EOPNOTSUPP */
    guint lies;                /* VtVfField: accepted, but not set */
    guint silent;              /* VtVfField: not reported back */
    guint requests;            /* settings asked for */
    VtMac taken[16];           /* of its room */
    guint n_taken;
    guint room;           /* `self` entries that it takes; 0: any number */
    gboolean with_kernel; /* pass on what is not about VFs */
} FakePf;

static inline void
fake_pf_init(FakePf *pf, int ifindex)
{
    memset(pf, 0, sizeof *pf);
    pf->ifindex = ifindex;
    for (guint i = 0; i < FAKE_PF_VFS; i++)
        pf->vfs[i] = (VtVfSettings){ .fields = VT_VF_FIELDS_ALL, .spoofchk = TRUE, .vlan_proto = 0x8100 };
}

static inline void
fake_pf_put_vf(const FakePf *pf, struct nl_msg *message, guint vf)
{
    const VtVfSettings *s = &pf->vfs[vf];
    struct ifla_vf_mac mac = { .vf = vf };
    struct ifla_vf_vlan vlan = { vf, s->vlan, s->qos };
    struct ifla_vf_vlan_info vlan_info = { vf, s->vlan, s->qos, htons(s->vlan_proto) };
    struct ifla_vf_spoofchk spoofchk = { vf,
                                         pf->silent & VT_VF_SPOOFCHK ? G_MAXUINT32 : (guint32)s->spoofchk };
    struct ifla_vf_trust trust = { vf, pf->silent & VT_VF_TRUST ? G_MAXUINT32 : (guint32)s->trust };
    struct ifla_vf_link_state state = { vf, s->link_state };
    struct ifla_vf_rate rate = { vf, s->min_rate_mbit_per_s, s->max_rate_mbit_per_s };
    struct nlattr *info = nla_nest_start(message, IFLA_VF_INFO);
    struct nlattr *nest;

    memcpy(mac.mac, s->mac.bytes, 6);
    nla_put(message, IFLA_VF_MAC, sizeof mac, &mac);
    nla_put(message, IFLA_VF_VLAN, sizeof vlan, &vlan);
    nla_put(message, IFLA_VF_SPOOFCHK, sizeof spoofchk, &spoofchk);
    nla_put(message, IFLA_VF_TRUST, sizeof trust, &trust);
    nla_put(message, IFLA_VF_LINK_STATE, sizeof state, &state);
    nla_put(message, IFLA_VF_RATE, sizeof rate, &rate);
    nest = nla_nest_start(message, IFLA_VF_VLAN_LIST);
    nla_put(message, IFLA_VF_VLAN_INFO, sizeof vlan_info, &vlan_info);
    nla_nest_end(message, nest);
    nest = nla_nest_start(message, IFLA_VF_STATS);
    nla_put_u64(message, IFLA_VF_STATS_RX_PACKETS, 0);
    nla_put_u64(message, IFLA_VF_STATS_TX_PACKETS, pf->sent[vf]);
    nla_nest_end(message, nest);
    nla_nest_end(message, info);
}

static inline void
fake_pf_get(const FakePf *pf, GByteArray *reply)
{
    struct ifinfomsg header = { .ifi_index = pf->ifindex };
    struct nl_msg *message = nlmsg_alloc_size(16384);
    struct nlattr *list;

    nlmsg_put(message, 0, 0, RTM_NEWLINK, 0, 0);
    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put_string(message, IFLA_IFNAME, "pf0");
    list = nla_nest_start(message, IFLA_VFINFO_LIST);
    for (guint i = 0; i < FAKE_PF_VFS; i++)
        fake_pf_put_vf(pf, message, i);
    nla_nest_end(message, list);
    g_byte_array_append(reply, (guint8 *)nlmsg_hdr(message), nlmsg_hdr(message)->nlmsg_len);
    nlmsg_free(message);
}

/* One setting into @s; returns its field. */
static inline guint
fake_pf_take(struct nlattr *attr, VtVfSettings *s, guint32 *vf)
{
    void *data = nla_data(attr);

    memcpy(vf, data, sizeof *vf);
    switch (nla_type(attr)) {
    case IFLA_VF_MAC:
        memcpy(s->mac.bytes, ((struct ifla_vf_mac *)data)->mac, 6);
        return VT_VF_MAC;
    case IFLA_VF_VLAN:
        s->vlan = (guint16)((struct ifla_vf_vlan *)data)->vlan;
        s->qos = (guint8)((struct ifla_vf_vlan *)data)->qos;
        s->vlan_proto = 0x8100;
        return VT_VF_VLAN;
    case IFLA_VF_VLAN_LIST: {
        struct ifla_vf_vlan_info *info = nla_data(nla_data(attr));

        *vf = info->vf;
        s->vlan = (guint16)info->vlan;
        s->qos = (guint8)info->qos;
        s->vlan_proto = ntohs(info->vlan_proto);
        return VT_VF_VLAN;
    }
    case IFLA_VF_SPOOFCHK:
        s->spoofchk = ((struct ifla_vf_spoofchk *)data)->setting != 0;
        return VT_VF_SPOOFCHK;
    case IFLA_VF_TRUST:
        s->trust = ((struct ifla_vf_trust *)data)->setting != 0;
        return VT_VF_TRUST;
    case IFLA_VF_LINK_STATE:
        s->link_state = ((struct ifla_vf_link_state *)data)->link_state;
        return VT_VF_LINK_STATE;
    case IFLA_VF_RATE:
        s->min_rate_mbit_per_s = ((struct ifla_vf_rate *)data)->min_tx_rate;
        s->max_rate_mbit_per_s = ((struct ifla_vf_rate *)data)->max_tx_rate;
        return VT_VF_RATE;
    default:
        return 0;
    }
}

static inline int
fake_pf_set(FakePf *pf, struct nlattr *list)
{
    struct nlattr *setting = nla_data(nla_data(list));
    VtVfSettings changed = { 0 };
    guint32 vf;
    guint field = fake_pf_take(setting, &changed, &vf);

    pf->requests++;
    if (vf >= FAKE_PF_VFS || !field)
        return EINVAL;
    if (field & pf->unsupported)
        return EOPNOTSUPP;
    if (pf->busy) {
        pf->busy--;
        return EBUSY;
    }
    if (!(field & pf->lies)) {
        VtVfSettings *s = &pf->vfs[vf];

        fake_pf_take(setting, s, &vf);
    }
    return 0;
}

/* As igb: full is full, also for what it has already. */
static inline gboolean
fake_pf_is_full(FakePf *pf, const struct nlmsghdr *request)
{
    struct ndmsg *header = nlmsg_data(request);
    struct nlattr *attrs[NDA_MAX + 1] = { NULL };
    guint at = 0;

    g_assert_cmpint(nlmsg_parse((struct nlmsghdr *)request, sizeof *header, attrs, NDA_MAX, NULL), ==, 0);
    if (!pf->room || header->ndm_ifindex != pf->ifindex || !(header->ndm_flags & NTF_SELF))
        return FALSE;
    while (at < pf->n_taken && memcmp(pf->taken[at].bytes, nla_data(attrs[NDA_LLADDR]), 6) != 0)
        at++;
    if (request->nlmsg_type == RTM_DELNEIGH && at < pf->n_taken) {
        pf->taken[at] = pf->taken[--pf->n_taken];
    } else if (request->nlmsg_type == RTM_NEWNEIGH) {
        if (pf->n_taken == pf->room)
            return TRUE;
        if (at == pf->n_taken)
            memcpy(pf->taken[pf->n_taken++].bytes, nla_data(attrs[NDA_LLADDR]), 6);
    }
    return FALSE;
}

static inline int
fake_pf_answer(const struct nlmsghdr *request, GByteArray *reply, gpointer user)
{
    FakePf *pf = user;
    struct ifinfomsg *header = nlmsg_data(request);
    struct nlattr *attrs[IFLA_MAX + 1] = { NULL };

    if (request->nlmsg_type == RTM_GETLINK || request->nlmsg_type == RTM_SETLINK)
        g_assert_cmpint(nlmsg_parse((struct nlmsghdr *)request, sizeof *header, attrs, IFLA_MAX, NULL), ==,
                        0);
    if (request->nlmsg_type == RTM_GETLINK && attrs[IFLA_EXT_MASK] && header->ifi_index == pf->ifindex) {
        fake_pf_get(pf, reply);
        return 0;
    }
    if (request->nlmsg_type == RTM_SETLINK && attrs[IFLA_VFINFO_LIST])
        return header->ifi_index == pf->ifindex ? fake_pf_set(pf, attrs[IFLA_VFINFO_LIST]) : ENODEV;
    if ((request->nlmsg_type == RTM_NEWNEIGH || request->nlmsg_type == RTM_DELNEIGH) &&
        fake_pf_is_full(pf, request))
        return ENOMEM;
    return pf->with_kernel ? kernel_answer(request, reply) : ENODEV;
}
