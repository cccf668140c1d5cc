/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In switchdev mode the NIC's switch forwards by rules of the host, not by the addresses of VFs: a frame that no rule is
 * for goes to the host, whose bridge sends it to a representor, and so to the VF. A bridge that offloads makes such rules
 * from its own table; legs.c tells what follows from that. So the VF may have the guest's MAC all the time, and has it as long as the team is looked after:
 * its driver in the guest must find it when it probes.
 *
 * A representor that is no port of a Linux bridge yet becomes one of standby's. That is done by apply(), and only then the
 * bridge's back end can note its settings, which are those of a new port; they go with it when it leaves the bridge.
 */
#include "datapath/switchdev.h"

#include "datapath/bridge.h"
#include "datapath/ovs.h"
#include "datapath/port-note.h"
#include "datapath/vf-note.h"
#include "util/json.h"
#include "util/link.h"

#include <string.h>

#define SWITCHDEV_BACKEND "switchdev"

typedef struct {
    VtNetlink *netlink;
    VtBackend inner; /* feeds the two ports */
    const VtPciHost *host;
    char standby[IF_NAMESIZE];
    char representor[IF_NAMESIZE];
    gboolean ovs;
    VtVfNote vf;
    gboolean noted; /* what follows, of the representor */
    int ifindex;
    gboolean was_up;
    gboolean attach;          /* it was no port: we make it one */
    char bridge[IF_NAMESIZE]; /* with .attach */
} Switchdev;

static gboolean
switchdev_note_attach(Switchdev *switchdev, GError **error)
{
    VtLinkInfo standby, bridge;

    if (!vt_link_get(switchdev->netlink, switchdev->standby, &standby, error))
        return FALSE;
    if (!standby.is_bridge_port)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            "The standby's interface '%s' is no port of a bridge.", switchdev->standby);
    if (!vt_link_get_by_index(switchdev->netlink, standby.master, &bridge, error))
        return FALSE;
    g_strlcpy(switchdev->bridge, bridge.name, sizeof switchdev->bridge);
    switchdev->attach = TRUE;
    return TRUE;
}

static gboolean
switchdev_note_representor(Switchdev *switchdev, gboolean *grew, GError **error)
{
    VtLinkInfo info;

    if (!vt_link_get(switchdev->netlink, switchdev->representor, &info, error))
        return FALSE;
    if (switchdev->noted && switchdev->ifindex == info.index)
        return TRUE;
    switchdev->attach = FALSE;
    if (!switchdev->ovs && !info.is_bridge_port) {
        if (info.master)
            return vt_error_set(
                error, VT_ERROR_UNSUPPORTED,
                "The representor '%s' belongs to something else than a Linux bridge, on which the "
                "standby is.",
                switchdev->representor);
        if (!switchdev_note_attach(switchdev, error))
            return FALSE;
    }
    switchdev->noted = TRUE;
    switchdev->ifindex = info.index;
    switchdev->was_up = info.up;
    *grew = TRUE;
    return TRUE;
}

static gboolean
switchdev_is_port(Switchdev *switchdev)
{
    VtLinkInfo info;

    return !switchdev->attach ||
           (vt_link_get(switchdev->netlink, switchdev->representor, &info, NULL) && info.is_bridge_port);
}

static gboolean
switchdev_prepare(gpointer state, VtFeed feed, gboolean *noted, GError **error)
{
    Switchdev *switchdev = state;
    gboolean inner_noted = FALSE, is_port;

    *noted = FALSE;
    if (feed == VT_FEED_RELEASED)
        return TRUE;
    if (!vt_vf_note_take(switchdev->netlink, &switchdev->vf, noted, error) ||
        !switchdev_note_representor(switchdev, noted, error))
        return FALSE;
    is_port = switchdev_is_port(switchdev);
    switchdev->inner.funcs->set_primary(switchdev->inner.state, is_port ? switchdev->representor : NULL);
    /* What needs the primary's port is prepared for when it is one. */
    if (!switchdev->inner.funcs->prepare(switchdev->inner.state, is_port ? feed : VT_FEED_READY, &inner_noted,
                                         error))
        return FALSE;
    *noted |= inner_noted;
    return TRUE;
}

