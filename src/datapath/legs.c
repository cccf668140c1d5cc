/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What belongs to a feed is a row of the table legs_plans; following it goes from the settings in force to that row in an
 * order that never leaves the leg unfed to which the guest listens:
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
 * Where hardware may feed the primary it does so from the bridge's table, and what it forwards by itself passes no place
 * where the kernel could copy it. Hence with such a primary both legs are always fed by way of standby, which no hardware
 * knows, and the primary has the guest's address only while it alone is fed.
 */
#include "datapath/legs.h"

#include "datapath/mirror.h"
#include "util/enum.h"
#include "util/json.h"
#include "util/link.h"

#include <string.h>

#define LEGS_SHORT_QUEUE 16

static const VtLegsPlan legs_plans[] = {
    [VT_FEED_RELEASED] = { .pinned = VT_LEG_NOBODY, .mirror = VT_LEG_NOBODY },
    [VT_FEED_READY] = { .pinned = VT_LEG_NOBODY, .mirror = VT_LEG_NOBODY, .short_queue = TRUE },
    [VT_FEED_STANDBY] = { .pinned = VT_LEG_STANDBY, .mirror = VT_LEG_NOBODY, .short_queue = TRUE },
    [VT_FEED_STANDBY_ARMED] = { .pinned = VT_LEG_STANDBY, .mirror = VT_LEG_NOBODY, .short_queue = TRUE },
    [VT_FEED_STANDBY_COPIED] = { .pinned = VT_LEG_STANDBY,
                                 .mirror = VT_LEG_STANDBY,
                                 .needs_primary = TRUE,
                                 .short_queue = TRUE },
    /* A port without carrier forwards nothing, and so makes no copies. */
    [VT_FEED_FALLBACK] = { .pinned = VT_LEG_STANDBY, .mirror = VT_LEG_STANDBY, .needs_primary = TRUE },
    [VT_FEED_PRIMARY_COPIED] = { .pinned = VT_LEG_PRIMARY, .mirror = VT_LEG_PRIMARY, .needs_primary = TRUE },
    [VT_FEED_PRIMARY] = { .pinned = VT_LEG_PRIMARY, .mirror = VT_LEG_NOBODY, .needs_primary = TRUE },
};
G_STATIC_ASSERT(G_N_ELEMENTS(legs_plans) == VT_FEED_COUNT);

static const char *const legs_names[VT_LEG_COUNT] = {
    [VT_LEG_STANDBY] = "standby",
    [VT_LEG_PRIMARY] = "primary",
};

void
vt_legs_init(VtLegs *legs, const VtLegsFuncs *funcs, const VtLegsSpec *spec, VtNetlink *netlink)
{
    legs->funcs = funcs;
    legs->netlink = netlink;
    legs->mac = spec->mac;
    legs->short_queue_frames = spec->short_queue_frames ? spec->short_queue_frames : LEGS_SHORT_QUEUE;
    legs->hardware = spec->hardware;
    legs->names[VT_LEG_STANDBY] = g_strdup(spec->standby);
    legs->names[VT_LEG_PRIMARY] = g_strdup(spec->primary);
    legs->known = TRUE;
    legs->mirror = VT_LEG_NOBODY;
}

void
vt_legs_clear(VtLegs *legs)
{
    vt_netlink_free(legs->netlink);
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        g_free(legs->names[leg]);
}

const char *
vt_leg_name(VtLeg leg)
{
    return legs_names[leg];
}

static VtLeg
legs_other(int leg)
{
    return leg == VT_LEG_STANDBY ? VT_LEG_PRIMARY : VT_LEG_STANDBY;
}

gboolean
vt_legs_is_there(const VtLegs *legs, VtLeg leg)
{
    VtLinkInfo info;

    return legs->notes[leg].noted && vt_link_get(legs->netlink, legs->notes[leg].name, &info, NULL) &&
           info.index == legs->notes[leg].ifindex && (info.is_bridge_port || !legs->funcs->bridge_ports);
}

void
vt_legs_put_back(const VtLegs *legs, VtLeg leg, GError *error, GError **first)
{
    g_autoptr(GError) owned = error;

    if (owned && !*first && vt_legs_is_there(legs, leg))
        *first = g_steal_pointer(&owned);
}

