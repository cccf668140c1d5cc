/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two seats and one queue. The main seat is for whoever changes the domain; the side seat is for what must be
 * possible while a migration sits in the main one (destroy, suspend, the monitor). Without a migration the two
 * exclude each other. Who cannot sit down waits in one queue, first come first served.
 */
#define VT_LOG_DOMAIN "virtteam-driver-job"

#include "driver/job.h"
#include "driver/domain-private.h"
#include "util/enum.h"
#include "util/i18n.h"
#include "util/log.h"

#define JOB_KEY       "job"
#define JOB_QUEUE_MAX 256

enum {
    JOB_QUERY_COMPLETED = 1 << 0,
    JOB_QUERY_KEEP = 1 << 1,
};

static const char *const job_kind_names[] = {
    [VT_JOB_NONE] = "none",
    [VT_JOB_MODIFY] = "modify",
    [VT_JOB_MIGRATION_IN] = "migration in",
    [VT_JOB_MIGRATION_OUT] = "migration out",
    [VT_JOB_SAVE] = "save",
};
VT_ENUM_TABLE(job_kind_names, VT_JOB_COUNT);

/* virDomainJobOperation of the kinds that are reported; 0: not reported */
static const int job_operations[] = {
    [VT_JOB_NONE] = 0,          [VT_JOB_MODIFY] = 0, [VT_JOB_MIGRATION_IN] = 4,
    [VT_JOB_MIGRATION_OUT] = 5, [VT_JOB_SAVE] = 2,
};
VT_ENUM_TABLE(job_operations, VT_JOB_COUNT);

typedef struct {
    VtDomain *domain; /* with a reference */
    VtJobKind kind;
    gboolean side;
    guint timeout;
    VtDoneFunc done;
    gpointer user;
} JobWaiter;

typedef struct {
    VtJobKind kind;
    gboolean side;
    GQueue queue; /* of JobWaiter * */
    guint idle;
    gboolean reported;
    VtJobStats stats;
    VtJobStats completed; /* type NONE: nothing kept */
    VtJobAbortFunc abort;
    gpointer abort_user;
} DomainJob;

static gboolean
job_is_migration(VtJobKind kind)
{
    return kind == VT_JOB_MIGRATION_IN || kind == VT_JOB_MIGRATION_OUT;
}

static void
job_free(DomainJob *job)
{
    if (job->idle)
        g_source_remove(job->idle);
    g_free(job); /* waiters hold references to the domain: none is left here */
}

static DomainJob *
job_get(VtDomain *domain)
{
    DomainJob *job = vt_domain_data(domain, JOB_KEY);

    if (!job) {
        job = g_new0(DomainJob, 1);
        g_queue_init(&job->queue);
        vt_domain_set_data(domain, JOB_KEY, job, (GDestroyNotify)job_free);
    }
    return job;
}

static gboolean
job_seat_free(const DomainJob *job, gboolean side)
{
    if (job->side)
        return FALSE;
    return job->kind == VT_JOB_NONE || (side && job_is_migration(job->kind));
}

static void
job_sit(VtDomain *domain, DomainJob *job, VtJobKind kind, gboolean side)
{
    vt_log_debug("dom=%s job %s%s begins", domain->name, job_kind_names[kind], side ? " (side)" : "");
    if (side) {
        job->side = TRUE;
        return;
    }
    job->kind = kind;
    if (!job_operations[kind])
        return;
    job->reported = TRUE;
    job->stats = (VtJobStats){
        .type = VT_JOB_TYPE_UNBOUNDED,
        .operation = job_operations[kind],
        .started_us = g_get_monotonic_time(),
    };
}

/* NULL when the job may wait. */
static GError *
job_refusal(VtDomain *domain, const DomainJob *job, gboolean side)
{
    if (!side && job_is_migration(job->kind)) {
        return g_error_new(VT_ERROR, VT_ERROR_OPERATION_INVALID,
                           _("domain '%s' is busy with the job '%s': wait for its end, or abort it first"),
                           domain->name, job_kind_names[job->kind]);
    }
    if (job->queue.length >= JOB_QUEUE_MAX) {
        return g_error_new(VT_ERROR, VT_ERROR_BUSY, _("too many calls wait for domain '%s' already"),
                           domain->name);
    }
    return NULL;
}

