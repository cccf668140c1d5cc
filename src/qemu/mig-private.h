/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the two sequences of a source share: mig-src.c has 'migrate-out' and QEMU's state, mig-src-return.c has
 * 'migrate-return'. Nobody else includes this.
 */
#pragma once

#include "qemu/mig-late.h"
#include "qemu/mig-src.h"

#define VT_MIG_SRC_ANSWER_MS 30000 /* for a command that does no work */
#define VT_MIG_SRC_CANCEL_MS 60000 /* QEMU itself waits 30 s for primaries */

typedef void (*VtMigSrcStatusFunc)(VtMigSrc *src, VtMigStatus status);

struct _VtMigSrc {
    char *uri;
    VtMigParams params;
    VtMigLimits limits;
    guint unplug_timeout_ms, unplug_retries;
    GArray *teams; /* of VtMigSrcTeam, owned strings */
    VtSeqHooks hooks;
    VtMigSrcFuncs funcs;
    gpointer user;
    VtMigCalls *calls; /* of the step that waits */
    VtMigCalls *polls; /* query-migrate, whatever the step */
    VtSeq *seq;        /* migrate-out, or a return of its own */
    VtSeq *inner;      /* a return that undoes migrate-out */
    VtDoneFunc done;
    gpointer done_user;
    VtMigSrcStatusFunc on_status; /* of the step that waits */
    VtMigStatus status;           /* last known */
    guint pass;                   /* over the guest's memory, as QEMU counts them; 0: none yet */
    char *error_desc;
    gboolean begun;         /* migrate was sent, or may have been */
    gboolean completed;     /* QEMU said so: its primaries are away, the CPUs in postmigrate */
    gboolean cancelling;    /* migrate_cancel was sent */
    gboolean continued;     /* migrate-continue was sent */
    gboolean awaits_resume; /* the primaries cannot be plugged before the CPUs run */
    char *gone;             /* (nullable) QEMU is: why */
    gboolean polling;       /* a query is under way */
    guint poll_timer;
    guint step_timer;   /* of the step that waits */
    guint unplug_asked; /* again */
    VtMigLate *late;    /* (nullable) the time is over; whose primary is late is being found out */
    JsonNode *saved;    /* parameters to put back */
};

/** Tell the phase. */
void vt_mig_src_phase(VtMigSrc *src, const char *phase);

/** Every start and undo begins with this: what the step before waited for is over. */
void vt_mig_src_begin_step(VtMigSrc *src);

/** The step that waits has ended. */
void vt_mig_src_step_done(VtMigSrc *src);
void vt_mig_src_step_failed(VtMigSrc *src, GError *error);

/**
 * vt_mig_src_ask - send a command whose answer the step waits for
 * @src:     the migration
 * @command: of QMP
 * @args:    (nullable) (transfer full)
 * @reply:   told the answer, with @src; vt_mig_src_answered(): it ends the step
 * @error:   OPERATION_FAILED when there is no QEMU to ask
 *
 * Return: for the step to return.
 */
VtStepResult vt_mig_src_ask(VtMigSrc *src, const char *command, JsonNode *args, VtQmpReplyFunc reply,
                            GError **error);

/** A VtQmpReplyFunc: the answer ends the step. */
void vt_mig_src_answered(gpointer user, JsonNode *result, const GError *error);

/** Ask for QEMU's state once, every quarter of a second, not any more. */
void vt_mig_src_poll(VtMigSrc *src);
void vt_mig_src_start_polling(VtMigSrc *src);
void vt_mig_src_stop_polling(VtMigSrc *src);
