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

/**
 * vt_migrate_journal - put the phase that has just been set on disk
 * @domain: with an open journal of kind "migrate-out" or "migrate-in"
 * @done:   as of vt_journal_sync()
 * @user:   for @done
 *
 * Faults on request (util/fault.h) strike here by that kind and the phase's name, as at a step.
 */
void vt_migrate_journal(VtDomain *domain, VtDoneFunc done, gpointer user);

/** The QMP connection, for the engines of both sides; @user is a VtDomain. */
VtQmpClient *vt_migrate_qmp(gpointer user);

/** A cookie of this host about @domain; (transfer full). */
VtMigCookie *vt_migrate_cookie_new(VtDriver *driver, VtDomain *domain, const VtUuid *id);

/**
 * vt_migrate_carries_on - whether a call belongs to a migration under way
 * @id:     of the migration
 * @name:   of its domain, for messages
 * @owner:  (nullable) the client that made the last call of it; NULL: it is gone
 * @caller: the client that makes this one
 * @cookie: (nullable) what the call brings; one that cannot be read counts as none
 * @error:  OPERATION_FAILED: the cookie is of another migration; OPERATION_INVALID: another client conducts it
 *
 * A migration is the domain's, not a connection's: whoever brings its cookie goes on with it, and the owner needs
 * none, since after a failure there is none.
 */
gboolean vt_migrate_carries_on(const VtUuid *id, const char *name, const VtOwner *owner,
                               const VtOwner *caller, GBytes *cookie, GError **error);

/** Keep a limit for the next migration; 0: without. */
void vt_migrate_keep_bandwidth(VtDomain *domain, guint64 mib_per_s);
void vt_migrate_keep_downtime(VtDomain *domain, guint64 ms);

/** What is kept; 0: nothing. */
guint64 vt_migrate_kept_bandwidth(const VtDomain *domain);
guint64 vt_migrate_kept_downtime(const VtDomain *domain);
