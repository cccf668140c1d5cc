/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/migrate-common.h"

#include <string.h>
#include "conf/teaming.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/team-keep.h"
#include "util/fault.h"
#include "util/i18n.h"

#define MIGRATE_LIMITS_KEY "migrate-limits"

void
vt_migrate_reply_clear(VtMigrateReply *reply)
{
    g_clear_pointer(&reply->cookie, g_bytes_unref);
    g_clear_pointer(&reply->text, g_free);
    g_clear_pointer(&reply->domain, vt_domain_unref);
}

/* ---- limits ---- */

typedef struct {
    guint64 bandwidth_mib_per_s; /* 0: without limit */
    guint64 downtime_ms;         /* 0: QEMU's own */
} MigrateLimits;

static MigrateLimits *
migrate_kept(const VtDomain *domain)
{
    return vt_domain_data(domain, MIGRATE_LIMITS_KEY);
}

static MigrateLimits *
migrate_keep(VtDomain *domain)
{
    MigrateLimits *kept = migrate_kept(domain);

    if (!kept) {
        kept = g_new0(MigrateLimits, 1);
        vt_domain_set_data(domain, MIGRATE_LIMITS_KEY, kept, g_free);
    }
    return kept;
}

void
vt_migrate_limits(const VtDomain *domain, const VtMigParams *params, VtMigLimits *limits)
{
    const MigrateLimits *kept = migrate_kept(domain);
    guint64 mib = params && params->bandwidth_mib_per_s ? params->bandwidth_mib_per_s
                  : kept                                ? kept->bandwidth_mib_per_s
                                                        : 0;

    *limits = (VtMigLimits){
        .bandwidth_bytes_per_s = mib << 20,
        .downtime_ms = kept ? kept->downtime_ms : 0,
    };
}

void
vt_migrate_keep_bandwidth(VtDomain *domain, guint64 mib_per_s)
{
    migrate_keep(domain)->bandwidth_mib_per_s = mib_per_s;
}

void
vt_migrate_keep_downtime(VtDomain *domain, guint64 ms)
{
    migrate_keep(domain)->downtime_ms = ms;
}

guint64
vt_migrate_kept_bandwidth(const VtDomain *domain)
{
    const MigrateLimits *kept = migrate_kept(domain);

    return kept ? kept->bandwidth_mib_per_s : 0;
}

guint64
vt_migrate_kept_downtime(const VtDomain *domain)
{
    const MigrateLimits *kept = migrate_kept(domain);

    return kept ? kept->downtime_ms : 0;
}

/* ---- the job ---- */

void
vt_migrate_job_stats(VtDomain *domain, const VtMigStats *from)
{
    VtJobStats *to = vt_job_stats(domain);

    if (!to)
        return;
    to->time_elapsed_ms = from->total_time_ms;
    to->setup_time_ms = from->setup_time_ms;
    to->downtime_ms = from->downtime_ms;
    to->has_downtime = from->has_downtime;
    to->mem_total = from->ram_total;
    to->mem_processed = from->ram_transferred;
    to->mem_remaining = from->ram_remaining;
    to->mem_bps = from->ram_bps;
    to->mem_constant = from->ram_duplicate;
    to->mem_normal = from->ram_normal;
    to->mem_normal_bytes = from->ram_normal_bytes;
    to->mem_dirty_rate = from->ram_dirty_pages_rate;
    to->mem_page_size = from->ram_page_size;
    to->mem_iteration = from->ram_iteration;
    to->mem_postcopy_reqs = from->ram_postcopy_requests;
}

void
vt_migrate_job_phase(VtDomain *domain, const char *phase)
{
    VtJobStats *stats = vt_job_stats(domain);

    if (!stats)
        return;
    g_strlcpy(stats->phase, phase ? phase : "", sizeof stats->phase);
    if (g_strcmp0(phase, "unplug") == 0 && !stats->unplug_started_us)
        stats->unplug_started_us = g_get_monotonic_time();
    else if (stats->unplug_started_us && !stats->unplug_ended_us && g_strcmp0(phase, "unplug") != 0)
        stats->unplug_ended_us = g_get_monotonic_time();
}

