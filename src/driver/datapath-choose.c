/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/datapath-choose.h"

#include "conf/address.h"
#include "conf/net.h"
#include "datapath/bridge.h"
#include "datapath/macvtap-vf.h"
#include "datapath/ovs.h"
#include "datapath/probe-report.h"
#include "datapath/sriov.h"
#include "datapath/switchdev.h"
#include "util/json.h"
#include "util/link.h"
#include "util/netlink.h"
#include "util/representor.h"

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
    VtLegsSpec spec;

    if (!primary)
        return FALSE;
    if (ovs != vt_net_is_ovs(team->transient_net)) {
        *why = g_strdup_printf("the %s is on a bridge of Open vSwitch, the %s on a Linux bridge",
                               ovs ? "standby" : "primary", ovs ? "primary" : "standby");
        return FALSE;
    }
    *why = g_strdup_printf("'%s' and '%s' are ports of %s", standby, primary,
                           ovs ? "Open vSwitch" : "Linux bridges");
    spec = (VtLegsSpec){ .mac = team->persistent->mac,
                         .standby = standby,
                         .primary = primary,
                         .short_queue_frames = datapath_choose_queue(team) };
    *backend = ovs ? vt_ovs_new(&spec, netlink) : vt_bridge_new(&spec, netlink);
    return TRUE;
}

static VtPciBdf
datapath_choose_bdf(const VtTeam *team)
{
    const VtHostPci *host = team->transient_net ? &team->transient_net->host : &team->transient_hostdev->host;

    return vt_host_pci_bdf(host);
}

/* ---- the primary is a function of the host ---- */

/* What is found out step by step about a VF and its PF. */
typedef struct {
    const VtDatapathHost *host;
    const VtTeam *team;
    VtNetlink *netlink; /* given to the back end at the end */
    VtPciInfo pf;
    guint pf_number; /* within its NIC */
    VtSriovSpec vf;  /* also what the other back ends for VFs need */
} DatapathVf;

static gboolean
datapath_choose_find_vf(DatapathVf *found, char **why)
{
    const VtNetDef *net = found->team->transient_net;
    g_autoptr(GError) error = NULL;
    VtPciInfo vf;

    if (net && !net->has_host) {
        *why = g_strdup("the primary has no host device yet");
        return FALSE;
    }
    found->vf.bdf = datapath_choose_bdf(found->team);
    if (!vt_pci_get(found->host->pci, &found->vf.bdf, &vf, &error) ||
        (vf.is_vf && !vt_pci_get(found->host->pci, &vf.pf, &found->pf, &error))) {
        *why = g_strdup(error->message);
        return FALSE;
    }
    if (!vf.is_vf || vf.vf_index < 0 || !found->pf.netdev[0]) {
        *why = g_strdup("the primary is no virtual function of a NIC that the host has an interface of");
        return FALSE;
    }
    found->pf_number = vf.pf.function;
    found->vf.mac = found->team->persistent->mac;
    found->vf.pf = found->pf.netdev;
    found->vf.vf = (guint)vf.vf_index;
    found->vf.host = found->host->pci;
    if (net && net->vlan.n_tags == 1 && !net->vlan.trunk) {
        found->vf.settings.fields |= VT_VF_VLAN;
        found->vf.settings.vlan = net->vlan.tags[0];
        found->vf.settings.vlan_proto = 0x8100; /* IEEE 802.1Q */
    }
    return TRUE;
}

/* Whether the VF's MAC may be set ahead is what virtteam probe has found out about its PF. */
static char *
datapath_choose_when(const char *probes, DatapathVf *found)
{
    g_autofree char *known = NULL;
    VtPciBdf bdf;

    if (!vt_pci_of_netdev(found->host->pci, found->pf.netdev, &bdf, NULL))
        return g_strdup("at the handover");
    found->vf.late_filter = vt_probe_report_late_filter(probes, &bdf, &found->pf, &known);
    return g_strdup_printf("%s (%s)", found->vf.late_filter ? "ahead" : "at the handover", known);
}

