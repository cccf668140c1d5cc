/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What belongs to a feed is a row of the table bridge_plans; apply() goes from the settings in force to that
 * row in an order that never leaves the leg unfed to which the guest listens:
 *
 *   1. port settings: the leg that will be fed by copies must not be flooded any more before copies begin
 *   2. copies away from a leg that stays the fed one: start them before the address is pinned
 *   3. pin the address
 *   4. copies that have changed their direction: the old ones end before the new ones begin, because both at
 *      once would go round in circles. The guest listens to the leg that is pinned by then, so nothing is lost.
 *
 * Both ports get their clsact with the first feed, long before copies are needed, because the kernel stops an
 * interface for a moment when its queueing disciplines change. The same is true of the length of the queue,
 * which is short as long as the guest does not listen to the primary: there the alternative is worse. What waits
 * in a long queue comes out as duplicates once the driver enables receive; the moment costs a frame at most.
 *
 * Flooded frames (broadcast, multicast, unknown) would reach both ports of one bridge by themselves, and with
 * copies twice; so only the pinned leg is flooded. It is a permanent multicast router port, too, because the
 * guest's group memberships are known by the bridge for the leg over which they were reported, and the guest
 * does not report them again when it changes legs.
 */
#include "datapath/bridge.h"

#include "datapath/fdb.h"
#include "datapath/mirror.h"
#include "datapath/port-note.h"
#include "util/enum.h"
#include "util/json.h"
#include "util/link.h"

#include <string.h>

#define BRIDGE_BACKEND       "bridge"
#define BRIDGE_SHORT_QUEUE   16
#define BRIDGE_ROUTER_ALWAYS 2
#define BRIDGE_NOBODY        (-1)
#define BRIDGE_IN_FLIGHT_US                                                                                  \
    4000 /* a frame may have been forwarded by the old entry and not been copied yet */

typedef struct {
    VtNetlink *netlink;
    VtMac mac;
    guint short_queue_frames;
    char *names[VT_LEG_COUNT];
    VtPortNote notes[VT_LEG_COUNT];
    GArray *pins;          /* of VtFdbEntry: the guest's address pinned by others before us */
    int mirror;            /* leg whose frames are copied to the other; BRIDGE_NOBODY */
    gboolean mirror_known; /* FALSE in a process that has taken over */
} Bridge;

typedef struct {
    int pinned; /* leg, or BRIDGE_NOBODY */
    int mirror; /* leg whose frames are copied to the other, or BRIDGE_NOBODY */
    gboolean needs_primary;
    gboolean short_queue; /* of the primary */
} BridgePlan;

static const BridgePlan bridge_plans[] = {
    [VT_FEED_RELEASED] = { .pinned = BRIDGE_NOBODY, .mirror = BRIDGE_NOBODY },
    [VT_FEED_READY] = { .pinned = BRIDGE_NOBODY, .mirror = BRIDGE_NOBODY, .short_queue = TRUE },
    [VT_FEED_STANDBY] = { .pinned = VT_LEG_STANDBY, .mirror = BRIDGE_NOBODY, .short_queue = TRUE },
    [VT_FEED_STANDBY_COPIED] = { .pinned = VT_LEG_STANDBY,
                                 .mirror = VT_LEG_STANDBY,
                                 .needs_primary = TRUE,
                                 .short_queue = TRUE },
    [VT_FEED_PRIMARY_COPIED] = { .pinned = VT_LEG_PRIMARY, .mirror = VT_LEG_PRIMARY, .needs_primary = TRUE },
    [VT_FEED_PRIMARY] = { .pinned = VT_LEG_PRIMARY, .mirror = BRIDGE_NOBODY, .needs_primary = TRUE },
};
G_STATIC_ASSERT(G_N_ELEMENTS(bridge_plans) == VT_FEED_COUNT);

static const char *const bridge_leg_names[VT_LEG_COUNT] = {
    [VT_LEG_STANDBY] = "standby",
    [VT_LEG_PRIMARY] = "primary",
};

static VtLeg
bridge_other(int leg)
{
    return leg == VT_LEG_STANDBY ? VT_LEG_PRIMARY : VT_LEG_STANDBY;
}

