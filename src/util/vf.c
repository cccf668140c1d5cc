/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/vf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define VF_RETRY_US 100000

typedef struct {
    guint vf;
    VtVfSettings settings;
    VtVfCounters counters;
    gboolean found;
} VfGet;

/* The attribute's struct, or NULL when it is too short or of another VF. All of them begin with the number. */
static const void *
vf_struct(const struct nlattr *attr, gsize size, guint vf)
{
    guint32 number;

    if (!attr || nla_len(attr) < (int)size)
        return NULL;
    memcpy(&number, nla_data(attr), sizeof number);
    return number == vf ? nla_data(attr) : NULL;
}

static void
vf_parse_vlan(struct nlattr **attrs, guint vf, VtVfSettings *out)
{
    const struct ifla_vf_vlan *plain = vf_struct(attrs[IFLA_VF_VLAN], sizeof *plain, vf);
    const struct ifla_vf_vlan_info *info = NULL;

    if (attrs[IFLA_VF_VLAN_LIST]) {
        struct nlattr *first = nla_data(attrs[IFLA_VF_VLAN_LIST]);

        if (nla_ok(first, nla_len(attrs[IFLA_VF_VLAN_LIST])) && nla_type(first) == IFLA_VF_VLAN_INFO)
            info = vf_struct(first, sizeof *info, vf);
    }
    if (!plain && !info)
        return;
    out->fields |= VT_VF_VLAN;
    out->vlan = (guint16)(info ? info->vlan : plain->vlan);
    out->qos = (guint8)(info ? info->qos : plain->qos);
    out->vlan_proto = info ? ntohs(info->vlan_proto) : ETH_P_8021Q;
}

static void
vf_parse_switches(struct nlattr **attrs, guint vf, VtVfSettings *out)
{
    const struct ifla_vf_spoofchk *spoofchk = vf_struct(attrs[IFLA_VF_SPOOFCHK], sizeof *spoofchk, vf);
    const struct ifla_vf_trust *trust = vf_struct(attrs[IFLA_VF_TRUST], sizeof *trust, vf);
    const struct ifla_vf_link_state *link = vf_struct(attrs[IFLA_VF_LINK_STATE], sizeof *link, vf);

    /* A driver that does not know a switch reports it as all ones. */
    if (spoofchk && spoofchk->setting != G_MAXUINT32) {
        out->fields |= VT_VF_SPOOFCHK;
        out->spoofchk = spoofchk->setting != 0;
    }
    if (trust && trust->setting != G_MAXUINT32) {
        out->fields |= VT_VF_TRUST;
        out->trust = trust->setting != 0;
    }
    if (link && link->link_state <= VT_VF_LINK_DISABLE) {
        out->fields |= VT_VF_LINK_STATE;
        out->link_state = (VtVfLinkState)link->link_state;
    }
}

static void
vf_parse_counters(struct nlattr *attr, VtVfCounters *out)
{
    struct nlattr *attrs[IFLA_VF_STATS_MAX + 1];

    if (!attr || nla_parse_nested(attrs, IFLA_VF_STATS_MAX, attr, NULL) < 0)
        return;
    if (!attrs[IFLA_VF_STATS_RX_PACKETS] || nla_len(attrs[IFLA_VF_STATS_RX_PACKETS]) < 8 ||
        !attrs[IFLA_VF_STATS_TX_PACKETS] || nla_len(attrs[IFLA_VF_STATS_TX_PACKETS]) < 8)
        return;
    out->known = TRUE;
    out->rx_packets = nla_get_u64(attrs[IFLA_VF_STATS_RX_PACKETS]);
    out->tx_packets = nla_get_u64(attrs[IFLA_VF_STATS_TX_PACKETS]);
}

static void
vf_parse_one(struct nlattr *attr, VfGet *get)
{
    struct nlattr *attrs[IFLA_VF_MAX + 1];
    const struct ifla_vf_mac *mac;
    const struct ifla_vf_rate *rate;

    if (nla_type(attr) != IFLA_VF_INFO || nla_parse_nested(attrs, IFLA_VF_MAX, attr, NULL) < 0)
        return;
    mac = vf_struct(attrs[IFLA_VF_MAC], sizeof *mac, get->vf);
    if (!mac)
        return;
    get->found = TRUE;
    get->settings.fields = VT_VF_MAC;
    memcpy(get->settings.mac.bytes, mac->mac, sizeof get->settings.mac.bytes);
    rate = vf_struct(attrs[IFLA_VF_RATE], sizeof *rate, get->vf);
    if (rate) {
        get->settings.fields |= VT_VF_RATE;
        get->settings.min_rate_mbit_per_s = rate->min_tx_rate;
        get->settings.max_rate_mbit_per_s = rate->max_tx_rate;
    }
    vf_parse_vlan(attrs, get->vf, &get->settings);
    vf_parse_switches(attrs, get->vf, &get->settings);
    vf_parse_counters(attrs[IFLA_VF_STATS], &get->counters);
}

