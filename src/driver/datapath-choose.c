/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/datapath-choose.h"

#include "datapath/bridge.h"
#include "util/json.h"
#include "util/link.h"
#include "util/netlink.h"

/* The interface of the host behind a leg: a tap; NULL when there is none. */
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
    if (!info.is_bridge_port) {
        *why = g_strdup_printf("the %s's interface '%s' is no port of a Linux bridge", leg, net->target_dev);
        return NULL;
    }
    return net->target_dev;
}

gboolean
vt_datapath_choose(const VtTeam *team, VtBackend *backend, char **why)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtNetlink) netlink = vt_netlink_new(&error);
    VtBridgeSpec spec = { .mac = team->persistent->mac };

    if (!netlink) {
        *why = g_strdup(error->message);
        return FALSE;
    }
    spec.standby = datapath_choose_port(netlink, team->persistent, "standby", why);
    if (!spec.standby)
        return FALSE;
    if (!team->transient_net || vt_teaming_net_is_host(team->transient_net)) {
        *why = g_strdup("the primary is a host device whose NIC has no back end here");
        return FALSE;
    }
    spec.primary = datapath_choose_port(netlink, team->transient_net, "primary", why);
    if (!spec.primary)
        return FALSE;
    *backend = vt_bridge_new(&spec, g_steal_pointer(&netlink));
    return TRUE;
}

gboolean
vt_datapath_restore(JsonNode *node, VtBackend *backend, GError **error)
{
    const char *name;
    JsonNode *note = vt_json_find(node, "note");
    VtNetlink *netlink;

    if (!vt_json_get_string(node, "backend", &name, error))
        return FALSE;
    if (!note || !g_str_equal(name, "bridge"))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "there is no back end '%s', or its note is missing",
                            name);
    netlink = vt_netlink_new(error);
    return netlink && vt_bridge_from_note(note, netlink, backend, error);
}