gboolean
vt_legs_is_silent(VtLeg leg, const VtLegsPlan *plan)
{
    return leg == VT_LEG_PRIMARY ? plan->pinned != VT_LEG_PRIMARY : plan->pinned == VT_LEG_PRIMARY;
}

static const VtLegsPlan *
legs_plan(const VtLegs *legs, VtFeed feed)
{
    return &legs_plans[legs->hardware && feed == VT_FEED_PRIMARY_COPIED ? VT_FEED_STANDBY_COPIED : feed];
}

/* ---- prepare ---- */

static gboolean
legs_note(VtLegs *legs, VtLeg leg, gboolean *grew, GError **error)
{
    if (legs->funcs->note_leg(legs, leg, grew, error))
        return TRUE;
    g_prefix_error(error, "Leg '%s': ", legs_names[leg]);
    return FALSE;
}

gboolean
vt_legs_prepare(gpointer state, VtFeed feed, gboolean *noted, GError **error)
{
    VtLegs *legs = state;
    const VtLegsPlan *plan = legs_plan(legs, feed);
    g_autoptr(GError) inner = NULL;

    *noted = FALSE;
    if (feed == VT_FEED_RELEASED)
        return TRUE;
    if (!legs_note(legs, VT_LEG_STANDBY, noted, error))
        return FALSE;
    if (!legs->names[VT_LEG_PRIMARY]) {
        legs->notes[VT_LEG_PRIMARY].noted = FALSE;
        return !plan->needs_primary ||
               vt_error_set(error, VT_ERROR_INTERNAL, "The team has no primary that could be fed.");
    }
    if (legs_note(legs, VT_LEG_PRIMARY, noted, &inner))
        return TRUE;
    legs->notes[VT_LEG_PRIMARY].noted = FALSE;
    /* A primary that is gone is not in the way of standby. */
    if (!plan->needs_primary && g_error_matches(inner, VT_ERROR, VT_ERROR_NO_DEVICE))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
}

/* ---- making it so ---- */

static gboolean
legs_set_link(VtLegs *legs, VtLeg leg, const VtLegsPlan *plan, GError **error)
{
    const VtPortNote *note = &legs->notes[leg];

    if (!vt_mirror_add_qdisc(legs->netlink, note->ifindex, error))
        return FALSE;
    if (leg != VT_LEG_PRIMARY || !note->is_tap)
        return TRUE;
    return vt_link_set_tx_queue_length(
        legs->netlink, note->name,
        plan->short_queue ? MIN(legs->short_queue_frames, note->queue_frames) : note->queue_frames, error);
}

static gboolean
legs_set_links(VtLegs *legs, const VtLegsPlan *plan, GError **error)
{
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        legs->there[leg] = vt_legs_is_there(legs, leg);
        if (legs->there[leg]) {
            if (!legs_set_link(legs, leg, plan, error))
                return FALSE;
        } else if (leg == VT_LEG_STANDBY || plan->needs_primary) {
            return vt_error_set(error, VT_ERROR_NO_DEVICE, "The interface '%s' of the %s leg is gone.",
                                legs->names[leg], legs_names[leg]);
        }
    }
    return TRUE;
}

static gboolean
legs_start_mirror(VtLegs *legs, int from, GError **error)
{
    VtLeg to = legs_other(from);

    if (!vt_mirror_start(legs->netlink, legs->notes[from].ifindex, legs->notes[to].ifindex,
                         legs->hears[to] ? VT_MIRROR_NOT_FROM_NOR_BROADCAST : VT_MIRROR_NOT_FROM, &legs->mac,
                         error))
        return FALSE;
    legs->mirror = from;
    return TRUE;
}

/* Copies that must end: those away from a leg that is not the one to be copied. */
static gboolean
legs_end_old_mirror(VtLegs *legs, const VtLegsPlan *plan, GError **error)
{
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        if ((int)leg != plan->mirror && (!legs->known || legs->mirror == (int)leg) &&
            legs->notes[leg].noted && !vt_mirror_stop(legs->netlink, legs->notes[leg].ifindex, error))
            return FALSE;
    if (!legs->known || legs->mirror != plan->mirror)
        legs->mirror = VT_LEG_NOBODY;
    return TRUE;
}

