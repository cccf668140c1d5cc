/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why the MAC table and not flows: a flow "to the guest's address: output to the leg" goes before everything the
 * switch does by itself, VLANs included: whoever can send to the bridge in another VLAN would reach the guest. A
 * static entry says in which VLAN the guest is where, the action NORMAL does the rest, and nobody's flows are overridden.
 *
 * Open vSwitch decides once for each kind of frame and keeps the decision in its datapath. A change wakes its
 * revalidators, and frames go the old way until they have been round, which is waited for; copies stay on until then.
 * So flooding begins at the leg that will be fed before it ends at the other: for a moment a broadcast frame may come
 * twice (also as a copy), but never not at all; the rest of the order is that of legs.c.
 *
 * The copies are made by tc where the leg's interface sends, which both of Open vSwitch's datapaths go through: the
 * kernel's as a matter of course, the one in user space because it sends by a packet socket. A leg that is a port of
 * its DPDK has no such place; its interface is none of the kernel's, and prepare() says so.
 */
#include "datapath/ovs.h"

#include "util/json.h"
#include "util/link.h"
#include "util/ovsctl.h"

#include <string.h>

#define OVS_BACKEND      "ovs"
#define OVS_IN_FLIGHT_US 30000 /* frames may still go to the former leg, where they are to be copied */

/* Pinned by others before us. */
typedef struct {
    guint16 vlan;
    char port[IF_NAMESIZE];
} OvsPin;

typedef struct {
    VtLegs legs;    /* of the notes' .port only .flood is used */
    char *bridge;   /* NULL: nothing noted yet */
    char *settings; /* of both ports */
    guint16 vlans[VT_OVSCTL_VLANS_MAX];
    guint n_vlans;
    GArray *pins; /* of OvsPin */
    int pinned;   /* leg, or VT_LEG_NOBODY; when .legs.known, as what follows */
    gboolean flooded[VT_LEG_COUNT];
    char *run; /* (nullable) the run of ovs-vswitchd that has been told */
} Ovs;

/* ---- the note ---- */

/* The bridge as the first leg shows it. */
static gboolean
ovs_note_bridge(Ovs *ovs, const VtOvsctlPort *port, GError **error)
{
    g_autoptr(GArray) found = NULL;

    if (!vt_ovsctl_bridge_check(port->bridge, &ovs->legs.mac, error))
        return FALSE;
    found = vt_ovsctl_pins(port->bridge, &ovs->legs.mac, error);
    if (!found)
        return FALSE;
    for (guint i = 0; i < found->len; i++) {
        const VtOvsctlPin *pin = &g_array_index(found, VtOvsctlPin, i);
        g_autofree char *name = vt_ovsctl_port_name(port->bridge, pin->number);
        OvsPin kept = { .vlan = pin->vlan };

        if (!name || g_strlcpy(kept.port, name, sizeof kept.port) >= sizeof kept.port)
            continue;
        g_array_append_val(ovs->pins, kept);
    }
    ovs->bridge = g_strdup(port->bridge);
    ovs->settings = g_strdup(port->settings);
    memcpy(ovs->vlans, port->vlans, sizeof ovs->vlans);
    ovs->n_vlans = port->n_vlans;
    return TRUE;
}

static gboolean
ovs_check_same(const Ovs *ovs, VtLeg leg, const VtOvsctlPort *port, GError **error)
{
    if (strcmp(port->bridge, ovs->bridge) != 0)
        return vt_error_set(
            error, VT_ERROR_UNSUPPORTED,
            "The legs are on two bridges of Open vSwitch, '%s' and '%s': frames can be copied "
            "from one to the other on one bridge only.",
            ovs->bridge, port->bridge);
    if (strcmp(port->settings, ovs->settings) != 0)
        return vt_error_set(
            error, VT_ERROR_UNSUPPORTED,
            "The port '%s' of the %s is in other VLANs than the other leg's (%s; %s): make them "
            "equal.",
            ovs->legs.names[leg], vt_leg_name(leg), port->settings, ovs->settings);
    return TRUE;
}

static gboolean
ovs_note_leg(VtLegs *legs, VtLeg leg, gboolean *grew, GError **error)
{
    Ovs *ovs = (Ovs *)legs;
    VtPortNote note = legs->notes[leg];
    VtOvsctlPort port;
    VtLinkInfo info;

    if (!vt_link_get(legs->netlink, legs->names[leg], &info, error))
        return FALSE;
    if (note.noted && note.ifindex == info.index)
        return TRUE;
    if (!vt_port_note_take_link(legs->netlink, &info, &note, error) ||
        !vt_ovsctl_port_get(info.name, &port, error) ||
        (!ovs->bridge && !ovs_note_bridge(ovs, &port, error)) || !ovs_check_same(ovs, leg, &port, error))
        return FALSE;
    note.port = (VtLinkPort){ .flood = !port.no_flood };
    legs->notes[leg] = note;
    ovs->flooded[leg] = !port.no_flood;
    *grew = TRUE;
    return TRUE;
}

