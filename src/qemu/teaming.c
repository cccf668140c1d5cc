/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a primary comes and goes, as QEMU 7.2 does it:
 *
 *                        FAILOVER_NEGOTIATED             a look finds it
 *     HIDDEN ------------------------------> PLUGGING ------------------> PLUGGED
 *                                               ^                          |   ^
 *     failed, cancelled: QEMU replugs, or a     |          UNPLUG_PRIMARY  |   |  cancelled before
 *     device_add of ours                        |                          v   |  the guest ejected
 *                                           UNPLUGGED <-------------- UNPLUGGING
 *                                               left wait-unplug, or DEVICE_DELETED
 *
 * - FAILOVER_NEGOTIATED comes with each negotiation, before QEMU plugs the primary; when that fails QEMU
 *   only warns. On the destination of a migration it comes while the state is loaded.
 * - UNPLUG_PRIMARY comes when the guest is asked. That it has ejected is told by nothing but the migration
 *   leaving the state wait-unplug, which waits for all of them.
 * - After a migration that failed or was cancelled QEMU replugs by itself. After one that was completed the
 *   source stays without.
 * - DEVICE_DELETED comes for a device_del of ours only.
 * - A reset of the guest takes back what was negotiated, but leaves the primary where it is.
 */
#include "qemu/teaming.h"

#include <string.h>
#include "conf/teaming.h"
#include "qemu/argv-net.h"
#include "qemu/qmp-event.h"
#include "util/enum.h"
#include "util/json.h"

#define VT_LOG_DOMAIN "virtteam-qemu-teaming"
#include "util/log.h"

#define TEAMING_ASK_TIMEOUT_MS 10000
#define TEAMING_FEATURE        "VIRTIO_NET_F_STANDBY"
#define TEAMING_DRIVER_OK      "VIRTIO_CONFIG_S_DRIVER_OK"

typedef struct {
    VtQemuTeaming *teaming; /* NULL: freed meanwhile */
    VtDoneFunc done;
    gpointer user;
    guint pending; /* questions without an answer, and one for the asking itself */
    GError *error;
    JsonNode *peripherals, *migration;
    GPtrArray *virtio;  /* of JsonNode *, nullable */
    GPtrArray *aliases; /* of the persistents that were asked for, as teams may change meanwhile */
} TeamingLook;

struct _VtQemuTeaming {
    GPtrArray *teams; /* of VtQemuTeam * */
    VtQemuTeamingFunc changed;
    gpointer user;
    GPtrArray *looks; /* of TeamingLook *, under way */
};

static const char *const teaming_standby_names[] = {
    [VT_QEMU_STANDBY_UNKNOWN] = "unknown",
    [VT_QEMU_STANDBY_NO] = "no",
    [VT_QEMU_STANDBY_YES] = "yes",
};
VT_ENUM_TABLE(teaming_standby_names, VT_QEMU_STANDBY_COUNT);

static const char *const teaming_primary_names[] = {
    [VT_QEMU_PRIMARY_ABSENT] = "absent",         [VT_QEMU_PRIMARY_HIDDEN] = "hidden",
    [VT_QEMU_PRIMARY_PLUGGING] = "plugging",     [VT_QEMU_PRIMARY_PLUGGED] = "plugged",
    [VT_QEMU_PRIMARY_UNPLUGGING] = "unplugging", [VT_QEMU_PRIMARY_UNPLUGGED] = "unplugged",
};
VT_ENUM_TABLE(teaming_primary_names, VT_QEMU_PRIMARY_COUNT);

#define TO(state) (1u << VT_QEMU_PRIMARY_##state)

/* Where each state may lead. What is found by a look may skip the states in between. */
static const guint teaming_transitions[] = {
    [VT_QEMU_PRIMARY_ABSENT] = TO(HIDDEN) | TO(PLUGGING) | TO(UNPLUGGED),
    [VT_QEMU_PRIMARY_HIDDEN] = TO(ABSENT) | TO(PLUGGING) | TO(PLUGGED),
    [VT_QEMU_PRIMARY_PLUGGING] = TO(ABSENT) | TO(HIDDEN) | TO(PLUGGED) | TO(UNPLUGGING) | TO(UNPLUGGED),
    [VT_QEMU_PRIMARY_PLUGGED] = TO(ABSENT) | TO(HIDDEN) | TO(UNPLUGGING) | TO(UNPLUGGED),
    [VT_QEMU_PRIMARY_UNPLUGGING] = TO(ABSENT) | TO(PLUGGING) | TO(PLUGGED) | TO(UNPLUGGED),
    [VT_QEMU_PRIMARY_UNPLUGGED] = TO(ABSENT) | TO(HIDDEN) | TO(PLUGGING) | TO(PLUGGED),
};
VT_ENUM_TABLE(teaming_transitions, VT_QEMU_PRIMARY_COUNT);