static gboolean
legs_follow_plan(VtLegs *legs, const VtLegsPlan *plan, GError **error)
{
    gboolean same_or_none = legs->known && (legs->mirror == plan->mirror || legs->mirror == VT_LEG_NOBODY);

    if (!legs_set_links(legs, plan, error) || !legs->funcs->set_ports(legs, plan, error))
        return FALSE;
    if (plan->mirror != VT_LEG_NOBODY && same_or_none && legs->mirror != plan->mirror &&
        !legs_start_mirror(legs, plan->mirror, error))
        return FALSE;
    if (!legs->funcs->pin(legs, plan->pinned, error))
        return FALSE;
    if (legs->mirror != VT_LEG_NOBODY && legs->mirror != plan->mirror)
        g_usleep(legs->funcs->in_flight_us);
    if (!legs_end_old_mirror(legs, plan, error))
        return FALSE;
    return plan->mirror == VT_LEG_NOBODY || legs->mirror == plan->mirror ||
           legs_start_mirror(legs, plan->mirror, error);
}

gboolean
vt_legs_follow(VtLegs *legs, VtFeed feed, GError **error)
{
    legs->known = legs_follow_plan(legs, legs_plan(legs, feed), error);
    return legs->known;
}

void
vt_legs_forget(VtLegs *legs)
{
    memset(legs->notes, 0, sizeof legs->notes);
    legs->known = TRUE;
    legs->mirror = VT_LEG_NOBODY;
}

gboolean
vt_legs_look(gpointer state, VtLifeSigns *signs)
{
    VtLegs *legs = state;
    VtLinkInfo info;

    if (!legs->names[VT_LEG_PRIMARY] || !vt_link_get(legs->netlink, legs->names[VT_LEG_PRIMARY], &info, NULL))
        return FALSE;
    *signs = (VtLifeSigns){ .frames = info.stats.rx_packets };
    return TRUE;
}

void
vt_legs_set_primary(gpointer state, const char *interface)
{
    VtLegs *legs = state;

    g_free(legs->names[VT_LEG_PRIMARY]);
    legs->names[VT_LEG_PRIMARY] = g_strdup(interface);
}

/* ---- the disk ---- */

JsonObject *
vt_legs_to_json(const VtLegs *legs)
{
    JsonArray *array = json_array_new();
    char mac[VT_MAC_STRING_SIZE];

    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        JsonObject *object;

        if (!legs->notes[leg].noted)
            continue;
        object = vt_port_note_to_json(&legs->notes[leg]);
        json_object_set_string_member(object, "leg", legs_names[leg]);
        json_array_add_object_element(array, object);
    }
    return vt_json_object_new(
        "s:backend", legs->funcs->backend, "s:mac", vt_mac_format(&legs->mac, mac), "S:standby",
        legs->names[VT_LEG_STANDBY], "S:primary", legs->names[VT_LEG_PRIMARY], "i:short-queue-frames",
        (int)legs->short_queue_frames, "b:hardware", legs->hardware, "a:legs", array, NULL);
}

gboolean
vt_legs_spec_from_json(JsonNode *note, const char *backend, VtLegsSpec *spec, GError **error)
{
    VtLegsSpec out = { .standby = vt_json_string_or(note, "standby", NULL),
                       .primary = vt_json_string_or(note, "primary", NULL) };

    if (g_strcmp0(vt_json_string_or(note, "backend", NULL), backend) != 0 || !out.standby ||
        !vt_mac_parse(vt_json_string_or(note, "mac", ""), &out.mac))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "This is not a note of the back end '%s'.", backend);
    out.short_queue_frames = (guint)CLAMP(vt_json_int_or(note, "short-queue-frames", 0), 0, G_MAXUINT16);
    out.hardware = vt_json_bool_or(note, "hardware", FALSE);
    *spec = out;
    return TRUE;
}

gboolean
vt_legs_from_json(VtLegs *legs, JsonNode *note, GError **error)
{
    JsonArray *array;

    legs->known = FALSE;
    if (!vt_json_get_array(note, "legs", &array, error))
        return FALSE;
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        const char *name;
        int leg;

        if (!vt_json_get_string(node, "leg", &name, error))
            return FALSE;
        leg = vt_enum_value(legs_names, G_N_ELEMENTS(legs_names), name);
        if (leg < 0)
            return vt_error_set(error, VT_ERROR_INVALID_ARG, "There is no leg '%s'.", name);
        if (!vt_port_note_from_json(node, &legs->notes[leg], error))
            return FALSE;
    }
    return TRUE;
}
