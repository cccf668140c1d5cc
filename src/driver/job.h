/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One job per domain: whoever wants to change a domain queues for it, holds it, gives it back. Queries need
 * none. The job also carries what virDomainGetJobInfo/Stats report.
 */
#pragma once

#include "driver/domain-obj.h"
#include "util/typed-param.h"

typedef enum {
    VT_JOB_NONE,
    VT_JOB_MODIFY,        /* short: start, destroy, attach; not reported as a job */
    VT_JOB_MIGRATION_IN,  /* from Prepare to Finish, over several calls */
    VT_JOB_MIGRATION_OUT, /* from Begin to Confirm, over several calls */
    VT_JOB_SAVE,
    VT_JOB_COUNT
} VtJobKind;

/* virDomainJobType */
typedef enum {
    VT_JOB_TYPE_NONE = 0,
    VT_JOB_TYPE_BOUNDED = 1,
    VT_JOB_TYPE_UNBOUNDED = 2,
    VT_JOB_TYPE_COMPLETED = 3,
    VT_JOB_TYPE_FAILED = 4,
    VT_JOB_TYPE_CANCELLED = 5,
} VtJobType;

#define VT_JOB_TEAMS_MAX 16 /* of a guest, that are told of one by one */

/* How long a team's primary took to leave; monotonic, 0: not (yet). */
typedef struct {
    char name[64]; /* alias of the persistent leg */
    gint64 asked_us, ejected_us;
} VtJobTeam;

typedef struct {
    VtJobType type;
    int operation;     /* virDomainJobOperation: 4 migration in, 5 migration out, 6 save ... */
    char phase[32];    /* ours: "unplug", "transfer", "switchover", "replug", "" */
    gint64 started_us; /* monotonic */
    guint64 time_elapsed_ms, downtime_ms, setup_time_ms;
    gboolean has_downtime;
    guint64 mem_total, mem_processed, mem_remaining, mem_bps, mem_constant, mem_normal, mem_normal_bytes;
    guint64 mem_dirty_rate, mem_page_size, mem_iteration, mem_postcopy_reqs;
    guint64 disk_total, disk_processed, disk_remaining, disk_bps;
    gint64 unplug_started_us, unplug_ended_us; /* monotonic; 0: not (yet) */
    VtJobTeam teams[VT_JOB_TEAMS_MAX];
    guint n_teams;
} VtJobStats;

/**
 * vt_job_team_asked, vt_job_team_ejected - a primary leaves for the job that is under way
 * @domain: the domain; without a job nothing is noted
 * @team:   alias of the persistent leg; ejected: NULL for all that were asked, where QEMU does not say which
 */
void vt_job_team_asked(VtDomain *domain, const char *team);
void vt_job_team_ejected(VtDomain *domain, const char *team);

/**
 * vt_job_begin - take the job of a domain, waiting for it if another has it
 * @domain:     the domain
 * @kind:       what for
 * @timeout_ms: how long to wait at most (libvirt: 30000)
 * @done:       told with the job held, or BUSY (naming the holder); may be told before this returns
 * @user:       for @done
 *
 * A domain busy with a migration refuses other jobs at once, with what to do, except where
 * vt_job_begin_during_migration() is used (destroy, suspend).
 */
void vt_job_begin(VtDomain *domain, VtJobKind kind, guint timeout_ms, VtDoneFunc done, gpointer user);

/** For destroy, suspend and the monitor: allowed beside a migration, exclusive among themselves. */
void vt_job_begin_during_migration(VtDomain *domain, guint timeout_ms, VtDoneFunc done, gpointer user);
void vt_job_end_during_migration(VtDomain *domain);

/** Give it back; the next in the queue gets it from the main loop. */
void vt_job_end(VtDomain *domain);

VtJobKind vt_job_kind(const VtDomain *domain);

/** Live numbers of the job under way; NULL when none is reported. (transfer none, writable by its holder) */
VtJobStats *vt_job_stats(VtDomain *domain);

/** Keep @stats as the last completed job's (domjobinfo --completed) and end the reporting. */
void vt_job_complete(VtDomain *domain, VtJobType type);

/** virDomainAbortJob: asks the holder through what it registered; OPERATION_INVALID when there is none. */
typedef void (*VtJobAbortFunc)(gpointer user, guint flags);
void vt_job_set_abort(VtDomain *domain, VtJobAbortFunc abort, gpointer user);
gboolean vt_job_abort(VtDomain *domain, guint flags, GError **error);

/** virDomainGetJobStats: flag 1 completed, 2 keep. @type (out). (transfer full) params, possibly empty. */
VtTypedParams *vt_job_query(VtDomain *domain, guint flags, int *type, GError **error);