const char *
vt_qemu_standby_name(VtQemuStandby standby)
{
    return vt_enum_name(teaming_standby_names, VT_QEMU_STANDBY_COUNT, (int)standby);
}

const char *
vt_qemu_primary_name(VtQemuPrimary primary)
{
    return vt_enum_name(teaming_primary_names, VT_QEMU_PRIMARY_COUNT, (int)primary);
}

gboolean
vt_qemu_primary_may_become(VtQemuPrimary from, VtQemuPrimary to)
{
    return (guint)from < VT_QEMU_PRIMARY_COUNT && (guint)to < VT_QEMU_PRIMARY_COUNT &&
           (teaming_transitions[from] & (1u << to));
}

/* ---- the setters ---- */

static void
teaming_tell(VtQemuTeaming *teaming, const VtQemuTeam *team, VtQemuStandby was_standby,
             VtQemuPrimary was_primary)
{
    vt_log_debug("team '%s': standby %s -> %s, primary '%s' %s -> %s", team->persistent,
                 vt_qemu_standby_name(was_standby), vt_qemu_standby_name(team->standby),
                 team->transient ? team->transient : "", vt_qemu_primary_name(was_primary),
                 vt_qemu_primary_name(team->primary));
    if (teaming->changed)
        teaming->changed(teaming, team, was_standby, was_primary, teaming->user);
}

static void
teaming_set_standby(VtQemuTeaming *teaming, VtQemuTeam *team, VtQemuStandby standby)
{
    VtQemuStandby was = team->standby;

    if (was == standby)
        return;
    team->standby = standby;
    teaming_tell(teaming, team, was, team->primary);
}

static gboolean
teaming_set_primary(VtQemuTeaming *teaming, VtQemuTeam *team, VtQemuPrimary primary, GError **error)
{
    VtQemuPrimary was = team->primary;

    if (was == primary)
        return TRUE;
    if (!vt_qemu_primary_may_become(was, primary))
        return vt_error_set(error, VT_ERROR_INTERNAL,
                            "the primary of team '%s' cannot become %s while it is %s", team->persistent,
                            vt_qemu_primary_name(primary), vt_qemu_primary_name(was));
    team->primary = primary;
    teaming_tell(teaming, team, team->standby, was);
    return TRUE;
}

/* What QEMU says is believed, but what cannot be is at least written down. */
static void
teaming_follow(VtQemuTeaming *teaming, VtQemuTeam *team, VtQemuPrimary primary)
{
    g_autoptr(GError) error = NULL;

    if (!teaming_set_primary(teaming, team, primary, &error))
        vt_log_warning("unexpected from QEMU: %s", error->message);
}

/* ---- teams ---- */

static void
teaming_team_free(gpointer data)
{
    VtQemuTeam *team = data;

    g_free(team->persistent);
    g_free(team->transient);
    g_free(team);
}

static VtQemuTeam *
teaming_of_persistent(const VtQemuTeaming *teaming, const char *alias)
{
    guint i;

    for (i = 0; alias && i < teaming->teams->len; i++) {
        VtQemuTeam *team = teaming->teams->pdata[i];

        if (g_str_equal(team->persistent, alias))
            return team;
    }
    return NULL;
}

static VtQemuTeam *
teaming_of_transient(const VtQemuTeaming *teaming, const char *alias)
{
    guint i;

    for (i = 0; alias && i < teaming->teams->len; i++) {
        VtQemuTeam *team = teaming->teams->pdata[i];

        if (g_strcmp0(team->transient, alias) == 0)
            return team;
    }
    return NULL;
}