static JsonObject *
ovs_note(gpointer state)
{
    const Ovs *ovs = state;
    JsonObject *note = vt_legs_to_json(&ovs->legs);
    JsonArray *pins = json_array_new(), *vlans = json_array_new();

    for (guint i = 0; i < ovs->pins->len; i++) {
        const OvsPin *pin = &g_array_index(ovs->pins, OvsPin, i);

        json_array_add_object_element(
            pins, vt_json_object_new("s:port", pin->port, "i:vlan", (int)pin->vlan, NULL));
    }
    for (guint i = 0; i < ovs->n_vlans; i++)
        json_array_add_object_element(vlans, vt_json_object_new("i:vlan", (int)ovs->vlans[i], NULL));
    if (ovs->bridge) {
        json_object_set_string_member(note, "bridge", ovs->bridge);
        json_object_set_string_member(note, "settings", ovs->settings);
    }
    json_object_set_array_member(note, "pins", pins);
    json_object_set_array_member(note, "vlans", vlans);
    return note;
}

/* ---- making it so ---- */

/* Those that change to @flood. */
static gboolean
ovs_set_floods(Ovs *ovs, const VtLegsPlan *plan, gboolean flood, GError **error)
{
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        const VtPortNote *note = &ovs->legs.notes[leg];
        gboolean wanted = !vt_legs_is_silent(leg, plan) && note->port.flood;

        if (wanted != flood || (ovs->legs.known && ovs->flooded[leg] == flood) || !ovs->legs.there[leg])
            continue;
        if (!vt_ovsctl_set_flood(ovs->bridge, note->name, flood, error))
            return FALSE;
        ovs->flooded[leg] = flood;
    }
    return TRUE;
}

static gboolean
ovs_set_ports(VtLegs *legs, const VtLegsPlan *plan, GError **error)
{
    Ovs *ovs = (Ovs *)legs;

    return ovs_set_floods(ovs, plan, TRUE, error) && ovs_set_floods(ovs, plan, FALSE, error);
}

static gboolean
ovs_pin(VtLegs *legs, int pinned, GError **error)
{
    Ovs *ovs = (Ovs *)legs;

    if (legs->known && ovs->pinned == pinned)
        return TRUE;
    for (guint i = 0; i < ovs->n_vlans; i++)
        if (pinned == VT_LEG_NOBODY
                ? !vt_ovsctl_unpin(ovs->bridge, ovs->vlans[i], &legs->mac, error)
                : !vt_ovsctl_pin(ovs->bridge, legs->notes[pinned].name, ovs->vlans[i], &legs->mac, error))
            return FALSE;
    ovs->pinned = pinned;
    vt_ovsctl_wait_flows();
    return TRUE;
}

static const VtLegsFuncs ovs_legs = {
    .backend = OVS_BACKEND,
    .in_flight_us = OVS_IN_FLIGHT_US,
    .note_leg = ovs_note_leg,
    .set_ports = ovs_set_ports,
    .pin = ovs_pin,
};

static gboolean
ovs_follow(Ovs *ovs, VtFeed feed, GError **error)
{
    g_autofree char *run = vt_ovsctl_run();

    /* What another run was told, this one does not know. */
    if (ovs->run && g_strcmp0(run, ovs->run) != 0)
        ovs->legs.known = FALSE;
    if (!vt_legs_follow(&ovs->legs, feed, error))
        return FALSE;
    g_free(ovs->run);
    ovs->run = g_steal_pointer(&run);
    return TRUE;
}

static void
ovs_restore_leg(Ovs *ovs, VtLeg leg, GError **first)
{
    const VtPortNote *note = &ovs->legs.notes[leg];

    vt_port_note_restore_link(ovs->legs.netlink, note, first);
    if (!ovs->legs.known || ovs->flooded[leg] != (note->port.flood != 0))
        vt_ovsctl_set_flood(ovs->bridge, note->name, note->port.flood, vt_port_note_first(first));
}

