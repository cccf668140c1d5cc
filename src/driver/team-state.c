/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-team-state"

#include "driver/team-state.h"

#include "conf/teaming.h"
#include "driver/datapath.h"
#include "driver/domain-private.h"
#include "qemu/teaming.h"
#include "util/log.h"

#define TEAM_STATE_KEY "team-state"

typedef struct {
    VtDomain *domain; /* not owned: it owns this */
    VtQemuTeaming *teaming;
    GPtrArray *asks; /* of TeamStateAsk *, under way */
} TeamState;

typedef struct {
    TeamState *state;
    VtDoneFunc done; /* nullable */
    gpointer user;
} TeamStateAsk;

static void
team_state_free(gpointer data)
{
    TeamState *state = data;

    vt_qemu_teaming_free(state->teaming);
    g_ptr_array_unref(state->asks);
    g_free(state);
}

static void
team_state_changed(VtQemuTeaming *teaming, const VtQemuTeam *team, VtQemuStandby was_standby,
                   VtQemuPrimary was_primary, gpointer user)
{
    VtDomain *domain = ((TeamState *)user)->domain;

    vt_log_info("dom=%s team '%s': STANDBY negotiated: %s, primary %s", domain->name, team->persistent,
                vt_qemu_standby_name(team->standby), vt_qemu_primary_name(team->primary));
    vt_domain_status_changed(domain);
}

static TeamState *
team_state_of(const VtDomain *domain)
{
    return vt_domain_data(domain, TEAM_STATE_KEY);
}

void
vt_team_state_open(VtDomain *domain)
{
    TeamState *state;

    vt_team_state_close(domain);
    if (!domain->live)
        return;
    state = g_new0(TeamState, 1);
    state->domain = domain;
    state->asks = g_ptr_array_new_with_free_func(g_free);
    state->teaming = vt_qemu_teaming_new(domain->live, team_state_changed, state);
    vt_domain_set_data(domain, TEAM_STATE_KEY, state, team_state_free);
}

void
vt_team_state_close(VtDomain *domain)
{
    TeamState *state = team_state_of(domain);
    g_autoptr(GPtrArray) asks = NULL;

    if (!state)
        return;
    asks = g_steal_pointer(&state->asks);
    state->asks = g_ptr_array_new_with_free_func(g_free);
    vt_domain_set_data(domain, TEAM_STATE_KEY, NULL, NULL);
    for (guint i = 0; i < asks->len; i++) {
        const TeamStateAsk *ask = g_ptr_array_index(asks, i);

        if (ask->done)
            ask->done(ask->user, NULL);
    }
}

void
vt_team_state_restore(VtDomain *domain, const char *text)
{
    vt_team_state_open(domain);
    if (text && team_state_of(domain) && !vt_qemu_teaming_restore(team_state_of(domain)->teaming, text))
        vt_log_warning("dom=%s the status file says nothing usable about the teams ('%s')", domain->name,
                       text);
}

VtQemuTeaming *
vt_team_state_teaming(const VtDomain *domain)
{
    TeamState *state = team_state_of(domain);

    return state ? state->teaming : NULL;
}

char *
vt_team_state_text(const VtDomain *domain)
{
    const TeamState *state = team_state_of(domain);

    return state && vt_qemu_teaming_count(state->teaming) ? vt_qemu_teaming_to_text(state->teaming) : NULL;
}

/* ---- QEMU ---- */

static void
team_state_answered(gpointer user, const GError *error)
{
    TeamStateAsk *ask = user;
    TeamState *state = ask->state;
    VtDoneFunc done = ask->done;
    gpointer done_user = ask->user;

    if (error)
        vt_log_debug("dom=%s the teams could not be looked at: %s", state->domain->name, error->message);
    g_ptr_array_remove(state->asks, ask);
    if (done)
        done(done_user, NULL);
}

void
vt_team_state_ask(VtDomain *domain, VtDoneFunc done, gpointer user)
{
    TeamState *state = team_state_of(domain);
    VtQmpClient *qmp = state ? vt_domain_qmp(domain, NULL) : NULL;
    TeamStateAsk *ask;

    if (!qmp || !vt_qemu_teaming_count(state->teaming)) {
        if (done)
            done(user, NULL);
        return;
    }
    ask = g_new0(TeamStateAsk, 1);
    ask->state = state;
    ask->done = done;
    ask->user = user;
    g_ptr_array_add(state->asks, ask);
    vt_qemu_teaming_look(state->teaming, qmp, team_state_answered, ask);
}

/* A guest that has just begun to run is looked at too: a primary that we plug ourselves has no event. */
void
vt_team_state_event(VtDomain *domain, const VtQmpEvent *event)
{
    TeamState *state = team_state_of(domain);

    if (state && (vt_qemu_teaming_event(state->teaming, event) || g_strcmp0(event->name, "RESUME") == 0))
        vt_team_state_ask(domain, NULL, NULL);
}

void
vt_team_state_update(VtDomain *domain)
{
    TeamState *state = team_state_of(domain);

    if (!state || !domain->live)
        return;
    vt_qemu_teaming_update(state->teaming, domain->live);
    vt_team_state_ask(domain, NULL, NULL);
}

