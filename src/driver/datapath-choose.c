/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/datapath-choose.h"

#include "conf/net.h"
#include "datapath/bridge.h"
#include "datapath/ovs.h"
#include "datapath/probe-report.h"
#include "datapath/sriov.h"
#include "util/json.h"
#include "util/link.h"
#include "util/netlink.h"

#define DATAPATH_CHOOSE_WHOLE_QUEUE 65535 /* longer than any: the back end never makes a queue longer */

/* The interface of the host behind a leg: a tap; NULL when there is none, or none that leads to a bridge. */
static const char *
datapath_choose_port(VtNetlink *netlink, const VtNetDef *net, const char *leg, char **why)
{
    VtLinkInfo info;
    g_autoptr(GError) error = NULL;

    if (!net->target_dev) {
        *why = g_strdup_printf("the %s has no interface on the host", leg);
        return NULL;
    }
    if (!vt_link_get(netlink, net->target_dev, &info, &error)) {
        *why = g_strdup_printf("the %s's interface '%s': %s", leg, net->target_dev, error->message);
        return NULL;
    }
    if (!info.is_bridge_port && !vt_net_is_ovs(net)) {
        *why = g_strdup_printf("the %s's interface '%s' is no port of a Linux bridge or of Open vSwitch", leg,
                               net->target_dev);
        return NULL;
    }
    return net->target_dev;
}

/*
 * vmxnet3 receives as soon as its driver has registered it: what waited in a long queue would be duplicates.
 * Others negotiate their link for a while after that (e1000e: half a second), and what waits meanwhile is
 * late, but not lost.
 */
static guint
datapath_choose_queue(const VtTeam *team)
{
    return g_strcmp0(team->transient_net->model, "vmxnet3") == 0 ? 0 : DATAPATH_CHOOSE_WHOLE_QUEUE;
}

/* Both legs are taps, or other interfaces that were made ports. */
static gboolean
datapath_choose_ports(VtNetlink *netlink, const VtTeam *team, const char *standby, VtBackend *backend,
                      char **why)
{
    const char *primary = datapath_choose_port(netlink, team->transient_net, "primary", why);
    gboolean ovs = vt_net_is_ovs(team->persistent);

    if (!primary)
        return FALSE;
    if (ovs != vt_net_is_ovs(team->transient_net)) {
        *why = g_strdup_printf("the %s is on a bridge of Open vSwitch, the %s on a Linux bridge",
                               ovs ? "standby" : "primary", ovs ? "primary" : "standby");
        return FALSE;
    }
    if (ovs) {
        const VtOvsSpec spec = { .mac = team->persistent->mac,
                                 .standby = standby,
                                 .primary = primary,
                                 .short_queue_frames = datapath_choose_queue(team) };

        *why = g_strdup_printf("'%s' and '%s' are ports of Open vSwitch", standby, primary);
        *backend = vt_ovs_new(&spec, netlink);
    } else {
        const VtBridgeSpec spec = { .mac = team->persistent->mac,
                                    .standby = standby,
                                    .primary = primary,
                                    .short_queue_frames = datapath_choose_queue(team) };

        *why = g_strdup_printf("'%s' and '%s' are ports of Linux bridges", standby, primary);
        *backend = vt_bridge_new(&spec, netlink);
    }
    return TRUE;
}

static VtPciBdf
datapath_choose_bdf(const VtTeam *team)
{
    const VtHostPci *host = team->transient_net ? &team->transient_net->host : &team->transient_hostdev->host;

    return (VtPciBdf){ host->domain, (guint8)host->bus, (guint8)host->slot, (guint8)host->function };
}

