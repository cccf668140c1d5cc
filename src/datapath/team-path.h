/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One team's datapath on this host: the decisions of handover.h carried out by a back end.
 *
 * Everything that a back end sets is noted in a file before it is set; the file goes when everything is taken
 * back. A daemon that finds such a file at its start goes on where the former one was.
 */
#pragma once

#include "datapath/handover.h"

typedef struct _VtTeamPath VtTeamPath;

typedef struct {
    /** The state changed; told before the host's settings follow. The path must not be freed from here. */
    void (*changed)(gpointer user, const VtHandoverOutcome *outcome);

    /** The host's settings could not follow, and nobody waits for them; they will be tried again with the next event. */
    void (*failed)(gpointer user, const GError *error);
} VtTeamPathFuncs;

typedef struct {
    const char *note_path; /* its directory exists */
    VtHandoverParams params;
    guint look_interval_ms; /* between looks for signs of life; 0: 50 */
    VtTeamPathFuncs funcs;
    gpointer user; /* of funcs */
} VtTeamPathSpec;

/**
 * vt_team_path_new - the datapath of a team of which nothing is set yet
 * @spec:    copied
 * @backend: (transfer full) what carries it out
 *
 * Return: (transfer full) a path in VT_HANDOVER_IDLE.
 */
VtTeamPath *vt_team_path_new(const VtTeamPathSpec *spec, const VtBackend *backend);

/**
 * vt_team_path_load - go on where a former process has left a note
 * @spec:  copied; .note_path names the note
 * @error: (out) SYSTEM, INVALID_ARG: not a note
 *
 * The noted state is resumed and its feed applied again. A caller whose guest is gone sends
 * VT_HANDOVER_GUEST_GONE.
 * Return: (transfer full) the path, or NULL.
 */
VtTeamPath *vt_team_path_load(const VtTeamPathSpec *spec, GError **error);

/**
 * vt_team_path_event - something happened
 * @path:  the path
 * @event: what
 * @done:  (nullable) told from the main loop when the host's settings have followed, or could not
 * @user:  for @done
 *
 * Return: FALSE when the event makes no sense now; @done is told nevertheless, when the settings are as they should
 * be in the present state.
 */
gboolean vt_team_path_event(VtTeamPath *path, VtHandoverEvent event, VtDoneFunc done, gpointer user);

/**
 * vt_team_path_set_primary - the primary's interface on the host is another one now
 * @path:      the path
 * @interface: (nullable) its name; NULL: there is none
 *
 * To be told before the event that says so (VT_HANDOVER_PRIMARY_EXPECTED).
 */
void vt_team_path_set_primary(VtTeamPath *path, const char *interface);

VtHandoverState vt_team_path_state(const VtTeamPath *path);

/** TRUE when the host's settings are those of the present state. */
gboolean vt_team_path_is_settled(const VtTeamPath *path);

/** Free it; what is set on the host stays, and the note with it. Those who wait are not told any more. */
void vt_team_path_free(VtTeamPath *path);
