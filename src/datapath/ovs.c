/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why the MAC table and not flows: a flow "to the guest's address: output to the leg" goes before everything the
 * switch does by itself, VLANs included: whoever can send to the bridge in another VLAN would reach the guest. A
 * static entry says in which VLAN the guest is where, the action NORMAL does the rest, and nobody's flows are overridden.
 *
 * Open vSwitch decides once for each kind of frame and keeps the decision in its datapath. A change wakes its
 * revalidators, and frames go the old way until they have been round, some milliseconds; copies stay on until then.
 * So the order is that of bridge.c:
 *
 *   1. flooding: on for the leg that will be fed, then off for the other. For a moment a broadcast frame may come
 *      twice (also as a copy), but never not at all
 *   2. copies away from a leg that stays the fed one
 *   3. the static entry moves, in one step
 *   4. copies that have changed their direction: the old ones end before the new ones begin
 *
 * The copies are made by tc where the leg's interface sends, which both of Open vSwitch's datapaths go through: the
 * kernel's as a matter of course, the one in user space because it sends by a packet socket. A leg that is a port of
 * its DPDK has no such place; its interface is none of the kernel's, and prepare() says so.
 */
#include "datapath/ovs.h"

#include "datapath/mirror.h"
#include "datapath/port-note.h"
#include "util/enum.h"
#include "util/json.h"
#include "util/link.h"
#include "util/ovsctl.h"

#include <string.h>

#define OVS_BACKEND      "ovs"
#define OVS_SHORT_QUEUE  16
#define OVS_NOBODY       (-1)
#define OVS_IN_FLIGHT_US 30000 /* frames may still go to the former leg, where they are to be copied */

/* Pinned by others before us. */
typedef struct {
    guint16 vlan;
    char port[IF_NAMESIZE];
} OvsPin;

typedef struct {
    VtNetlink *netlink;
    VtMac mac;
    guint short_queue_frames;
    char *names[VT_LEG_COUNT];
    VtPortNote notes[VT_LEG_COUNT]; /* of .port only .flood is used */
    char *bridge;                   /* NULL: nothing noted yet */
    char *settings;                 /* of both ports */
    guint16 vlans[VT_OVSCTL_VLANS_MAX];
    guint n_vlans;
    GArray *pins;   /* of OvsPin */
    gboolean known; /* what follows; FALSE in a process that has taken over, and after a failure */
    int pinned;     /* leg, or OVS_NOBODY */
    int mirror;     /* leg whose frames are copied to the other, or OVS_NOBODY */
    gboolean flooded[VT_LEG_COUNT];
} Ovs;

typedef struct {
    int pinned, mirror; /* leg, or OVS_NOBODY */
    gboolean needs_primary;
    gboolean short_queue; /* of the primary */
} OvsPlan;

static const OvsPlan ovs_plans[] = {
    [VT_FEED_RELEASED] = { .pinned = OVS_NOBODY, .mirror = OVS_NOBODY },
    [VT_FEED_READY] = { .pinned = OVS_NOBODY, .mirror = OVS_NOBODY, .short_queue = TRUE },
    [VT_FEED_STANDBY] = { .pinned = VT_LEG_STANDBY, .mirror = OVS_NOBODY, .short_queue = TRUE },
    [VT_FEED_STANDBY_COPIED] = { .pinned = VT_LEG_STANDBY,
                                 .mirror = VT_LEG_STANDBY,
                                 .needs_primary = TRUE,
                                 .short_queue = TRUE },
    [VT_FEED_PRIMARY_COPIED] = { .pinned = VT_LEG_PRIMARY, .mirror = VT_LEG_PRIMARY, .needs_primary = TRUE },
    [VT_FEED_PRIMARY] = { .pinned = VT_LEG_PRIMARY, .mirror = OVS_NOBODY, .needs_primary = TRUE },
};
G_STATIC_ASSERT(G_N_ELEMENTS(ovs_plans) == VT_FEED_COUNT);

static const char *const ovs_leg_names[VT_LEG_COUNT] = {
    [VT_LEG_STANDBY] = "standby",
    [VT_LEG_PRIMARY] = "primary",
};