/* Standby is a macvtap on the PF. */
static gboolean
datapath_choose_macvtap(DatapathVf *found, const char *probes, VtBackend *backend, char **why)
{
    const VtNetDef *standby = found->team->persistent;
    g_autofree char *when = NULL;
    VtMacvtapVfSpec spec;

    if (!standby->target_dev || g_strcmp0(standby->direct_dev, found->pf.netdev) != 0) {
        *why = g_strdup_printf("the standby is a macvtap on '%s', the primary is VF %u of '%s'",
                               standby->direct_dev, found->vf.vf, found->pf.netdev);
        return FALSE;
    }
    when = datapath_choose_when(probes, found);
    *why = g_strdup_printf(
        "the standby '%s' is a macvtap on '%s', and the primary is VF %u of that; it gets its "
        "MAC %s",
        standby->target_dev, found->pf.netdev, found->vf.vf, when);
    spec = (VtMacvtapVfSpec){ .mac = found->vf.mac,
                              .standby = standby->target_dev,
                              .pf = found->vf.pf,
                              .vf = found->vf.vf,
                              .settings = found->vf.settings,
                              .host = found->vf.host,
                              .bdf = found->vf.bdf,
                              .late_filter = found->vf.late_filter };
    *backend = vt_macvtap_vf_new(&spec, g_steal_pointer(&found->netlink));
    return TRUE;
}

/* The NIC is in switchdev mode. FALSE without @why: it is not. */
static gboolean
datapath_choose_switchdev(DatapathVf *found, VtBackend *backend, char **why)
{
    VtSwitchdevSpec spec;
    VtRepresentor port;
    VtNetlink *inner;

    if (!vt_representor_find(found->netlink, found->pf.netdev, found->pf_number, found->vf.vf, &port, NULL))
        return FALSE;
    inner = found->host->open(found->host->user, NULL);
    if (!inner) {
        *why = g_strdup("a netlink socket cannot be opened");
        return FALSE;
    }
    *why = g_strdup_printf("the primary is VF %u of '%s', which is in switchdev mode, and '%s' stands for it",
                           found->vf.vf, found->pf.netdev, port.name);
    spec = (VtSwitchdevSpec){ .mac = found->vf.mac,
                              .standby = found->vf.standby,
                              .representor = port.name,
                              .ovs = vt_net_is_ovs(found->team->persistent),
                              .pf = found->vf.pf,
                              .vf = found->vf.vf,
                              .settings = found->vf.settings,
                              .host = found->vf.host,
                              .bdf = found->vf.bdf };
    /* The port's VLAN is the bridge's business. */
    spec.settings.fields &= ~(guint)VT_VF_VLAN;
    *backend = vt_switchdev_new(&spec, g_steal_pointer(&found->netlink), inner);
    return TRUE;
}

/* The primary is a VF whose PF is the uplink of standby's bridge. */
static gboolean
datapath_choose_sriov(DatapathVf *found, const char *probes, VtBackend *backend, char **why)
{
    g_autofree char *when = NULL;
    g_autoptr(GError) error = NULL;
    VtLinkInfo standby, pf;

    if (vt_net_is_ovs(found->team->persistent)) {
        *why = g_strdup_printf(
            "the standby is on a bridge of Open vSwitch, and '%s' is not in switchdev mode: a legacy PF goes with a "
            "Linux bridge",
            found->pf.netdev);
        return FALSE;
    }
    if (!vt_link_get(found->netlink, found->vf.standby, &standby, &error) ||
        !vt_link_get(found->netlink, found->pf.netdev, &pf, &error)) {
        *why = g_strdup(error->message);
        return FALSE;
    }
    if (!pf.is_bridge_port || pf.master != standby.master) {
        *why = g_strdup_printf("the primary's PF '%s' is no port of the standby's bridge", found->pf.netdev);
        return FALSE;
    }
    when = datapath_choose_when(probes, found);
    *why = g_strdup_printf(
        "the primary is VF %u of '%s', which is a port of the bridge that '%s' is on; it gets "
        "its MAC %s",
        found->vf.vf, found->pf.netdev, found->vf.standby, when);
    *backend = vt_sriov_new(&found->vf, g_steal_pointer(&found->netlink));
    return TRUE;
}