static gboolean
ovs_release(Ovs *ovs, GError **error)
{
    VtLegs *legs = &ovs->legs;
    GError *first = NULL;

    /* A bridge that is gone has taken everything along; its name is that of an interface, too. */
    if (ovs->bridge && vt_link_exists(legs->netlink, ovs->bridge)) {
        for (guint i = 0; i < ovs->n_vlans; i++)
            vt_ovsctl_unpin(ovs->bridge, ovs->vlans[i], &legs->mac, vt_port_note_first(&first));
        for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
            GError *inner = NULL;

            if (!vt_legs_is_there(legs, leg))
                continue;
            ovs_restore_leg(ovs, leg, &inner);
            vt_legs_put_back(legs, leg, inner, &first);
        }
        for (guint i = 0; i < ovs->pins->len; i++) {
            const OvsPin *pin = &g_array_index(ovs->pins, OvsPin, i);

            if (vt_link_exists(legs->netlink, pin->port))
                vt_ovsctl_pin(ovs->bridge, pin->port, pin->vlan, &legs->mac, vt_port_note_first(&first));
        }
    }
    vt_legs_forget(legs);
    g_clear_pointer(&ovs->bridge, g_free);
    g_clear_pointer(&ovs->settings, g_free);
    g_clear_pointer(&ovs->run, g_free);
    g_array_set_size(ovs->pins, 0);
    ovs->n_vlans = 0;
    ovs->pinned = VT_LEG_NOBODY;
    if (!first)
        return TRUE;
    g_propagate_error(error, first);
    return FALSE;
}

static gboolean
ovs_apply(gpointer state, VtFeed feed, GError **error)
{
    Ovs *ovs = state;

    return feed == VT_FEED_RELEASED ? ovs_release(ovs, error) : ovs_follow(ovs, feed, error);
}

/* While none runs, nobody can be told. */
static gboolean
ovs_holds(gpointer state)
{
    const Ovs *ovs = state;
    g_autofree char *run = ovs->run ? vt_ovsctl_run() : NULL;

    return !run || strcmp(run, ovs->run) == 0;
}

static void
ovs_free(gpointer state)
{
    Ovs *ovs = state;

    vt_legs_clear(&ovs->legs);
    g_array_unref(ovs->pins);
    g_free(ovs->bridge);
    g_free(ovs->settings);
    g_free(ovs->run);
    g_free(ovs);
}

static const VtBackendFuncs ovs_funcs = {
    .name = OVS_BACKEND,
    .prepare = vt_legs_prepare,
    .note = ovs_note,
    .apply = ovs_apply,
    .look = vt_legs_look,
    .holds = ovs_holds,
    .set_primary = vt_legs_set_primary,
    .free = ovs_free,
};

VtBackend
vt_ovs_new(const VtLegsSpec *spec, VtNetlink *netlink)
{
    Ovs *ovs = g_new0(Ovs, 1);

    vt_legs_init(&ovs->legs, &ovs_legs, spec, netlink);
    ovs->pins = g_array_new(FALSE, FALSE, sizeof(OvsPin));
    ovs->pinned = VT_LEG_NOBODY;
    return (VtBackend){ .funcs = &ovs_funcs, .state = ovs };
}

static gboolean
ovs_read_note(Ovs *ovs, JsonNode *root, GError **error)
{
    JsonArray *pins, *vlans;

    if (!vt_legs_from_json(&ovs->legs, root, error) || !vt_json_get_array(root, "pins", &pins, error) ||
        !vt_json_get_array(root, "vlans", &vlans, error))
        return FALSE;
    for (guint i = 0; i < json_array_get_length(pins); i++) {
        JsonNode *node = json_array_get_element(pins, i);
        const char *port = vt_json_string_or(node, "port", "");
        OvsPin pin = { .vlan = (guint16)CLAMP(vt_json_int_or(node, "vlan", 0), 0, 4095) };

        if (!vt_link_name_valid(port))
            return vt_error_set(error, VT_ERROR_INVALID_ARG,
                                "'%s' cannot be the name of a network interface.", port);
        g_strlcpy(pin.port, port, sizeof pin.port);
        g_array_append_val(ovs->pins, pin);
    }
    for (guint i = 0; i < json_array_get_length(vlans) && i < VT_OVSCTL_VLANS_MAX; i++)
        ovs->vlans[ovs->n_vlans++] =
            (guint16)CLAMP(vt_json_int_or(json_array_get_element(vlans, i), "vlan", 0), 0, 4095);
    ovs->bridge = g_strdup(vt_json_string_or(root, "bridge", NULL));
    ovs->settings = g_strdup(vt_json_string_or(root, "settings", NULL));
    if ((ovs->legs.notes[VT_LEG_STANDBY].noted || ovs->legs.notes[VT_LEG_PRIMARY].noted) &&
        (!vt_link_name_valid(ovs->bridge) || !ovs->settings || !ovs->n_vlans))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "The bridge of the legs is missing.");
    return TRUE;
}

gboolean
vt_ovs_from_note(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error)
{
    VtLegsSpec spec;
    VtBackend made;

    if (!vt_legs_spec_from_json(note, OVS_BACKEND, &spec, error)) {
        vt_netlink_free(netlink);
        return FALSE;
    }
    made = vt_ovs_new(&spec, netlink);
    if (!ovs_read_note(made.state, note, error)) {
        ovs_free(made.state);
        return FALSE;
    }
    *backend = made;
    return TRUE;
}
