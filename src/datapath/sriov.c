/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two switches in a row
 *
 *     wire ---[ NIC's switch ]---PF---[ Linux bridge ]--- standby's tap, other guests, the host
 *                    |
 *                    VF (the guest's primary)
 *
 * The NIC's switch sends a frame to a VF when the VF's MAC is its destination, to the PF when it is one of the
 * PF's own addresses (`self` entries), and else out to the wire, but hardly ever to a PF in promiscuous mode when it came
 * from a VF. The bridge learns the guest behind the PF when the guest's broadcasts come out there. Therefore:
 *
 *   - standby:   the VF must not have the guest's MAC, else the NIC sends the frames there, into nothing; the PF has it
 *                as a `self` entry; the bridge has it pinned to standby's port.
 *   - primary:   the VF has it, the PF does not; the bridge has it pinned to the PF's port, so that neighbours on
 *                this host reach the VF through the NIC's switch. The neighbours' addresses (and the host's own) are
 *                `self` entries of the PF, so that the VF's frames reach them.
 *   - armed:     the VF has it, and so has the PF; the bridge has it pinned to standby's port: one of each frame to standby.
 *   - both:      the VF has it, and so has the PF; the bridge has it pinned to the PF's port. What leaves over the
 *                PF for the guest is copied to standby (neighbours' frames reach both legs). What comes in over the PF for
 *                the guest is diverted to standby (frames from the wire, from a NIC that still gives them to the PF),
 *                except the echo of what a neighbour has sent out there, which standby has had as a copy: a NIC that
 *                delivers to every match may count the sender in (QEMU's igb does).
 *   - fallback:  the primary does not work, and may work again in a moment: the bridge has the guest pinned to standby's
 *                port, because a PF whose link is down takes no frames; the PF has its address; the VF is left as it is, because
 *                some drivers reset a VF whose MAC is set, and some set nothing while the PF is down.
 *
 * With armed and both, both legs are fed from the wire only by a NIC that delivers to every match; others deliver to the VF
 * as soon as it filters, which is what late_filter is about.
 *
 * The guest's driver takes the VF's MAC when it probes, so it must be there before: when it is armed, at the latest. After
 * the eject the VF gets back what it had before us (usually no MAC at all), at once.
 *
 * Neighbours' entries serve all VFs of a PF. They are counted in this process, over all teams, and each team has
 * those in its note that it counts on; so they go with the last team, also after a restart.
 */
#include "datapath/sriov.h"

#include "datapath/fdb.h"
#include "datapath/mirror.h"
#include "datapath/port-note.h"
#include "datapath/vf-note.h"
#include "util/json.h"
#include "util/link.h"

#include <linux/neighbour.h>
#include <string.h>

#define SRIOV_BACKEND        "sriov"
#define SRIOV_NEIGHBOURS_MAX 64 /* NICs have few filters: 82576 has 24 */

typedef struct {
    VtNetlink *netlink;
    VtMac mac;
    char *standby;
    VtVfNote vf;
    const VtPciHost *host;
    gboolean late_filter;
    VtPortNote standby_note;
    VtPortNote pf_note;
    gboolean had_self;  /* the PF had the guest's address before us */
    GArray *pins;       /* of VtFdbEntry: pinned by others before us */
    GArray *neighbours; /* of VtMac: counted for this team */
    GArray *local;      /* of VtMac: who was behind the bridge on this host when the last feed was prepared */
    GArray *echoes;     /* (nullable) as .local was when copies began, while they go on */
} Sriov;

typedef enum {
    SRIOV_PIN_NOWHERE,
    SRIOV_PIN_STANDBY,
    SRIOV_PIN_PF,
} SriovPin;

typedef struct {
    gboolean vf;     /* the VF has the guest's MAC and settings */
    gboolean keeps;  /* the VF is left as it is */
    gboolean self;   /* the PF has it, too */
    gboolean copies; /* PF to standby */
    gboolean neighbours;
    SriovPin pin;
} SriovPlan;

static const SriovPlan sriov_plans[] = {
    [VT_FEED_RELEASED] = { .pin = SRIOV_PIN_NOWHERE },
    [VT_FEED_READY] = { .pin = SRIOV_PIN_NOWHERE },
    [VT_FEED_STANDBY] = { .self = TRUE, .pin = SRIOV_PIN_STANDBY },
    [VT_FEED_STANDBY_ARMED] = { .vf = TRUE, .self = TRUE, .neighbours = TRUE, .pin = SRIOV_PIN_STANDBY },
    [VT_FEED_STANDBY_COPIED] = { .vf = TRUE,
                                 .self = TRUE,
                                 .copies = TRUE,
                                 .neighbours = TRUE,
                                 .pin = SRIOV_PIN_PF },
    [VT_FEED_FALLBACK] = { .keeps = TRUE, .self = TRUE, .neighbours = TRUE, .pin = SRIOV_PIN_STANDBY },
    [VT_FEED_PRIMARY_COPIED] = { .vf = TRUE,
                                 .self = TRUE,
                                 .copies = TRUE,
                                 .neighbours = TRUE,
                                 .pin = SRIOV_PIN_PF },
    [VT_FEED_PRIMARY] = { .vf = TRUE, .neighbours = TRUE, .pin = SRIOV_PIN_PF },
};
G_STATIC_ASSERT(G_N_ELEMENTS(sriov_plans) == VT_FEED_COUNT);

/* ---- neighbours' addresses on a PF, counted over all teams ---- */

static GMutex sriov_counts_lock;
static GHashTable *sriov_counts; /* "ifindex/mac" -> count; entries that were there before us have none */

static char *
sriov_count_key(int pf, const VtMac *mac)
{
    char text[VT_MAC_STRING_SIZE];

    return g_strdup_printf("%d/%s", pf, vt_mac_format(mac, text));
}

/* Returns the count after the change. */
static guint
sriov_count(int pf, const VtMac *mac, int change)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&sriov_counts_lock);
    char *key = sriov_count_key(pf, mac);
    guint count;

    if (!sriov_counts)
        sriov_counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    count = GPOINTER_TO_UINT(g_hash_table_lookup(sriov_counts, key));
    count = change < 0 && count == 0 ? 0 : count + (guint)change;
    if (count) {
        g_hash_table_replace(sriov_counts, key, GUINT_TO_POINTER(count));
        return count;
    }
    g_hash_table_remove(sriov_counts, key);
    g_free(key);
    if (g_hash_table_size(sriov_counts) == 0)
        g_clear_pointer(&sriov_counts, g_hash_table_unref);
    return 0;
}

static gboolean
sriov_has_mac(const GArray *macs, const VtMac *mac)
{
    for (guint i = 0; i < macs->len; i++)
        if (vt_mac_equal(&g_array_index(macs, VtMac, i), mac))
            return TRUE;
    return FALSE;
}

/* `self` entries of the PF, as VtMac. */
static GArray *
sriov_self_macs(Sriov *sriov, GError **error)
{
    g_autoptr(GArray) entries = vt_fdb_list(sriov->netlink, 0, sriov->pf_note.ifindex, NULL, error);
    GArray *macs;

    if (!entries)
        return NULL;
    macs = g_array_new(FALSE, FALSE, sizeof(VtMac));
    for (guint i = 0; i < entries->len; i++)
        g_array_append_val(macs, g_array_index(entries, VtFdbEntry, i).mac);
    return macs;
}

/* Who is behind the bridge on this host: the bridge itself, and what is known on ports other than the PF's. */
static GArray *
sriov_find_neighbours(Sriov *sriov, GError **error)
{
    g_autoptr(GArray) entries = vt_fdb_list(sriov->netlink, sriov->pf_note.master, 0, NULL, error);
    g_autoptr(GArray) macs = g_array_new(FALSE, FALSE, sizeof(VtMac));
    VtLinkInfo bridge;

    if (!entries || !vt_link_get_by_index(sriov->netlink, sriov->pf_note.master, &bridge, error))
        return NULL;
    g_array_append_val(macs, bridge.mac);
    for (guint i = 0; i < entries->len && macs->len < SRIOV_NEIGHBOURS_MAX; i++) {
        const VtFdbEntry *entry = &g_array_index(entries, VtFdbEntry, i);

        if (entry->ifindex == sriov->pf_note.ifindex || (entry->state & NUD_PERMANENT) ||
            vt_mac_is_multicast(&entry->mac) || vt_mac_equal(&entry->mac, &sriov->mac) ||
            sriov_has_mac(macs, &entry->mac))
            continue;
        g_array_append_val(macs, entry->mac);
    }
    return g_steal_pointer(&macs);
}

/* Note which neighbours' addresses this team needs on the PF and does not count on yet. */
static gboolean
sriov_note_neighbours(Sriov *sriov, gboolean *grew, GError **error)
{
    g_autoptr(GArray) self = sriov_self_macs(sriov, error);
    g_autoptr(GArray) found = self ? sriov_find_neighbours(sriov, error) : NULL;

    if (!found)
        return FALSE;
    g_array_set_size(sriov->local, 0);
    g_array_append_vals(sriov->local, found->data, found->len);
    for (guint i = 0; i < found->len; i++) {
        const VtMac *mac = &g_array_index(found, VtMac, i);

        if (sriov_has_mac(sriov->neighbours, mac))
            continue;
        /* There, but not counted: somebody else's, who will keep it. */
        if (sriov_has_mac(self, mac) && sriov_count(sriov->pf_note.ifindex, mac, 0) == 0)
            continue;
        g_array_append_val(sriov->neighbours, *mac);
        sriov_count(sriov->pf_note.ifindex, mac, 1);
        *grew = TRUE;
    }
    return TRUE;
}

static gboolean
sriov_set_self(Sriov *sriov, const VtMac *mac, gboolean on, GError **error)
{
    VtFdbEntry entry = {
        .ifindex = sriov->pf_note.ifindex, .mac = *mac, .state = NUD_PERMANENT, .flags = NTF_SELF
    };

    return on ? vt_fdb_set(sriov->netlink, &entry, error) : vt_fdb_delete(sriov->netlink, &entry, error);
}

/* ---- the note ---- */

static gboolean
sriov_note_ports(Sriov *sriov, gboolean *grew, GError **error)
{
    g_autoptr(GArray) self = NULL;
    gboolean pf_noted = FALSE;

    if (!vt_port_note_take(sriov->netlink, sriov->standby, &sriov->standby_note, grew, error) ||
        !vt_port_note_take(sriov->netlink, sriov->vf.pf, &sriov->pf_note, &pf_noted, error))
        return FALSE;
    if (sriov->standby_note.master != sriov->pf_note.master)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            "The standby's interface '%s' and the PF '%s' are not ports of the same bridge.",
                            sriov->standby, sriov->vf.pf);
    if (!pf_noted)
        return TRUE;
    *grew = TRUE;
    self = sriov_self_macs(sriov, error);
    if (!self || !vt_port_note_pins(sriov->netlink, sriov->pf_note.master, &sriov->mac, sriov->pins, error)) {
        sriov->pf_note.noted = FALSE;
        return FALSE;
    }
    sriov->had_self = sriov_has_mac(self, &sriov->mac);
    return TRUE;
}

static gboolean
sriov_prepare(gpointer state, VtFeed feed, gboolean *noted, GError **error)
{
    Sriov *sriov = state;

    *noted = FALSE;
    if (feed == VT_FEED_RELEASED)
        return TRUE;
    if (!vt_vf_note_take(sriov->netlink, &sriov->vf, noted, error) || !sriov_note_ports(sriov, noted, error))
        return FALSE;
    return !sriov_plans[feed].neighbours || sriov_note_neighbours(sriov, noted, error);
}

static JsonObject *
sriov_note(gpointer state)
{
    const Sriov *sriov = state;
    JsonArray *neighbours = json_array_new();
    char mac[VT_MAC_STRING_SIZE];
    JsonObject *object = vt_vf_note_to_json(&sriov->vf);

    for (guint i = 0; i < sriov->neighbours->len; i++)
        json_array_add_string_element(neighbours,
                                      vt_mac_format(&g_array_index(sriov->neighbours, VtMac, i), mac));
    json_object_set_string_member(object, "backend", SRIOV_BACKEND);
    json_object_set_string_member(object, "mac", vt_mac_format(&sriov->mac, mac));
    json_object_set_string_member(object, "standby", sriov->standby);
    json_object_set_boolean_member(object, "late-filter", sriov->late_filter);
    json_object_set_boolean_member(object, "had-self", sriov->had_self);
    if (sriov->standby_note.noted)
        json_object_set_object_member(object, "standby-port", vt_port_note_to_json(&sriov->standby_note));
    if (sriov->pf_note.noted)
        json_object_set_object_member(object, "pf-port", vt_port_note_to_json(&sriov->pf_note));
    json_object_set_array_member(object, "pins", vt_port_note_pins_to_json(sriov->pins));
    json_object_set_array_member(object, "neighbours", neighbours);
    return object;
}

/* ---- making it so ---- */

static gboolean
sriov_set_standby_port(Sriov *sriov, const SriovPlan *plan, GError **error)
{
    VtLinkPort port = sriov->standby_note.port;

    port.learning = 0;
    /* What is flooded to a guest that does not run yet waits in the tap's queue, and comes out late, as duplicates. */
    if (plan->pin != SRIOV_PIN_STANDBY && !plan->copies) {
        port.flood = 0;
        port.mcast_flood = 0;
        port.bcast_flood = 0;
    }
    return vt_mirror_add_qdisc(sriov->netlink, sriov->pf_note.ifindex, error) &&
           vt_link_set_port(sriov->netlink, sriov->standby, &port, error);
}

static gboolean
sriov_same_macs(const GArray *a, const GArray *b)
{
    return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len * sizeof(VtMac)) == 0);
}