static gboolean
bridge_note_leg(Bridge *bridge, VtLeg leg, gboolean *grew, GError **error)
{
    VtPortNote *note = &bridge->notes[leg];
    const VtPortNote *other = &bridge->notes[bridge_other(leg)];
    gboolean noted = FALSE;

    if (!vt_port_note_take(bridge->netlink, bridge->names[leg], note, &noted, error)) {
        g_prefix_error(error, "Leg '%s': ", bridge_leg_names[leg]);
        return FALSE;
    }
    if (!noted)
        return TRUE;
    /* Once for each bridge, before anything is pinned there by us. */
    if (!(other->noted && other->master == note->master) &&
        !vt_port_note_pins(bridge->netlink, note->master, &bridge->mac, bridge->pins, error)) {
        note->noted = FALSE;
        return FALSE;
    }
    *grew = TRUE;
    return TRUE;
}

static gboolean
bridge_prepare(gpointer state, VtFeed feed, gboolean *noted, GError **error)
{
    Bridge *bridge = state;
    const BridgePlan *plan = &bridge_plans[feed];
    g_autoptr(GError) inner = NULL;

    *noted = FALSE;
    if (feed == VT_FEED_RELEASED)
        return TRUE;
    if (!bridge_note_leg(bridge, VT_LEG_STANDBY, noted, error))
        return FALSE;
    if (!bridge->names[VT_LEG_PRIMARY]) {
        bridge->notes[VT_LEG_PRIMARY].noted = FALSE;
        if (!plan->needs_primary)
            return TRUE;
        return vt_error_set(error, VT_ERROR_INTERNAL, "The team has no primary that could be fed.");
    }
    if (bridge_note_leg(bridge, VT_LEG_PRIMARY, noted, &inner))
        return TRUE;
    /* A primary that is gone is not in the way of standby. */
    bridge->notes[VT_LEG_PRIMARY].noted = FALSE;
    if (!plan->needs_primary && g_error_matches(inner, VT_ERROR, VT_ERROR_NO_DEVICE))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
}

static JsonObject *
bridge_note(gpointer state)
{
    const Bridge *bridge = state;
    JsonArray *legs = json_array_new();
    char mac[VT_MAC_STRING_SIZE];

    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        JsonObject *object;

        if (!bridge->notes[leg].noted)
            continue;
        object = vt_port_note_to_json(&bridge->notes[leg]);
        json_object_set_string_member(object, "leg", bridge_leg_names[leg]);
        json_array_add_object_element(legs, object);
    }
    return vt_json_object_new("s:backend", BRIDGE_BACKEND, "s:mac", vt_mac_format(&bridge->mac, mac),
                              "S:standby", bridge->names[VT_LEG_STANDBY], "S:primary",
                              bridge->names[VT_LEG_PRIMARY], "i:short-queue-frames",
                              (int)bridge->short_queue_frames, "a:legs", legs, "a:pins",
                              vt_port_note_pins_to_json(bridge->pins), NULL);
}

static gboolean
bridge_set_leg(Bridge *bridge, VtLeg leg, const BridgePlan *plan, GError **error)
{
    const VtPortNote *note = &bridge->notes[leg];
    gboolean silent = leg == VT_LEG_PRIMARY ? plan->pinned != VT_LEG_PRIMARY : plan->pinned == VT_LEG_PRIMARY;
    VtLinkPort port = note->port;

    port.learning = 0;
    if (silent) {
        port.flood = 0;
        port.mcast_flood = 0;
        port.bcast_flood = 0;
    } else if (plan->pinned != BRIDGE_NOBODY) {
        port.multicast_router = BRIDGE_ROUTER_ALWAYS;
    }
    if (!vt_mirror_add_qdisc(bridge->netlink, note->ifindex, error) ||
        !vt_link_set_port(bridge->netlink, bridge->names[leg], &port, error))
        return FALSE;
    if (leg != VT_LEG_PRIMARY || !note->is_tap)
        return TRUE;
    return vt_link_set_tx_queue_length(
        bridge->netlink, bridge->names[leg],
        plan->short_queue ? MIN(bridge->short_queue_frames, note->queue_frames) : note->queue_frames, error);
}

static gboolean
bridge_stop_mirror(Bridge *bridge, VtLeg leg, GError **error)
{
    return !bridge->notes[leg].noted || vt_mirror_stop(bridge->netlink, bridge->notes[leg].ifindex, error);
}

