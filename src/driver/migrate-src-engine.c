/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-migrate"

#include "driver/migrate-src-engine.h"

#include <string.h>
#include "conf/teaming.h"
#include "driver/journal.h"
#include "driver/team-keep.h"
#include "driver/team-manage.h"
#include "driver/timeline-log.h"
#include "qemu/argv.h"
#include "util/log.h"
#include "util/message-id.h"

static gboolean
migrate_engine_should_run(gpointer user)
{
    VtDomain *domain = user;
    int reason = 0;
    VtDomainState state = vt_domain_state(domain, &reason);

    return state == VT_DOMAIN_RUNNING || (state == VT_DOMAIN_PAUSED && reason == VT_MIGRATE_PAUSED_REASON);
}

static void
migrate_engine_phase_word(const char *phase, gpointer user)
{
    VtDomain *domain = user;
    VtTimelineLog *log = vt_domain_data(domain, VT_TIMELINE_LOG_KEY);

    vt_migrate_job_phase(domain, phase);
    if (g_str_equal(phase, "transfer"))
        vt_timeline_log_note(log, VT_TIMELINE_TRANSFER, NULL, NULL);
    else if (g_str_equal(phase, "switchover"))
        vt_timeline_log_note(log, VT_TIMELINE_SWITCHOVER, NULL, NULL);
    else if (g_str_equal(phase, "return"))
        vt_domain_expect_resume(domain, VT_MIGRATE_RUNNING_CANCELED);
}

static void
migrate_engine_stats(const VtMigStats *stats, gpointer user)
{
    vt_migrate_job_stats(user, stats);
}

static void
migrate_engine_team(const char *persistent, const char *what, gpointer user)
{
    static const struct {
        const char *what;
        VtTimelineWhat note;
    } words[] = {
        { "asked", VT_TIMELINE_UNPLUG_ASKED },
        { "ejected", VT_TIMELINE_EJECTED },
        { "timeout", VT_TIMELINE_UNPLUG_TIMEOUT },
        { "replugged", VT_TIMELINE_REPLUGGED },
    };
    VtTimelineLog *log = vt_domain_data(user, VT_TIMELINE_LOG_KEY);

    if (g_str_equal(what, "asked"))
        vt_job_team_asked(user, persistent);
    else if (g_str_equal(what, "ejected"))
        vt_job_team_ejected(user, persistent);
    if (g_str_equal(what, "timeout"))
        vt_log_id_warning(VT_MESSAGE_UNPLUG_TIMED_OUT, vt_domain_name(user),
                          "domain '%s': the guest did not let go of its primary in time%s%s",
                          vt_domain_name(user), persistent ? ", team " : "", persistent ? persistent : "");
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_str_equal(words[i].what, what))
            vt_timeline_log_note(log, words[i].note, persistent, NULL);
}

static const VtMigSrcFuncs migrate_engine_funcs = {
    .qmp = vt_migrate_qmp,
    .should_run = migrate_engine_should_run,
    .phase = migrate_engine_phase_word,
    .stats = migrate_engine_stats,
    .team = migrate_engine_team,
};

typedef struct {
    GArray *teams; /* of VtMigSrcTeam; strings owned by the definition, device owned */
    guint timeout_ms, retries;
} MigrateEngineTeams;

static void
migrate_engine_teams_clear(MigrateEngineTeams *teams)
{
    for (guint i = 0; i < teams->teams->len; i++)
        g_free(g_array_index(teams->teams, VtMigSrcTeam, i).device);
    g_array_unref(teams->teams);
}

/* The most patient policy of all teams counts: QEMU waits for all of them together. */
static void
migrate_engine_teams_read(VtDriver *driver, VtDomain *domain, MigrateEngineTeams *result)
{
    const VtDriverConfig *config = vt_driver_config(driver);
    const VtDomainDef *def = vt_domain_def(domain);
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    gboolean wait = FALSE;

    *result = (MigrateEngineTeams){ .teams = g_array_new(FALSE, TRUE, sizeof(VtMigSrcTeam)) };
    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);
        const VtDeviceInfo *transient = vt_teaming_transient_info(team);
        VtMigSrcTeam row = { .persistent = team->persistent->info.alias, .transient = transient->alias };
        guint timeout_ms, retries;

        if (vt_team_manage_is(team) || vt_team_keep_is(domain, row.persistent))
            continue;
        wait |= vt_team_manage_limits(config, team->policy, &timeout_ms, &retries);
        if (team->transient_net)
            row.device = vt_argv_net_device(def, team->transient_net);
        result->timeout_ms = MAX(result->timeout_ms, timeout_ms);
        result->retries = MAX(result->retries, retries);
        g_array_append_val(result->teams, row);
    }
    if (wait)
        result->timeout_ms = 0;
}

VtMigSrc *
vt_migrate_src_engine_new(VtDriver *driver, VtDomain *domain, const VtMigParams *migration, const char *uri)
{
    MigrateEngineTeams teams;
    VtMigSrcParams params = { .uri = uri, .params = migration };
    VtMigSrc *engine;

    migrate_engine_teams_read(driver, domain, &teams);
    vt_migrate_limits(domain, migration, &params.limits);
    params.unplug_timeout_ms = teams.timeout_ms;
    params.unplug_retries = teams.retries;
    params.teams = (const VtMigSrcTeam *)teams.teams->data;
    params.n_teams = teams.teams->len;
    vt_journal_hooks(domain, &params.hooks);
    engine = vt_mig_src_new(&params, &migrate_engine_funcs, domain);
    migrate_engine_teams_clear(&teams);
    return engine;
}