/* Alias of the transient, and whether QEMU conducts; NULL when the team has none at present. */
static const char *
teaming_transient_of(const VtDomainDef *def, GPtrArray *pairs, const VtNetDef *persistent, gboolean *by_qemu)
{
    guint i;

    for (i = 0; i < pairs->len; i++) {
        const VtTeam *pair = pairs->pdata[i];
        const VtTeaming *teaming;

        if (pair->persistent != persistent || (!pair->transient_net && !pair->transient_hostdev))
            continue;
        teaming = pair->transient_net ? &pair->transient_net->teaming : &pair->transient_hostdev->teaming;
        *by_qemu = vt_argv_net_pair_id(def, teaming) != NULL;
        return vt_teaming_transient_info(pair)->alias;
    }
    return NULL;
}

static VtQemuTeam *
teaming_team_new(const char *persistent)
{
    VtQemuTeam *team = g_new0(VtQemuTeam, 1);

    team->persistent = g_strdup(persistent);
    return team;
}

/* One persistent of the definition: a new team, or the one that is known, with what is new about it. */
static void
teaming_update_one(VtQemuTeaming *teaming, const VtDomainDef *def, GPtrArray *pairs,
                   const VtNetDef *persistent)
{
    VtQemuTeam *team = teaming_of_persistent(teaming, persistent->info.alias);
    gboolean by_qemu = FALSE;
    const char *transient = teaming_transient_of(def, pairs, persistent, &by_qemu);
    VtQemuPrimary primary = by_qemu ? VT_QEMU_PRIMARY_HIDDEN : VT_QEMU_PRIMARY_PLUGGING;

    if (!team) {
        team = teaming_team_new(persistent->info.alias);
        g_ptr_array_add(teaming->teams, team);
    }
    if (g_strcmp0(team->transient, transient) == 0) {
        team->by_qemu = by_qemu; /* who conducts may change for one that QEMU has never plugged */
        return;
    }
    g_free(team->transient);
    team->transient = g_strdup(transient);
    team->by_qemu = by_qemu;
    teaming_follow(teaming, team, VT_QEMU_PRIMARY_ABSENT);
    /* A guest that has negotiated already gets it at once. */
    if (transient && team->standby == VT_QEMU_STANDBY_YES)
        primary = VT_QEMU_PRIMARY_PLUGGING;
    if (transient)
        teaming_follow(teaming, team, primary);
}

static gboolean
teaming_is_defined(const VtDomainDef *def, const char *alias)
{
    guint i;

    for (i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = def->nets->pdata[i];

        if (net->teaming.type == VT_TEAMING_PERSISTENT && g_strcmp0(net->info.alias, alias) == 0)
            return TRUE;
    }
    return FALSE;
}

void
vt_qemu_teaming_update(VtQemuTeaming *teaming, const VtDomainDef *def)
{
    g_autoptr(GPtrArray) pairs = vt_teaming_teams(def);
    guint i;

    for (i = teaming->teams->len; i > 0; i--)
        if (!teaming_is_defined(def, ((VtQemuTeam *)teaming->teams->pdata[i - 1])->persistent))
            g_ptr_array_remove_index(teaming->teams, i - 1);
    for (i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = def->nets->pdata[i];

        if (net->teaming.type == VT_TEAMING_PERSISTENT && net->info.alias)
            teaming_update_one(teaming, def, pairs, net);
    }
}

VtQemuTeaming *
vt_qemu_teaming_new(const VtDomainDef *def, VtQemuTeamingFunc changed, gpointer user)
{
    VtQemuTeaming *teaming = g_new0(VtQemuTeaming, 1);

    teaming->teams = g_ptr_array_new_with_free_func(teaming_team_free);
    teaming->looks = g_ptr_array_new();
    vt_qemu_teaming_update(teaming, def);
    teaming->changed = changed;
    teaming->user = user;
    return teaming;
}

void
vt_qemu_teaming_free(VtQemuTeaming *teaming)
{
    guint i;

    if (!teaming)
        return;
    for (i = 0; i < teaming->looks->len; i++)
        ((TeamingLook *)teaming->looks->pdata[i])->teaming = NULL;
    g_ptr_array_unref(teaming->looks);
    g_ptr_array_unref(teaming->teams);
    g_free(teaming);
}