static VtLeg
ovs_other(int leg)
{
    return leg == VT_LEG_STANDBY ? VT_LEG_PRIMARY : VT_LEG_STANDBY;
}

/* ---- the note ---- */

/* The bridge as the first leg shows it. */
static gboolean
ovs_note_bridge(Ovs *ovs, const VtOvsctlPort *port, GError **error)
{
    g_autoptr(GArray) found = NULL;

    if (!vt_ovsctl_bridge_check(port->bridge, &ovs->mac, error))
        return FALSE;
    found = vt_ovsctl_pins(port->bridge, &ovs->mac, error);
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
            ovs->names[leg], ovs_leg_names[leg], port->settings, ovs->settings);
    return TRUE;
}

static gboolean
ovs_note_leg(Ovs *ovs, VtLeg leg, gboolean *grew, GError **error)
{
    VtPortNote *note = &ovs->notes[leg];
    const char *name = ovs->names[leg];
    VtMirrorQdisc qdisc;
    VtOvsctlPort port;
    VtLinkInfo info;

    if (!vt_link_get(ovs->netlink, name, &info, error))
        return FALSE;
    if (note->noted && note->ifindex == info.index)
        return TRUE;
    if (!vt_mirror_qdisc(ovs->netlink, info.index, &qdisc, error) ||
        !vt_ovsctl_port_get(name, &port, error) || (!ovs->bridge && !ovs_note_bridge(ovs, &port, error)) ||
        !ovs_check_same(ovs, leg, &port, error))
        return FALSE;
    *note = (VtPortNote){
        .noted = TRUE,
        .ifindex = info.index,
        .port = { .flood = !port.no_flood },
        .is_tap = strcmp(info.kind, "tun") == 0,
        .queue_frames = info.tx_queue_length,
        .had_clsact = qdisc == VT_MIRROR_CLSACT,
    };
    g_strlcpy(note->name, info.name, sizeof note->name);
    ovs->flooded[leg] = !port.no_flood;
    *grew = TRUE;
    return TRUE;
}

static gboolean
ovs_prepare(gpointer state, VtFeed feed, gboolean *noted, GError **error)
{
    Ovs *ovs = state;
    g_autoptr(GError) inner = NULL;

    *noted = FALSE;
    if (feed == VT_FEED_RELEASED)
        return TRUE;
    if (!ovs_note_leg(ovs, VT_LEG_STANDBY, noted, error)) {
        g_prefix_error(error, "Leg 'standby': ");
        return FALSE;
    }
    if (ovs->names[VT_LEG_PRIMARY] && ovs_note_leg(ovs, VT_LEG_PRIMARY, noted, &inner))
        return TRUE;
    ovs->notes[VT_LEG_PRIMARY].noted = FALSE;
    if (!ovs->names[VT_LEG_PRIMARY])
        return !ovs_plans[feed].needs_primary ||
               vt_error_set(error, VT_ERROR_INTERNAL, "The team has no primary that could be fed.");
    /* A primary that is gone is not in the way of standby. */
    if (!ovs_plans[feed].needs_primary && g_error_matches(inner, VT_ERROR, VT_ERROR_NO_DEVICE))
        return TRUE;
    g_propagate_prefixed_error(error, g_steal_pointer(&inner), "Leg 'primary': ");
    return FALSE;
}

static JsonObject *
ovs_note(gpointer state)
{
    const Ovs *ovs = state;
    JsonArray *legs = json_array_new(), *pins = json_array_new(), *vlans = json_array_new();
    char mac[VT_MAC_STRING_SIZE];

    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        JsonObject *object;

        if (!ovs->notes[leg].noted)
            continue;
        object = vt_port_note_to_json(&ovs->notes[leg]);
        json_object_set_string_member(object, "leg", ovs_leg_names[leg]);
        json_array_add_object_element(legs, object);
    }
    for (guint i = 0; i < ovs->pins->len; i++) {
        const OvsPin *pin = &g_array_index(ovs->pins, OvsPin, i);

        json_array_add_object_element(
            pins, vt_json_object_new("s:port", pin->port, "i:vlan", (int)pin->vlan, NULL));
    }
    for (guint i = 0; i < ovs->n_vlans; i++)
        json_array_add_object_element(vlans, vt_json_object_new("i:vlan", (int)ovs->vlans[i], NULL));
    return vt_json_object_new("s:backend", OVS_BACKEND, "s:mac", vt_mac_format(&ovs->mac, mac), "S:standby",
                              ovs->names[VT_LEG_STANDBY], "S:primary", ovs->names[VT_LEG_PRIMARY], "S:bridge",
                              ovs->bridge, "S:settings", ovs->settings, "i:short-queue-frames",
                              (int)ovs->short_queue_frames, "a:legs", legs, "a:pins", pins, "a:vlans", vlans,
                              NULL);
}