static gboolean
sriov_set_copies(Sriov *sriov, gboolean on, GError **error)
{
    int pf = sriov->pf_note.ifindex;
    int standby = sriov->standby_note.ifindex;

    /* Setting them again would interrupt them. */
    if (on && sriov->echoes && sriov_same_macs(sriov->echoes, sriov->local))
        return TRUE;
    g_clear_pointer(&sriov->echoes, g_array_unref);
    if (!on)
        return vt_mirror_stop(sriov->netlink, pf, error);
    if (!vt_mirror_start(sriov->netlink, pf, standby, VT_MIRROR_ONLY_TO, &sriov->mac, error) ||
        !vt_mirror_divert(sriov->netlink, pf, standby, &sriov->mac, sriov->local, error))
        return FALSE;
    sriov->echoes = g_array_copy(sriov->local);
    return TRUE;
}

static gboolean
sriov_set_pin(Sriov *sriov, SriovPin pin, GError **error)
{
    int to = pin == SRIOV_PIN_PF        ? sriov->pf_note.ifindex
             : pin == SRIOV_PIN_STANDBY ? sriov->standby_note.ifindex
                                        : 0;
    int ports[] = { sriov->standby_note.ifindex, sriov->pf_note.ifindex };

    if (to && !vt_fdb_pin(sriov->netlink, to, &sriov->mac, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(ports); i++)
        if (ports[i] != to && !vt_fdb_unpin(sriov->netlink, ports[i], &sriov->mac, error))
            return FALSE;
    return TRUE;
}

/* As many as the NIC has room for; the bridge itself is the first. */
static gboolean
sriov_set_neighbours(Sriov *sriov, GError **error)
{
    for (guint i = 0; i < sriov->neighbours->len; i++) {
        g_autoptr(GError) inner = NULL;

        if (sriov_set_self(sriov, &g_array_index(sriov->neighbours, VtMac, i), TRUE, &inner) ||
            g_error_matches(inner, VT_ERROR, VT_ERROR_OPERATION_FAILED))
            continue;
        g_propagate_error(error, g_steal_pointer(&inner));
        return FALSE;
    }
    return TRUE;
}

/* The guest itself goes before its neighbours: where there is no room, the last of them, not the bridge, make way. */
static gboolean
sriov_set_guest_self(Sriov *sriov, GError **error)
{
    for (guint left = sriov->neighbours->len;; left--) {
        g_autoptr(GError) inner = NULL;
        g_autoptr(GArray) self = NULL;

        if (sriov_set_self(sriov, &sriov->mac, TRUE, &inner))
            return TRUE;
        self = sriov_self_macs(sriov, NULL);
        if (self && sriov_has_mac(self, &sriov->mac))
            return TRUE;
        if (left <= 1 || !g_error_matches(inner, VT_ERROR, VT_ERROR_OPERATION_FAILED)) {
            g_propagate_error(error, g_steal_pointer(&inner));
            return FALSE;
        }
        if (!sriov_set_self(sriov, &g_array_index(sriov->neighbours, VtMac, left - 1), FALSE, error))
            return FALSE;
    }
}

/*
 * Towards the VF, the way is made before the VF gets the address; away from it, the VF loses the address first,
 * because until then the NIC keeps frames from the wire to it. Where that fails (the PF is down, or about to go), the
 * guest on standby needs everything else all the more.
 */
static gboolean
sriov_follow_plan(Sriov *sriov, const SriovPlan *plan, gboolean armed, GError **error)
{
    gboolean disarmed = TRUE;

    if (!sriov_set_standby_port(sriov, plan, error))
        return FALSE;
    if (!armed && !plan->keeps)
        disarmed = vt_vf_note_arm(sriov->netlink, &sriov->vf, FALSE, error);
    if (!disarmed)
        error = NULL; /* the first is told */
    if (plan->self && !sriov_set_guest_self(sriov, error))
        return FALSE;
    if (plan->neighbours && !sriov_set_neighbours(sriov, error))
        return FALSE;
    if (plan->copies && !sriov_set_copies(sriov, TRUE, error))
        return FALSE;
    if (armed && !vt_vf_note_arm(sriov->netlink, &sriov->vf, TRUE, error))
        return FALSE;
    if (!sriov_set_pin(sriov, plan->pin, error))
        return FALSE;
    if (!plan->copies && !sriov_set_copies(sriov, FALSE, error))
        return FALSE;
    return (plan->self || sriov->had_self || sriov_set_self(sriov, &sriov->mac, FALSE, error)) && disarmed;
}

static void
sriov_forget_neighbours(Sriov *sriov, gboolean pf_is_there, GError **first)
{
    for (guint i = 0; i < sriov->neighbours->len; i++) {
        const VtMac *mac = &g_array_index(sriov->neighbours, VtMac, i);

        if (sriov_count(sriov->pf_note.ifindex, mac, -1) == 0 && pf_is_there)
            sriov_set_self(sriov, mac, FALSE, vt_port_note_first(first));
    }
    g_array_set_size(sriov->neighbours, 0);
}

static gboolean
sriov_release(Sriov *sriov, GError **error)
{
    gboolean pf_is_there = vt_port_note_is_there(sriov->netlink, &sriov->pf_note);
    gboolean standby_is_there = vt_port_note_is_there(sriov->netlink, &sriov->standby_note);
    GError *first = NULL;

    if (pf_is_there) {
        vt_vf_note_restore(sriov->netlink, &sriov->vf, &first);
        if (!sriov->had_self)
            sriov_set_self(sriov, &sriov->mac, FALSE, vt_port_note_first(&first));
        vt_fdb_unpin(sriov->netlink, sriov->pf_note.ifindex, &sriov->mac, vt_port_note_first(&first));
        vt_mirror_stop(sriov->netlink, sriov->pf_note.ifindex, vt_port_note_first(&first));
        if (!sriov->pf_note.had_clsact)
            vt_mirror_remove_qdisc(sriov->netlink, sriov->pf_note.ifindex, vt_port_note_first(&first));
    }
    g_clear_pointer(&sriov->echoes, g_array_unref);
    sriov_forget_neighbours(sriov, pf_is_there, &first);
    if (standby_is_there) {
        vt_fdb_unpin(sriov->netlink, sriov->standby_note.ifindex, &sriov->mac, vt_port_note_first(&first));
        vt_port_note_restore(sriov->netlink, &sriov->standby_note, &first);
    }
    vt_port_note_restore_pins(sriov->netlink, sriov->pins, &first);
    g_array_set_size(sriov->pins, 0);
    sriov->vf.noted = FALSE;
    sriov->had_self = FALSE;
    sriov->pf_note.noted = FALSE;
    sriov->standby_note.noted = FALSE;
    if (!first)
        return TRUE;
    g_propagate_error(error, first);
    return FALSE;
}

static gboolean
sriov_apply(gpointer state, VtFeed feed, GError **error)
{
    Sriov *sriov = state;
    const SriovPlan *plan = &sriov_plans[feed];

    if (feed == VT_FEED_RELEASED)
        return sriov_release(sriov, error);
    /* A NIC that filters late may have the address on its VF before the guest is here. */
    return sriov_follow_plan(sriov, plan, plan->vf || (feed == VT_FEED_READY && sriov->late_filter), error);
}

static gboolean
sriov_look(gpointer state, VtLifeSigns *signs)
{
    Sriov *sriov = state;

    return vt_vf_note_look(sriov->netlink, &sriov->vf, sriov->host, signs);
}

static void
sriov_free(gpointer state)
{
    Sriov *sriov = state;

    /* The entries stay, for whoever reads the note; only this process does not count on them any more. */
    for (guint i = 0; i < sriov->neighbours->len; i++)
        sriov_count(sriov->pf_note.ifindex, &g_array_index(sriov->neighbours, VtMac, i), -1);
    vt_netlink_free(sriov->netlink);
    g_array_unref(sriov->pins);
    g_array_unref(sriov->neighbours);
    g_array_unref(sriov->local);
    g_clear_pointer(&sriov->echoes, g_array_unref);
    g_free(sriov->standby);
    g_free(sriov);
}

static const VtBackendFuncs sriov_funcs = {
    .name = SRIOV_BACKEND,
    .stir_limit_ms = VT_VF_NOTE_STIR_LIMIT_MS,
    .prepare = sriov_prepare,
    .note = sriov_note,
    .apply = sriov_apply,
    .tells_open = TRUE,
    .arms = TRUE,
    .look = sriov_look,
    .free = sriov_free,
};

VtBackend
vt_sriov_new(const VtSriovSpec *spec, VtNetlink *netlink)
{
    Sriov *sriov = g_new0(Sriov, 1);

    sriov->netlink = netlink;
    sriov->mac = spec->mac;
    sriov->standby = g_strdup(spec->standby);
    g_strlcpy(sriov->vf.pf, spec->pf, sizeof sriov->vf.pf);
    sriov->vf.vf = spec->vf;
    sriov->vf.bdf = spec->bdf;
    sriov->vf.tries = spec->tries;
    sriov->vf.wanted = spec->settings;
    sriov->vf.wanted.fields |= VT_VF_MAC;
    sriov->vf.wanted.mac = spec->mac;
    sriov->host = spec->host;
    sriov->late_filter = spec->late_filter;
    sriov->pins = g_array_new(FALSE, FALSE, sizeof(VtFdbEntry));
    sriov->neighbours = g_array_new(FALSE, FALSE, sizeof(VtMac));
    sriov->local = g_array_new(FALSE, FALSE, sizeof(VtMac));
    return (VtBackend){ .funcs = &sriov_funcs, .state = sriov };
}

static gboolean
sriov_read_note(Sriov *sriov, JsonNode *note, GError **error)
{
    JsonNode *standby = vt_json_find(note, "standby-port");
    JsonNode *pf = vt_json_find(note, "pf-port");
    JsonArray *pins, *neighbours;

    if (!vt_json_get_array(note, "pins", &pins, error) ||
        !vt_json_get_array(note, "neighbours", &neighbours, error) ||
        (standby && !vt_port_note_from_json(standby, &sriov->standby_note, error)) ||
        (pf && !vt_port_note_from_json(pf, &sriov->pf_note, error)))
        return FALSE;
    sriov->vf.ifindex = sriov->pf_note.ifindex;
    sriov->had_self = vt_json_bool_or(note, "had-self", FALSE);
    vt_port_note_pins_from_json(pins, &sriov->mac, sriov->pins);
    for (guint i = 0; i < json_array_get_length(neighbours); i++) {
        VtMac mac;

        if (!vt_mac_parse(vt_json_string_or(json_array_get_element(neighbours, i), "", ""), &mac))
            return vt_error_set(error, VT_ERROR_INVALID_ARG, "A neighbour's address is no MAC address.");
        g_array_append_val(sriov->neighbours, mac);
    }
    for (guint i = 0; i < sriov->neighbours->len; i++)
        sriov_count(sriov->pf_note.ifindex, &g_array_index(sriov->neighbours, VtMac, i), 1);
    return TRUE;
}

static gboolean
sriov_read_spec(JsonNode *note, VtSriovSpec *spec, VtVfNote *vf, GError **error)
{
    const char *backend = vt_json_string_or(note, "backend", "");

    if (strcmp(backend, SRIOV_BACKEND) != 0 || !vt_json_get_string(note, "standby", &spec->standby, error) ||
        !vt_vf_note_from_json(note, vf, error) ||
        !vt_mac_parse(vt_json_string_or(note, "mac", ""), &spec->mac)) {
        g_clear_error(error);
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "This is not a note of the back end '%s'.",
                            SRIOV_BACKEND);
    }
    spec->pf = vf->pf;
    spec->vf = vf->vf;
    spec->bdf = vf->bdf;
    spec->settings = vf->wanted;
    spec->tries = vf->tries;
    spec->late_filter = vt_json_bool_or(note, "late-filter", FALSE);
    return TRUE;
}

gboolean
vt_sriov_from_note(JsonNode *note, const VtPciHost *host, VtNetlink *netlink, VtBackend *backend,
                   GError **error)
{
    VtSriovSpec spec = { .host = host };
    VtVfNote vf;
    VtBackend made;
    Sriov *sriov;

    if (!sriov_read_spec(note, &spec, &vf, error)) {
        vt_netlink_free(netlink);
        return FALSE;
    }
    made = vt_sriov_new(&spec, netlink);
    sriov = made.state;
    sriov->vf.noted = vf.noted;
    sriov->vf.original = vf.original;
    if (!sriov_read_note(sriov, note, error)) {
        sriov_free(sriov);
        return FALSE;
    }
    *backend = made;
    return TRUE;
}