guint
vt_qemu_teaming_count(const VtQemuTeaming *teaming)
{
    return teaming->teams->len;
}

const VtQemuTeam *
vt_qemu_teaming_get(const VtQemuTeaming *teaming, guint index)
{
    return index < teaming->teams->len ? teaming->teams->pdata[index] : NULL;
}

const VtQemuTeam *
vt_qemu_teaming_find(const VtQemuTeaming *teaming, const char *alias)
{
    const VtQemuTeam *team = teaming_of_persistent(teaming, alias);

    return team ? team : teaming_of_transient(teaming, alias);
}

gboolean
vt_qemu_teaming_set_primary(VtQemuTeaming *teaming, const char *persistent, VtQemuPrimary primary,
                            GError **error)
{
    VtQemuTeam *team = teaming_of_persistent(teaming, persistent);

    if (!team)
        return vt_error_set(error, VT_ERROR_INTERNAL, "there is no team '%s'", persistent);
    return teaming_set_primary(teaming, team, primary, error);
}

/* ---- events ---- */

typedef enum {
    TEAMING_PHASE_NONE,       /* no migration, or it ended before anything was asked */
    TEAMING_PHASE_ASKED,      /* the guests may be ejecting */
    TEAMING_PHASE_AWAY,       /* all have ejected */
    TEAMING_PHASE_CANCELLING, /* QEMU waits for those asked, then replugs */
    TEAMING_PHASE_REPLUG,     /* ended badly: QEMU has replugged */
} TeamingPhase;

/* MigrationStatus of QEMU; what is not listed decides nothing. */
static const struct {
    const char *status;
    TeamingPhase phase;
} teaming_phases[] = {
    { "setup", TEAMING_PHASE_ASKED },          { "wait-unplug", TEAMING_PHASE_ASKED },
    { "active", TEAMING_PHASE_AWAY },          { "postcopy-active", TEAMING_PHASE_AWAY },
    { "postcopy-paused", TEAMING_PHASE_AWAY }, { "postcopy-recover", TEAMING_PHASE_AWAY },
    { "pre-switchover", TEAMING_PHASE_AWAY },  { "device", TEAMING_PHASE_AWAY },
    { "completed", TEAMING_PHASE_AWAY },       { "cancelling", TEAMING_PHASE_CANCELLING },
    { "cancelled", TEAMING_PHASE_REPLUG },     { "failed", TEAMING_PHASE_REPLUG },
};

static TeamingPhase
teaming_phase(const char *status)
{
    gsize i;

    for (i = 0; status && i < G_N_ELEMENTS(teaming_phases); i++)
        if (g_str_equal(teaming_phases[i].status, status))
            return teaming_phases[i].phase;
    return TEAMING_PHASE_NONE;
}

static gboolean
teaming_on_negotiated(VtQemuTeaming *teaming, const char *device)
{
    VtQemuTeam *team = teaming_of_persistent(teaming, device);

    if (!team)
        return FALSE;
    teaming_set_standby(teaming, team, VT_QEMU_STANDBY_YES);
    if (team->primary != VT_QEMU_PRIMARY_HIDDEN && team->primary != VT_QEMU_PRIMARY_UNPLUGGED)
        return FALSE;
    /* Without a pair id QEMU plugs nothing. */
    if (!team->by_qemu)
        return FALSE;
    teaming_follow(teaming, team, VT_QEMU_PRIMARY_PLUGGING);
    return TRUE;
}

static gboolean
teaming_on_migration(VtQemuTeaming *teaming, const char *status)
{
    TeamingPhase phase = teaming_phase(status);
    gboolean look = FALSE;
    guint i;

    for (i = 0; i < teaming->teams->len; i++) {
        VtQemuTeam *team = teaming->teams->pdata[i];

        if (!team->by_qemu)
            continue;
        if (phase == TEAMING_PHASE_AWAY && team->primary == VT_QEMU_PRIMARY_UNPLUGGING)
            teaming_follow(teaming, team, VT_QEMU_PRIMARY_UNPLUGGED);
        if (phase == TEAMING_PHASE_REPLUG &&
            (team->primary == VT_QEMU_PRIMARY_UNPLUGGED || team->primary == VT_QEMU_PRIMARY_UNPLUGGING)) {
            teaming_follow(teaming, team, VT_QEMU_PRIMARY_PLUGGING);
            look = TRUE;
        }
    }
    return look;
}