static void
vf_each(struct nlmsghdr *header, gpointer user)
{
    struct nlattr *attrs[IFLA_MAX + 1];
    struct nlattr *attr;
    VfGet *get = user;
    int left;

    if (header->nlmsg_type != RTM_NEWLINK || get->found ||
        nlmsg_parse(header, sizeof(struct ifinfomsg), attrs, IFLA_MAX, NULL) < 0 || !attrs[IFLA_VFINFO_LIST])
        return;
    nla_for_each_nested(attr, attrs[IFLA_VFINFO_LIST], left) if (!get->found) vf_parse_one(attr, get);
}

gboolean
vt_vf_get(VtNetlink *netlink, int pf, guint vf, VtVfSettings *settings, VtVfCounters *counters,
          GError **error)
{
    struct ifinfomsg header = { .ifi_index = pf };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(RTM_GETLINK, 0, &header, sizeof header);
    VfGet get = { .vf = vf };

    nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_VF);
    if (!vt_netlink_request(netlink, message, vf_each, &get, VT_NETLINK_TIMEOUT_MS, NULL, error)) {
        g_prefix_error(error, "Cannot read the settings of virtual function %u: ", vf);
        return FALSE;
    }
    if (!get.found)
        return vt_error_set(error, VT_ERROR_NO_DEVICE,
                            "The interface of index %d has no virtual function %u.", pf, vf);
    *settings = get.settings;
    if (counters)
        *counters = get.counters;
    return TRUE;
}

static void
vf_put_mac(VtNetlinkMsg *message, guint vf, const VtVfSettings *settings)
{
    struct ifla_vf_mac mac = { .vf = vf };

    memcpy(mac.mac, settings->mac.bytes, sizeof settings->mac.bytes);
    nla_put(message, IFLA_VF_MAC, sizeof mac, &mac);
}

static void
vf_put_vlan(VtNetlinkMsg *message, guint vf, const VtVfSettings *settings)
{
    struct ifla_vf_vlan plain = { .vf = vf, .vlan = settings->vlan, .qos = settings->qos };
    struct ifla_vf_vlan_info info = {
        .vf = vf, .vlan = settings->vlan, .qos = settings->qos, .vlan_proto = htons(settings->vlan_proto)
    };
    struct nlattr *list;

    /* Older drivers know the plain attribute only; the list is for what it cannot say. */
    if (settings->vlan_proto == 0 || settings->vlan_proto == ETH_P_8021Q) {
        nla_put(message, IFLA_VF_VLAN, sizeof plain, &plain);
        return;
    }
    list = nla_nest_start(message, IFLA_VF_VLAN_LIST);
    nla_put(message, IFLA_VF_VLAN_INFO, sizeof info, &info);
    nla_nest_end(message, list);
}

static void
vf_put_spoofchk(VtNetlinkMsg *message, guint vf, const VtVfSettings *settings)
{
    struct ifla_vf_spoofchk spoofchk = { .vf = vf, .setting = settings->spoofchk != FALSE };

    nla_put(message, IFLA_VF_SPOOFCHK, sizeof spoofchk, &spoofchk);
}

static void
vf_put_trust(VtNetlinkMsg *message, guint vf, const VtVfSettings *settings)
{
    struct ifla_vf_trust trust = { .vf = vf, .setting = settings->trust != FALSE };

    nla_put(message, IFLA_VF_TRUST, sizeof trust, &trust);
}

static void
vf_put_link_state(VtNetlinkMsg *message, guint vf, const VtVfSettings *settings)
{
    struct ifla_vf_link_state state = { .vf = vf, .link_state = settings->link_state };

    nla_put(message, IFLA_VF_LINK_STATE, sizeof state, &state);
}

static void
vf_put_rate(VtNetlinkMsg *message, guint vf, const VtVfSettings *settings)
{
    struct ifla_vf_rate rate = { .vf = vf,
                                 .min_tx_rate = settings->min_rate_mbit_per_s,
                                 .max_tx_rate = settings->max_rate_mbit_per_s };

    nla_put(message, IFLA_VF_RATE, sizeof rate, &rate);
}