void
vt_migrate_job_end(VtDriver *driver, VtDomain *domain, VtJobType type)
{
    g_autoptr(GError) error = NULL;
    VtTypedParams *params;
    int kept = 0;

    vt_migrate_job_phase(domain, NULL);
    vt_job_complete(domain, type);
    params =
        vt_job_query(domain, 3, &kept, &error); /* of the completed one, which is kept for others to ask */
    if (params)
        vt_event_job_completed(driver, domain, params);
}

/* ---- the journal ---- */

typedef struct {
    const char *kind; /* a literal */
    char *phase;
    VtDoneFunc done;
    gpointer user;
} MigrateWrite;

static void
migrate_written(gpointer user, const GError *error)
{
    MigrateWrite *write = user;

    vt_fault_point(write->kind, write->phase, VT_FAULT_KILL_AFTER, NULL);
    write->done(write->user, error);
    g_free(write->phase);
    g_free(write);
}

void
vt_migrate_journal(VtDomain *domain, VtDoneFunc done, gpointer user)
{
    MigrateWrite *write = g_new0(MigrateWrite, 1);

    write->kind = g_strcmp0(vt_journal_kind(domain), "migrate-in") == 0 ? "migrate-in" : "migrate-out";
    write->phase = g_strdup(vt_journal_get(domain, "phase"));
    write->done = done;
    write->user = user;
    vt_fault_point(write->kind, write->phase, VT_FAULT_KILL_BEFORE, NULL);
    vt_journal_sync(domain, migrate_written, write);
}

/* ---- small parts ---- */

gboolean
vt_migrate_carries_on(const VtUuid *id, const char *name, const VtOwner *owner, const VtOwner *caller,
                      GBytes *bytes, GError **error)
{
    g_autoptr(VtMigCookie) cookie =
        bytes && g_bytes_get_size(bytes) > 0 ? vt_mig_cookie_parse(bytes, NULL) : NULL;

    if (cookie && !vt_uuid_equal(&cookie->id, id))
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                            _("the cookie of this call is of another migration of domain '%s'"), name);
    if (cookie || (owner && owner == caller))
        return TRUE;
    return vt_error_set(
        error, VT_ERROR_OPERATION_INVALID,
        _("domain '%s' is being migrated by another client: only that one goes on with it, or "
          "one that has the migration's cookie"),
        name);
}

VtQmpClient *
vt_migrate_qmp(gpointer user)
{
    return vt_domain_qmp(user, NULL);
}

VtMigCookie *
vt_migrate_cookie_new(VtDriver *driver, VtDomain *domain, const VtUuid *id)
{
    const VtDriverConfig *config = driver->config;
    const VtDomainDef *def = vt_domain_def(domain);
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    VtMigCookie *cookie = vt_mig_cookie_new();
    VtQemuCaps *caps = vt_driver_caps(driver, def->emulator, NULL);

    cookie->id = *id;
    cookie->name = g_strdup(vt_domain_name(domain));
    cookie->uuid = *vt_domain_uuid(domain);
    cookie->host_uuid = config->host_uuid;
    cookie->hostname = g_strdup(config->hostname);
    cookie->machine = g_strdup(def->os.machine);
    cookie->version = caps ? caps->version : 0;
    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);
        const VtDeviceInfo *transient = vt_teaming_transient_info(team);

        vt_mig_cookie_add_team(cookie, team->persistent->info.alias, transient->alias,
                               &team->persistent->mac);
        if (vt_team_keep_get(domain, team->persistent->info.alias) & VT_TEAM_KEEP_USER)
            vt_mig_cookie_set_kept(cookie, team->persistent->info.alias);
    }
    return cookie;
}
