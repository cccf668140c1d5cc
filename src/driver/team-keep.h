/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which teams of a run are kept on standby, why and since when. It stands in the status file, so a restarted daemon
 * knows it; what a user wishes also goes with the guest to another host.
 */
#pragma once

#include "driver/domain-obj.h"

typedef enum {
    VT_TEAM_KEEP_USER = 1 << 0,  /* asked for */
    VT_TEAM_KEEP_LOST = 1 << 1,  /* the primary does not work */
    VT_TEAM_KEEP_ASKED = 1 << 2, /* no reason to be there: the guest was asked to let go, and may yet do so */
    VT_TEAM_KEEP_AWAY = 1 << 3,  /* no reason either: it is to have its primary, and perhaps has not */
} VtTeamKeep;

/* What keeps it. */
#define VT_TEAM_KEEP_REASONS (VT_TEAM_KEEP_USER | VT_TEAM_KEEP_LOST)

/** VtTeamKeep bits of a team; 0: nothing is known. */
guint vt_team_keep_get(const VtDomain *domain, const char *team);

/** TRUE while the team is to be on standby. */
gboolean vt_team_keep_is(const VtDomain *domain, const char *team);

/**
 * vt_team_keep_add - there is one more reason
 * @domain: with a live definition
 * @team:   alias of the persistent leg
 * @bit:    which
 * @why:    (nullable) in words, shown to people
 */
void vt_team_keep_add(VtDomain *domain, const char *team, VtTeamKeep bit, const char *why);

/** Take bits away; nothing is left of a team without any. */
void vt_team_keep_remove(VtDomain *domain, const char *team, guint bits);

/** Since when the team is kept, in seconds since 1970; 0: it is not. */
gint64 vt_team_keep_since(const VtDomain *domain, const char *team);

/** Why, in words; NULL: no words were given. (transfer none) */
const char *vt_team_keep_why(const VtDomain *domain, const char *team);

/** Aliases of the teams with one of @bits, NULL-terminated; NULL: there are none. (transfer full) */
char **vt_team_keep_list(const VtDomain *domain, guint bits);

/** The run is over, or did not come about. */
void vt_team_keep_forget(VtDomain *domain);

/** For the status file; NULL: nothing to tell. (transfer full) */
char *vt_team_keep_text(const VtDomain *domain);

/** What vt_team_keep_text() gave, from a former daemon. FALSE: nonsense; then nothing is known. */
gboolean vt_team_keep_restore(VtDomain *domain, const char *text);

/** "user", "lost", "user, lost"; "" without a reason. */
const char *vt_team_keep_name(guint bits);
