/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The phases of a migration at either host: which call may arrive, what follows, who cleans up when the client
 * vanishes, and what a restarted daemon does. The tables print themselves into docs/migration.md.
 */
#pragma once

#include "util/error.h"

/* The calls of the protocol; a call with cancelled=1 is a call of its own. */
typedef enum {
    VT_MIG_CALL_BEGIN,
    VT_MIG_CALL_PREPARE,
    VT_MIG_CALL_PERFORM,
    VT_MIG_CALL_FINISH,
    VT_MIG_CALL_FINISH_CANCELLED,
    VT_MIG_CALL_CONFIRM,
    VT_MIG_CALL_CONFIRM_CANCELLED,
    VT_MIG_CALL_COUNT
} VtMigCall;

/* The source. The guest runs here until PERFORM has ended well; from then on it stands still here. */
typedef enum {
    VT_MIG_SRC_NONE,
    VT_MIG_SRC_BEGUN,        /* the job is held, nothing has been done */
    VT_MIG_SRC_PERFORM,      /* unplug, transfer, switchover */
    VT_MIG_SRC_PERFORM_DONE, /* everything is sent; the client asks the destination to go on */
    VT_MIG_SRC_RETURNING,    /* it did not: the guest is resumed here, its primaries are plugged again */
    VT_MIG_SRC_CONFIRMING,   /* it did: what is left here is being ended */
    VT_MIG_SRC_LEFT,         /* nobody will say whether it did: paused until an operator decides */
    VT_MIG_SRC_SUSPENDED, /* it did not; a client has suspended the guest, its primaries wait for its resume */
    VT_MIG_SRC_COUNT
} VtMigSrcPhase;

/* The destination. The guest runs here once RESUMING has begun, not before. */
typedef enum {
    VT_MIG_DST_NONE,
    VT_MIG_DST_PREPARING, /* QEMU is being started */
    VT_MIG_DST_PREPARED,  /* QEMU listens, or receives */
    VT_MIG_DST_AWAITING,  /* Finish has come; QEMU loads the last of it */
    VT_MIG_DST_FINISHING, /* the guest is here, paused; the journal says so before the client is told */
    VT_MIG_DST_RESUMING,  /* the client was told; the CPUs are started */
    VT_MIG_DST_DEAD,      /* QEMU ended by itself; kept until Finish to say why */
    VT_MIG_DST_COUNT
} VtMigDstPhase;

typedef enum {
    VT_MIG_CLEANUP_NOTHING,
    VT_MIG_CLEANUP_FORGET, /* nothing was done yet: give the job back */
    VT_MIG_CLEANUP_RETURN, /* cancel what is under way, resume the guest here, plug its primaries again */
    VT_MIG_CLEANUP_LEAVE,  /* keep the guest paused and say loudly what an operator has to look at */
    VT_MIG_CLEANUP_STOP_SOURCE, /* the guest runs at the destination: end what is left here */
    VT_MIG_CLEANUP_DESTROY,     /* end the QEMU that waits */
    VT_MIG_CLEANUP_GO_ON,       /* it ends well without the client */
    VT_MIG_CLEANUP_ASK_QEMU,    /* running: adopt it; paused: as LEAVE */
    VT_MIG_CLEANUP_LOOK,        /* running: as RETURN; paused: as LEAVE */
    VT_MIG_CLEANUP_WAIT,        /* running: as RETURN; paused: wait until it is resumed */
    VT_MIG_CLEANUP_COUNT
} VtMigCleanup;

#define VT_MIG_PHASE_CALLS_MAX 3

typedef struct {
    const char *name;  /* as journals, logs and docs have it */
    const char *guest; /* where the guest is, in words */
    struct {
        VtMigCall call;
        int next; /* phase while the call is being worked on */
    } calls[VT_MIG_PHASE_CALLS_MAX];
    guint n_calls;
    int done, failed; /* phase after this phase's own work, if it has any; -1: it only waits for calls */
    int suspended;    /* phase after it when a client has suspended the guest; 0: as ever */
    VtMigCleanup client_gone, restart;
} VtMigPhaseRow;

const VtMigPhaseRow *vt_mig_phase_src_row(VtMigSrcPhase phase);
const VtMigPhaseRow *vt_mig_phase_dst_row(VtMigDstPhase phase);

/**
 * vt_mig_phase_src_call - whether a call may arrive now
 * @phase: present phase
 * @call:  which call
 * @next:  (out) phase while it is being worked on
 * @error: (out) OPERATION_INVALID naming call and phase
 *
 * Source: libvirt docs/kbase/internals (migration protocol v3): the client's order of calls.
 */
gboolean vt_mig_phase_src_call(VtMigSrcPhase phase, VtMigCall call, VtMigSrcPhase *next, GError **error);

/** As vt_mig_phase_src_call(), for the destination. */
gboolean vt_mig_phase_dst_call(VtMigDstPhase phase, VtMigCall call, VtMigDstPhase *next, GError **error);

/** TRUE when the table knows this step from @from to @to, by a call, by its own end, or by a cleanup. */
gboolean vt_mig_phase_src_may_follow(VtMigSrcPhase from, VtMigSrcPhase to);
gboolean vt_mig_phase_dst_may_follow(VtMigDstPhase from, VtMigDstPhase to);

/** Phase of a journal's name; -1 when there is none of that name. */
int vt_mig_phase_src_parse(const char *name);
int vt_mig_phase_dst_parse(const char *name);

/** "Begin", "Finish(cancelled)", ... */
const char *vt_mig_phase_call_name(VtMigCall call);

/** Both tables as Markdown; (transfer full). */
char *vt_mig_phase_to_markdown(void);
