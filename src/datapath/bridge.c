/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Flooded frames (broadcast, multicast, unknown) would reach both ports of one bridge by themselves, and with
 * copies twice; so only the pinned leg is flooded. It is a permanent multicast router port, too, because the
 * guest's group memberships are known by the bridge for the leg over which they were reported, and the guest
 * does not report them again when it changes legs.
 */
#include "datapath/bridge.h"

#include "util/json.h"
#include "util/link.h"

#define BRIDGE_BACKEND       "bridge"
#define BRIDGE_ROUTER_ALWAYS 2
#define BRIDGE_IN_FLIGHT_US  4000

typedef struct {
    VtLegs legs;
    GArray *pins; /* of VtFdbEntry: the guest's address pinned by others before us */
} Bridge;

static gboolean
bridge_note_leg(VtLegs *legs, VtLeg leg, gboolean *grew, GError **error)
{
    Bridge *bridge = (Bridge *)legs;
    VtPortNote *note = &legs->notes[leg];
    const VtPortNote *other = &legs->notes[leg == VT_LEG_STANDBY ? VT_LEG_PRIMARY : VT_LEG_STANDBY];
    gboolean noted = FALSE;

    if (!vt_port_note_take(legs->netlink, legs->names[leg], note, &noted, error))
        return FALSE;
    if (!noted)
        return TRUE;
    /* Once for each bridge, before anything is pinned there by us. */
    if (!(other->noted && other->master == note->master) &&
        !vt_port_note_pins(legs->netlink, note->master, &legs->mac, bridge->pins, error)) {
        note->noted = FALSE;
        return FALSE;
    }
    *grew = TRUE;
    return TRUE;
}

static JsonObject *
bridge_note(gpointer state)
{
    const Bridge *bridge = state;
    JsonObject *note = vt_legs_to_json(&bridge->legs);

    json_object_set_array_member(note, "pins", vt_port_note_pins_to_json(bridge->pins));
    return note;
}

/*
 * The driver of a representor may know no switch for broadcasts and refuse all settings for it (mlx5: "Flag is not
 * supported"). Then the leg hears them as any port does, and is not sent copies of them.
 */
static gboolean
bridge_set_port(VtLegs *legs, VtLeg leg, VtLinkPort *port, GError **error)
{
    const VtPortNote *note = &legs->notes[leg];
    g_autoptr(GError) inner = NULL;

    legs->hears[leg] = FALSE;
    if (vt_link_set_port(legs->netlink, note->name, port, &inner))
        return TRUE;
    if (port->bcast_flood != note->port.bcast_flood) {
        port->bcast_flood = note->port.bcast_flood;
        if (vt_link_set_port(legs->netlink, note->name, port, NULL)) {
            legs->hears[leg] = TRUE;
            return TRUE;
        }
    }
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
}

static gboolean
bridge_set_ports(VtLegs *legs, const VtLegsPlan *plan, GError **error)
{
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        VtLinkPort port = legs->notes[leg].port;

        if (!legs->there[leg])
            continue;
        port.learning = 0;
        if (vt_legs_is_silent(leg, plan)) {
            port.flood = 0;
            port.mcast_flood = 0;
            port.bcast_flood = 0;
        } else if (plan->pinned != VT_LEG_NOBODY) {
            port.multicast_router = BRIDGE_ROUTER_ALWAYS;
        }
        if (!bridge_set_port(legs, leg, &port, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
bridge_unpin_others(VtLegs *legs, int pinned, GError **error)
{
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        if ((int)leg != pinned && legs->notes[leg].noted &&
            !vt_fdb_unpin(legs->netlink, legs->notes[leg].ifindex, &legs->mac, error))
            return FALSE;
    return TRUE;
}

/*
 * An entry that has moved is gone from the port where it was. But of a move only the driver of the new port is told, and a
 * NIC that had the entry in hardware keeps it (mlx5; an entry of an administrator does not even age): there it has to be
 * deleted first. Meanwhile frames are flooded to the leg that will have it.
 */
static gboolean
bridge_pin(VtLegs *legs, int pinned, GError **error)
{
    if (legs->hardware && !bridge_unpin_others(legs, pinned, error))
        return FALSE;
    if (pinned != VT_LEG_NOBODY && !vt_fdb_pin(legs->netlink, legs->notes[pinned].ifindex, &legs->mac, error))
        return FALSE;
    return legs->hardware || bridge_unpin_others(legs, pinned, error);
}

static const VtLegsFuncs bridge_legs = {
    .backend = BRIDGE_BACKEND,
    .bridge_ports = TRUE,
    .in_flight_us = BRIDGE_IN_FLIGHT_US,
    .note_leg = bridge_note_leg,
    .set_ports = bridge_set_ports,
    .pin = bridge_pin,
};

static gboolean
bridge_release(Bridge *bridge, GError **error)
{
    VtLegs *legs = &bridge->legs;
    GError *first = NULL;

    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        const VtPortNote *note = &legs->notes[leg];
        GError *inner = NULL;

        if (!vt_legs_is_there(legs, leg))
            continue;
        vt_fdb_unpin(legs->netlink, note->ifindex, &legs->mac, &inner);
        vt_port_note_restore(legs->netlink, note, &inner);
        vt_legs_put_back(legs, leg, inner, &first);
    }
    vt_port_note_restore_pins(legs->netlink, bridge->pins, &first);
    g_array_set_size(bridge->pins, 0);
    vt_legs_forget(legs);
    if (!first)
        return TRUE;
    g_propagate_error(error, first);
    return FALSE;
}

static gboolean
bridge_apply(gpointer state, VtFeed feed, GError **error)
{
    Bridge *bridge = state;

    return feed == VT_FEED_RELEASED ? bridge_release(bridge, error)
                                    : vt_legs_follow(&bridge->legs, feed, error);
}

static void
bridge_free(gpointer state)
{
    Bridge *bridge = state;

    vt_legs_clear(&bridge->legs);
    g_array_unref(bridge->pins);
    g_free(bridge);
}

static const VtBackendFuncs bridge_funcs = {
    .name = BRIDGE_BACKEND,
    .prepare = vt_legs_prepare,
    .note = bridge_note,
    .apply = bridge_apply,
    .look = vt_legs_look,
    .set_primary = vt_legs_set_primary,
    .free = bridge_free,
};

VtBackend
vt_bridge_new(const VtLegsSpec *spec, VtNetlink *netlink)
{
    Bridge *bridge = g_new0(Bridge, 1);

    vt_legs_init(&bridge->legs, &bridge_legs, spec, netlink);
    bridge->pins = g_array_new(FALSE, FALSE, sizeof(VtFdbEntry));
    return (VtBackend){ .funcs = &bridge_funcs, .state = bridge };
}

gboolean
vt_bridge_from_note(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error)
{
    VtLegsSpec spec;
    JsonArray *pins;
    VtBackend made;
    Bridge *bridge;

    if (!vt_legs_spec_from_json(note, BRIDGE_BACKEND, &spec, error)) {
        vt_netlink_free(netlink);
        return FALSE;
    }
    made = vt_bridge_new(&spec, netlink);
    bridge = made.state;
    if (!vt_legs_from_json(&bridge->legs, note, error) || !vt_json_get_array(note, "pins", &pins, error)) {
        bridge_free(bridge);
        return FALSE;
    }
    vt_port_note_pins_from_json(pins, &bridge->legs.mac, bridge->pins);
    *backend = made;
    return TRUE;
}