/* The primary is a VF whose PF is the uplink of standby's bridge. */
static gboolean
datapath_choose_vf(VtNetlink *netlink, const VtTeam *team, const char *standby, VtSriovSpec *spec,
                   VtPciInfo *pf, char **why)
{
    g_autoptr(GError) error = NULL;
    VtLinkInfo standby_link, pf_link;
    VtPciInfo vf;

    if (team->transient_net && !team->transient_net->has_host) {
        *why = g_strdup("the primary has no host device yet");
        return FALSE;
    }
    spec->bdf = datapath_choose_bdf(team);
    if (!vt_pci_get(&vt_pci_host_system, &spec->bdf, &vf, &error) ||
        (vf.is_vf && !vt_pci_get(&vt_pci_host_system, &vf.pf, pf, &error))) {
        *why = g_strdup(error->message);
        return FALSE;
    }
    if (!vf.is_vf || vf.vf_index < 0 || !pf->netdev[0]) {
        *why = g_strdup("the primary is no virtual function of a NIC that the host has an interface of");
        return FALSE;
    }
    if (!vt_link_get(netlink, standby, &standby_link, &error) ||
        !vt_link_get(netlink, pf->netdev, &pf_link, &error)) {
        *why = g_strdup(error->message);
        return FALSE;
    }
    if (!pf_link.is_bridge_port || pf_link.master != standby_link.master) {
        *why = g_strdup_printf("the primary's PF '%s' is no port of the standby's bridge", pf->netdev);
        return FALSE;
    }
    spec->mac = team->persistent->mac;
    spec->standby = standby;
    spec->pf = pf->netdev;
    spec->vf = (guint)vf.vf_index;
    spec->host = &vt_pci_host_system;
    if (team->transient_net && team->transient_net->vlan.n_tags == 1 && !team->transient_net->vlan.trunk) {
        spec->settings.fields |= VT_VF_VLAN;
        spec->settings.vlan = team->transient_net->vlan.tags[0];
        spec->settings.vlan_proto = 0x8100; /* IEEE 802.1Q */
    }
    return TRUE;
}

/* Whether the VF's MAC may be set ahead is what virtteam probe has found out about its PF. */
static char *
datapath_choose_when(const char *probes, const VtPciInfo *pf, VtSriovSpec *spec)
{
    g_autofree char *known = NULL;
    VtPciBdf bdf;

    if (!vt_pci_of_netdev(&vt_pci_host_system, pf->netdev, &bdf, NULL))
        return g_strdup("at the handover");
    spec->late_filter = vt_probe_report_late_filter(probes, &bdf, pf, &known);
    return g_strdup_printf("%s (%s)", spec->late_filter ? "ahead" : "at the handover", known);
}

gboolean
vt_datapath_choose(const VtTeam *team, const char *probes, VtBackend *backend, char **why)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtNetlink) netlink = vt_netlink_new(&error);
    const char *standby;

    if (!netlink) {
        *why = g_strdup(error->message);
        return FALSE;
    }
    standby = datapath_choose_port(netlink, team->persistent, "standby", why);
    if (!standby)
        return FALSE;
    if (!team->transient_net || vt_teaming_net_is_host(team->transient_net)) {
        g_autofree char *when = NULL;
        VtSriovSpec vf = { .vf = 0 };
        VtPciInfo pf;

        if (!datapath_choose_vf(netlink, team, standby, &vf, &pf, why))
            return FALSE;
        when = datapath_choose_when(probes, &pf, &vf);
        *why = g_strdup_printf(
            "the primary is VF %u of '%s', which is a port of the bridge that '%s' is on; it gets "
            "its MAC %s",
            vf.vf, pf.netdev, standby, when);
        *backend = vt_sriov_new(&vf, g_steal_pointer(&netlink));
        return TRUE;
    }
    if (!datapath_choose_ports(netlink, team, standby, backend, why))
        return FALSE;
    g_steal_pointer(&netlink); /* the back end has it */
    return TRUE;
}

/* How a former process' notes are read, by the name of the back end. */
static gboolean
datapath_choose_sriov(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error)
{
    return vt_sriov_from_note(note, &vt_pci_host_system, netlink, backend, error);
}

static const struct {
    const char *name;
    gboolean (*from_note)(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error);
} datapath_choose_readers[] = {
    { .name = "bridge", .from_note = vt_bridge_from_note },
    { .name = "ovs", .from_note = vt_ovs_from_note },
    { .name = "sriov", .from_note = datapath_choose_sriov },
};

gboolean
vt_datapath_restore(JsonNode *node, VtBackend *backend, GError **error)
{
    const char *name;
    JsonNode *note = vt_json_find(node, "note");
    VtNetlink *netlink;

    if (!vt_json_get_string(node, "backend", &name, error))
        return FALSE;
    for (gsize i = 0; note && i < G_N_ELEMENTS(datapath_choose_readers); i++) {
        if (!g_str_equal(name, datapath_choose_readers[i].name))
            continue;
        netlink = vt_netlink_new(error);
        return netlink && datapath_choose_readers[i].from_note(note, netlink, backend, error);
    }
    return vt_error_set(error, VT_ERROR_INVALID_ARG, "there is no back end '%s', or its note is missing",
                        name);
}
