/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's QEMU during a migration: two step sequences over its monitor.
 *
 * 'migrate-out' unplugs, transfers and switches over; each failure, time-out, cancel or loss on the way undoes
 * it. 'migrate-return' makes the guest run here again, from wherever it was left: it is the undo of the former,
 * and what Confirm(cancelled) and a restarted daemon run.
 */
#pragma once

#include "qemu/mig-call.h"
#include "qemu/mig-params.h"
#include "qemu/mig-stats.h"
#include "util/seq.h"

typedef struct _VtMigSrc VtMigSrc;

typedef struct {
    char *persistent; /* alias, for messages */
    char *transient;  /* alias: QEMU's device id */
    char *device;     /* (nullable) "driver,key=value,..." to plug it in again if it is gone */
} VtMigSrcTeam;

typedef struct {
    const char *uri;           /* what QEMU's migrate takes; NULL for a return only */
    const VtMigParams *params; /* NULL for a return only */
    VtMigLimits limits;
    guint unplug_timeout_ms; /* for all teams together; 0: no limit */
    guint unplug_retries;    /* how often the guest is asked again within that time */
    const VtMigSrcTeam *teams;
    gsize n_teams;
    VtSeqHooks hooks; /* journal; enter NULL: none */
} VtMigSrcParams;

typedef struct {
    VtMigQmpFunc qmp;
    /* TRUE when the guest would run if there were no migration (nobody has suspended it). */
    gboolean (*should_run)(gpointer user);
    /* (nullable) "setup", "unplug", "transfer", "switchover", "return", "replug" */
    void (*phase)(const char *phase, gpointer user);
    /* (nullable) each answer to query-migrate */
    void (*stats)(const VtMigStats *stats, gpointer user);
    /* (nullable) a primary was asked to leave, has not left in time, or has been plugged again: the persistent's
     * alias, or NULL where QEMU does not say which; @what is "asked", "ejected", "timeout", "replugged". */
    void (*team)(const char *persistent, const char *what, gpointer user);
} VtMigSrcFuncs;

/**
 * vt_mig_src_new - a migration of a running QEMU
 * @params: copied
 * @funcs:  copied
 * @user:   for @funcs
 *
 * Return: (transfer full); vt_mig_src_free() may be called from any callback.
 */
VtMigSrc *vt_mig_src_new(const VtMigSrcParams *params, const VtMigSrcFuncs *funcs, gpointer user);

/** Drop it where it stands: no callback comes afterwards, QEMU is not told anything. Accepts NULL. */
void vt_mig_src_free(VtMigSrc *src);

/**
 * vt_mig_src_run - migrate
 * @src:  new
 * @done: told when QEMU has sent everything and stands still, or the failure after all undos: the guest runs here
 *        with its primaries then, unless QEMU is gone. Errors: OPERATION_FAILED, TIMEOUT, ABORTED, what
 *        vt_mig_src_cancel() gave
 * @user: for @done
 *
 * Source: QEMU docs/devel/migration.rst; docs/system/virtio-net-failover.rst; qapi/migration.json.
 */
void vt_mig_src_run(VtMigSrc *src, VtDoneFunc done, gpointer user);

/**
 * vt_mig_src_return - make the guest run here again, whatever state its migration is in
 * @src:  new, or one whose vt_mig_src_run() ended well
 * @done: told the first step that failed; the others were done all the same
 * @user: for @done
 */
void vt_mig_src_return(VtMigSrc *src, VtDoneFunc done, gpointer user);

/** After vt_mig_src_return(): the primaries are away until the guest is resumed, and then returned once more. */
gboolean vt_mig_src_awaits_resume(const VtMigSrc *src);

/**
 * vt_mig_src_cancel - give up a migration that runs
 * @src:   running
 * @error: (transfer full) what its done() will be told
 *
 * Return: FALSE when it is too late: it has ended, or is being undone already.
 */
gboolean vt_mig_src_cancel(VtMigSrc *src, GError *error);

/** QEMU told an event. */
void vt_mig_src_event(VtMigSrc *src, const VtQmpEvent *event);

/** QEMU is gone; @why in words. */
void vt_mig_src_gone(VtMigSrc *src, const char *why);

/** Bandwidth or downtime were changed: told to QEMU at once if a migration runs. @done may be NULL. */
void vt_mig_src_set_limits(VtMigSrc *src, const VtMigLimits *limits, VtDoneFunc done, gpointer user);

/** The tables, for docs and for tests that walk them. */
const VtSeqTable *vt_mig_src_out_table(void);
const VtSeqTable *vt_mig_src_return_table(void);
