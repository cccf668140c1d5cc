/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *     wire ---[ NIC's switch ]---PF---+---macvtap (the guest's standby)
 *                    |                +---macvtaps of others
 *                    VF (the guest's primary)
 *
 * A macvtap that is up puts its address into the PF's list of unicast filters, and into the table by which the macvlan
 * driver hands frames to its macvtaps (also those that another macvtap sends, in mode bridge). Down, it does neither, and
 * keeps its address and its descriptor. No other way takes the address off the PF and leaves the guest's device alone:
 * a macvtap cannot be without an address, and changing it to another would put that one on the PF. So:
 *
 *   - standby:   the macvtap is up, the VF has not the guest's MAC
 *   - both:      the macvtap is up, the VF has it
 *   - primary:   the macvtap is down, the VF has it: neighbours on other macvtaps reach the VF through the NIC's switch
 *   - not here:  the macvtap is down, the VF has it only where the NIC filters late
 *
 * Neighbours' addresses need no care, unlike with a bridge: those of other macvtaps are on the PF while they are up.
 *
 * With both, it is the NIC that decides who gets frames from the wire (sriov.c tells about that), and what another
 * macvtap sends in mode bridge reaches standby only. Copying that to the PF would also send back what came from the wire,
 * and the VF of a NIC that delivers to every match would get it twice.
 */
#include "datapath/macvtap-vf.h"

#include "datapath/port-note.h"
#include "datapath/vf-note.h"
#include "util/json.h"
#include "util/link.h"

#include <string.h>

#define MACVTAP_VF_BACKEND "macvtap"

typedef struct {
    VtNetlink *netlink;
    VtMac mac;
    char standby[IF_NAMESIZE];
    const VtPciHost *host;
    gboolean late_filter;
    VtVfNote vf;
    gboolean noted;
    int ifindex; /* of the macvtap, when noted */
    gboolean was_up;
} MacvtapVf;

typedef struct {
    gboolean up; /* the macvtap */
    gboolean vf; /* has the guest's MAC */
} MacvtapVfPlan;

static const MacvtapVfPlan macvtap_vf_plans[] = {
    [VT_FEED_RELEASED] = { .up = FALSE, .vf = FALSE },
    [VT_FEED_READY] = { .up = FALSE, .vf = FALSE },
    [VT_FEED_STANDBY] = { .up = TRUE, .vf = FALSE },
    [VT_FEED_STANDBY_ARMED] = { .up = TRUE, .vf = TRUE },
    [VT_FEED_STANDBY_COPIED] = { .up = TRUE, .vf = TRUE },
    [VT_FEED_FALLBACK] = { .up = TRUE, .vf = TRUE },
    [VT_FEED_PRIMARY_COPIED] = { .up = TRUE, .vf = TRUE },
    [VT_FEED_PRIMARY] = { .up = FALSE, .vf = TRUE },
};
G_STATIC_ASSERT(G_N_ELEMENTS(macvtap_vf_plans) == VT_FEED_COUNT);

static gboolean
macvtap_vf_prepare(gpointer state, VtFeed feed, gboolean *noted, GError **error)
{
    MacvtapVf *macvtap = state;
    VtLinkInfo info;

    *noted = FALSE;
    if (feed == VT_FEED_RELEASED)
        return TRUE;
    if (!vt_link_get(macvtap->netlink, macvtap->standby, &info, error))
        return FALSE;
    if (strcmp(info.kind, "macvtap") != 0 || !vt_mac_equal(&info.mac, &macvtap->mac))
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            "The interface '%s' is no macvtap with the team's MAC address.",
                            macvtap->standby);
    if (!vt_vf_note_take(macvtap->netlink, &macvtap->vf, noted, error))
        return FALSE;
    if (info.parent != macvtap->vf.ifindex)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            "The macvtap '%s' is not on the PF '%s', whose VF is the primary.",
                            macvtap->standby, macvtap->vf.pf);
    if (macvtap->noted && macvtap->ifindex == info.index)
        return TRUE;
    macvtap->noted = TRUE;
    macvtap->ifindex = info.index;
    macvtap->was_up = info.up;
    *noted = TRUE;
    return TRUE;
}

static JsonObject *
macvtap_vf_note(gpointer state)
{
    const MacvtapVf *macvtap = state;
    char mac[VT_MAC_STRING_SIZE];

    return vt_json_object_new("s:backend", MACVTAP_VF_BACKEND, "s:mac", vt_mac_format(&macvtap->mac, mac),
                              "s:standby", macvtap->standby, "b:late-filter", macvtap->late_filter, "b:noted",
                              macvtap->noted, "i:ifindex", macvtap->ifindex, "b:up", macvtap->was_up, "o:vf",
                              vt_vf_note_to_json(&macvtap->vf), NULL);
}

