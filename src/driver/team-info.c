/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/team-info.h"

#include <linux/neighbour.h>
#include "conf/address.h"
#include "conf/teaming.h"
#include "datapath/fdb.h"
#include "driver/datapath.h"
#include "driver/team-keep.h"
#include "driver/team-state.h"
#include "driver/team-guard.h"
#include "driver/vf-give.h"
#include "util/link.h"
#include "util/pci.h"
#include "util/vf.h"

void
vt_team_info_free(gpointer data)
{
    VtTeamInfo *info = data;

    g_free(info->name);
    g_free(info->transient);
    g_free(info->mac);
    g_free(info->backend);
    g_free(info->why);
    g_free(info->error);
    g_free(info->standby_host);
    g_free(info->primary_host);
    g_free(info->kept_since);
    g_free(info->kept_why);
    g_free(info->watch);
    g_free(info->settings);
    g_free(info);
}

static char *
info_host_pci(const VtHostPci *host)
{
    return g_strdup_printf("PCI %04x:%02x:%02x.%x", host->domain, host->bus, host->slot, host->function);
}

static char *
info_host_net(const VtNetDef *net)
{
    GString *text = g_string_new(NULL);

    if (vt_teaming_net_is_host(net)) {
        g_string_free(text, TRUE);
        return net->has_host ? info_host_pci(&net->host) : g_strdup("not chosen yet");
    }
    if (net->target_dev)
        g_string_append_printf(text, "tap %s", net->target_dev);
    if (net->bridge)
        g_string_append_printf(text, "%sbridge %s", text->len ? ", " : "", net->bridge);
    return g_string_free(text, FALSE);
}

/* By what the host has seen; where it sees nothing, only a primary that is not in the guest tells. */
static const char *
info_active(const VtDatapathInfo *host, VtQemuPrimary primary)
{
    if (primary == VT_QEMU_PRIMARY_ABSENT || primary == VT_QEMU_PRIMARY_HIDDEN ||
        primary == VT_QEMU_PRIMARY_UNPLUGGED)
        return "standby";
    if (!host)
        return "unknown";
    switch (host->state) {
    case VT_HANDOVER_PRIMARY:
    case VT_HANDOVER_SETTLING:
        return "primary";
    case VT_HANDOVER_STANDBY:
        return "standby";
    case VT_HANDOVER_ARRIVING:
    case VT_HANDOVER_STIRRING:
    case VT_HANDOVER_LEAVING:
        return "changing";
    case VT_HANDOVER_LOST:
        return "lost";
    case VT_HANDOVER_IDLE:
    case VT_HANDOVER_READY:
    case VT_HANDOVER_UNSURE:
    case VT_HANDOVER_STATE_COUNT:
        break;
    }
    return "unknown";
}

static void
info_set_transient(VtTeamInfo *info, GPtrArray *teams, const VtNetDef *persistent)
{
    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);

        if (team->persistent != persistent)
            continue;
        if (team->transient_net) {
            info->transient = g_strdup(team->transient_net->info.alias);
            info->primary_host = info_host_net(team->transient_net);
        } else if (team->transient_hostdev) {
            info->transient = g_strdup(team->transient_hostdev->info.alias);
            info->primary_host = info_host_pci(&team->transient_hostdev->host);
        }
    }
}

static void
info_set_kept(VtTeamInfo *info, const VtDomain *domain)
{
    gint64 since = vt_team_keep_since(domain, info->name);
    const char *watch = vt_team_guard_state(domain, info->name);
    const char *interface = vt_team_guard_interface(domain, info->name);

    if (since > 0) {
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(since);

        info->kept = vt_team_keep_name(vt_team_keep_get(domain, info->name));
        info->kept_since = time ? g_date_time_format_iso8601(time) : NULL;
        info->kept_why = g_strdup(vt_team_keep_why(domain, info->name));
    }
    if (watch)
        info->watch = interface ? g_strdup_printf("%s: %s", interface, watch) : g_strdup(watch);
}

/* ---- what the host has set ---- */