/* ---- for whoever shows it ---- */

void
vt_team_info_free(gpointer data)
{
    VtTeamInfo *info = data;

    g_free(info->name);
    g_free(info->transient);
    g_free(info->mac);
    g_free(info->backend);
    g_free(info->why);
    g_free(info->error);
    g_free(info->standby_host);
    g_free(info->primary_host);
    g_free(info);
}

static char *
team_state_host_pci(const VtHostPci *host)
{
    return g_strdup_printf("PCI %04x:%02x:%02x.%x", host->domain, host->bus, host->slot, host->function);
}

static char *
team_state_host_net(const VtNetDef *net)
{
    GString *text = g_string_new(NULL);

    if (vt_teaming_net_is_host(net)) {
        g_string_free(text, TRUE);
        return net->has_host ? team_state_host_pci(&net->host) : g_strdup("not chosen yet");
    }
    if (net->target_dev)
        g_string_append_printf(text, "tap %s", net->target_dev);
    if (net->bridge)
        g_string_append_printf(text, "%sbridge %s", text->len ? ", " : "", net->bridge);
    return g_string_free(text, FALSE);
}

/* By what the host has seen; where it sees nothing, only a primary that is not in the guest tells. */
static const char *
team_state_active(const VtDatapathInfo *host, VtQemuPrimary primary)
{
    if (primary == VT_QEMU_PRIMARY_ABSENT || primary == VT_QEMU_PRIMARY_HIDDEN ||
        primary == VT_QEMU_PRIMARY_UNPLUGGED)
        return "standby";
    if (!host)
        return "unknown";
    switch (host->state) {
    case VT_HANDOVER_PRIMARY:
    case VT_HANDOVER_SETTLING:
        return "primary";
    case VT_HANDOVER_STANDBY:
        return "standby";
    case VT_HANDOVER_ARRIVING:
    case VT_HANDOVER_STIRRING:
    case VT_HANDOVER_LEAVING:
        return "changing";
    case VT_HANDOVER_IDLE:
    case VT_HANDOVER_READY:
    case VT_HANDOVER_UNSURE:
    case VT_HANDOVER_STATE_COUNT:
        break;
    }
    return "unknown";
}

static void
team_state_set_transient(VtTeamInfo *info, GPtrArray *teams, const VtNetDef *persistent)
{
    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);

        if (team->persistent != persistent)
            continue;
        if (team->transient_net) {
            info->transient = g_strdup(team->transient_net->info.alias);
            info->primary_host = team_state_host_net(team->transient_net);
        } else if (team->transient_hostdev) {
            info->transient = g_strdup(team->transient_hostdev->info.alias);
            info->primary_host = team_state_host_pci(&team->transient_hostdev->host);
        }
    }
}

static gboolean
team_state_find_host(const VtDomain *domain, const char *name, VtDatapathInfo *host)
{
    for (guint i = 0; i < vt_datapath_count(domain); i++) {
        vt_datapath_info(domain, i, host);
        if (g_strcmp0(host->team, name) == 0)
            return TRUE;
    }
    return FALSE;
}

static VtTeamInfo *
team_state_info(const VtDomain *domain, GPtrArray *teams, const VtNetDef *net)
{
    const TeamState *state = team_state_of(domain);
    const VtQemuTeam *team = state ? vt_qemu_teaming_find(state->teaming, net->info.alias) : NULL;
    VtQemuPrimary primary = team ? team->primary : VT_QEMU_PRIMARY_ABSENT;
    VtTeamInfo *info = g_new0(VtTeamInfo, 1);
    VtDatapathInfo host = { .backend = "none", .state = VT_HANDOVER_IDLE, .feed = VT_FEED_RELEASED };
    gboolean watched = team_state_find_host(domain, net->info.alias, &host);
    char mac[VT_MAC_STRING_SIZE];

    info->name = g_strdup(net->info.alias ? net->info.alias : "");
    info->mac = g_strdup(vt_mac_format(&net->mac, mac));
    team_state_set_transient(info, teams, net);
    info->orchestration = !team || !team->transient ? "" : team->by_qemu ? "qemu" : "management";
    info->standby = vt_qemu_standby_name(team ? team->standby : VT_QEMU_STANDBY_UNKNOWN);
    info->primary = vt_qemu_primary_name(primary);
    info->active = team ? team_state_active(watched ? &host : NULL, primary) : "unknown";
    info->state = vt_handover_state_name(host.state);
    info->feed = vt_feed_name(host.feed);
    info->backend = g_strdup(host.backend);
    info->why = g_strdup(host.why);
    info->error = g_strdup(host.error);
    info->standby_host = team_state_host_net(net);
    return info;
}

GPtrArray *
vt_team_state_list(const VtDomain *domain)
{
    const VtDomainDef *def = vt_domain_def(domain);
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    GPtrArray *list = g_ptr_array_new_with_free_func(vt_team_info_free);

    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (net->teaming.type == VT_TEAMING_PERSISTENT)
            g_ptr_array_add(list, team_state_info(domain, teams, net));
    }
    return list;
}
