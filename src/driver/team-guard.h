/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The primaries of running guests, watched from the host: a team whose primary does not work goes to standby by itself,
 * and returns when it works again (datapath/fallover decides).
 */
#pragma once

#include "driver/domain-obj.h"

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

/** An event of QEMU: a guest that QEMU stops for an error of its device. */
void vt_team_guard_event(VtDomain *domain, const VtQmpEvent *event);

/** "well", "suspect" ...; NULL for a team that is not watched. */
const char *vt_team_guard_state(const VtDomain *domain, const char *team);

/** The interface of the host that is watched; NULL: none. */
const char *vt_team_guard_interface(const VtDomain *domain, const char *team);
