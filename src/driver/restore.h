/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A saved guest runs again: the 'restore' sequence, from any image or at the start of a domain from its managed one.
 */
#pragma once

#include "driver/start.h"
#include "util/seq.h"

typedef struct {
    VtDriver *driver;
    const char *path; /* absolute */
    const char *xml;  /* nullable: instead of what the image says, for the same machine */
    guint flags;      /* VtSaveFlags: RUNNING or PAUSED instead of what the image says; others are refused */
} VtRestoreParams;

/**
 * vt_restore_run - make the guest of an image run again (virDomainRestoreFlags)
 * @params: copied
 * @done:   told when it runs, or is paused as asked; on failure nothing of it is left but the image, which stays
 *          where it is in either case
 * @user:   for @done
 *
 * Errors: UNSUPPORTED, INVALID_ARG, OPERATION_FAILED (no complete image; QEMU's words), OPERATION_INVALID and
 * DOMAIN_EXISTS as vt_domain_list_admit(), XML errors.
 */
void vt_restore_run(const VtRestoreParams *params, VtDoneFunc done, gpointer user);

/**
 * vt_restore_start - as vt_start_run(), but from the managed image if the domain has one
 * @params: as for vt_start_run(); @paused leaves it paused whatever the image says
 * @flags:  virDomainCreateFlags: FORCE_BOOT removes the image and boots, BYPASS_CACHE is refused when there is one
 * @done:   as for vt_start_run(); the image is gone when the guest runs, and there when it does not
 * @user:   for @done
 *
 * An image that was never completed is removed, and the guest boots.
 */
void vt_restore_start(const VtStartParams *params, guint flags, VtDoneFunc done, gpointer user);

/**
 * vt_restore_sweep - an earlier daemon was killed in the middle of a restore, whose journal is open
 * @domain: found again
 * @runs:   the guest has run on: its managed image must not be used again; FALSE: it has ended before
 *
 * The journal stays open.
 */
void vt_restore_sweep(VtDomain *domain, gboolean runs);

/** The daemon goes away in the middle: nothing is undone; the journal tells the successor. */
void vt_restore_abandon(VtDomain *domain);

const VtSeqTable *vt_restore_table(void);
