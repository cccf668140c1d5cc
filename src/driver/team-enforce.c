/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-team"

#include "driver/team-enforce.h"

#include "driver/device-leaving.h"
#include "driver/domain-private.h"
#include "driver/journal.h"
#include "driver/team-manage.h"
#include "driver/team-switch.h"
#include "util/log.h"

#define TEAM_ENFORCE_KEY     "team-enforce"
#define TEAM_ENFORCE_BOOT_MS 2000 /* a guest that has just negotiated cannot let go of anything yet */
#define TEAM_ENFORCE_BACKOFF 60   /* seconds, at most */

typedef struct {
    guint refs;
    VtDomain *domain; /* which owns it; NULL: gone */
    guint timer, backoff_s;
    GPtrArray *todo; /* of char *: teams to look at in this round; NULL: none is under way */
    gboolean again, failed;
} TeamEnforce;

static void enforce_next(TeamEnforce *enforce);

static void
enforce_unref(TeamEnforce *enforce)
{
    if (--enforce->refs > 0)
        return;
    g_clear_pointer(&enforce->todo, g_ptr_array_unref);
    g_free(enforce);
}

static void
enforce_drop(gpointer data)
{
    TeamEnforce *enforce = data;

    g_clear_handle_id(&enforce->timer, g_source_remove);
    enforce->domain = NULL;
    enforce_unref(enforce);
}

static TeamEnforce *
enforce_get(VtDomain *domain)
{
    TeamEnforce *enforce = vt_domain_data(domain, TEAM_ENFORCE_KEY);

    if (!enforce) {
        enforce = g_new0(TeamEnforce, 1);
        enforce->refs = 1;
        enforce->domain = domain;
        vt_domain_set_data(domain, TEAM_ENFORCE_KEY, enforce, enforce_drop);
    }
    return enforce;
}

static gboolean
enforce_tick(gpointer user)
{
    TeamEnforce *enforce = user;
    g_auto(GStrv) teams = vt_team_keep_list(enforce->domain, VT_TEAM_KEEP_REASONS | VT_TEAM_KEEP_AWAY);

    enforce->timer = 0;
    if (!teams)
        return G_SOURCE_REMOVE;
    enforce->again = enforce->failed = FALSE;
    enforce->todo = g_ptr_array_new_with_free_func(g_free);
    for (char **team = teams; *team; team++)
        g_ptr_array_add(enforce->todo, g_strdup(*team));
    enforce->refs++;
    enforce_next(enforce);
    return G_SOURCE_REMOVE;
}

static void
enforce_in(TeamEnforce *enforce, guint delay_ms)
{
    if (enforce->todo)
        enforce->again = TRUE;
    else if (!enforce->timer)
        enforce->timer = g_timeout_add(delay_ms, enforce_tick, enforce);
}

static void
enforce_round_ended(TeamEnforce *enforce)
{
    gboolean again = enforce->again;

    g_clear_pointer(&enforce->todo, g_ptr_array_unref);
    if (enforce->domain && enforce->failed) {
        enforce->backoff_s = CLAMP(enforce->backoff_s * 2, 1, TEAM_ENFORCE_BACKOFF);
        enforce_in(enforce, enforce->backoff_s * 1000);
    } else if (enforce->domain) {
        enforce->backoff_s = 0;
        if (again)
            enforce_in(enforce, TEAM_ENFORCE_BOOT_MS);
    }
    enforce_unref(enforce);
}

static void
enforce_switched(gpointer user, const char *said, const GError *error)
{
    TeamEnforce *enforce = user;

    if (error && enforce->domain) {
        enforce->failed = TRUE;
        vt_log_info("domain '%s': a team is not where it is to be, and is tried again: %s",
                    enforce->domain->name, error->message);
    }
    enforce_next(enforce);
}

/* One after the other: each takes the domain's job. */
static void
enforce_next(TeamEnforce *enforce)
{
    g_autofree char *team = NULL;
    VtTeamSwitchParams params = { 0 };

    if (!enforce->domain || !enforce->todo->len || !vt_domain_is_active(enforce->domain)) {
        enforce_round_ended(enforce);
        return;
    }
    team = g_ptr_array_steal_index(enforce->todo, 0);
    params.team = team;
    params.to = vt_team_keep_is(enforce->domain, team) ? VT_TEAM_SWITCH_STANDBY : VT_TEAM_SWITCH_PRIMARY;
    vt_team_switch(enforce->domain, &params, enforce_switched, enforce);
}

/* ---- what makes it look ---- */

gboolean
vt_team_enforce_gone(VtDomain *domain, const char *alias)
{
    VtTeam team;
    const char *name = vt_teaming_find(domain->live, alias, &team) ? team.persistent->info.alias : NULL;
    guint bits = name ? vt_team_keep_get(domain, name) : 0;

    if (bits)
        vt_team_keep_remove(domain, name, VT_TEAM_KEEP_ASKED);
    /* team-manage looks after its own. */
    if (!bits || vt_team_manage_is(&team) || vt_device_leaving_has(domain, alias))
        return FALSE;
    if (!(bits & VT_TEAM_KEEP_REASONS)) {
        vt_log_warning(
            "domain '%s': the guest has let go of '%s' (team '%s') after its time limit: it is given back",
            domain->name, alias, name);
        vt_team_keep_add(domain, name, VT_TEAM_KEEP_AWAY, NULL);
        enforce_in(enforce_get(domain), 0);
    }
    return TRUE;
}

void
vt_team_enforce_forget(VtDomain *domain, const char *alias)
{
    VtTeam team;

    if (vt_teaming_find(domain->live, alias, &team))
        vt_team_keep_remove(domain, team.persistent->info.alias,
                            VT_TEAM_KEEP_REASONS | VT_TEAM_KEEP_ASKED | VT_TEAM_KEEP_AWAY);
}

void
vt_team_enforce_event(VtDomain *domain, const VtQmpEvent *event)
{
    g_auto(GStrv) teams = NULL;

    if (!g_str_equal(event->name, "FAILOVER_NEGOTIATED"))
        return;
    teams = vt_team_keep_list(domain, VT_TEAM_KEEP_REASONS);
    if (teams)
        enforce_in(enforce_get(domain), TEAM_ENFORCE_BOOT_MS);
}

void
vt_team_enforce_recover(VtDomain *domain)
{
    const char *team =
        g_strcmp0(vt_journal_kind(domain), "team-switch") == 0 ? vt_journal_get(domain, "team") : NULL;
    g_auto(GStrv) teams = NULL;

    if (team && !vt_team_keep_is(domain, team))
        vt_team_keep_add(domain, team, VT_TEAM_KEEP_AWAY, NULL);
    teams = vt_team_keep_list(domain, VT_TEAM_KEEP_REASONS | VT_TEAM_KEEP_AWAY);
    if (teams)
        enforce_in(enforce_get(domain), 0);
}

void
vt_team_enforce_close(VtDomain *domain)
{
    vt_domain_set_data(domain, TEAM_ENFORCE_KEY, NULL, NULL);
}
