/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's side of a domain's teams: which back end feeds each team's legs, told by what QEMU and the
 * migration say, and taken back when the guest is gone, also by a daemon that finds what another has left.
 *
 * All of this is best effort for the guest: where the host cannot be switched, it is said why, once, and the
 * guest keeps the network that plain QEMU would give it.
 */
#pragma once

#include "datapath/handover.h"
#include "driver/domain-obj.h"

/**
 * vt_datapath_open - begin to look after the teams of a guest that comes up
 * @driver:   the driver
 * @domain:   with QEMU's monitor connected and its taps made
 * @incoming: the guest comes by migration; else it is about to boot
 * @done:     told when the host is set for it; never with an error
 * @user:     for @done
 *
 * Listens to QEMU from here on: negotiation, ejection, reset, the phases of a migration.
 */
void vt_datapath_open(VtDriver *driver, VtDomain *domain, gboolean incoming, VtDoneFunc done, gpointer user);

/**
 * vt_datapath_event - tell the teams what cannot be learned from QEMU's events in time
 * @domain: active
 * @team:   (nullable) alias of the persistent leg; NULL: all teams
 * @event:  VT_HANDOVER_UNPLUG_PLANNED before an unplug is asked for, VT_HANDOVER_GUEST_ARRIVES before 'cont' on a
 *          destination, VT_HANDOVER_PRIMARY_EXPECTED before a device_add, ...
 * @done:   (nullable) told when the host is set as this event wants it; never with an error
 * @user:   for @done
 */
void vt_datapath_event(VtDomain *domain, const char *team, VtHandoverEvent event, VtDoneFunc done,
                       gpointer user);

/**
 * vt_datapath_open_team - a transient is about to be plugged into a running guest
 * @domain: active
 * @def:    the live definition with the transient in it, its tap made or its VF bound
 * @alias:  of the persistent leg
 * @done:   told when the host is set for VT_HANDOVER_PRIMARY_EXPECTED; never with an error
 * @user:   for @done
 *
 * What was known of the team is forgotten: its legs may be others now.
 */
void vt_datapath_open_team(VtDomain *domain, const VtDomainDef *def, const char *alias, VtDoneFunc done,
                           gpointer user);

/** A leg of a team has left the guest for good: give back what was set for the team, then forget it. */
void vt_datapath_close_team(VtDomain *domain, const char *alias, VtDoneFunc done, gpointer user);

/**
 * vt_datapath_close - the guest is gone: take back everything
 * @domain: was opened, or not
 * @done:   told when everything is as it was; an error says what could not be taken back
 * @user:   for @done
 */
void vt_datapath_close(VtDomain *domain, VtDoneFunc done, gpointer user);

/**
 * vt_datapath_recover - after a restart: go on for guests that run, take back for those that do not
 * @driver: with its running domains found
 */
void vt_datapath_recover(VtDriver *driver);

/**
 * After a restart, a guest's QEMU answers: nothing is kept back there any more; and where the guest runs, a team that still
 * waits for it to arrive has missed that.
 */
void vt_datapath_recover_connected(VtDomain *domain);

/** How many teams are looked after. */
guint vt_datapath_count(const VtDomain *domain);

typedef struct {
    const char *team;      /* alias of the persistent leg */
    const char *transient; /* alias of the other */
    const char *backend;   /* "bridge", ..., or "none" */
    const char *why;       /* (nullable) why this back end, or why there is none */
    VtHandoverState state;
    VtFeed feed;       /* in force */
    const char *error; /* (nullable) what the last change of the host said */
} VtDatapathInfo;

/** State of the @index-th team; strings are valid until the next main loop iteration. */
void vt_datapath_info(const VtDomain *domain, guint index, VtDatapathInfo *info);

/** The same of a team by the alias of its persistent leg; FALSE: it is not looked after. */
gboolean vt_datapath_find(const VtDomain *domain, const char *team, VtDatapathInfo *info);