static gboolean
datapath_choose_vf(DatapathVf *found, const char *probes, VtBackend *backend, char **why)
{
    if (!datapath_choose_find_vf(found, why))
        return FALSE;
    if (found->team->persistent->type == VT_NET_DIRECT)
        return datapath_choose_macvtap(found, probes, backend, why);
    found->vf.standby = datapath_choose_port(found->netlink, found->team->persistent, "standby", why);
    if (!found->vf.standby)
        return FALSE;
    if (datapath_choose_switchdev(found, backend, why))
        return TRUE;
    return !*why && datapath_choose_sriov(found, probes, backend, why);
}

/* ---- the choice ---- */

gboolean
vt_datapath_choose_on(const VtDatapathHost *host, const VtTeam *team, const char *probes, VtBackend *backend,
                      char **why)
{
    g_autoptr(GError) error = NULL;
    DatapathVf found = { .host = host, .team = team, .netlink = host->open(host->user, &error) };
    gboolean ok = FALSE;

    *why = NULL;
    if (!found.netlink) {
        *why = g_strdup(error->message);
        return FALSE;
    }
    if (vt_teaming_is_host(team)) {
        ok = datapath_choose_vf(&found, probes, backend, why);
    } else if (team->persistent->type == VT_NET_DIRECT) {
        *why =
            g_strdup("the standby is a macvtap, beside which only a VF of the interface below it can be fed");
    } else {
        const char *standby = datapath_choose_port(found.netlink, team->persistent, "standby", why);

        ok = standby && datapath_choose_ports(found.netlink, team, standby, backend, why);
        if (ok)
            found.netlink = NULL; /* the back end has it */
    }
    vt_netlink_free(found.netlink);
    return ok;
}

static VtNetlink *
datapath_choose_open(gpointer user, GError **error)
{
    return vt_netlink_new(error);
}

static const VtDatapathHost datapath_choose_system = { .pci = &vt_pci_host_system,
                                                       .open = datapath_choose_open };

gboolean
vt_datapath_choose(const VtTeam *team, const char *probes, VtBackend *backend, char **why)
{
    return vt_datapath_choose_on(&datapath_choose_system, team, probes, backend, why);
}

/* ---- after a restart ---- */

/* How a former process' notes are read, by the name of the back end. */
static gboolean
datapath_choose_read_sriov(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error)
{
    return vt_sriov_from_note(note, &vt_pci_host_system, netlink, backend, error);
}

static gboolean
datapath_choose_read_macvtap(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error)
{
    return vt_macvtap_vf_from_note(note, &vt_pci_host_system, netlink, backend, error);
}

static gboolean
datapath_choose_read_switchdev(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error)
{
    VtNetlink *inner = vt_netlink_new(error);

    if (!inner) {
        vt_netlink_free(netlink);
        return FALSE;
    }
    return vt_switchdev_from_note(note, &vt_pci_host_system, netlink, inner, backend, error);
}

static const struct {
    const char *name;
    gboolean (*from_note)(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error);
} datapath_choose_readers[] = {
    { .name = "bridge", .from_note = vt_bridge_from_note },
    { .name = "macvtap", .from_note = datapath_choose_read_macvtap },
    { .name = "ovs", .from_note = vt_ovs_from_note },
    { .name = "sriov", .from_note = datapath_choose_read_sriov },
    { .name = "switchdev", .from_note = datapath_choose_read_switchdev },
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