/* ---- making it so ---- */

static gboolean
ovs_is_there(const Ovs *ovs, VtLeg leg)
{
    VtLinkInfo info;

    return ovs->notes[leg].noted && vt_link_get(ovs->netlink, ovs->notes[leg].name, &info, NULL) &&
           info.index == ovs->notes[leg].ifindex;
}

static gboolean
ovs_set_link(Ovs *ovs, VtLeg leg, const OvsPlan *plan, GError **error)
{
    const VtPortNote *note = &ovs->notes[leg];

    if (!vt_mirror_add_qdisc(ovs->netlink, note->ifindex, error))
        return FALSE;
    if (leg != VT_LEG_PRIMARY || !note->is_tap)
        return TRUE;
    return vt_link_set_tx_queue_length(
        ovs->netlink, note->name,
        plan->short_queue ? MIN(ovs->short_queue_frames, note->queue_frames) : note->queue_frames, error);
}

/* The leg that is not fed is not flooded; before the guest is here standby is, as any port. */
static gboolean
ovs_is_flooded(const Ovs *ovs, VtLeg leg, const OvsPlan *plan)
{
    gboolean silent = leg == VT_LEG_PRIMARY ? plan->pinned != VT_LEG_PRIMARY : plan->pinned == VT_LEG_PRIMARY;

    return !silent && ovs->notes[leg].port.flood;
}

/* Those that change to @flood. */
static gboolean
ovs_set_floods(Ovs *ovs, const OvsPlan *plan, gboolean flood, GError **error)
{
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        if (ovs_is_flooded(ovs, leg, plan) != flood || (ovs->known && ovs->flooded[leg] == flood) ||
            !ovs_is_there(ovs, leg))
            continue;
        if (!vt_ovsctl_set_flood(ovs->bridge, ovs->notes[leg].name, flood, error))
            return FALSE;
        ovs->flooded[leg] = flood;
    }
    return TRUE;
}

static gboolean
ovs_set_pin(Ovs *ovs, int pinned, GError **error)
{
    if (ovs->known && ovs->pinned == pinned)
        return TRUE;
    for (guint i = 0; i < ovs->n_vlans; i++)
        if (pinned == OVS_NOBODY
                ? !vt_ovsctl_unpin(ovs->bridge, ovs->vlans[i], &ovs->mac, error)
                : !vt_ovsctl_pin(ovs->bridge, ovs->notes[pinned].name, ovs->vlans[i], &ovs->mac, error))
            return FALSE;
    ovs->pinned = pinned;
    return TRUE;
}

static gboolean
ovs_start_mirror(Ovs *ovs, int from, GError **error)
{
    if (!vt_mirror_start(ovs->netlink, ovs->notes[from].ifindex, ovs->notes[ovs_other(from)].ifindex,
                         VT_MIRROR_NOT_FROM, &ovs->mac, error))
        return FALSE;
    ovs->mirror = from;
    return TRUE;
}

static gboolean
ovs_end_old_mirror(Ovs *ovs, const OvsPlan *plan, GError **error)
{
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        if ((int)leg != plan->mirror && (!ovs->known || ovs->mirror == (int)leg) && ovs_is_there(ovs, leg) &&
            !vt_mirror_stop(ovs->netlink, ovs->notes[leg].ifindex, error))
            return FALSE;
    if (!ovs->known || ovs->mirror != plan->mirror)
        ovs->mirror = OVS_NOBODY;
    return TRUE;
}