static void
info_add_vf(GString *text, VtNetlink *netlink, const VtHostPci *host)
{
    const VtPciBdf bdf = vt_host_pci_bdf(host);
    VtPciInfo vf, pf;
    VtVfSettings set;
    char mac[VT_MAC_STRING_SIZE];
    int index;

    if (!vt_pci_get(&vt_pci_host_system, &bdf, &vf, NULL) || !vf.is_vf || vf.vf_index < 0 ||
        !vt_pci_get(&vt_pci_host_system, &vf.pf, &pf, NULL) || !pf.netdev[0])
        return;
    index = vt_link_index(netlink, pf.netdev, NULL);
    if (!index || !vt_vf_get(netlink, index, (guint)vf.vf_index, &set, NULL, NULL))
        return;
    g_string_append_printf(text, "VF %d of %s: MAC %s", vf.vf_index, pf.netdev, vt_mac_format(&set.mac, mac));
    if ((set.fields & VT_VF_VLAN) && set.vlan)
        g_string_append_printf(text, ", VLAN %u", set.vlan);
    if (set.fields & VT_VF_TRUST)
        g_string_append_printf(text, ", trust %s", set.trust ? "on" : "off");
    if (set.fields & VT_VF_SPOOFCHK)
        g_string_append_printf(text, ", spoofchk %s", set.spoofchk ? "on" : "off");
}

static void
info_add_fdb(GString *text, VtNetlink *netlink, const VtNetDef *net)
{
    int bridge = net->bridge ? vt_link_index(netlink, net->bridge, NULL) : 0;
    g_autoptr(GArray) entries = bridge ? vt_fdb_list(netlink, bridge, 0, &net->mac, NULL) : NULL;

    for (guint i = 0; entries && i < entries->len; i++) {
        const VtFdbEntry *entry = &g_array_index(entries, VtFdbEntry, i);
        VtLinkInfo port;

        if (!vt_link_get_by_index(netlink, entry->ifindex, &port, NULL))
            continue;
        g_string_append_printf(text, "%s%s has the MAC at %s (%s)", text->len ? "; " : "", net->bridge,
                               port.name, entry->state & (NUD_NOARP | NUD_PERMANENT) ? "static" : "learned");
    }
}

static char *
info_settings(GPtrArray *teams, const VtNetDef *net)
{
    g_autoptr(VtNetlink) netlink = vt_netlink_new(NULL);
    GString *text = g_string_new(NULL);

    for (guint i = 0; netlink && i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);

        if (team->persistent != net)
            continue;
        if (team->transient_hostdev)
            info_add_vf(text, netlink, &team->transient_hostdev->host);
        else if (vt_teaming_net_is_host(team->transient_net) && team->transient_net->has_host)
            info_add_vf(text, netlink, &team->transient_net->host);
    }
    if (netlink)
        info_add_fdb(text, netlink, net);
    return g_string_free(text, text->len == 0);
}

static VtTeamInfo *
info_of_team(const VtDomain *domain, GPtrArray *teams, const VtNetDef *net)
{
    const VtQemuTeam *team = vt_team_state_find(domain, net->info.alias);
    VtQemuPrimary primary = team ? team->primary : VT_QEMU_PRIMARY_ABSENT;
    VtTeamInfo *info = g_new0(VtTeamInfo, 1);
    VtDatapathInfo host = { .backend = "none", .state = VT_HANDOVER_IDLE, .feed = VT_FEED_RELEASED };
    gboolean watched = vt_datapath_find(domain, net->info.alias, &host);
    char mac[VT_MAC_STRING_SIZE];

    info->name = g_strdup(net->info.alias ? net->info.alias : "");
    info->mac = g_strdup(vt_mac_format(&net->mac, mac));
    info_set_transient(info, teams, net);
    info->orchestration = !team || !team->transient ? "" : team->by_qemu ? "qemu" : "management";
    info->standby = vt_qemu_standby_name(team ? team->standby : VT_QEMU_STANDBY_UNKNOWN);
    info->primary = vt_qemu_primary_name(primary);
    info->active = team ? info_active(watched ? &host : NULL, primary) : "unknown";
    info->state = vt_handover_state_name(host.state);
    info->feed = vt_feed_name(host.feed);
    info->backend = g_strdup(host.backend);
    info->why = g_strdup(vt_vf_give_is_due(domain, info->name) ? "this host has had no VF for it" : host.why);
    info->error = g_strdup(host.error);
    info->standby_host = info_host_net(net);
    info_set_kept(info, domain);
    if (vt_domain_is_active(domain))
        info->settings = info_settings(teams, net);
    return info;
}

GPtrArray *
vt_team_info_list(const VtDomain *domain)
{
    const VtDomainDef *def = vt_domain_def(domain);
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    GPtrArray *list = g_ptr_array_new_with_free_func(vt_team_info_free);

    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (net->teaming.type == VT_TEAMING_PERSISTENT)
            g_ptr_array_add(list, info_of_team(domain, teams, net));
    }
    return list;
}