/* In the order in which they are set: trust first, because some drivers allow the rest only then. */
static const struct {
    VtVfField field;
    const char *name;
    void (*put)(VtNetlinkMsg *message, guint vf, const VtVfSettings *settings);
} vf_fields[] = {
    { .field = VT_VF_TRUST, .name = "trust", .put = vf_put_trust },
    { .field = VT_VF_SPOOFCHK, .name = "spoofchk", .put = vf_put_spoofchk },
    { .field = VT_VF_MAC, .name = "mac", .put = vf_put_mac },
    { .field = VT_VF_VLAN, .name = "vlan", .put = vf_put_vlan },
    { .field = VT_VF_LINK_STATE, .name = "link state", .put = vf_put_link_state },
    { .field = VT_VF_RATE, .name = "rate", .put = vf_put_rate },
};

char *
vt_vf_field_names(guint fields)
{
    GString *out = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(vf_fields); i++)
        if (fields & vf_fields[i].field)
            g_string_append_printf(out, "%s%s", out->len ? ", " : "", vf_fields[i].name);
    return g_string_free(out, FALSE);
}

static gboolean
vf_set_field(VtNetlink *netlink, int pf, guint vf, const VtVfSettings *settings, gsize row, int *errnum,
             GError **error)
{
    struct ifinfomsg header = { .ifi_index = pf };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(RTM_SETLINK, 0, &header, sizeof header);
    struct nlattr *list = nla_nest_start(message, IFLA_VFINFO_LIST | NLA_F_NESTED);
    struct nlattr *info = nla_nest_start(message, IFLA_VF_INFO | NLA_F_NESTED);

    vf_fields[row].put(message, vf, settings);
    nla_nest_end(message, info);
    nla_nest_end(message, list);
    if (vt_netlink_request(netlink, message, NULL, NULL, VT_NETLINK_TIMEOUT_MS, errnum, error))
        return TRUE;
    g_prefix_error(error, "Cannot set the %s of virtual function %u: ", vf_fields[row].name, vf);
    return FALSE;
}

gboolean
vt_vf_set(VtNetlink *netlink, int pf, guint vf, const VtVfSettings *settings, int *errnum, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(vf_fields); i++)
        if ((settings->fields & vf_fields[i].field) &&
            !vf_set_field(netlink, pf, vf, settings, i, errnum, error))
            return FALSE;
    return TRUE;
}

guint
vt_vf_diff(const VtVfSettings *wanted, const VtVfSettings *got)
{
    guint diff = wanted->fields & ~got->fields;

    if (!vt_mac_equal(&wanted->mac, &got->mac))
        diff |= VT_VF_MAC;
    if (wanted->vlan != got->vlan || wanted->qos != got->qos ||
        (wanted->vlan_proto ? wanted->vlan_proto : ETH_P_8021Q) !=
            (got->vlan_proto ? got->vlan_proto : ETH_P_8021Q))
        diff |= VT_VF_VLAN;
    if (!wanted->spoofchk != !got->spoofchk)
        diff |= VT_VF_SPOOFCHK;
    if (!wanted->trust != !got->trust)
        diff |= VT_VF_TRUST;
    if (wanted->link_state != got->link_state)
        diff |= VT_VF_LINK_STATE;
    if (wanted->min_rate_mbit_per_s != got->min_rate_mbit_per_s ||
        wanted->max_rate_mbit_per_s != got->max_rate_mbit_per_s)
        diff |= VT_VF_RATE;
    return diff & wanted->fields;
}

/* What a VF in reset, or a mailbox that is being asked already, is answered with. */
static gboolean
vf_may_retry(int errnum)
{
    return errnum == EBUSY || errnum == EAGAIN || errnum == EIO || errnum == ETIMEDOUT || errnum == ENETDOWN;
}

gboolean
vt_vf_program(VtNetlink *netlink, int pf, guint vf, const VtVfSettings *wanted, guint tries, GError **error)
{
    g_autofree char *names = NULL;
    VtVfSettings got = { 0 };
    guint missing = 0;

    for (guint try = 1; try <= MAX(tries, 1); try++) {
        g_autoptr(GError) inner = NULL;
        int errnum = 0;

        if (try > 1)
            g_usleep(VF_RETRY_US);
        if (!vt_vf_set(netlink, pf, vf, wanted, &errnum, &inner)) {
            if (vf_may_retry(errnum) && try < tries)
                continue;
            g_propagate_error(error, g_steal_pointer(&inner));
            return FALSE;
        }
        if (!vt_vf_get(netlink, pf, vf, &got, NULL, error))
            return FALSE;
        missing = vt_vf_diff(wanted, &got) & got.fields;
        if (!missing)
            return TRUE;
    }
    names = vt_vf_field_names(missing);
    return vt_error_set(
        error, VT_ERROR_OPERATION_FAILED,
        "The driver of the interface of index %d accepted, but did not set for virtual function %u: %s.", pf,
        vf, names);
}