static void
job_waiter_end(JobWaiter *waiter, const GError *error)
{
    if (waiter->timeout)
        g_source_remove(waiter->timeout);
    waiter->timeout = 0;
    waiter->done(waiter->user, error);
    vt_domain_unref(waiter->domain);
    g_free(waiter);
}

static gboolean
job_serve(gpointer user)
{
    g_autoptr(VtDomain) domain = vt_domain_ref(user);
    DomainJob *job = job_get(domain);
    JobWaiter *waiter;

    job->idle = 0;
    while ((waiter = g_queue_peek_head(&job->queue))) {
        g_autoptr(GError) refusal = NULL;

        if (!waiter->side && job_is_migration(job->kind))
            refusal = job_refusal(domain, job, FALSE);
        else if (!job_seat_free(job, waiter->side))
            break;
        g_queue_pop_head(&job->queue);
        if (!refusal)
            job_sit(domain, job, waiter->kind, waiter->side);
        job_waiter_end(waiter, refusal);
    }
    return G_SOURCE_REMOVE;
}

static void
job_serve_soon(VtDomain *domain, DomainJob *job)
{
    if (!job->idle && !g_queue_is_empty(&job->queue))
        job->idle = g_idle_add_full(G_PRIORITY_DEFAULT, job_serve, domain, NULL);
}

static gboolean
job_waiter_timeout(gpointer user)
{
    JobWaiter *waiter = user;
    DomainJob *job = job_get(waiter->domain);
    g_autoptr(GError) error =
        g_error_new(VT_ERROR, VT_ERROR_BUSY,
                    _("timed out while waiting for domain '%s', which is busy with the job '%s'"),
                    waiter->domain->name, job_kind_names[job->kind]);

    waiter->timeout = 0;
    g_queue_remove(&job->queue, waiter);
    job_serve_soon(waiter->domain, job);
    job_waiter_end(waiter, error);
    return G_SOURCE_REMOVE;
}

static void
job_begin(VtDomain *domain, VtJobKind kind, gboolean side, guint timeout_ms, VtDoneFunc done, gpointer user)
{
    DomainJob *job = job_get(domain);
    g_autoptr(GError) refusal = job_refusal(domain, job, side);
    JobWaiter *waiter;

    if (refusal) {
        done(user, refusal);
        return;
    }
    if (g_queue_is_empty(&job->queue) && job_seat_free(job, side)) {
        job_sit(domain, job, kind, side);
        done(user, NULL);
        return;
    }
    waiter = g_new0(JobWaiter, 1);
    waiter->domain = vt_domain_ref(domain);
    waiter->kind = kind;
    waiter->side = side;
    waiter->done = done;
    waiter->user = user;
    waiter->timeout = g_timeout_add(timeout_ms, job_waiter_timeout, waiter);
    /* The side seat does not queue behind main jobs that a migration in the main seat would refuse anyway. */
    if (side && job_is_migration(job->kind))
        g_queue_push_head(&job->queue, waiter);
    else
        g_queue_push_tail(&job->queue, waiter);
}

void
vt_job_begin(VtDomain *domain, VtJobKind kind, guint timeout_ms, VtDoneFunc done, gpointer user)
{
    job_begin(domain, kind, FALSE, timeout_ms, done, user);
}

void
vt_job_begin_during_migration(VtDomain *domain, guint timeout_ms, VtDoneFunc done, gpointer user)
{
    job_begin(domain, VT_JOB_MODIFY, TRUE, timeout_ms, done, user);
}

void
vt_job_end_during_migration(VtDomain *domain)
{
    DomainJob *job = job_get(domain);

    vt_log_debug("dom=%s side job ends", domain->name);
    job->side = FALSE;
    job_serve_soon(domain, job);
}