static JsonObject *
switchdev_note(gpointer state)
{
    const Switchdev *switchdev = state;

    return vt_json_object_new("s:backend", SWITCHDEV_BACKEND, "s:standby", switchdev->standby,
                              "s:representor", switchdev->representor, "b:ovs", switchdev->ovs, "b:noted",
                              switchdev->noted, "i:ifindex", switchdev->ifindex, "b:up", switchdev->was_up,
                              "b:attach", switchdev->attach, "s:bridge", switchdev->bridge, "o:vf",
                              vt_vf_note_to_json(&switchdev->vf), "o:inner",
                              switchdev->inner.funcs->note(switchdev->inner.state), NULL);
}

static gboolean
switchdev_make_port(Switchdev *switchdev, VtFeed feed, GError **error)
{
    gboolean noted;

    if (!vt_link_set_up(switchdev->netlink, switchdev->representor, TRUE, error))
        return FALSE;
    if (switchdev_is_port(switchdev))
        return TRUE;
    if (!vt_link_set_master(switchdev->netlink, switchdev->representor, switchdev->bridge, error))
        return FALSE;
    switchdev->inner.funcs->set_primary(switchdev->inner.state, switchdev->representor);
    return switchdev->inner.funcs->prepare(switchdev->inner.state, feed, &noted, error);
}

static gboolean
switchdev_release(Switchdev *switchdev, GError **error)
{
    GError *first = NULL;
    VtLinkInfo info;

    switchdev->inner.funcs->apply(switchdev->inner.state, VT_FEED_RELEASED, vt_port_note_first(&first));
    if (switchdev->noted && vt_link_get(switchdev->netlink, switchdev->representor, &info, NULL) &&
        info.index == switchdev->ifindex) {
        if (switchdev->attach && info.is_bridge_port)
            vt_link_set_master(switchdev->netlink, switchdev->representor, NULL, vt_port_note_first(&first));
        if (!switchdev->was_up)
            vt_link_set_up(switchdev->netlink, switchdev->representor, FALSE, vt_port_note_first(&first));
    }
    vt_vf_note_restore(switchdev->netlink, &switchdev->vf, &first);
    switchdev->noted = FALSE;
    if (!first)
        return TRUE;
    g_propagate_error(error, first);
    return FALSE;
}

static gboolean
switchdev_apply(gpointer state, VtFeed feed, GError **error)
{
    Switchdev *switchdev = state;

    if (feed == VT_FEED_RELEASED)
        return switchdev_release(switchdev, error);
    /* While the primary does not work, its PF may take no settings, and the guest needs standby all the more. */
    return switchdev_make_port(switchdev, feed, error) &&
           (feed == VT_FEED_FALLBACK || vt_vf_note_arm(switchdev->netlink, &switchdev->vf, TRUE, error)) &&
           switchdev->inner.funcs->apply(switchdev->inner.state, feed, error);
}

/* What the VF sends comes in by its representor; counters of the PF are not kept in this mode by every driver. */
static gboolean
switchdev_look(gpointer state, VtLifeSigns *signs)
{
    Switchdev *switchdev = state;
    VtLinkInfo info;

    if (!vt_link_get(switchdev->netlink, switchdev->representor, &info, NULL))
        return FALSE;
    *signs = (VtLifeSigns){
        .stirs = switchdev->host && vt_pci_bus_master(switchdev->host, &switchdev->vf.bdf),
        .frames = info.stats.rx_packets,
    };
    return TRUE;
}

static gboolean
switchdev_holds(gpointer state)
{
    const Switchdev *switchdev = state;
    const VtBackend *inner = &switchdev->inner;

    return !inner->funcs->holds || inner->funcs->holds(inner->state);
}

static void
switchdev_free(gpointer state)
{
    Switchdev *switchdev = state;

    vt_backend_clear(&switchdev->inner);
    vt_netlink_free(switchdev->netlink);
    g_free(switchdev);
}