static gboolean
ovs_follow_plan(Ovs *ovs, const OvsPlan *plan, GError **error)
{
    gboolean same_or_none = ovs->known && (ovs->mirror == plan->mirror || ovs->mirror == OVS_NOBODY);

    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        if (ovs_is_there(ovs, leg)) {
            if (!ovs_set_link(ovs, leg, plan, error))
                return FALSE;
        } else if (leg == VT_LEG_STANDBY || plan->needs_primary) {
            return vt_error_set(error, VT_ERROR_NO_DEVICE, "The interface '%s' of the %s leg is gone.",
                                ovs->names[leg], ovs_leg_names[leg]);
        }
    }
    if (!ovs_set_floods(ovs, plan, TRUE, error) || !ovs_set_floods(ovs, plan, FALSE, error))
        return FALSE;
    if (plan->mirror != OVS_NOBODY && same_or_none && ovs->mirror != plan->mirror &&
        !ovs_start_mirror(ovs, plan->mirror, error))
        return FALSE;
    if (!ovs_set_pin(ovs, plan->pinned, error))
        return FALSE;
    if (ovs->mirror != OVS_NOBODY && ovs->mirror != plan->mirror)
        g_usleep(OVS_IN_FLIGHT_US);
    if (!ovs_end_old_mirror(ovs, plan, error))
        return FALSE;
    if (plan->mirror != OVS_NOBODY && ovs->mirror != plan->mirror &&
        !ovs_start_mirror(ovs, plan->mirror, error))
        return FALSE;
    ovs->known = TRUE;
    return TRUE;
}

static void
ovs_restore_leg(Ovs *ovs, VtLeg leg, GError **first)
{
    const VtPortNote *note = &ovs->notes[leg];

    vt_mirror_stop(ovs->netlink, note->ifindex, vt_port_note_first(first));
    if (!note->had_clsact)
        vt_mirror_remove_qdisc(ovs->netlink, note->ifindex, vt_port_note_first(first));
    if (note->is_tap)
        vt_link_set_tx_queue_length(ovs->netlink, note->name, note->queue_frames, vt_port_note_first(first));
    if (!ovs->known || ovs->flooded[leg] != (note->port.flood != 0))
        vt_ovsctl_set_flood(ovs->bridge, note->name, note->port.flood, vt_port_note_first(first));
}

static gboolean
ovs_release(Ovs *ovs, GError **error)
{
    GError *first = NULL;

    /* A bridge that is gone has taken everything along; its name is that of an interface, too. */
    if (ovs->bridge && vt_link_exists(ovs->netlink, ovs->bridge)) {
        for (guint i = 0; i < ovs->n_vlans; i++)
            vt_ovsctl_unpin(ovs->bridge, ovs->vlans[i], &ovs->mac, vt_port_note_first(&first));
        for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
            if (ovs_is_there(ovs, leg))
                ovs_restore_leg(ovs, leg, &first);
        for (guint i = 0; i < ovs->pins->len; i++) {
            const OvsPin *pin = &g_array_index(ovs->pins, OvsPin, i);

            if (vt_link_exists(ovs->netlink, pin->port))
                vt_ovsctl_pin(ovs->bridge, pin->port, pin->vlan, &ovs->mac, vt_port_note_first(&first));
        }
    }
    memset(ovs->notes, 0, sizeof ovs->notes);
    g_clear_pointer(&ovs->bridge, g_free);
    g_clear_pointer(&ovs->settings, g_free);
    g_array_set_size(ovs->pins, 0);
    ovs->n_vlans = 0;
    ovs->known = TRUE;
    ovs->mirror = ovs->pinned = OVS_NOBODY;
    if (!first)
        return TRUE;
    g_propagate_error(error, first);
    return FALSE;
}

static gboolean
ovs_apply(gpointer state, VtFeed feed, GError **error)
{
    Ovs *ovs = state;

    if (feed == VT_FEED_RELEASED)
        return ovs_release(ovs, error);
    if (ovs_follow_plan(ovs, &ovs_plans[feed], error))
        return TRUE;
    ovs->known = FALSE; /* whatever was reached, the next plan starts from scratch */
    return FALSE;
}

/* The guest's frames come into the host through the primary's port. */
static gboolean
ovs_look(gpointer state, VtLifeSigns *signs)
{
    Ovs *ovs = state;
    VtLinkInfo info;

    if (!ovs->names[VT_LEG_PRIMARY] || !vt_link_get(ovs->netlink, ovs->names[VT_LEG_PRIMARY], &info, NULL))
        return FALSE;
    *signs = (VtLifeSigns){ .frames = info.stats.rx_packets };
    return TRUE;
}

