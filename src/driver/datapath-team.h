/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One team of driver/datapath.h: a VtHandover that decides, a back end that acts in threads, the timers that ask for
 * signs of life. It knows its owner only through a few functions.
 */
#pragma once

#include "datapath/backend.h"
#include "datapath/handover.h"
#include "driver/datapath-eject.h"
#include "driver/domain-obj.h"
#include "driver/timeline-log.h"
#include "qemu/nic-sight.h"

typedef struct _VtDatapathTeam VtDatapathTeam;

/** What the team asks of whoever has all teams of a domain. */
typedef struct {
    /* Write what all teams have noted; @done (nullable) is told when that is on disk. */
    void (*save)(gpointer owner, VtDoneFunc done, gpointer user);
    /* The state alone has changed: write it when that costs nothing. */
    void (*save_state)(gpointer owner);
    /* For the timeline of a migration, if there is one. */
    void (*note)(gpointer owner, VtTimelineWhat what, const char *team, const char *detail);
    /* A thread works for the team from ref to unref: the owner, and the team, must live as long. */
    void (*ref)(gpointer owner);
    void (*unref)(gpointer owner);
    /* (nullable) QEMU's monitor, to look at an emulated primary. */
    VtQmpClient *(*monitor)(gpointer owner);
} VtDatapathTeamFuncs;

struct _VtDatapathTeamSight;

/** The owner reads all of it; what it may set is marked. */
struct _VtDatapathTeam {
    const VtDatapathTeamFuncs *funcs;
    gpointer owner;
    char *domain; /* its name, for messages */
    char *team;
    char *transient;
    char *why; /* this back end, or none; set by the owner */
    char *error;
    VtHandover handover;
    VtBackend backend;   /* funcs NULL: none; set by the owner before the first event */
    VtFeed in_force;     /* set by the owner after a restart */
    VtFeed wanted;       /* likewise */
    VtFeed applying;     /* while busy */
    gboolean busy;       /* a thread works with @backend: nobody else may */
    JsonObject *note;    /* (nullable) what the back end had noted when nobody worked with it last */
    guint serial;        /* no other team of its owner has it; set by the owner */
    gboolean noted;      /* by the last prepare() */
    gboolean has_frames; /* a first look has told where the counter stands */
    guint64 frames;
    gboolean negotiated; /* QEMU has plugged, or will plug, the primary; set by the owner too */
    guint tick;          /* source id */
    guint look;          /* source id */
    guint looks;
    guint watch;                         /* source id: whether the guest's driver keeps the primary it has */
    guint silent;                        /* looks in a row at which it had not */
    gboolean deaf;                       /* it has let go of it, and both legs are fed for that */
    guint hold;                          /* source id: whether the host still has what was set */
    guint forgotten;                     /* looks in a row at which it had not */
    char *model;                         /* (nullable) of an emulated primary that vt_nic_sight_knows() */
    guint64 bar;                         /* where it is mapped; 0: not known */
    VtNicPace pace;                      /* of the guest that takes it */
    struct _VtDatapathTeamSight *asking; /* (nullable) QEMU is being asked */
    VtDatapathEject *eject;              /* (nullable) the guest is giving up such a primary */
    GArray *waiters;                     /* told when in_force is wanted */
};

/**
 * vt_datapath_team_new - a team without a back end yet
 * @funcs:     constant
 * @owner:     for @funcs
 * @domain:    name, for messages
 * @alias:     of the persistent leg
 * @transient: alias of the other
 *
 * Return: (transfer full) for vt_datapath_team_free().
 */
VtDatapathTeam *vt_datapath_team_new(const VtDatapathTeamFuncs *funcs, gpointer owner, const char *domain,
                                     const char *alias, const char *transient);

/** Take over what the back end that now is in @team says about it, before any event is told. */
void vt_datapath_team_heed_backend(VtDatapathTeam *team);

/**
 * vt_datapath_team_set_model - the primary is an emulated NIC
 * @team:  without events so far
 * @model: (nullable) as in the XML
 *
 * Where its receiver can be seen, copies to it begin when its driver has opened it: what waits in its queue before that
 * would come out as duplicates.
 */
void vt_datapath_team_set_model(VtDatapathTeam *team, const char *model);

/** Free a VtDatapathTeam that no thread works for; a GDestroyNotify. */
void vt_datapath_team_free(gpointer data);

/** Keep a copy of the back end's note, for those who write it while a thread works; not while one does. */
void vt_datapath_team_keep_note(VtDatapathTeam *team);

/** Tell the handover, and begin to make so what it wants. */
void vt_datapath_team_tell(VtDatapathTeam *team, VtHandoverEvent event);

/** Let @done be told, without an error, when what is wanted is in force; from within this call when it is. */
void vt_datapath_team_wait(VtDatapathTeam *team, VtDoneFunc done, gpointer user);

/** What an event of QEMU means for the team. */
void vt_datapath_team_qmp(VtDatapathTeam *team, VtDomain *domain, const VtQmpEvent *event);

/** After a restart, with state, in_force and wanted set: go on. */
void vt_datapath_team_resume(VtDatapathTeam *team);

/** After a restart, with QEMU's monitor connected: let go of what a former process had QEMU keep back. */
void vt_datapath_team_let_go(VtDatapathTeam *team);