void
vt_job_end(VtDomain *domain)
{
    DomainJob *job = job_get(domain);

    vt_log_debug("dom=%s job %s ends", domain->name, job_kind_names[job->kind]);
    job->kind = VT_JOB_NONE;
    job->reported = FALSE;
    job->abort = NULL;
    job->abort_user = NULL;
    job_serve_soon(domain, job);
}

VtJobKind
vt_job_kind(const VtDomain *domain)
{
    const DomainJob *job = vt_domain_data(domain, JOB_KEY);

    return job ? job->kind : VT_JOB_NONE;
}

VtJobStats *
vt_job_stats(VtDomain *domain)
{
    DomainJob *job = job_get(domain);

    return job->reported ? &job->stats : NULL;
}

static VtJobTeam *
job_find_team(VtJobStats *stats, const char *team)
{
    for (guint i = 0; i < stats->n_teams; i++)
        if (strcmp(stats->teams[i].name, team) == 0)
            return &stats->teams[i];
    return NULL;
}

void
vt_job_team_asked(VtDomain *domain, const char *team)
{
    VtJobStats *stats = vt_job_stats(domain);
    VtJobTeam *entry;

    /* One that is asked again has been waited for since the first time. */
    if (!stats || !team || stats->n_teams == VT_JOB_TEAMS_MAX || strlen(team) >= sizeof entry->name ||
        job_find_team(stats, team))
        return;
    entry = &stats->teams[stats->n_teams++];
    *entry = (VtJobTeam){ .asked_us = g_get_monotonic_time() };
    g_strlcpy(entry->name, team, sizeof entry->name);
}

void
vt_job_team_ejected(VtDomain *domain, const char *team)
{
    VtJobStats *stats = vt_job_stats(domain);

    for (guint i = 0; stats && i < stats->n_teams; i++)
        if (!stats->teams[i].ejected_us && (!team || strcmp(stats->teams[i].name, team) == 0))
            stats->teams[i].ejected_us = g_get_monotonic_time();
}

void
vt_job_complete(VtDomain *domain, VtJobType type)
{
    DomainJob *job = job_get(domain);

    if (!job->reported)
        return;
    job->reported = FALSE;
    job->completed = job->stats;
    job->completed.type = type;
    job->completed.time_elapsed_ms = (guint64)(g_get_monotonic_time() - job->stats.started_us) / 1000;
    job->completed.phase[0] = '\0';
}

void
vt_job_set_abort(VtDomain *domain, VtJobAbortFunc abort, gpointer user)
{
    DomainJob *job = job_get(domain);

    job->abort = abort;
    job->abort_user = user;
}

gboolean
vt_job_abort(VtDomain *domain, guint flags, GError **error)
{
    DomainJob *job = job_get(domain);

    if (!vt_domain_is_active(domain))
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
    if (job->kind == VT_JOB_NONE)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("no job is active on the domain"));
    if (job->kind == VT_JOB_MIGRATION_IN) {
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("cannot abort incoming migration; use virDomainDestroy instead"));
    }
    if (!job->abort)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("the job '%s' of domain '%s' cannot be aborted"), job_kind_names[job->kind],
                            domain->name);
    job->abort(job->abort_user, flags);
    return TRUE;
}

static void
job_add_teams(VtTypedParams *params, const VtJobStats *stats, gboolean running)
{
    for (guint i = 0; i < stats->n_teams; i++) {
        const VtJobTeam *team = &stats->teams[i];
        g_autofree char *name = g_strdup_printf("virtteam.team.%u.name", i);
        g_autofree char *time = g_strdup_printf("virtteam.team.%u.unplug_time", i);

        vt_typed_params_add_string(params, name, team->name);
        if (team->ejected_us || running)
            vt_typed_params_add_ullong(
                params, time,
                (guint64)((team->ejected_us ? team->ejected_us : g_get_monotonic_time()) - team->asked_us) /
                    1000);
    }
}