static gboolean
bridge_start_mirror(Bridge *bridge, int from, GError **error)
{
    if (!vt_mirror_start(bridge->netlink, bridge->notes[from].ifindex,
                         bridge->notes[bridge_other(from)].ifindex, VT_MIRROR_NOT_FROM, &bridge->mac, error))
        return FALSE;
    bridge->mirror = from;
    return TRUE;
}

/* Copies that must end: those away from a leg that is not the one to be copied. */
static gboolean
bridge_end_old_mirror(Bridge *bridge, const BridgePlan *plan, GError **error)
{
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        if ((int)leg != plan->mirror && (!bridge->mirror_known || bridge->mirror == (int)leg))
            if (!bridge_stop_mirror(bridge, leg, error))
                return FALSE;
    if (!bridge->mirror_known || bridge->mirror != plan->mirror)
        bridge->mirror = BRIDGE_NOBODY;
    bridge->mirror_known = TRUE;
    return TRUE;
}

static gboolean
bridge_pin(Bridge *bridge, int pinned, GError **error)
{
    if (pinned != BRIDGE_NOBODY &&
        !vt_fdb_pin(bridge->netlink, bridge->notes[pinned].ifindex, &bridge->mac, error))
        return FALSE;
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        if ((int)leg != pinned && bridge->notes[leg].noted &&
            !vt_fdb_unpin(bridge->netlink, bridge->notes[leg].ifindex, &bridge->mac, error))
            return FALSE;
    return TRUE;
}

static gboolean
bridge_follow_plan(Bridge *bridge, const BridgePlan *plan, GError **error)
{
    gboolean same_or_none =
        bridge->mirror_known && (bridge->mirror == plan->mirror || bridge->mirror == BRIDGE_NOBODY);

    if (!bridge_set_leg(bridge, VT_LEG_STANDBY, plan, error))
        return FALSE;
    if (vt_port_note_is_there(bridge->netlink, &bridge->notes[VT_LEG_PRIMARY])) {
        if (!bridge_set_leg(bridge, VT_LEG_PRIMARY, plan, error))
            return FALSE;
    } else if (plan->needs_primary) {
        return vt_error_set(error, VT_ERROR_NO_DEVICE, "The interface '%s' of the primary leg is gone.",
                            bridge->names[VT_LEG_PRIMARY]);
    }
    if (plan->mirror != BRIDGE_NOBODY && same_or_none && bridge->mirror != plan->mirror &&
        !bridge_start_mirror(bridge, plan->mirror, error))
        return FALSE;
    if (!bridge_pin(bridge, plan->pinned, error))
        return FALSE;
    if (bridge->mirror != BRIDGE_NOBODY && bridge->mirror != plan->mirror)
        g_usleep(BRIDGE_IN_FLIGHT_US);
    if (!bridge_end_old_mirror(bridge, plan, error))
        return FALSE;
    if (plan->mirror != BRIDGE_NOBODY && bridge->mirror != plan->mirror)
        return bridge_start_mirror(bridge, plan->mirror, error);
    return TRUE;
}

static gboolean
bridge_release(Bridge *bridge, GError **error)
{
    GError *first = NULL;

    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        const VtPortNote *note = &bridge->notes[leg];

        if (!vt_port_note_is_there(bridge->netlink, note))
            continue;
        vt_fdb_unpin(bridge->netlink, note->ifindex, &bridge->mac, vt_port_note_first(&first));
        vt_port_note_restore(bridge->netlink, note, &first);
    }
    vt_port_note_restore_pins(bridge->netlink, bridge->pins, &first);
    memset(bridge->notes, 0, sizeof bridge->notes);
    g_array_set_size(bridge->pins, 0);
    bridge->mirror = BRIDGE_NOBODY;
    bridge->mirror_known = TRUE;
    if (!first)
        return TRUE;
    g_propagate_error(error, first);
    return FALSE;
}

static gboolean
bridge_apply(gpointer state, VtFeed feed, GError **error)
{
    Bridge *bridge = state;

    if (feed == VT_FEED_RELEASED)
        return bridge_release(bridge, error);
    if (bridge_follow_plan(bridge, &bridge_plans[feed], error))
        return TRUE;
    bridge->mirror_known = FALSE; /* whatever was reached, the next plan starts from scratch */
    return FALSE;
}

