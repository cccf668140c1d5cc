/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A migration away from here, as its files share it: migrate-src.c has what its client calls, migrate-src-end.c how
 * it ends. Nobody else includes this.
 */
#pragma once

#include "driver/migrate-common.h"
#include "driver/migrate-src-engine.h"
#include "driver/timeline-log.h"
#include "qemu/mig-phase.h"

typedef struct {
    guint refs;
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    VtOwner *owner;   /* NULL: gone */
    VtMigSrcPhase phase;
    VtUuid id; /* of the migration */
    VtMigSrc *engine;
    VtMigParams *params;
    VtTimelineLog *log; /* the domain owns it */
    gboolean has_job;
    gboolean over;    /* off the domain */
    gboolean aborted; /* before Perform */
    /* the call being worked on; done NULL: none */
    VtMigrateDone done;
    gpointer user;
    guint flags;
    VtDoneFunc recovered;
    gpointer recovered_user;
    GError *failure; /* of what ends here, while its primaries come back */
} VtMigrateOut;

/** The one under way; NULL: none. (transfer none) */
VtMigrateOut *vt_migrate_out_of(const VtDomain *domain);

/** A new one, which the domain holds; its owner may be NULL (gone). (transfer none) */
VtMigrateOut *vt_migrate_out_new(VtDriver *driver, VtDomain *domain, const VtUuid *id, VtOwner *owner);

/** Let go of a reference that a callback held. */
void vt_migrate_out_unref(VtMigrateOut *out);

/** The one writer of the phase; the journal has it with its next sync. */
void vt_migrate_out_set_phase(VtMigrateOut *out, VtMigSrcPhase phase);

/** Answer the call that is being worked on, if there is one. */
void vt_migrate_out_reply(VtMigrateOut *out, const VtMigrateReply *reply, const GError *error);

/** The migration is over on this side, well or not: journal, job and timeline end. */
void vt_migrate_out_end(VtMigrateOut *out, VtJobType type);

/** Give up an unplug or a transfer that is under way. */
void vt_migrate_out_cancel(VtMigrateOut *out, const char *why);

/** A new engine, for Perform to @uri, or for a return only (NULL). */
void vt_migrate_out_make_engine(VtMigrateOut *out, const char *uri);

/** Make the guest run here again, answer the call, end. */
void vt_migrate_out_return(VtMigrateOut *out);

/** Nobody can say whether the guest runs at the destination: leave it paused here, and say so. */
void vt_migrate_out_leave(VtMigrateOut *out);

/** The guest runs at the destination: end what is left here, answer the call, end. */
void vt_migrate_out_confirm(VtMigrateOut *out);