static void
teaming_on_reset(VtQemuTeaming *teaming)
{
    guint i;

    for (i = 0; i < teaming->teams->len; i++)
        teaming_set_standby(teaming, teaming->teams->pdata[i], VT_QEMU_STANDBY_UNKNOWN);
}

gboolean
vt_qemu_teaming_event(VtQemuTeaming *teaming, const VtQmpEvent *event)
{
    VtQmpEventInfo info;
    VtQmpEventKind kind = vt_qmp_event_decode(event, &info);
    VtQemuTeam *team;

    if (kind == VT_QMP_EVENT_FAILOVER_NEGOTIATED)
        return teaming_on_negotiated(teaming, info.device);
    if (kind == VT_QMP_EVENT_MIGRATION)
        return teaming_on_migration(teaming, info.status);
    if (kind == VT_QMP_EVENT_RESET)
        teaming_on_reset(teaming);
    if (kind != VT_QMP_EVENT_UNPLUG_PRIMARY && kind != VT_QMP_EVENT_DEVICE_DELETED)
        return FALSE;
    team = teaming_of_transient(teaming, info.device);
    if (team)
        teaming_follow(teaming, team,
                       kind == VT_QMP_EVENT_UNPLUG_PRIMARY ? VT_QEMU_PRIMARY_UNPLUGGING
                                                           : VT_QEMU_PRIMARY_UNPLUGGED);
    return FALSE;
}

/* ---- looking ---- */

/* TRUE when one of the strings in the array at @path begins with @word. */
static gboolean
teaming_array_has(JsonNode *root, const char *path, const char *word)
{
    JsonNode *node = vt_json_find(root, path);
    JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    guint i, n = array ? json_array_get_length(array) : 0;

    for (i = 0; i < n; i++) {
        JsonNode *element = json_array_get_element(array, i);

        /* "VIRTIO_NET_F_STANDBY: Device acting as ..." */
        if (JSON_NODE_HOLDS_VALUE(element) && json_node_get_value_type(element) == G_TYPE_STRING &&
            g_str_has_prefix(json_node_get_string(element), word))
            return TRUE;
    }
    return FALSE;
}

static void
teaming_saw_virtio(VtQemuTeaming *teaming, VtQemuTeam *team, JsonNode *status)
{
    if (!status || !JSON_NODE_HOLDS_OBJECT(status))
        return;
    if (teaming_array_has(status, "guest-features.dev-features", TEAMING_FEATURE))
        teaming_set_standby(teaming, team, VT_QEMU_STANDBY_YES);
    else if (teaming_array_has(status, "status.statuses", TEAMING_DRIVER_OK))
        teaming_set_standby(teaming, team, VT_QEMU_STANDBY_NO);
    else
        teaming_set_standby(teaming, team, VT_QEMU_STANDBY_UNKNOWN);
}

static gboolean
teaming_is_peripheral(JsonNode *peripherals, const char *alias)
{
    JsonArray *array = JSON_NODE_HOLDS_ARRAY(peripherals) ? json_node_get_array(peripherals) : NULL;
    guint i, n = array ? json_array_get_length(array) : 0;

    for (i = 0; i < n; i++)
        if (g_strcmp0(vt_json_string_or(json_array_get_element(array, i), "name", NULL), alias) == 0)
            return TRUE;
    return FALSE;
}