/* The guest's frames come into the host through the primary's port. */
static gboolean
bridge_look(gpointer state, VtLifeSigns *signs)
{
    Bridge *bridge = state;
    VtLinkInfo info;

    if (!bridge->names[VT_LEG_PRIMARY] ||
        !vt_link_get(bridge->netlink, bridge->names[VT_LEG_PRIMARY], &info, NULL))
        return FALSE;
    *signs = (VtLifeSigns){ .frames = info.stats.rx_packets };
    return TRUE;
}

static void
bridge_set_primary(gpointer state, const char *interface)
{
    Bridge *bridge = state;

    g_free(bridge->names[VT_LEG_PRIMARY]);
    bridge->names[VT_LEG_PRIMARY] = g_strdup(interface);
}

static void
bridge_free(gpointer state)
{
    Bridge *bridge = state;

    vt_netlink_free(bridge->netlink);
    g_array_unref(bridge->pins);
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        g_free(bridge->names[leg]);
    g_free(bridge);
}

static const VtBackendFuncs bridge_funcs = {
    .name = BRIDGE_BACKEND,
    .prepare = bridge_prepare,
    .note = bridge_note,
    .apply = bridge_apply,
    .look = bridge_look,
    .set_primary = bridge_set_primary,
    .free = bridge_free,
};

VtBackend
vt_bridge_new(const VtBridgeSpec *spec, VtNetlink *netlink)
{
    Bridge *bridge = g_new0(Bridge, 1);

    bridge->netlink = netlink;
    bridge->mac = spec->mac;
    bridge->short_queue_frames = spec->short_queue_frames ? spec->short_queue_frames : BRIDGE_SHORT_QUEUE;
    bridge->names[VT_LEG_STANDBY] = g_strdup(spec->standby);
    bridge->names[VT_LEG_PRIMARY] = g_strdup(spec->primary);
    bridge->pins = g_array_new(FALSE, FALSE, sizeof(VtFdbEntry));
    bridge->mirror = BRIDGE_NOBODY;
    bridge->mirror_known = TRUE;
    return (VtBackend){ .funcs = &bridge_funcs, .state = bridge };
}

static gboolean
bridge_read_note(Bridge *bridge, JsonNode *root, GError **error)
{
    JsonArray *legs, *pins;

    if (!vt_json_get_array(root, "legs", &legs, error) || !vt_json_get_array(root, "pins", &pins, error))
        return FALSE;
    for (guint i = 0; i < json_array_get_length(legs); i++) {
        JsonNode *node = json_array_get_element(legs, i);
        const char *name;
        int leg;

        if (!vt_json_get_string(node, "leg", &name, error))
            return FALSE;
        leg = vt_enum_value(bridge_leg_names, G_N_ELEMENTS(bridge_leg_names), name);
        if (leg < 0)
            return vt_error_set(error, VT_ERROR_INVALID_ARG, "There is no leg '%s'.", name);
        if (!vt_port_note_from_json(node, &bridge->notes[leg], error))
            return FALSE;
    }
    vt_port_note_pins_from_json(pins, &bridge->mac, bridge->pins);
    return TRUE;
}

gboolean
vt_bridge_from_note(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error)
{
    VtBridgeSpec spec = { .standby = vt_json_string_or(note, "standby", NULL),
                          .primary = vt_json_string_or(note, "primary", NULL) };
    const char *mac = vt_json_string_or(note, "mac", "");
    VtBackend made;
    Bridge *bridge;

    if (g_strcmp0(vt_json_string_or(note, "backend", NULL), BRIDGE_BACKEND) != 0 || !spec.standby ||
        !vt_mac_parse(mac, &spec.mac)) {
        vt_netlink_free(netlink);
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "This is not a note of the back end '%s'.",
                            BRIDGE_BACKEND);
    }
    spec.short_queue_frames = (guint)CLAMP(vt_json_int_or(note, "short-queue-frames", 0), 0, G_MAXUINT16);
    made = vt_bridge_new(&spec, netlink);
    bridge = made.state;
    bridge->mirror_known = FALSE;
    if (!bridge_read_note(bridge, note, error)) {
        bridge_free(bridge);
        return FALSE;
    }
    *backend = made;
    return TRUE;
}
