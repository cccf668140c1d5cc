/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one way a guest comes up: the 'start' sequence, for create, create-xml, autostart and the destination
 * of a migration. driver/stop.h is its counterpart.
 */
#pragma once

#include "driver/domain-obj.h"
#include "util/seq.h"

typedef struct {
    VtDriver *driver;
    VtDomain *domain; /* in the list, not active; its job is held by the caller, and stays held */
    const char
        *incoming; /* NULL: boot; "defer": wait for migrate-incoming (state PAUSED/MIGRATION, no events) */
    gboolean
        migrated;    /* incoming: primaries that the driver itself plugs come after the guest, not with it */
    gboolean paused; /* boot, but leave the CPUs stopped (state PAUSED/USER) */
    VtOwner *owner;  /* (nullable) autodestroy: the guest ends when this client goes */
} VtStartParams;

/**
 * vt_start_run - bring up a guest
 * @params: copied
 * @done:   told when the guest runs (or waits, as asked); on failure everything is undone: no QEMU, no tap, no
 *          run-time file, no live definition; a transient domain is off the list
 * @user:   for @done
 *
 * What runs is the live definition given to vt_domain_list_admit(), else a copy of the persistent one.
 * Errors: OPERATION_INVALID (already active), OPERATION_FAILED or INTERNAL with QEMU's last log lines, SYSTEM.
 */
void vt_start_run(const VtStartParams *params, VtDoneFunc done, gpointer user);

/**
 * vt_start_cancel - end a start that is under way
 * @domain: the domain
 * @done:   told when nothing of it is left (the caller of vt_start_run() is told ABORTED before)
 * @user:   for @done
 *
 * Return: FALSE when no start is under way; @done will not be told then.
 */
gboolean vt_start_cancel(VtDomain *domain, VtDoneFunc done, gpointer user);

/** The daemon goes away in the middle of a start: nothing is undone, nobody is told; the journal tells the successor. */
void vt_start_abandon(VtDomain *domain);

/** The table itself, for docs and for tests that walk it. */
const VtSeqTable *vt_start_table(void);