static const VtBackendFuncs switchdev_funcs = {
    .name = SWITCHDEV_BACKEND,
    .prepare = switchdev_prepare,
    .note = switchdev_note,
    .apply = switchdev_apply,
    .look = switchdev_look,
    .holds = switchdev_holds,
    .free = switchdev_free,
};

VtBackend
vt_switchdev_new(const VtSwitchdevSpec *spec, VtNetlink *netlink, VtNetlink *inner)
{
    const VtLegsSpec legs = { .mac = spec->mac, .standby = spec->standby, .hardware = TRUE };
    Switchdev *switchdev = g_new0(Switchdev, 1);

    switchdev->netlink = netlink;
    switchdev->host = spec->host;
    switchdev->ovs = spec->ovs;
    g_strlcpy(switchdev->standby, spec->standby, sizeof switchdev->standby);
    g_strlcpy(switchdev->representor, spec->representor, sizeof switchdev->representor);
    switchdev->vf =
        (VtVfNote){ .vf = spec->vf, .bdf = spec->bdf, .tries = spec->tries, .wanted = spec->settings };
    switchdev->vf.wanted.fields |= VT_VF_MAC;
    switchdev->vf.wanted.mac = spec->mac;
    g_strlcpy(switchdev->vf.pf, spec->pf, sizeof switchdev->vf.pf);
    /* A representor has no queue in which frames could grow old. */
    switchdev->inner = spec->ovs ? vt_ovs_new(&legs, inner) : vt_bridge_new(&legs, inner);
    return (VtBackend){ .funcs = &switchdev_funcs, .state = switchdev };
}

static gboolean
switchdev_refuse_note(VtNetlink *netlink, VtNetlink *inner, GError **error)
{
    vt_netlink_free(netlink);
    vt_netlink_free(inner);
    return vt_error_set(error, VT_ERROR_INVALID_ARG, "This is not a note of the back end '%s'.",
                        SWITCHDEV_BACKEND);
}

gboolean
vt_switchdev_from_note(JsonNode *note, const VtPciHost *host, VtNetlink *netlink, VtNetlink *inner,
                       VtBackend *backend, GError **error)
{
    const char *standby = vt_json_string_or(note, "standby", NULL);
    const char *representor = vt_json_string_or(note, "representor", NULL);
    JsonNode *inner_note = vt_json_find(note, "inner");
    Switchdev *switchdev;
    VtVfNote vf;

    if (g_strcmp0(vt_json_string_or(note, "backend", NULL), SWITCHDEV_BACKEND) != 0 || !inner_note ||
        !vt_link_name_valid(standby) || !vt_link_name_valid(representor) ||
        !vt_vf_note_from_json(vt_json_find(note, "vf"), &vf, NULL))
        return switchdev_refuse_note(netlink, inner, error);
    switchdev = g_new0(Switchdev, 1);
    switchdev->netlink = netlink;
    switchdev->host = host;
    switchdev->vf = vf;
    g_strlcpy(switchdev->standby, standby, sizeof switchdev->standby);
    g_strlcpy(switchdev->representor, representor, sizeof switchdev->representor);
    g_strlcpy(switchdev->bridge, vt_json_string_or(note, "bridge", ""), sizeof switchdev->bridge);
    switchdev->ovs = vt_json_bool_or(note, "ovs", FALSE);
    switchdev->noted = vt_json_bool_or(note, "noted", FALSE);
    switchdev->ifindex = (int)CLAMP(vt_json_int_or(note, "ifindex", 0), 0, G_MAXINT);
    switchdev->was_up = vt_json_bool_or(note, "up", FALSE);
    switchdev->attach = vt_json_bool_or(note, "attach", FALSE);
    if (!(switchdev->ovs ? vt_ovs_from_note(inner_note, inner, &switchdev->inner, error)
                         : vt_bridge_from_note(inner_note, inner, &switchdev->inner, error))) {
        vt_netlink_free(netlink);
        g_free(switchdev);
        return FALSE;
    }
    *backend = (VtBackend){ .funcs = &switchdev_funcs, .state = switchdev };
    return TRUE;
}
