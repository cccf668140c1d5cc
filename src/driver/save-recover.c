/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * After a daemon was killed in the middle of a save.
 */
#define VT_LOG_DOMAIN "virtteam-driver-save"

#include <glib/gstdio.h>
#include "conf/teaming.h"
#include "driver/domain-private.h"
#include "driver/journal.h"
#include "driver/save-file.h"
#include "driver/save.h"
#include "driver/stop.h"
#include "driver/team-manage.h"
#include "qemu/mig-src.h"
#include "util/log.h"

#define STOPPED_SAVED 4 /* VIR_DOMAIN_EVENT_STOPPED_SAVED */

typedef struct {
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    VtMigSrc *src;
    GArray *teams; /* of VtMigSrcTeam */
    gboolean ran;
    VtDoneFunc done;
    gpointer user;
} SaveRecovery;

static void save_recovery_event(VtDomain *domain, const VtQmpEvent *event, gpointer user);
static void save_recovery_exited(VtDomain *domain, const char *why, gpointer user);
static const VtDomainQmpFuncs save_recovery_listener = { .event = save_recovery_event,
                                                         .exited = save_recovery_exited };

void
vt_save_sweep(VtDomain *domain)
{
    const char *path = vt_journal_get(domain, "path");

    if (g_strcmp0(vt_journal_kind(domain), "save") != 0 || !path || !vt_save_file_is_partial(path))
        return;
    vt_log_info("domain '%s': removing '%s', to which it was not saved completely", domain->name, path);
    g_unlink(path);
}

static void
save_recovery_end(SaveRecovery *recovery, const GError *error)
{
    vt_domain_remove_qmp_listener(recovery->domain, &save_recovery_listener, recovery);
    vt_save_sweep(recovery->domain);
    vt_journal_end(recovery->domain);
    recovery->done(recovery->user, error);
    vt_mig_src_free(recovery->src);
    g_array_unref(recovery->teams);
    vt_domain_unref(recovery->domain);
    g_free(recovery);
}

static void
save_recovery_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    vt_mig_src_event(((SaveRecovery *)user)->src, event);
}

static void
save_recovery_exited(VtDomain *domain, const char *why, gpointer user)
{
    vt_mig_src_gone(((SaveRecovery *)user)->src, why);
}

/* Told from the main loop: the VtMigSrc that calls cannot be freed here. */
static gboolean
save_recovery_end_ok(gpointer user)
{
    save_recovery_end(user, NULL);
    return G_SOURCE_REMOVE;
}

static void
save_recovery_returned(gpointer user, const GError *error)
{
    SaveRecovery *recovery = user;

    if (error)
        vt_log_error("domain '%s': its save was interrupted, and it does not run as before: %s",
                     recovery->domain->name, error->message);
    else
        vt_log_info("domain '%s': its save was interrupted, it goes on", recovery->domain->name);
    g_idle_add(save_recovery_end_ok, recovery);
}

static void
save_recovery_stopped(gpointer user, const GError *error)
{
    save_recovery_end(user, error);
}

static VtQmpClient *
save_recovery_qmp(gpointer user)
{
    return vt_domain_qmp(((SaveRecovery *)user)->domain, NULL);
}

static gboolean
save_recovery_should_run(gpointer user)
{
    return ((SaveRecovery *)user)->ran;
}

static void
save_recovery_return(SaveRecovery *recovery)
{
    static const VtMigSrcFuncs funcs = { .qmp = save_recovery_qmp, .should_run = save_recovery_should_run };
    g_autoptr(GPtrArray) teams = vt_teaming_teams(recovery->domain->live);
    VtMigSrcParams params = { 0 };

    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);
        const VtDeviceInfo *info = vt_teaming_transient_info(team);
        const VtMigSrcTeam entry = { .persistent = team->persistent->info.alias, .transient = info->alias };

        if (info->alias && !vt_team_manage_is(team))
            g_array_append_val(recovery->teams, entry);
    }
    params.teams = (const VtMigSrcTeam *)recovery->teams->data;
    params.n_teams = recovery->teams->len;
    recovery->src = vt_mig_src_new(&params, &funcs, recovery);
    vt_domain_add_qmp_listener(recovery->domain, &save_recovery_listener, recovery);
    vt_mig_src_return(recovery->src, save_recovery_returned, recovery);
}

void
vt_save_recover(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    const char *path = vt_journal_get(domain, "path");
    const char *step = vt_journal_get(domain, "step");
    SaveRecovery *recovery = g_new0(SaveRecovery, 1);
    gboolean complete = g_strcmp0(step, "end-guest") == 0 ||
                        (g_strcmp0(step, "complete") == 0 && path && !vt_save_file_is_partial(path) &&
                         g_file_test(path, G_FILE_TEST_IS_REGULAR));
    const VtStopParams stop = {
        .driver = driver,
        .domain = domain,
        .reason = VT_SHUTOFF_SAVED,
        .detail = STOPPED_SAVED,
    };

    recovery->driver = driver;
    recovery->domain = vt_domain_ref(domain);
    recovery->teams = g_array_new(FALSE, TRUE, sizeof(VtMigSrcTeam));
    recovery->ran = g_strcmp0(vt_journal_get(domain, "ran"), "yes") == 0;
    recovery->done = done;
    recovery->user = user;
    if (!complete) {
        save_recovery_return(recovery);
        return;
    }
    vt_log_info("domain '%s' was saved to '%s': it ends now", domain->name, path);
    vt_stop_run(&stop, save_recovery_stopped, recovery);
}