/* Where the primary is, when QEMU has an object for it, or has none. */
static VtQemuPrimary
teaming_conclude(const VtQemuTeam *team, gboolean there, TeamingPhase phase)
{
    gboolean asked =
        team->primary == VT_QEMU_PRIMARY_UNPLUGGING || team->primary == VT_QEMU_PRIMARY_UNPLUGGED;

    if (!there)
        return team->by_qemu && team->primary != VT_QEMU_PRIMARY_UNPLUGGED ? VT_QEMU_PRIMARY_HIDDEN
                                                                           : VT_QEMU_PRIMARY_UNPLUGGED;
    /* Ours: a device_del that is under way leaves the object until it is done. */
    if (!team->by_qemu)
        return team->primary == VT_QEMU_PRIMARY_UNPLUGGING ? VT_QEMU_PRIMARY_UNPLUGGING
                                                           : VT_QEMU_PRIMARY_PLUGGED;
    switch (phase) {
    case TEAMING_PHASE_ASKED:
        return asked || team->standby != VT_QEMU_STANDBY_NO ? VT_QEMU_PRIMARY_UNPLUGGING
                                                            : VT_QEMU_PRIMARY_PLUGGED;
    case TEAMING_PHASE_AWAY:
        return VT_QEMU_PRIMARY_UNPLUGGED;
    case TEAMING_PHASE_CANCELLING:
        return asked ? team->primary : VT_QEMU_PRIMARY_UNPLUGGING;
    case TEAMING_PHASE_NONE:
    case TEAMING_PHASE_REPLUG:
        break;
    }
    return VT_QEMU_PRIMARY_PLUGGED;
}

/* A look may have missed any number of events; go through the states that lie between. */
static void
teaming_reach(VtQemuTeaming *teaming, VtQemuTeam *team, VtQemuPrimary primary)
{
    static const VtQemuPrimary between[] = { VT_QEMU_PRIMARY_PLUGGING, VT_QEMU_PRIMARY_PLUGGED };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(between) && team->primary != primary; i++)
        if (!vt_qemu_primary_may_become(team->primary, primary) &&
            vt_qemu_primary_may_become(team->primary, between[i]))
            teaming_follow(teaming, team, between[i]);
    teaming_follow(teaming, team, primary);
}

/* The destination of a migration tells the same states, but asks nobody to eject; only a source counts RAM. */
static TeamingPhase
teaming_phase_seen(JsonNode *migration)
{
    TeamingPhase phase = teaming_phase(vt_json_string_or(migration, "status", NULL));

    return phase == TEAMING_PHASE_AWAY && !vt_json_find(migration, "ram") ? TEAMING_PHASE_NONE : phase;
}

void
vt_qemu_teaming_saw(VtQemuTeaming *teaming, const VtQemuTeamingSight *sight)
{
    TeamingPhase phase = teaming_phase_seen(sight->migration);
    guint i;

    for (i = 0; i < teaming->teams->len; i++) {
        VtQemuTeam *team = teaming->teams->pdata[i];

        if (i < sight->n_virtio)
            teaming_saw_virtio(teaming, team, sight->virtio[i]);
        if (team->transient && sight->peripherals && sight->migration)
            teaming_reach(
                teaming, team,
                teaming_conclude(team, teaming_is_peripheral(sight->peripherals, team->transient), phase));
    }
}

static void
teaming_node_unref(gpointer node)
{
    if (node)
        json_node_unref(node);
}

static void
teaming_look_free(TeamingLook *look)
{
    g_clear_error(&look->error);
    g_clear_pointer(&look->peripherals, json_node_unref);
    g_clear_pointer(&look->migration, json_node_unref);
    g_ptr_array_unref(look->virtio);
    g_ptr_array_unref(look->aliases);
    g_free(look);
}

/* Teams that came or went while QEMU was asked are left for the next look. */
static void
teaming_look_conclude(TeamingLook *look)
{
    VtQemuTeaming *teaming = look->teaming;
    VtQemuTeamingSight sight = { .peripherals = look->peripherals, .migration = look->migration };
    gboolean same = teaming->teams->len == look->aliases->len;
    guint i;

    for (i = 0; same && i < look->aliases->len; i++)
        same = g_str_equal(((VtQemuTeam *)teaming->teams->pdata[i])->persistent, look->aliases->pdata[i]);
    if (!same)
        return;
    sight.virtio = (JsonNode *const *)look->virtio->pdata;
    sight.n_virtio = look->virtio->len;
    vt_qemu_teaming_saw(teaming, &sight);
}

static void
teaming_look_answered(TeamingLook *look)
{
    if (--look->pending)
        return;
    if (look->teaming)
        teaming_look_conclude(look);
    /* The conclusions may have been the end of it. */
    if (look->teaming) {
        g_ptr_array_remove(look->teaming->looks, look);
        if (look->done)
            look->done(look->user, look->error);
    }
    teaming_look_free(look);
}