static void
ovs_set_primary(gpointer state, const char *interface)
{
    Ovs *ovs = state;

    g_free(ovs->names[VT_LEG_PRIMARY]);
    ovs->names[VT_LEG_PRIMARY] = g_strdup(interface);
}

static void
ovs_free(gpointer state)
{
    Ovs *ovs = state;

    vt_netlink_free(ovs->netlink);
    g_array_unref(ovs->pins);
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        g_free(ovs->names[leg]);
    g_free(ovs->bridge);
    g_free(ovs->settings);
    g_free(ovs);
}

static const VtBackendFuncs ovs_funcs = {
    .name = OVS_BACKEND,
    .prepare = ovs_prepare,
    .note = ovs_note,
    .apply = ovs_apply,
    .look = ovs_look,
    .set_primary = ovs_set_primary,
    .free = ovs_free,
};

VtBackend
vt_ovs_new(const VtOvsSpec *spec, VtNetlink *netlink)
{
    Ovs *ovs = g_new0(Ovs, 1);

    ovs->netlink = netlink;
    ovs->mac = spec->mac;
    ovs->short_queue_frames = spec->short_queue_frames ? spec->short_queue_frames : OVS_SHORT_QUEUE;
    ovs->names[VT_LEG_STANDBY] = g_strdup(spec->standby);
    ovs->names[VT_LEG_PRIMARY] = g_strdup(spec->primary);
    ovs->pins = g_array_new(FALSE, FALSE, sizeof(OvsPin));
    ovs->known = TRUE;
    ovs->mirror = ovs->pinned = OVS_NOBODY;
    return (VtBackend){ .funcs = &ovs_funcs, .state = ovs };
}

static gboolean
ovs_read_legs(Ovs *ovs, JsonArray *legs, GError **error)
{
    for (guint i = 0; i < json_array_get_length(legs); i++) {
        JsonNode *node = json_array_get_element(legs, i);
        const char *name;
        int leg;

        if (!vt_json_get_string(node, "leg", &name, error))
            return FALSE;
        leg = vt_enum_value(ovs_leg_names, G_N_ELEMENTS(ovs_leg_names), name);
        if (leg < 0)
            return vt_error_set(error, VT_ERROR_INVALID_ARG, "There is no leg '%s'.", name);
        if (!vt_port_note_from_json(node, &ovs->notes[leg], error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
ovs_read_note(Ovs *ovs, JsonNode *root, GError **error)
{
    JsonArray *legs, *pins, *vlans;

    if (!vt_json_get_array(root, "legs", &legs, error) || !vt_json_get_array(root, "pins", &pins, error) ||
        !vt_json_get_array(root, "vlans", &vlans, error) || !ovs_read_legs(ovs, legs, error))
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
    if (json_array_get_length(legs) > 0 &&
        (!vt_link_name_valid(ovs->bridge) || !ovs->settings || !ovs->n_vlans))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "The bridge of the legs is missing.");
    return TRUE;
}

gboolean
vt_ovs_from_note(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error)
{
    VtOvsSpec spec = { .standby = vt_json_string_or(note, "standby", NULL),
                       .primary = vt_json_string_or(note, "primary", NULL) };
    VtBackend made;
    Ovs *ovs;

    if (g_strcmp0(vt_json_string_or(note, "backend", NULL), OVS_BACKEND) != 0 || !spec.standby ||
        !vt_mac_parse(vt_json_string_or(note, "mac", ""), &spec.mac)) {
        vt_netlink_free(netlink);
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "This is not a note of the back end '%s'.",
                            OVS_BACKEND);
    }
    spec.short_queue_frames = (guint)CLAMP(vt_json_int_or(note, "short-queue-frames", 0), 0, G_MAXUINT16);
    made = vt_ovs_new(&spec, netlink);
    ovs = made.state;
    ovs->known = FALSE;
    if (!ovs_read_note(ovs, note, error)) {
        ovs_free(ovs);
        return FALSE;
    }
    *backend = made;
    return TRUE;
}
