/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What both sides of a migration share: what calls answer, job numbers, limits, cookies.
 */
#pragma once

#include "driver/job.h"
#include "qemu/mig-cookie.h"
#include "qemu/mig-params.h"
#include "qemu/mig-stats.h"
#include "util/typed-param.h"

typedef struct {
    GBytes *cookie;   /* may be empty, never NULL */
    char *text;       /* Begin: XML; Prepare: uri_out (nullable) */
    VtDomain *domain; /* Finish: the running domain, with a reference */
} VtMigrateReply;

void vt_migrate_reply_clear(VtMigrateReply *reply);

/**
 * VtMigrateDone - the end of one of the calls, exactly once
 * @user:  as given
 * @reply: (nullable) (transfer none) on success
 * @error: (nullable) (transfer none) on failure
 */
typedef void (*VtMigrateDone)(gpointer user, const VtMigrateReply *reply, const GError *error);

/* libvirt's numbers for states and events of a migration. */
#define VT_MIGRATE_PAUSED_USER      1
#define VT_MIGRATE_PAUSED_REASON    2 /* VIR_DOMAIN_PAUSED_MIGRATION */
#define VT_MIGRATE_RUNNING_MIGRATED 2
#define VT_MIGRATE_RUNNING_CANCELED 6
#define VT_MIGRATE_EVENT_DEFINED    0
#define VT_MIGRATE_EVENT_UNDEFINED  1
#define VT_MIGRATE_EVENT_STARTED    2
#define VT_MIGRATE_EVENT_SUSPENDED  3
#define VT_MIGRATE_STARTED_MIGRATED 1
#define VT_MIGRATE_STOPPED_MIGRATED 3
#define VT_MIGRATE_JOB_MS           30000

/** Limits kept for a domain (migrate-setspeed, -setmaxdowntime), as QEMU takes them. */
void vt_migrate_limits(const VtDomain *domain, const VtMigParams *params, VtMigLimits *limits);

/** Copy what QEMU says into what domjobinfo shows. */
void vt_migrate_job_stats(VtDomain *domain, const VtMigStats *stats);

/** The phase, as domjobinfo and domstats show it; NULL: none. */
void vt_migrate_job_phase(VtDomain *domain, const char *phase);

/** Tell clients the end of a job (event JOB_COMPLETED), and keep its numbers. */
void vt_migrate_job_end(VtDriver *driver, VtDomain *domain, VtJobType type);

/** The QMP connection, for the engines of both sides; @user is a VtDomain. */
VtQmpClient *vt_migrate_qmp(gpointer user);

/** A cookie of this host about @domain; (transfer full). */
VtMigCookie *vt_migrate_cookie_new(VtDriver *driver, VtDomain *domain, const VtUuid *id);

/** Keep a limit for the next migration; 0: without. */
void vt_migrate_keep_bandwidth(VtDomain *domain, guint64 mib_per_s);
void vt_migrate_keep_downtime(VtDomain *domain, guint64 ms);

/** What is kept; 0: nothing. */
guint64 vt_migrate_kept_bandwidth(const VtDomain *domain);
guint64 vt_migrate_kept_downtime(const VtDomain *domain);