/* What comes is made ready before what goes is taken away. */
static gboolean
macvtap_vf_follow_plan(MacvtapVf *macvtap, const MacvtapVfPlan *plan, gboolean armed, GError **error)
{
    if (plan->up && !vt_link_set_up(macvtap->netlink, macvtap->standby, TRUE, error))
        return FALSE;
    if (!vt_vf_note_arm(macvtap->netlink, &macvtap->vf, armed, error))
        return FALSE;
    return plan->up || vt_link_set_up(macvtap->netlink, macvtap->standby, FALSE, error);
}

static gboolean
macvtap_vf_release(MacvtapVf *macvtap, GError **error)
{
    GError *first = NULL;
    VtLinkInfo info;

    vt_vf_note_restore(macvtap->netlink, &macvtap->vf, &first);
    if (macvtap->noted && vt_link_get(macvtap->netlink, macvtap->standby, &info, NULL) &&
        info.index == macvtap->ifindex)
        vt_link_set_up(macvtap->netlink, macvtap->standby, macvtap->was_up, vt_port_note_first(&first));
    macvtap->noted = FALSE;
    if (!first)
        return TRUE;
    g_propagate_error(error, first);
    return FALSE;
}

static gboolean
macvtap_vf_apply(gpointer state, VtFeed feed, GError **error)
{
    MacvtapVf *macvtap = state;
    const MacvtapVfPlan *plan = &macvtap_vf_plans[feed];

    if (feed == VT_FEED_RELEASED)
        return macvtap_vf_release(macvtap, error);
    return macvtap_vf_follow_plan(macvtap, plan, plan->vf || (feed == VT_FEED_READY && macvtap->late_filter),
                                  error);
}

static gboolean
macvtap_vf_look(gpointer state, VtLifeSigns *signs)
{
    MacvtapVf *macvtap = state;

    return vt_vf_note_look(macvtap->netlink, &macvtap->vf, macvtap->host, signs);
}

static void
macvtap_vf_free(gpointer state)
{
    MacvtapVf *macvtap = state;

    vt_netlink_free(macvtap->netlink);
    g_free(macvtap);
}

static const VtBackendFuncs macvtap_vf_funcs = {
    .name = MACVTAP_VF_BACKEND,
    .stir_limit_ms = VT_VF_NOTE_STIR_LIMIT_MS,
    .tells_open = TRUE,
    .arms = TRUE,
    .prepare = macvtap_vf_prepare,
    .note = macvtap_vf_note,
    .apply = macvtap_vf_apply,
    .look = macvtap_vf_look,
    .free = macvtap_vf_free,
};

VtBackend
vt_macvtap_vf_new(const VtMacvtapVfSpec *spec, VtNetlink *netlink)
{
    MacvtapVf *macvtap = g_new0(MacvtapVf, 1);

    macvtap->netlink = netlink;
    macvtap->mac = spec->mac;
    g_strlcpy(macvtap->standby, spec->standby, sizeof macvtap->standby);
    macvtap->host = spec->host;
    macvtap->late_filter = spec->late_filter;
    macvtap->vf =
        (VtVfNote){ .vf = spec->vf, .bdf = spec->bdf, .tries = spec->tries, .wanted = spec->settings };
    macvtap->vf.wanted.fields |= VT_VF_MAC;
    macvtap->vf.wanted.mac = spec->mac;
    g_strlcpy(macvtap->vf.pf, spec->pf, sizeof macvtap->vf.pf);
    return (VtBackend){ .funcs = &macvtap_vf_funcs, .state = macvtap };
}

gboolean
vt_macvtap_vf_from_note(JsonNode *note, const VtPciHost *host, VtNetlink *netlink, VtBackend *backend,
                        GError **error)
{
    VtMacvtapVfSpec spec = { .standby = vt_json_string_or(note, "standby", NULL), .host = host };
    MacvtapVf *macvtap;
    VtVfNote vf;

    if (g_strcmp0(vt_json_string_or(note, "backend", NULL), MACVTAP_VF_BACKEND) != 0 ||
        !vt_link_name_valid(spec.standby) || !vt_mac_parse(vt_json_string_or(note, "mac", ""), &spec.mac) ||
        !vt_vf_note_from_json(vt_json_find(note, "vf"), &vf, NULL)) {
        vt_netlink_free(netlink);
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "This is not a note of the back end '%s'.",
                            MACVTAP_VF_BACKEND);
    }
    spec.late_filter = vt_json_bool_or(note, "late-filter", FALSE);
    spec.pf = vf.pf;
    *backend = vt_macvtap_vf_new(&spec, netlink);
    macvtap = backend->state;
    macvtap->vf = vf;
    macvtap->noted = vt_json_bool_or(note, "noted", FALSE);
    macvtap->ifindex = (int)CLAMP(vt_json_int_or(note, "ifindex", 0), 0, G_MAXINT);
    macvtap->was_up = vt_json_bool_or(note, "up", FALSE);
    return TRUE;
}