/* One question: where its answer goes. */
typedef struct {
    TeamingLook *look;
    JsonNode **into;
    gboolean optional; /* older QEMUs do not know the command */
} TeamingAsk;

static void
teaming_on_answer(gpointer user, JsonNode *result, const GError *error)
{
    TeamingAsk *ask = user;
    TeamingLook *look = ask->look;

    if (result)
        *ask->into = json_node_copy(result);
    else if (!ask->optional && !look->error)
        look->error = g_error_copy(error);
    g_free(ask);
    teaming_look_answered(look);
}

static void
teaming_ask(TeamingLook *look, VtQmpClient *client, const char *command, const char *path, JsonNode **into)
{
    TeamingAsk *ask = g_new0(TeamingAsk, 1);

    ask->look = look;
    ask->into = into;
    ask->optional = g_str_has_prefix(command, "x-");
    look->pending++;
    if (path)
        vt_qmp_client_callv(client, command, TEAMING_ASK_TIMEOUT_MS, teaming_on_answer, ask, "path", "s",
                            path, NULL);
    else
        vt_qmp_client_call(client, command, NULL, TEAMING_ASK_TIMEOUT_MS, teaming_on_answer, ask);
}

void
vt_qemu_teaming_look(VtQemuTeaming *teaming, VtQmpClient *client, VtDoneFunc done, gpointer user)
{
    TeamingLook *look = g_new0(TeamingLook, 1);
    guint i;

    look->teaming = teaming;
    look->done = done;
    look->user = user;
    look->pending = 1;
    look->virtio = g_ptr_array_new_with_free_func(teaming_node_unref);
    look->aliases = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_set_size(look->virtio, (gint)teaming->teams->len);
    for (i = 0; i < teaming->teams->len; i++)
        g_ptr_array_add(look->aliases, g_strdup(((VtQemuTeam *)teaming->teams->pdata[i])->persistent));
    g_ptr_array_add(teaming->looks, look);

    for (i = 0; i < look->aliases->len; i++) {
        g_autofree char *path =
            g_strdup_printf("/machine/peripheral/%s/virtio-backend", (const char *)look->aliases->pdata[i]);

        teaming_ask(look, client, "x-query-virtio-status", path, (JsonNode **)&look->virtio->pdata[i]);
    }
    teaming_ask(look, client, "qom-list", "/machine/peripheral", &look->peripherals);
    teaming_ask(look, client, "query-migrate", NULL, &look->migration);
    teaming_look_answered(look);
}

/* ---- text ---- */

char *
vt_qemu_teaming_to_text(const VtQemuTeaming *teaming)
{
    g_autoptr(GString) text = g_string_new(NULL);
    guint i;

    for (i = 0; i < teaming->teams->len; i++) {
        const VtQemuTeam *team = teaming->teams->pdata[i];

        g_string_append_printf(text, "%s%s:%s:%s", i ? " " : "", team->persistent,
                               vt_qemu_standby_name(team->standby), vt_qemu_primary_name(team->primary));
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean
teaming_read_word(VtQemuTeaming *teaming, const char *word, gboolean store)
{
    g_auto(GStrv) parts = g_strsplit(word, ":", 4);
    VtQemuTeam *team;
    int standby, primary;

    if (g_strv_length(parts) != 3 || !*parts[0])
        return FALSE;
    standby = vt_enum_value(teaming_standby_names, VT_QEMU_STANDBY_COUNT, parts[1]);
    primary = vt_enum_value(teaming_primary_names, VT_QEMU_PRIMARY_COUNT, parts[2]);
    if (standby < 0 || primary < 0)
        return FALSE;
    team = teaming_of_persistent(teaming, parts[0]);
    /* A team without a transient has nothing that could be anywhere. */
    if (!store || !team || (primary == VT_QEMU_PRIMARY_ABSENT) != (team->transient == NULL))
        return TRUE;
    team->standby = (VtQemuStandby)standby;
    team->primary = (VtQemuPrimary)primary;
    return TRUE;
}

gboolean
vt_qemu_teaming_restore(VtQemuTeaming *teaming, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    guint pass, i;

    for (pass = 0; *text && pass < 2; pass++)
        for (i = 0; words[i]; i++)
            if (!teaming_read_word(teaming, words[i], pass == 1))
                return FALSE;
    return TRUE;
}
