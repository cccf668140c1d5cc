/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One team of a running guest, switched without a migration: to standby, where it is kept, and back to its primary.
 *
 * The definition keeps the primary all the while, and its function of the host or its tap stays the guest's; only QEMU
 * is without it. Both orchestrations are alike here.
 */
#pragma once

#include "conf/teaming.h"
#include "driver/team-keep.h"
#include "util/seq.h"

typedef enum {
    VT_TEAM_SWITCH_STANDBY,
    VT_TEAM_SWITCH_PRIMARY,
} VtTeamSwitchTo;

typedef struct {
    const char *team; /* (nullable) alias of the persistent leg, or of the transient; NULL: the only team */
    VtTeamSwitchTo to;
    guint bit;        /* VtTeamKeep: the reason that comes (STANDBY) or goes (PRIMARY); 0: those there are */
    const char *why;  /* (nullable) in words, for people */
    guint timeout_ms; /* how long the guest may take to let go; 0: as the team's policy says */
} VtTeamSwitchParams;

/**
 * VtTeamSwitchDone - the end of a switch, exactly once
 * @user:  as given
 * @said:  what has come of it, a sentence; NULL with an error
 * @error: (nullable) why it failed; then all is as it was
 */
typedef void (*VtTeamSwitchDone)(gpointer user, const char *said, const GError *error);

/**
 * vt_team_switch - do it; takes the domain's job
 * @domain: the domain
 * @params: copied
 * @done:   told the end. OPERATION_INVALID: not running, paused (a paused guest cannot let go), the team has no
 *          transient; INVALID_ARG: no such team, or several and none named; BUSY: another job; OPERATION_FAILED: the
 *          guest did not let go in time and keeps its primary, or it could not be plugged in
 * @user:   for @done
 */
void vt_team_switch(VtDomain *domain, const VtTeamSwitchParams *params, VtTeamSwitchDone done, gpointer user);

/** The daemon goes away in the middle: nothing is undone, no client is told. */
void vt_team_switch_abandon(VtDomain *domain);

/** The tables, for docs and for tests that walk them. */
const VtSeqTable *vt_team_switch_standby_table(void);
const VtSeqTable *vt_team_switch_primary_table(void);
