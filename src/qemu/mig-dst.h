/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The destination's QEMU during a migration: it listens, and later has everything.
 */
#pragma once

#include "qemu/mig-call.h"
#include "qemu/mig-params.h"
#include "qemu/mig-stats.h"
#include "util/seq.h"

typedef struct _VtMigDst VtMigDst;

typedef struct {
    VtMigQmpFunc qmp;
    /* (nullable) each answer to query-migrate while the guest is awaited */
    void (*stats)(const VtMigStats *stats, gpointer user);
} VtMigDstFuncs;

/**
 * vt_mig_dst_new - the receiving side of a migration
 * @params: (nullable) what the client asked; copied as far as needed
 * @hooks:  (nullable) journal
 * @funcs:  copied
 * @user:   for @funcs
 *
 * Return: (transfer full); vt_mig_dst_free() may be called from any callback.
 */
VtMigDst *vt_mig_dst_new(const VtMigParams *params, const VtSeqHooks *hooks, const VtMigDstFuncs *funcs,
                         gpointer user);

/** Drop it where it stands: no callback comes afterwards. Accepts NULL. */
void vt_mig_dst_free(VtMigDst *dst);

/**
 * vt_mig_dst_listen - let a QEMU started with "-incoming defer" listen
 * @dst:  new
 * @uri:  as QEMU takes it
 * @done: told when it listens; OPERATION_FAILED with QEMU's reason
 * @user: for @done
 *
 * Source: QEMU qapi/migration.json, migrate-incoming.
 */
void vt_mig_dst_listen(VtMigDst *dst, const char *uri, VtDoneFunc done, gpointer user);

/**
 * vt_mig_dst_await - wait until everything that the source sent is loaded
 * @dst:  listening
 * @done: told when the guest is here, complete and paused; OPERATION_FAILED (it could not be loaded), TIMEOUT
 * @user: for @done
 */
void vt_mig_dst_await(VtMigDst *dst, VtDoneFunc done, gpointer user);

/** QEMU told an event. */
void vt_mig_dst_event(VtMigDst *dst, const VtQmpEvent *event);

/** QEMU is gone; @why in words. */
void vt_mig_dst_gone(VtMigDst *dst, const char *why);

/** The tables, for docs and for tests that walk them. */
const VtSeqTable *vt_mig_dst_listen_table(void);
const VtSeqTable *vt_mig_dst_await_table(void);