static void
job_add_times(VtTypedParams *params, const VtJobStats *stats, gboolean running)
{
    guint64 elapsed = stats->time_elapsed_ms;

    if (running)
        elapsed = (guint64)(g_get_monotonic_time() - stats->started_us) / 1000;
    vt_typed_params_add_int(params, "operation", stats->operation);
    vt_typed_params_add_ullong(params, "time_elapsed", elapsed);
    if (stats->has_downtime)
        vt_typed_params_add_ullong(params, "downtime", stats->downtime_ms);
    if (stats->setup_time_ms)
        vt_typed_params_add_ullong(params, "setup_time", stats->setup_time_ms);
    if (stats->phase[0])
        vt_typed_params_add_string(params, "virtteam.phase", stats->phase);
    if (stats->unplug_started_us) {
        gint64 end = stats->unplug_ended_us ? stats->unplug_ended_us : g_get_monotonic_time();

        vt_typed_params_add_ullong(params, "virtteam.unplug_time",
                                   (guint64)(end - stats->unplug_started_us) / 1000);
    }
    job_add_teams(params, stats, running);
}

/* Source: the names of virDomainJob statistics in libvirt's public header (VIR_DOMAIN_JOB_*). */
static void
job_add_volume(VtTypedParams *params, const VtJobStats *stats)
{
    const struct {
        const char *field;
        guint64 value;
        gboolean always;
    } rows[] = {
        { .field = "data_total", .value = stats->mem_total + stats->disk_total, .always = TRUE },
        { .field = "data_processed", .value = stats->mem_processed + stats->disk_processed, .always = TRUE },
        { .field = "data_remaining", .value = stats->mem_remaining + stats->disk_remaining, .always = TRUE },
        { .field = "memory_total", .value = stats->mem_total, .always = TRUE },
        { .field = "memory_processed", .value = stats->mem_processed, .always = TRUE },
        { .field = "memory_remaining", .value = stats->mem_remaining, .always = TRUE },
        { .field = "memory_bps", .value = stats->mem_bps },
        { .field = "memory_constant", .value = stats->mem_constant, .always = TRUE },
        { .field = "memory_normal", .value = stats->mem_normal, .always = TRUE },
        { .field = "memory_normal_bytes", .value = stats->mem_normal_bytes, .always = TRUE },
        { .field = "memory_dirty_rate", .value = stats->mem_dirty_rate, .always = TRUE },
        { .field = "memory_iteration", .value = stats->mem_iteration, .always = TRUE },
        { .field = "memory_page_size", .value = stats->mem_page_size },
        { .field = "memory_postcopy_requests", .value = stats->mem_postcopy_reqs, .always = TRUE },
        { .field = "disk_total", .value = stats->disk_total },
        { .field = "disk_processed", .value = stats->disk_processed },
        { .field = "disk_remaining", .value = stats->disk_remaining },
        { .field = "disk_bps", .value = stats->disk_bps },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].always || rows[i].value)
            vt_typed_params_add_ullong(params, rows[i].field, rows[i].value);
    }
}

VtTypedParams *
vt_job_query(VtDomain *domain, guint flags, int *type, GError **error)
{
    DomainJob *job = job_get(domain);
    gboolean completed = !!(flags & JOB_QUERY_COMPLETED);
    const VtJobStats *stats = completed ? &job->completed : &job->stats;
    VtTypedParams *params;

    if (flags & ~(guint)(JOB_QUERY_COMPLETED | JOB_QUERY_KEEP)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("unsupported flags (0x%x) in the query of a job"), flags);
        return NULL;
    }
    if (!completed && !vt_domain_is_active(domain) && !job->reported) {
        vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
        return NULL;
    }
    params = vt_typed_params_new();
    *type = VT_JOB_TYPE_NONE;
    if ((!completed && !job->reported) || stats->type == VT_JOB_TYPE_NONE)
        return params;
    *type = stats->type;
    job_add_times(params, stats, !completed);
    job_add_volume(params, stats);
    if (completed && !(flags & JOB_QUERY_KEEP))
        job->completed.type = VT_JOB_TYPE_NONE;
    return params;
}
