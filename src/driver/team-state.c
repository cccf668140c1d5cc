/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-team-state"

#include "driver/team-state.h"

#include "driver/domain-private.h"
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

void
vt_team_state_plugged(VtDomain *domain, const char *team)
{
    TeamState *state = team_state_of(domain);
    g_autoptr(GError) error = NULL;

    if (state && !vt_qemu_teaming_set_primary(state->teaming, team, VT_QEMU_PRIMARY_PLUGGED, &error))
        vt_log_debug("dom=%s %s", domain->name, error->message);
}

const VtQemuTeam *
vt_team_state_find(const VtDomain *domain, const char *alias)
{
    const TeamState *state = team_state_of(domain);

    return state ? vt_qemu_teaming_find(state->teaming, alias) : NULL;
}
