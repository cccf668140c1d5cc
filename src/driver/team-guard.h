/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The primaries of running guests, watched from the host: a team whose primary does not work goes to standby by itself,
 * and returns when it works again (datapath/fallover decides).
 */
#pragma once

#include "driver/domain-obj.h"
#include "util/link.h"

/** What the guard asks the host, and how often; tests have a host of their own. */
typedef struct {
    gboolean (*link_get)(VtNetlink *netlink, const char *name, VtLinkInfo *info, GError **error);
    guint look_ms;  /* between two looks whether a function of the host is still there, and bound to VFIO */
    guint retry_ms; /* until what failed is tried again, the first time */
} VtTeamGuardHost;

/** The kernel, 1 s, 2 s. */
extern VtTeamGuardHost vt_team_guard_host;

/** Begin, or look anew what there is to watch: after a start, a restart, a device that came or went. */
void vt_team_guard_open(VtDomain *domain);

/** The guest is gone. */
void vt_team_guard_close(VtDomain *domain);

/**
 * vt_team_guard_gone - a device has left the guest
 * @domain: active
 * @alias:  of any device
 *
 * QEMU gives up a function that the host takes away; whether it is gone for good cannot be seen at that moment.
 * Return: TRUE when it is a primary of the host that nobody has detached: it stays in the definition, and comes back
 * when the host has it.
 */
gboolean vt_team_guard_gone(VtDomain *domain, const char *alias);

/**
 * vt_team_guard_taken - a device has left the guest, and nobody has looked why
 * @domain: active
 * @alias:  of any device
 *
 * To be asked before anybody else who plugs again what was let go of: that would fail as long as the host has it not.
 * Return: TRUE when it is a primary whose function the host has taken away, or from VFIO: as vt_team_guard_gone().
 */
gboolean vt_team_guard_taken(VtDomain *domain, const char *alias);

/** What the kernel tells of an interface: NULL as in VtLinkWatchFunc; for tests. */
void vt_team_guard_link_changed(VtDriver *driver, const VtLinkInfo *info, gboolean gone);

/**
 * vt_team_guard_event - an event of QEMU
 * @domain: active
 * @event:  what QEMU said
 * @failed: told, later, when QEMU has stopped the guest for an error of its device, and that has been reported
 *
 * Source: QEMU, hw/vfio/pci.c, vfio_err_notifier_handler(); QAPI RunState, internal-error.
 */
void vt_team_guard_event(VtDomain *domain, const VtQmpEvent *event, void (*failed)(VtDomain *domain));

/** "well", "suspect" ...; NULL for a team that is not watched. */
const char *vt_team_guard_state(const VtDomain *domain, const char *team);

/** The interface of the host that is watched; NULL: none. */
const char *vt_team_guard_interface(const VtDomain *domain, const char *team);
