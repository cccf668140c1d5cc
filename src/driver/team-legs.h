/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Primaries that the driver plugs and unplugs by itself, and the two sequences that do it. Which primaries these are
 * and when it is done is driver/team-manage's; what happens to them one by one is here.
 */
#pragma once

#include "driver/domain-obj.h"
#include "driver/team-wait.h"
#include "qemu/hotplug.h"
#include "qemu/mig-call.h"
#include "util/seq.h"

typedef struct _VtTeamLegs VtTeamLegs;

typedef struct {
    VtTeamLegs *set; /* owns it */
    char *team;      /* alias of the persistent leg */
    char *transient;
    char *device; /* value of -device */
    guint timeout_ms, retries;
    gboolean by_qemu; /* QEMU conducts it */
    gboolean waits;   /* without a limit */
    gboolean wanted;  /* the definition has it */
    gboolean there;   /* QEMU had it when last seen */
    gboolean leaving; /* a client detaches it */
    gboolean late;    /* was not ejected in time */
    gboolean owes;    /* by_qemu: QEMU has asked the guest for it, which has not let go yet */
    gboolean lost;    /* by_qemu: QEMU has it no more, and does not plug it by itself */
    VtHotplug *op;    /* under way */
} VtTeamLeg;

struct _VtTeamLegs {
    guint refs;
    VtDomain *domain;
    GPtrArray *legs; /* of VtTeamLeg; none is removed while a run lasts */
    VtSeq *seq;      /* NULL: nothing under way; whoever runs it sets and clears this */
    gpointer owner;  /* of @seq */
    VtMigCalls *calls;
    guint pending; /* parts of the step that waits */
    guint round;   /* number of that step: answers to an earlier one mean nothing */
    GError *failure;
    VtTeamWait *wait; /* for the guest */
};

/** The primaries of @domain, which outlives them; none yet. (transfer full) */
VtTeamLegs *vt_team_legs_new(VtDomain *domain, gpointer owner);

/** Drop a reference; steps that wait for the host hold one. */
void vt_team_legs_unref(VtTeamLegs *set);

/** The run is over: forget the sequence and every primary. */
void vt_team_legs_clear(VtTeamLegs *set);

/** The primary of that alias; NULL when it is not known. (transfer none) */
VtTeamLeg *vt_team_legs_find(const VtTeamLegs *set, const char *transient);

/** As vt_team_legs_find(), or a new one that QEMU has. (transfer none) */
VtTeamLeg *vt_team_legs_get(VtTeamLegs *set, const char *transient);

/** An event of QEMU, for the operations under way. */
void vt_team_legs_event(VtTeamLegs *set, const VtQmpEvent *event);

/** 'team-unplug' takes those that are wanted and there out, 'team-replug' gives those that are wanted and not there back. */
const VtSeqTable *vt_team_legs_unplug_table(void);
const VtSeqTable *vt_team_legs_replug_table(void);
